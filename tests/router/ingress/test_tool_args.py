"""`tool_args`: arguments as they come, or whole and mended, or whole once the provider was caught writing them wrong."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, chat_chunk
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar, data_of

BOTH = pytest.mark.parametrize("client", [ANTHROPIC, CHAT])
TOOLS: dict[DialectName, dict[str, Any]] = {
    ANTHROPIC: {"name": "read", "input_schema": {"type": "object"}},
    CHAT: {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}},
}
WRONG, RIGHT = "{'path': 'a', }", '{"path":"a"}'
FUNCTION = {"name": "read", "arguments": WRONG}
STREAM = [
    chat_chunk({"role": "assistant", "content": ""}),
    *(
        chat_chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": part}]})
        for part in ({"name": "read", "arguments": WRONG[:5]}, {"arguments": WRONG[5:]})
    ),
    chat_chunk({}, finish="tool_calls"),
    b"data: [DONE]\n\n",
]
WHOLE = orjson.dumps(
    {
        "id": "c",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}],
                },
                "finish_reason": "tool_calls",
            }
        ],
    }
)


def a_rig(tool_args: str, *, stream: bool) -> Rig:
    script = Script(chunks=STREAM if stream else [WHOLE], is_event_stream=stream)
    return Rig(providers=[ScriptedProvider(name="p", dialect=CHAT, scripts=[script])], keys={"p": {"tool_args": tool_args}})


def arguments_of(client: DialectName, talk: Conversation, *, stream: bool) -> str:
    if not stream:
        body: dict[str, Any] = orjson.loads(talk.body)
        if client is CHAT:
            return str(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        return orjson.dumps(body["content"][0]["input"]).decode()
    documents = [document for document in data_of(talk.body) if isinstance(document, dict)]
    if client is ANTHROPIC:
        return "".join(
            document["delta"].get("partial_json", "") for document in documents if document.get("type") == "content_block_delta"
        )
    deltas = [choice["delta"] for document in documents for choice in document["choices"]]
    return "".join(call["function"].get("arguments", "") for delta in deltas for call in delta.get("tool_calls", ()))


@BOTH
async def test_as_they_come_they_stay_what_they_were(client: DialectName) -> None:
    talk = await a_rig("stream", stream=True).ask(client, stream=True)

    assert arguments_of(client, talk, stream=True) == WRONG


@BOTH
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_whole_they_are_mended(client: DialectName, *, stream: bool) -> None:
    talk = await a_rig("whole", stream=stream).ask(client, stream=stream, tools=[TOOLS[client]])

    assert arguments_of(client, talk, stream=stream) == RIGHT
    if stream:
        check_grammar(client, talk.body)


@BOTH
async def test_on_suspicion_they_are_mended_from_the_second_answer_on(client: DialectName) -> None:
    rig = a_rig("auto", stream=True)
    generation = rig.generation()
    body: dict[str, Any] = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    body["tools"] = [TOOLS[client]]

    talks = [await rig.send(client, orjson.dumps(body), generation=generation) for _ in range(2)]

    assert [arguments_of(client, talk, stream=True) for talk in talks] == [WRONG, RIGHT]
