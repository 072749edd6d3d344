from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing.throughput import Speed, Throughput

HOLD, FAST, SLOW = Speed.HOLD, Speed.FAST_ENOUGH, Speed.TOO_SLOW


@pytest.mark.parametrize(
    ("takes", "paces"),  # (characters, at which second), with a floor of 10 per second over 5 seconds: 50 characters
    [
        (((50, 7),), (FAST,)),
        (((49, 7), (1, 7)), (HOLD, FAST)),
        (((1, 7), (10, 9), (39, 11.9)), (HOLD, HOLD, FAST)),
        (((1, 7), (0, 11.9), (0, 12)), (HOLD, HOLD, SLOW)),
        (((1, 7), (48, 12)), (HOLD, SLOW)),
        (((1, 7), (49, 12)), (HOLD, FAST)),
        (((1, 7), (10_000, 12.1)), (HOLD, SLOW)),
        (((0, 0), (0, 600), (1, 601)), (HOLD, HOLD, HOLD)),
    ],
    ids=[
        "one-big-read",
        "exactly-the-floor",
        "in-time",
        "silence-is-judged-at-the-end-of-the-window",
        "one-character-short",
        "what-comes-as-it-ends-counts",
        "a-burst-after-it-is-too-late",
        "nothing-counts-before-the-first-content",
    ],
)
def test_an_answer_is_judged_by_its_characters_within_the_window(
    takes: tuple[tuple[int, float], ...], paces: tuple[Speed, ...]
) -> None:
    guard = Throughput(floor=10, window_s=5)

    assert tuple(guard.take(chars, now) for chars, now in takes) == paces


def test_the_window_is_due_only_once_there_is_content() -> None:
    guard = Throughput(floor=10, window_s=5)

    before = guard.due
    guard.take(1, now=100)

    assert (before, guard.due) == (inf, 105)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 2)), max_size=40),
    st.integers(1, 40),
    st.floats(0.5, 10),
)
def test_the_verdict_is_that_of_the_whole_window(reads: list[tuple[int, float]], floor: int, window_s: float) -> None:
    guard = Throughput(floor=floor, window_s=window_s)
    now, first, seen, verdict = 0.0, None, 0, HOLD

    for chars, pause_s in reads:
        now += pause_s
        verdict = guard.take(chars, now)
        first = now if first is None and chars else first
        seen += chars if first is not None and now <= first + window_s else 0
        if verdict is not HOLD:
            break

    is_enough = seen >= floor * window_s
    is_over = first is not None and now >= first + window_s
    assert verdict is (FAST if first is not None and is_enough else SLOW if is_over else HOLD)
