"""The guards over the dialects that are no chat: an Ollama's texts are mended, and names that were changed are changed back."""

from __future__ import annotations

import orjson

from router.domain.request import DialectName
from tests.builders import Script, ScriptedProvider
from tests.router.ingress.rig import Rig

OLLAMA = DialectName.OLLAMA
TAGGED = '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>'
TOOL = {"type": "function", "function": {"name": "Bash", "parameters": {"type": "object", "properties": {"command": {}}}}}


def a_line(content: str, *, done: bool = False) -> bytes:
    end = {"done_reason": "stop"} if done else {}
    message = {"role": "assistant", "content": content}
    return orjson.dumps({"model": "u", "created_at": "2025-01-01T00:00:00Z", "message": message, "done": done, **end}) + b"\n"


async def test_a_call_that_an_ollama_model_wrote_as_text_is_one_without_being_asked_for(autojump_clock: object) -> None:
    script = Script(chunks=[a_line(TAGGED), a_line("", done=True)])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=OLLAMA, scripts=[script])])

    talk = await rig.ask(OLLAMA, max_tokens=None, tools=[TOOL])

    said = [orjson.loads(line)["message"] for line in talk.body.splitlines()]
    (call,) = [call for message in said for call in message.get("tool_calls", ())]
    assert call["function"] == {"name": "Bash", "arguments": {"command": "ls"}}
