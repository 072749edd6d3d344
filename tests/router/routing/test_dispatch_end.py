"""What a chain comes to when nobody answers at once: errors, second tries, silence, and failures after commit."""

from __future__ import annotations

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from router.domain.events import Usage
from router.errors import (
    ErrorKind,
    FailureReason,
    NoProviderAvailable,
)
from router.routing.answer import Answer, RelayEnd
from tests.builders import (
    Script,
    a_profile,
    a_provider,
    chat_chunk,
    chat_stream,
)
from tests.router.routing.chain_rig import GOOD_STREAM, Rig, failing, provider, refusing


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ((FailureReason.RATE_LIMIT, FailureReason.RATE_LIMIT), ErrorKind.RATE_LIMITED),
        ((FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT), ErrorKind.TIMEOUT),
        ((FailureReason.SLOW_THROUGHPUT, FailureReason.TIMEOUT), ErrorKind.TIMEOUT),
        ((FailureReason.RATE_LIMIT, FailureReason.BUSY), ErrorKind.RATE_LIMITED),
        ((FailureReason.OVERLOADED, FailureReason.OVERLOADED), ErrorKind.ALL_OVERLOADED),
        ((FailureReason.BUSY, FailureReason.BUSY), ErrorKind.ALL_EXCLUDED),
        ((FailureReason.AUTH, FailureReason.CONNECTION), ErrorKind.ALL_FAILED),
    ],
)
async def test_a_chain_that_failed_whole_is_told_by_its_reasons(
    reasons: tuple[FailureReason, ...], kind: ErrorKind, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing(f"p{n}", reason) for n, reason in enumerate(reasons)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert caught.value.kind == kind


@pytest.mark.parametrize("reason", [FailureReason.RATE_LIMIT, FailureReason.BUSY])
async def test_a_pace_that_says_when_there_is_room_again_is_a_rate_limit(
    reason: FailureReason, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing("a", reason, retry_after_s=70.0), refusing("b", FailureReason.BUSY, retry_after_s=60.7)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE_LIMITED, 60.7)


@pytest.mark.parametrize(("transient", "permanent"), [(True, False), (False, True)])
async def test_a_client_is_told_whether_a_repeat_may_help(*, transient: bool, permanent: bool) -> None:
    rig = Rig(providers=[refusing("a", FailureReason.MODEL_MISSING, transient=transient)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert caught.value.permanent is permanent


async def test_uniform_auth_failures_are_warned_about_as_a_misconfiguration() -> None:
    rig = Rig(providers=[refusing("a", FailureReason.AUTH, status=401), refusing("b", FailureReason.AUTH, status=401)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    (warning,) = rig.observer.named("chain-uniform-auth-failure")
    assert (warning["request_id"], warning["providers"]) == (rig.trace.request_id, ["a", "b"])


async def test_an_overloaded_last_provider_gets_one_more_try_after_a_second(autojump_clock: MockClock) -> None:
    del autojump_clock
    busy = Script(refusal=failing(FailureReason.OVERLOADED))
    rig = Rig(providers=[provider("a", busy, GOOD_STREAM)])

    assert await rig.run() == "a"
    assert trio.current_time() == pytest.approx(1.0, abs=0.01)
    assert len(rig.sink.attempts) == 2


async def test_a_loading_backend_is_waited_for_when_nobody_else_answers(autojump_clock: MockClock) -> None:
    del autojump_clock
    loading = Script(refusal=failing(FailureReason.LOADING, status=503))
    rig = Rig(providers=[provider("a", loading, loading, loading, GOOD_STREAM)])

    assert await rig.run() == "a"
    assert trio.current_time() == pytest.approx(4.0, abs=0.01)


async def test_waiting_for_a_loading_backend_ends_at_its_first_byte_limit(autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing("a", FailureReason.LOADING)], configs=[a_provider("a", first_byte_timeout_s=10)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert trio.current_time() == pytest.approx(10.0, abs=0.01)


async def test_a_wait_for_a_loading_backend_is_told_once(autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing("a", FailureReason.LOADING)], configs=[a_provider("a", first_byte_timeout_s=60)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert len(rig.sink.attempts) > 5
    assert len(rig.observer.named("provider-failed")) == 1
    assert len(caught.value.failures) == 1


@pytest.mark.parametrize("reason", [FailureReason.LOADING, FailureReason.OVERLOADED])
async def test_no_second_round_goes_beyond_max_attempts(reason: FailureReason) -> None:
    rig = Rig(providers=[refusing("a", reason)], profile=a_profile("a", max_attempts=1))

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert len(rig.sink.attempts) == 1


@pytest.mark.parametrize(("stated_s", "attempts", "waited_s"), [(1.5, 2, 1.5), (30.0, 1, 0.0)])
async def test_a_stated_wait_is_kept_when_it_is_short_and_left_to_the_client_when_it_is_long(
    stated_s: float, attempts: int, waited_s: float, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing("a", FailureReason.OVERLOADED, retry_after_s=stated_s)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert len(rig.sink.attempts) == attempts
    assert trio.current_time() == pytest.approx(waited_s, abs=0.01)


async def test_a_silent_stream_is_left_for_the_next_provider(autojump_clock: MockClock) -> None:
    del autojump_clock
    silent = Script(chunks=[chat_chunk({"role": "assistant"}), 60.0, *chat_stream("late")])
    rig = Rig(
        providers=[provider("a", silent), provider("b", GOOD_STREAM)],
        configs=[a_provider("a", first_content_timeout_s=5)],
    )

    assert await rig.run() == "b"
    assert rig.sink.attempts[0].failure is not None
    assert rig.sink.attempts[0].failure.reason is FailureReason.TTFT_TIMEOUT
    assert trio.current_time() == pytest.approx(5.0, abs=0.01)
    assert rig.providers[0].open_now == 0


async def test_the_last_provider_is_never_cut_for_its_silence(autojump_clock: MockClock) -> None:
    del autojump_clock
    slow = Script(chunks=[60.0, *chat_stream("late")])
    rig = Rig(providers=[provider("a", slow)], configs=[a_provider("a", first_content_timeout_s=5)])

    assert await rig.run() == "a"


async def test_the_first_content_limit_ends_with_the_commit(autojump_clock: MockClock) -> None:
    del autojump_clock

    @define(kw_only=True)
    class SlowRig(Rig):
        async def _deliver(self, answer: Answer) -> RelayEnd:
            await trio.sleep(60)
            return await super()._deliver(answer)

    rig = SlowRig(
        providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)],
        configs=[a_provider("a", first_content_timeout_s=5)],
    )

    assert await rig.run() == "a"


async def test_a_failure_after_commit_is_the_providers_and_nobody_else_is_asked() -> None:
    broken = failing(FailureReason.STREAM_TRUNCATED)
    rig = Rig(
        providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)],
        end=RelayEnd(usage=Usage(), failure=broken),
    )

    assert await rig.run() == "a"
    assert rig.sink.attempts[0].failure is broken
    assert rig.providers[1].calls == []
    assert rig.observer.named("provider-failed-midstream")


async def test_a_cancelled_attempt_is_nobodys_failure() -> None:
    rig = Rig(providers=[provider("a", Script(chunks=[60.0]))])

    with trio.move_on_after(0.01):
        await rig.run()

    (attempt,) = rig.sink.attempts
    assert (attempt.is_ok, attempt.failure) == (False, None)
    assert rig.providers[0].open_now == 0


async def test_max_attempts_bounds_the_chain() -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.CONNECTION), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", max_attempts=1),
    )

    with pytest.raises(NoProviderAvailable, match="every provider that was asked failed: a connection"):
        await rig.run()

    assert rig.providers[1].calls == []
