"""Walking a plan with scripted providers, on the virtual clock."""

from __future__ import annotations

import orjson
import pytest

from router.errors import (
    ContextOverflow,
    FailureReason,
    NoProviderAvailable,
)
from tests.builders import (
    Script,
    a_profile,
    chat_chunk,
    chat_reply,
)
from tests.router.routing.chain_rig import DONE, GOOD_REPLY, GOOD_STREAM, Rig, provider, refusing


async def test_the_first_provider_answers_and_nobody_else_is_asked() -> None:
    rig = Rig(providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)])

    assert await rig.run() == "a"
    assert rig.providers[1].calls == []
    assert dict(rig.trace.headers()) == {
        "x-router-attempts": "1",
        "x-router-provider": "a",
        "x-router-model": "model-of-a",
    }


async def test_the_way_is_told_in_headers_when_the_chain_moved() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONNECTION),
            refusing("b", FailureReason.OVERLOADED),
            provider("c", GOOD_STREAM),
        ]
    )

    await rig.run()

    assert dict(rig.trace.headers()) == {
        "x-router-attempts": "3",
        "x-router-provider": "c",
        "x-router-model": "model-of-c",
        "x-router-fallback-from": "a",
        "x-router-fallback-to": "c",
        "x-router-fallback-reason": "connection,overloaded",
        "x-router-fallback-chain": "a>b>c",
    }


async def test_under_first_event_an_opening_commits() -> None:
    truncated = Script(chunks=[chat_chunk({"role": "assistant"})])
    rig = Rig(
        providers=[provider("a", truncated), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", commit_policy="first_event"),
    )

    assert await rig.run() == "a"


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_without_content_passes_when_nobody_is_left_to_do_better(*, is_stream: bool) -> None:
    empty = Script(chunks=[chat_chunk({}, finish="stop"), DONE] if is_stream else [chat_reply("")], is_event_stream=is_stream)
    rig = Rig(providers=[refusing("a", FailureReason.CONNECTION), provider("b", empty)], is_stream=is_stream)

    assert await rig.run() == "b"


async def test_a_reply_that_is_nested_too_deep_falls_over() -> None:
    body = chat_reply("deep")[:-1] + b',"more":' + b"[" * 500 + b"]" * 500 + b"}"
    nonsense = Script(chunks=[body], is_event_stream=False)
    rig = Rig(providers=[provider("a", nonsense), provider("b", GOOD_REPLY)], is_stream=False)

    assert await rig.run() == "b"
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is FailureReason.BAD_RESPONSE


async def test_a_whole_reply_to_a_stream_request_is_an_answer() -> None:
    rig = Rig(providers=[provider("a", GOOD_REPLY)])

    await rig.run()

    assert rig.answers[0].document == orjson.loads(chat_reply("hello"))


async def test_an_overflow_behind_dead_providers_is_still_told_as_an_overflow() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONNECTION),
            refusing("b", FailureReason.CONTEXT_OVERFLOW, message="too long"),
        ]
    )

    with pytest.raises(ContextOverflow):
        await rig.run()


async def test_an_overflow_before_a_dead_larger_provider_may_be_tried_again() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONTEXT_OVERFLOW, message="too long", transient=False),
            refusing("b", FailureReason.CONNECTION),
        ]
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()
