from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.providers.pace import FIRST_EXTRA, MAX_TOLD, WINDOW_S, Booking, KeyPace
from router.providers.told_limits import ToldLimit, Unit


def booked(pace: KeyPace, now: float, estimate: float = 0) -> float:
    return pace.book(estimate, pace.due(estimate, now).at).at


def requests_left(remaining: float, reset_in_s: float, limit: float | None = None, name: str = "requests") -> ToldLimit:
    return ToldLimit(name=name, unit=Unit.REQUESTS, remaining=remaining, reset_in_s=reset_in_s, limit=limit)


def tokens_left(remaining: float, reset_in_s: float, limit: float | None = None) -> ToldLimit:
    return ToldLimit(name="tokens", unit=Unit.TOKENS, remaining=remaining, reset_in_s=reset_in_s, limit=limit)


def telling(*limits: ToldLimit, now: float = 0) -> KeyPace:
    """Return a pace whose first answer told this."""
    pace = KeyPace()
    pace.answered(pace.book(0, now), limits, now)
    return pace


def test_without_a_limit_nobody_waits() -> None:
    pace = KeyPace()

    assert {booked(pace, now=5, estimate=10**9) for _ in range(1000)} == {5}


def test_requests_beyond_the_limit_are_booked_for_when_the_first_is_a_minute_old() -> None:
    pace = KeyPace(requests_per_minute=3)

    assert [booked(pace, now) for now in (0, 10, 20, 21, 22, 100)] == [0, 10, 20, WINDOW_S, WINDOW_S + 10, 100]


def test_the_time_of_a_booking_is_the_one_that_was_promised() -> None:
    pace = KeyPace(requests_per_minute=1)
    booked(pace, 0)

    assert pace.due(0, 1) == pace.due(0, 30)
    assert not pace.due(0, 1).is_exhausted


def test_one_that_was_never_sent_makes_room() -> None:
    pace = KeyPace(requests_per_minute=1)

    pace.cancel(pace.book(0, 0))

    assert booked(pace, 1) == 1


def test_a_cancelled_wait_gives_back_what_it_took_of_a_told_limit() -> None:
    pace = telling(requests_left(0, 20, limit=2))

    for _ in range(5):
        due = pace.due(0, 1)
        pace.cancel(pace.book(0, due.at))

    assert [booked(pace, 1) for _ in range(3)] == [20, 20, 80]


def test_a_cancelled_wait_keeps_nobody_who_fits_earlier() -> None:
    pace = KeyPace(tokens_per_minute=1000)
    booked(pace, 0)
    large = pace.book(700, pace.due(700, 1).at)
    pace.cancel(large)

    assert (large.at, booked(pace, 1, 10)) == (WINDOW_S, 1)


def test_who_waits_for_a_reset_still_counts_there_when_the_limit_is_told_anew() -> None:
    pace = telling(requests_left(0, 20, limit=2))
    under_way = pace.book(0, 0)

    waiting = [booked(pace, 1) for _ in range(2)]
    pace.answered(under_way, [requests_left(0, 18, limit=2)], 2)

    assert (waiting, booked(pace, 2)) == ([20, 20], 80)


def test_who_waits_behind_a_cancelled_one_keeps_its_time() -> None:
    pace = KeyPace(requests_per_minute=1)
    booked(pace, 0)
    second = pace.book(0, pace.due(0, 0).at)
    third = booked(pace, 0)

    pace.cancel(second)

    assert third == 2 * WINDOW_S
    assert booked(pace, 0) == 3 * WINDOW_S


def test_tokens_are_booked_by_estimate_with_a_usual_answer() -> None:
    pace = KeyPace(tokens_per_minute=2000 + 2 * FIRST_EXTRA)

    assert [booked(pace, now, 1000) for now in (0, 1, 2)] == [0, 1, WINDOW_S]


def test_what_was_really_used_takes_the_place_of_the_estimate() -> None:
    pace = KeyPace(tokens_per_minute=3000)
    first = pace.book(2000, 0)

    pace.settle(first, 2000)

    assert booked(pace, 1, 700) == 1

    pace = KeyPace(tokens_per_minute=3000)
    pace.settle(pace.book(500, 0), 2900)

    assert booked(pace, 1, 100) == WINDOW_S


def test_the_usual_answer_is_learned() -> None:
    pace = KeyPace(tokens_per_minute=100_000)
    for now in range(50):
        pace.settle(pace.book(100, now), 1100)

    assert pace.book(100, 50).tokens == pytest.approx(1100, rel=0.01)


def test_an_answer_that_comes_later_than_a_minute_changes_nothing_of_the_next() -> None:
    pace = KeyPace(tokens_per_minute=1000)
    old = pace.book(100, 0)
    booked(pace, 100)

    pace.settle(old, 900)

    assert pace.due(100, 101).at == 101


def test_a_request_above_the_whole_limit_takes_a_minute_to_itself() -> None:
    pace = KeyPace(tokens_per_minute=1000)

    assert [booked(pace, now, 50_000) for now in (0, 1)] == [0, WINDOW_S]
    assert booked(pace, 2, 1) == 2 * WINDOW_S


def test_other_limits_count_what_was_sent_under_the_old_ones() -> None:
    pace = KeyPace(requests_per_minute=10)
    for _ in range(4):
        booked(pace, 0)

    pace.change(requests_per_minute=2, tokens_per_minute=None)

    assert booked(pace, 1) == WINDOW_S


# ---- what the upstream tells


def test_with_nothing_left_nothing_is_sent_before_the_reset() -> None:
    pace = telling(requests_left(0, 30), now=5)

    due = pace.due(0, 6)

    assert (due.at, due.is_exhausted) == (35, True)
    assert pace.due(0, 36).at == 36


def test_what_is_left_is_used_up_by_ourselves_until_the_next_word() -> None:
    pace = telling(requests_left(2, 30, limit=50))

    assert [booked(pace, now) for now in (1, 2, 3)] == [1, 2, 30]
    assert not pace.due(0, 4).is_exhausted  # by our own count, not by the upstream's word


def test_after_the_reset_the_limit_is_there_anew_and_no_more() -> None:
    pace = telling(requests_left(0, 10, limit=2))

    assert [booked(pace, 1) for _ in range(5)] == [10, 10, 70, 70, 130]


def test_after_the_reset_of_an_unknown_limit_the_next_answer_tells() -> None:
    pace = telling(requests_left(0, 10))

    assert [booked(pace, 1) for _ in range(3)] == [10, 10, 10]


def test_requests_that_are_under_way_beside_it_may_not_be_counted_yet() -> None:
    pace = KeyPace()
    first, *others = [pace.book(0, 0) for _ in range(4)]

    pace.answered(first, (requests_left(3, 30, limit=50),), 1)

    assert pace.due(0, 2).at == 31

    for other in others:
        pace.answered(other, (requests_left(2, 30, limit=50),), 2)

    assert pace.due(0, 3).at == 3


def test_one_whose_answer_never_came_is_not_waited_for() -> None:
    pace = KeyPace()
    first, second = pace.book(0, 0), pace.book(0, 0)
    pace.lost(second)

    pace.answered(first, (requests_left(1, 30),), 1)

    assert pace.due(0, 2).at == 2


@pytest.mark.parametrize(
    ("limit", "estimate", "at"),
    [
        (tokens_left(500, 20, limit=6000), 100, 1),
        (tokens_left(500, 20, limit=6000), 1000, 20),
        (tokens_left(6000, 20, limit=6000), 50_000, 1),
        (tokens_left(500, 20), 1000, 1),
        (tokens_left(0, 20), 1, 20),
    ],
    ids=["fits", "waits-for-the-reset", "larger-than-the-limit-takes-all-of-it", "unknown-limit-is-tried", "nothing-left"],
)
def test_tokens_left_are_held_against_the_estimate(limit: ToldLimit, estimate: float, at: float) -> None:
    assert telling(limit).due(estimate, 1).at == at


def test_the_tightest_of_several_limits_counts() -> None:
    pace = telling(requests_left(5, 60), tokens_left(0, 20), requests_left(0, 90, name="requests-day"))

    assert pace.due(10, 1).at == 90


def test_a_flood_of_names_is_not_kept() -> None:
    pace = telling(*(requests_left(0, n, name=f"n{n}") for n in range(1000)))

    assert pace.due(0, 0.5).at == MAX_TOLD - 1


# ---- in any minute

_ARRIVALS = st.lists(
    st.tuples(st.floats(0, 40), st.integers(0, 3000), st.sampled_from(["answered", "cancelled", "settled"])), max_size=80
)


@given(_ARRIVALS, st.integers(1, 8), st.integers(1500, 6000))
def test_no_minute_holds_more_than_the_limits(arrivals: list[tuple[float, int, str]], requests: int, tokens: int) -> None:
    pace = KeyPace(requests_per_minute=requests, tokens_per_minute=tokens)
    sent: list[tuple[float, float]] = []
    now = 0.0

    for pause_s, prompt, fate in arrivals:
        now += pause_s
        estimate = min(prompt, tokens // 2)
        due = pace.due(estimate, now)
        assert due.at >= now
        booking: Booking = pace.book(estimate, due.at)
        if fate == "cancelled":
            pace.cancel(booking)
            continue
        pace.answered(booking, (), now)
        if fate == "settled":
            pace.settle(booking, booking.tokens / 2)
        sent.append((booking.at, booking.tokens))

    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(sent))
    for first, _ in sent:
        minute = [amount for at, amount in sent if first <= at <= first + 60]
        assert len(minute) <= requests
        assert sum(minute) <= tokens + 1e-6 or len(minute) == 1


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_nobody_waits_for_longer_than_the_limit_asks(pauses: list[float], limit: int) -> None:
    pace = KeyPace(requests_per_minute=limit)
    times: list[float] = []
    now = 0.0

    for pause_s in pauses:
        now += pause_s
        times.append(booked(pace, now))
        earliest = times[-1 - limit] + WINDOW_S if len(times) > limit else 0
        assert times[-1] == max(now, earliest)
