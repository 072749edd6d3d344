"""Editors that speak Ollama's API: their bodies say nothing of JSON, and what a model writes as text becomes a call."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from router.errors import UnsupportedMediaType
from tests.builders import CHAT, Script, ScriptedProvider
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar

OLLAMA = DialectName.OLLAMA
FORM = ("content-type", "application/x-www-form-urlencoded")  # what curl says of -d


async def read(dialect: DialectName, *headers: tuple[str, str]) -> bytes:
    talk = Conversation("POST", "/api/chat", headers=[("content-length", "2"), *headers])
    talk.part(b"{}")
    return await talk.exchange(dialect).read_body(100)


async def test_a_body_of_ollamas_need_not_say_that_it_is_json() -> None:
    assert await read(OLLAMA, FORM) == b"{}"


async def test_a_page_in_a_browser_has_to() -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(OLLAMA, FORM, ("origin", "https://evil.example"))


async def test_so_has_everybody_else() -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(CHAT, FORM)


async def test_a_call_that_an_ollama_writes_as_text_is_made(autojump_clock: object) -> None:
    del autojump_clock
    call = orjson.dumps({"name": "read_file", "arguments": {"path": "/x"}}).decode()
    lines: list[dict[str, Any]] = [
        {"message": {"role": "assistant", "content": f"```json\n{call}\n```"}, "done": False},
        {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 3},
    ]
    script = Script(chunks=[orjson.dumps({"model": "m", "created_at": "2026-01-01T00:00:00Z", **line}) + b"\n" for line in lines])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=OLLAMA, scripts=[script])])
    path, body = SPEAKERS[OLLAMA].ask(Ask(text="Read.", tools=("read_file",)), stream=True)

    talk = await rig.send(OLLAMA, orjson.dumps(body), path=path)

    check_grammar(OLLAMA, talk.body)
    assert SPEAKERS[OLLAMA].heard(_counted(talk.body), stream=True).calls == (("read_file", '{"path":"/x"}'),)


def _counted(body: bytes) -> bytes:
    """Return the answer with the counts that the speaker's own answers have."""
    *lines, last = [orjson.loads(line) for line in body.splitlines()]
    lines.append({**last, "prompt_eval_count": 7, "eval_count": 5})
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)
