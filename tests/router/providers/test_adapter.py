from __future__ import annotations

from functools import partial

import orjson
import pytest
import trio
import trio.testing
from attrs import evolve

from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, CHAT, chat_stream
from tests.router.providers.fake_http import JSON, SSE, Told
from tests.router.providers.rig import KEY, Rig, a_rig, same_dialect, translated

CALL = same_dialect(b'{"model":"asked","messages":[]}')
STREAM = same_dialect(b'{"model":"asked","messages":[],"stream":true}', stream=True)
MESSAGES = same_dialect(b'{"model":"asked","messages":[],"max_tokens":5}', ANTHROPIC)


def error(status: int, message: str, **fields: object) -> Told:
    return Told(status=status, parts=(orjson.dumps({"error": {"message": message, **fields}}),))


async def failure(rig: Rig, call: object = CALL) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await rig.body(call)  # type: ignore[arg-type]  # a call of either kind
    return caught.value


@pytest.mark.parametrize(
    ("content_type", "stream", "is_event_stream"),
    [
        ("text/event-stream", True, True),
        ("Text/Event-Stream; charset=utf-8", True, True),
        ("text/event-stream", False, True),
        ("application/json", True, False),
        ("text/html", True, False),
        ("text/plain", True, True),
        (None, True, True),
        (None, False, False),
    ],
)
async def test_the_head_tells_whether_the_answer_is_a_stream(
    content_type: str | None,
    stream: bool,  # noqa: FBT001 - a column
    is_event_stream: bool,  # noqa: FBT001 - a column
) -> None:
    rig = a_rig(Told(headers=() if content_type is None else (("content-type", content_type),)))

    async with rig.provider.open(STREAM if stream else CALL) as reply:
        assert reply.info.is_event_stream is is_event_stream
        assert reply.info.status == 200


async def test_frames_come_as_the_reads_bring_them_and_join_to_the_body() -> None:
    stream = b"".join(chat_stream("a", "b"))
    cut = (stream[:10], stream[10:300], stream[300:])
    rig = a_rig(Told(headers=SSE, parts=cut))

    frames = await rig.frames(STREAM)

    assert b"".join(frame.raw for frame in frames) == stream
    assert frames[-1].data == b"[DONE]"


async def test_a_last_event_without_its_blank_line_still_counts() -> None:
    rig = a_rig(Told(headers=SSE, parts=(b"data: 1\n\n", b"data: [DONE]")))

    assert [frame.data for frame in await rig.frames(STREAM)] == [b"1", b"[DONE]"]


async def test_a_whole_answer_is_read_to_its_end_and_bounded() -> None:
    assert await a_rig(Told(parts=(b"ab", b"cd"))).body(CALL) == b"abcd"

    huge = await failure(a_rig(Told(parts=(b"x" * 2**20,) * 33)))

    assert (huge.reason, huge.status) == (FailureReason.BAD_RESPONSE, 200)


async def test_an_encoded_answer_that_nobody_asked_for_is_a_bad_response() -> None:
    rig = a_rig(Told(headers=(*JSON, ("content-encoding", "gzip"))))

    assert (await failure(rig)).reason is FailureReason.BAD_RESPONSE
    assert rig.client.open_now == 0


@pytest.mark.parametrize(
    ("keys", "profile_s", "limits"),  # connect, head, idle
    [
        ({}, None, (5.0, 30.0, 30.0)),
        ({"timeout_s": 100}, None, (5.0, 100.0, 100.0)),
        ({"timeout_s": 100}, 50.0, (5.0, 50.0, 50.0)),
        ({"first_byte_timeout_s": 9, "idle_timeout_s": 8, "connect_timeout_s": 2}, 50.0, (2.0, 9.0, 8.0)),
        ({"total_timeout_s": 3}, None, (5.0, 3.0, 30.0)),
    ],
)
async def test_each_limit_has_its_own_key_and_timeout_s_stands_in(
    keys: dict[str, object], profile_s: float | None, limits: tuple[float, float, float], mock_clock: object
) -> None:
    rig = a_rig(**keys)

    await rig.body(evolve(CALL, timeout_s=profile_s))

    timeouts = rig.client.requests[0].timeouts
    assert (timeouts.connect_s, timeouts.head_s, timeouts.idle_s) == limits


async def test_the_first_event_has_to_come_within_the_first_byte_limit_from_the_sending(autojump_clock: object) -> None:
    rig = a_rig(Told(headers=SSE, head_after_s=4, parts=(b": hello\n\n", 5.0, b": again\n\n", 3.0, b"data: 1\n\n")))

    began = trio.current_time()
    with pytest.raises(ProviderFailed, match="first event") as caught:
        await rig.frames(evolve(STREAM, timeout_s=10))

    assert caught.value.reason is FailureReason.TIMEOUT
    assert trio.current_time() - began == 10
    assert rig.client.open_now == 0


async def test_after_the_first_event_only_silence_and_the_total_count(autojump_clock: object) -> None:
    parts = (b"data: 0\n\n", *(part for n in range(9) for part in (9.0, b"data: %d\n\n" % n)))
    rig = a_rig(Told(headers=SSE, parts=parts))

    frames = await rig.frames(evolve(STREAM, timeout_s=10))

    assert len(frames) == 10
    assert trio.current_time() == 81


async def test_the_total_limit_ends_an_answer_that_goes_on_and_on(autojump_clock: object) -> None:
    parts = tuple(part for n in range(100) for part in (b"data: %d\n\n" % n, 9.0))
    rig = a_rig(Told(headers=SSE, parts=parts), total_timeout_s=50, timeout_s=10)

    with pytest.raises(ProviderFailed, match="whole answer") as caught:
        await rig.frames(STREAM)

    assert caught.value.reason is FailureReason.TIMEOUT
    assert trio.current_time() == 50


async def test_a_slow_client_is_no_fault_of_the_upstream(autojump_clock: object) -> None:
    rig = a_rig(Told(headers=SSE, parts=(b"data: 0\n\n", b"data: 1\n\n")), timeout_s=10)

    async with rig.provider.open(STREAM) as reply:
        await reply.receive()
        await trio.sleep(1000)  # the client does not read

        assert [frame.data for frame in await reply.receive()] == [b"1"]


async def test_an_error_is_read_for_a_second_at_most(autojump_clock: object) -> None:
    rig = a_rig(Told(status=500, parts=(b'{"error":{"message":"half', 600.0, b' said"}}')))

    found = await failure(rig)

    assert (found.reason, found.message, found.body) == (FailureReason.UPSTREAM_5XX, "half", b"")
    assert trio.current_time() == 1
    assert rig.client.open_now == 0


async def test_an_error_whose_body_breaks_is_still_that_error() -> None:
    broken = ProviderFailed(provider="p", reason=FailureReason.CONNECTION)
    rig = a_rig(Told(status=429, headers=(("retry-after", "3"),), parts=(b"slow", broken)))

    found = await failure(rig)

    assert (found.reason, found.retry_after_s, found.message) == (FailureReason.RATE_LIMIT, 3.0, "slow")


async def test_the_upstreams_words_show_no_key() -> None:
    assert (await failure(a_rig(error(400, f"bad key {KEY}")))).message == "bad key ***"


async def test_the_managed_server_is_leased_for_the_whole_attempt() -> None:
    rig = a_rig()

    async with rig.provider.open(CALL):
        assert (rig.leases.taken, rig.leases.held) == (["p"], 1)

    assert rig.leases.held == 0


async def test_a_full_provider_is_busy_at_once_and_starts_no_server(autojump_clock: object) -> None:
    rig = a_rig(max_concurrency=1)

    async with rig.provider.open(CALL):
        found = await failure(rig)
    await rig.body(CALL)  # the slot is free again

    assert found.reason is FailureReason.BUSY
    assert trio.current_time() == 0
    assert len(rig.leases.taken) == 2


async def test_a_slot_is_waited_for_as_long_as_the_queue_allows(autojump_clock: object) -> None:
    rig = a_rig(Told(parts=(3.0, b"{}")), max_concurrency=1, queue_timeout_s=5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.body, CALL)
        await trio.testing.wait_all_tasks_blocked()

        await rig.body(CALL)

    assert trio.current_time() == 6


async def test_a_cancelled_attempt_gives_its_slot_and_its_lease_back(autojump_clock: object) -> None:
    rig = a_rig(Told(parts=(600.0, b"{}")), max_concurrency=1)
    with trio.move_on_after(1):
        await rig.body(CALL)

    with trio.move_on_after(1) as again:
        await rig.body(CALL)

    assert again.cancelled_caught  # it hung in the answer: it was not told that the provider is busy
    assert (rig.client.open_now, rig.leases.held) == (0, 0)


async def test_a_field_that_the_upstream_refuses_is_left_out_once_and_from_then_on() -> None:
    refusal = error(400, "Unknown parameter: 'seed'.", param="seed", code="unknown_parameter")
    rig = a_rig(refusal, Told())
    call = same_dialect(b'{"model":"m","messages":[],"seed":1}')

    async with rig.provider.open(call) as reply:
        notes = reply.info.notes
    await rig.body(call)

    assert ["seed" in rig.sent(n) for n in range(3)] == [True, False, False]
    assert [note.path for note in notes] == ["seed"]
    assert rig.observer.named("capability-degraded") == [{"provider": "p", "dropped": ["seed"], "reason": "refused-by-upstream"}]


async def test_a_translated_request_is_sent_in_the_upstreams_dialect() -> None:
    rig = a_rig(base_url="http://h")

    await rig.body(translated())

    assert rig.provider.dialect is CHAT
    assert rig.client.requests[0].url == "http://h/v1/chat/completions"
    assert rig.sent()["model"] == "theirs"
    assert rig.sent()["messages"] == [{"role": "user", "content": "hi"}]


async def test_tokens_are_counted_by_a_native_upstream_with_its_own_model() -> None:
    rig = a_rig(Told(parts=(b'{"input_tokens":42}',)), kind="anthropic", base_url="http://h/v1")
    body = b'{"model":"asked","profile":"x","messages":[{"role":"user","content":"hi"}]}'

    count = await rig.provider.count_tokens(body, {"anthropic-version": "2024-01-01"})

    assert count == 42
    assert rig.client.requests[0].url == "http://h/v1/messages/count_tokens"
    assert rig.sent() == {"model": "theirs", "messages": [{"role": "user", "content": "hi"}]}
    assert rig.sent_headers()["x-api-key"] == KEY
    assert rig.leases.taken == []  # a server is not started to count


@pytest.mark.parametrize(
    "told",
    [
        error(500, "boom"),
        Told(parts=(b"not json",)),
        Told(parts=(b"[]",)),
        Told(parts=(b'{"input_tokens":"many"}',)),
        Told(parts=(b'{"input_tokens":true}',)),
        Told(parts=(600.0, b'{"input_tokens":1}')),
        Told(head_after_s=600.0),
        ProviderFailed(provider="p", reason=FailureReason.CONNECTION),
    ],
)
async def test_a_count_that_does_not_come_in_three_seconds_is_none(told: Told | ProviderFailed, autojump_clock: object) -> None:
    rig = a_rig(told, kind="anthropic")

    assert await rig.provider.count_tokens(b'{"messages":[]}', {}) is None
    assert trio.current_time() <= 3


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_upstream_without_counting_is_asked_once(status: int) -> None:
    rig = a_rig(error(status, "no route"), kind="anthropic")

    counts = [await rig.provider.count_tokens(b'{"messages":[]}', {}) for _ in range(3)]

    assert counts == [None, None, None]
    assert len(rig.client.requests) == 1


async def test_a_chat_upstream_is_never_asked_to_count() -> None:
    rig = a_rig()

    assert await rig.provider.count_tokens(b'{"messages":[]}', {}) is None
    assert rig.client.requests == []


async def test_closing_the_provider_closes_its_client() -> None:
    rig = a_rig()

    await rig.provider.aclose()

    assert rig.client.is_closed


async def test_attempts_run_side_by_side() -> None:
    rig = a_rig()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(partial(rig.body, CALL))

    assert len(rig.client.requests) == 20
