"""Walking a plan with scripted providers, on the virtual clock."""

from __future__ import annotations

import orjson
import pytest

from router.errors import (
    ContextOverflow,
    FailureReason,
    NoProviderAvailable,
    ProviderFailed,
    UpstreamClientError,
)
from tests.builders import (
    Script,
    a_profile,
    a_provider,
    chat_chunk,
    chat_reply,
)
from tests.router.routing.chain_rig import DONE, GOOD_REPLY, GOOD_STREAM, Rig, failing, provider, refusing


async def test_the_first_provider_answers_and_nobody_else_is_asked() -> None:
    rig = Rig(providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)])

    assert await rig.run() == "a"
    assert rig.providers[1].calls == []
    assert dict(rig.trace.headers()) == {
        "x-router-attempts": "1",
        "x-router-provider": "a",
        "x-router-model": "model-of-a",
    }


@pytest.mark.parametrize(
    "reason",
    [
        FailureReason.CONNECTION,
        FailureReason.TIMEOUT,
        FailureReason.UPSTREAM_5XX,
        FailureReason.BAD_RESPONSE,
        FailureReason.RATE_LIMIT,
        FailureReason.OVERLOADED,
        FailureReason.AUTH,
        FailureReason.PAYMENT_REQUIRED,
        FailureReason.OUT_OF_MEMORY,
        FailureReason.LOADING,
        FailureReason.TOO_LARGE,
        FailureReason.UNSUPPORTED_PARAMETER,
        FailureReason.MODEL_MISSING,
        FailureReason.BUSY,
        FailureReason.CONTEXT_OVERFLOW,
    ],
)
async def test_a_failure_before_commit_asks_the_next_provider(reason: FailureReason) -> None:
    rig = Rig(providers=[refusing("a", reason), provider("b", GOOD_STREAM)])

    assert await rig.run() == "b"
    failed, answered = rig.sink.attempts
    assert failed.failure is not None
    assert failed.failure.reason is reason
    assert answered.is_ok


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


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([DONE], FailureReason.EMPTY_STREAM),
        ([chat_chunk({"role": "assistant"})], FailureReason.STREAM_TRUNCATED),
        ([chat_chunk({}, finish="stop"), DONE], FailureReason.EMPTY_RESPONSE),
        ([chat_chunk({"reasoning_content": "hm"}), chat_chunk({}, finish="stop"), DONE], FailureReason.EMPTY_RESPONSE),
        ([b'data: {"error":{"message":"busy","code":529}}\n\n'], FailureReason.OVERLOADED),
        ([chat_chunk({"role": "assistant"}), failing(FailureReason.CONNECTION)], FailureReason.CONNECTION),
        ([b"data: <html>\n\n"] * 9, FailureReason.BAD_RESPONSE),
    ],
)
async def test_a_stream_that_dies_before_content_falls_over(
    chunks: list[bytes | float | ProviderFailed], reason: FailureReason
) -> None:
    rig = Rig(providers=[provider("a", Script(chunks=chunks)), provider("b", GOOD_STREAM)])

    assert await rig.run() == "b"
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is reason
    assert rig.providers[0].open_now == 0


async def test_first_event_gives_up_that_protection() -> None:
    truncated = Script(chunks=[chat_chunk({"role": "assistant"})])
    rig = Rig(
        providers=[provider("a", truncated), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", commit_policy="first_event"),
    )

    assert await rig.run() == "a"


@pytest.mark.parametrize(("action", "answers"), [("off", "a"), ("warn", "a"), ("fallback", "b")])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_without_content_is_the_profiles_to_judge(action: str, answers: str, *, is_stream: bool) -> None:
    empty_stream = Script(chunks=[chat_chunk({}, finish="stop"), DONE])
    empty_reply = Script(chunks=[chat_reply("")], is_event_stream=False)
    rig = Rig(
        providers=[
            provider("a", empty_stream if is_stream else empty_reply),
            provider("b", GOOD_STREAM if is_stream else GOOD_REPLY),
        ],
        profile=a_profile("a", "b", empty_response_action=action),
        is_stream=is_stream,
    )

    assert await rig.run() == answers
    assert bool(rig.observer.named("empty-response-detected")) is (action == "warn")


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_without_content_passes_when_nobody_is_left_to_do_better(*, is_stream: bool) -> None:
    empty = Script(chunks=[chat_chunk({}, finish="stop"), DONE] if is_stream else [chat_reply("")], is_event_stream=is_stream)
    rig = Rig(providers=[refusing("a", FailureReason.CONNECTION), provider("b", empty)], is_stream=is_stream)

    assert await rig.run() == "b"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", FailureReason.BAD_RESPONSE),
        (b"[]", FailureReason.BAD_RESPONSE),
        (b'{"choices":5}', FailureReason.BAD_RESPONSE),
        (chat_reply("broken").replace(b"ken", b"\xff"), FailureReason.BAD_RESPONSE),
        (chat_reply("deep")[:-1] + b',"more":' + b"[" * 500 + b"]" * 500 + b"}", FailureReason.BAD_RESPONSE),
        (b'{"error":{"message":"slow down","code":429}}', FailureReason.RATE_LIMIT),
    ],
)
async def test_a_reply_that_is_no_answer_falls_over(body: bytes, reason: FailureReason) -> None:
    nonsense = Script(chunks=[body], is_event_stream=False)
    rig = Rig(providers=[provider("a", nonsense), provider("b", GOOD_REPLY)], is_stream=False)

    assert await rig.run() == "b"
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is reason


async def test_a_whole_reply_to_a_stream_request_is_an_answer() -> None:
    rig = Rig(providers=[provider("a", GOOD_REPLY)])

    await rig.run()

    assert rig.answers[0].document == orjson.loads(chat_reply("hello"))


async def test_a_clients_own_mistake_ends_the_chain_in_the_upstreams_words() -> None:
    mistake = refusing("a", FailureReason.CLIENT_ERROR, status=400, message="no such thing", body=b'{"error":1}')
    rig = Rig(providers=[mistake, provider("b", GOOD_STREAM)])

    with pytest.raises(UpstreamClientError) as caught:
        await rig.run()

    assert (caught.value.status, caught.value.message, caught.value.body) == (400, "no such thing", b'{"error":1}')
    assert rig.providers[1].calls == []


async def test_a_redirect_is_never_followed_and_never_passed_on_to_the_next() -> None:
    rig = Rig(providers=[refusing("a", FailureReason.REDIRECT, status=302), provider("b", GOOD_STREAM)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert rig.providers[1].calls == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 529])
async def test_a_stop_by_policy_never_shows_a_status_that_concerns_the_router(status: int) -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.AUTH, status=status), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", stop_statuses=(status,)),
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert rig.providers[1].calls == []


async def test_a_profile_may_pass_client_errors_on_to_the_next() -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.CLIENT_ERROR, status=400), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", fallback_on_client_error=True),
    )

    assert await rig.run() == "b"


async def test_an_overflow_that_fits_nobody_later_says_so_in_the_words_that_make_clients_compact() -> None:
    overflow = refusing("a", FailureReason.CONTEXT_OVERFLOW, status=400, message="request (6024 tokens) exceeds 4096 ctx")
    rig = Rig(
        providers=[overflow, provider("b", GOOD_STREAM)],
        configs=[a_provider("a", max_context_tokens=4096), a_provider("b", max_context_tokens=4096)],
    )

    with pytest.raises(ContextOverflow) as caught:
        await rig.run()

    assert caught.value.message == "prompt is too long: 6024 tokens > 4096 maximum"


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
