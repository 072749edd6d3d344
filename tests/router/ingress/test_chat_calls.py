"""Tool calls of a translated answer that are broken: told, and never a client sent off to run nothing (wire.md 8.3, R-38)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.errors import FailureReason
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, chat_chunk, chat_reply
from tests.router.ingress.rig import Rig, check_grammar, data_of

DONE = b"data: [DONE]\n\n"


def calling(arguments: str) -> list[dict[str, Any]]:
    return [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}]


def upstream(arguments: str, *, is_stream: bool, finish: str = "tool_calls", name: str = "a") -> ScriptedProvider:
    if is_stream:
        chunks = [chat_chunk({"tool_calls": calling(arguments)}), chat_chunk({}, finish=finish), DONE]
    else:
        message = {"role": "assistant", "content": None, "tool_calls": calling(arguments)}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        chunks = [orjson.dumps({**orjson.loads(chat_reply("")), "choices": [choice]})]
    return ScriptedProvider(name=name, dialect=CHAT, scripts=[Script(chunks=chunks, is_event_stream=is_stream)])


@pytest.mark.parametrize("is_stream", [True, False])
async def test_arguments_that_are_no_json_are_told_with_their_provider(*, is_stream: bool) -> None:
    rig = Rig(providers=[upstream("{'a': 1}", is_stream=is_stream)])

    talk = await rig.ask(ANTHROPIC, stream=is_stream)

    assert b'"stop_reason":"tool_use"' in talk.body
    (told,) = rig.observer.named("tool-args-invalid")
    assert (told["provider"], told["calls"]) == ("a", 1)
    assert rig.sink.attempts[0].is_ok


@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
async def test_a_stream_that_ends_inside_its_only_call_has_failed(finish: str) -> None:
    rig = Rig(providers=[upstream('{"a": "b', is_stream=True, finish=finish)])

    talk = await rig.ask(ANTHROPIC, stream=True)

    assert not [event for event in data_of(talk.body) if event["type"] == "message_delta"]
    assert data_of(talk.body)[-1]["type"] == "error"
    check_grammar(ANTHROPIC, talk.body)
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is FailureReason.BAD_RESPONSE


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_whole_reply_that_ends_inside_its_only_call_is_the_next_providers_to_make(*, is_stream: bool) -> None:
    broken = upstream('{"a": "b', is_stream=False)
    rig = Rig(providers=[broken, upstream('{"a": 1}', is_stream=False, name="b")])

    talk = await rig.ask(ANTHROPIC, stream=is_stream)

    assert talk.status == 200
    assert talk.headers["x-router-provider"] == "b"
    assert rig.sink.attempts[0].failure is not None


async def test_a_call_that_the_token_limit_cut_ends_in_that_reason() -> None:
    rig = Rig(providers=[upstream('{"a": "b', is_stream=True, finish="length")])

    talk = await rig.ask(ANTHROPIC, stream=True)

    assert b'"stop_reason":"max_tokens"' in talk.body
    assert rig.observer.named("tool-args-invalid")
