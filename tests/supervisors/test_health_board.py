"""Cool-downs and attempts in flight, on the virtual clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from router.domain.health import Cooldown, CooldownReason, HealthPolicy, Unconfigured
from router.domain.health_events import Operated, OperatorAction
from router.errors import FailureReason, ProviderFailed
from supervisors.health_board import HealthBoard
from tests.e2e.front_harness import Seen


def a_board() -> HealthBoard:
    board = HealthBoard(observer=Seen())
    board.add("p", HealthPolicy())
    return board


def failing(reason: FailureReason, retry_after_s: float | None = None) -> ProviderFailed:
    return ProviderFailed(provider="p", reason=reason, retry_after_s=retry_after_s)


def fail(board: HealthBoard, reason: FailureReason, retry_after_s: float | None = None) -> None:
    with board.begin("p") as attempt:
        attempt.failed(failing(reason, retry_after_s))


@pytest.mark.parametrize(
    ("reason", "stated_s", "cooldown", "length_s"),
    [
        (FailureReason.RATE_LIMIT, None, CooldownReason.RATE_LIMITED, 20),
        (FailureReason.RATE_LIMIT, 300, CooldownReason.RATE_LIMITED, 300),
        (FailureReason.OVERLOADED, None, CooldownReason.OVERLOADED, 5),
        (FailureReason.OVERLOADED, 9, CooldownReason.OVERLOADED, 9),
        (FailureReason.AUTH, None, CooldownReason.AUTH, 60),
        (FailureReason.PAYMENT_REQUIRED, None, CooldownReason.AUTH, 60),
    ],
)
async def test_a_failure_rests_the_provider_as_long_as_its_reason_asks(
    reason: FailureReason, stated_s: float | None, cooldown: CooldownReason, length_s: float, mock_clock: MockClock
) -> None:
    del mock_clock
    board = a_board()

    fail(board, reason, stated_s)

    assert board.status_of("p").cooldown == Cooldown(cooldown, trio.current_time() + length_s)


@pytest.mark.parametrize(
    "reason",
    sorted(
        set(FailureReason)
        - {FailureReason.RATE_LIMIT, FailureReason.OVERLOADED, FailureReason.AUTH, FailureReason.PAYMENT_REQUIRED}
    ),
)
async def test_no_other_reason_rests_a_provider(reason: FailureReason) -> None:
    board = a_board()

    fail(board, reason)

    assert board.status_of("p").cooldown is None


async def test_a_good_answer_ends_a_rest_that_was_a_guess(mock_clock: MockClock) -> None:
    del mock_clock
    board = a_board()
    fail(board, FailureReason.OVERLOADED)

    with board.begin("p") as attempt:
        attempt.ok()

    assert board.status_of("p").cooldown is None


async def test_a_rate_limit_stands_until_its_reset_whatever_else_succeeds(mock_clock: MockClock) -> None:
    del mock_clock
    board = a_board()
    fail(board, FailureReason.RATE_LIMIT, 30)

    with board.begin("p") as attempt:
        attempt.ok()

    assert board.status_of("p").cooldown is not None


async def test_of_two_rests_the_longer_stands(mock_clock: MockClock) -> None:
    del mock_clock
    board = a_board()
    fail(board, FailureReason.RATE_LIMIT, 30)

    fail(board, FailureReason.OVERLOADED)

    cooldown = board.status_of("p").cooldown
    assert cooldown is not None
    assert cooldown.reason is CooldownReason.RATE_LIMITED


async def test_an_attempt_counts_in_flight_until_its_end_also_when_cancelled() -> None:
    board = a_board()

    with trio.CancelScope() as scope, board.begin("p"):
        assert board.in_flight() == {"p": 1}
        scope.cancel()
        await trio.lowlevel.checkpoint()

    assert board.in_flight() == {}
    assert board.status_of("p").cooldown is None


def test_an_unknown_provider_is_healthy_and_an_unconfigured_one_says_why() -> None:
    board = a_board()
    board.add("q", HealthPolicy(), unconfigured=Unconfigured(reason="missing-credential", detail="KEY is not set"))

    assert board.status_of("nobody").cooldown is None
    assert board.status_of("q").unconfigured == Unconfigured(reason="missing-credential", detail="KEY is not set")


async def test_i2_a_late_report_on_a_provider_that_is_gone_is_neither_kept_nor_told() -> None:
    kept: list[str] = []
    seen = Seen()
    board = HealthBoard(observer=seen, on_change=lambda provider, _health: kept.append(provider))
    cell = board.add("a", HealthPolicy(threshold=1, excludes=True))
    with board.begin("a") as attempt:
        board.remove("a")
        again = board.add("a", HealthPolicy(threshold=1, excludes=True))
        attempt.failed(ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused"))
    cell.apply(Operated(action=OperatorAction.EXCLUDE))

    assert (kept, seen.events) == ([], [])
    assert again.health.failures == 0
    assert board.in_flight() == {}


async def test_a_drift_puts_the_provider_behind_the_others_and_owes_a_reload_where_one_is_wanted(mock_clock: MockClock) -> None:
    del mock_clock
    board = a_board()
    board.add("q", HealthPolicy())

    board.drifted("p", for_s=300, wants_reload=False)
    board.drifted("q", for_s=60, wants_reload=True)

    now = trio.current_time()
    seen = [(board.status_of(name).health.drift_until - now, board.status_of(name).health.reload_owed) for name in "pq"]
    assert seen == [(300, None), (60, 1)]


async def test_a_drift_of_a_provider_that_is_gone_is_nothing() -> None:
    board = a_board()
    board.remove("p")

    board.drifted("p", for_s=300, wants_reload=True)

    assert board.cells() == ()
