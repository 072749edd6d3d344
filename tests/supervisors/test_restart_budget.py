"""The budget of restarts: rules on stamps."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.health_events import RefusalReason
from supervisors.restart_budget import Budget, History, Refusal, begun, ended, from_row, not_ahead, refusal, to_row

BUDGET = Budget(max=3, window_s=900, cooldown_s=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["starts", "ended", "x"]), inner, max_size=3),
    max_leaves=8,
)


def a_history(*starts: float, last_ended: float | None = None) -> History:
    return History(starts=starts, ended=last_ended)


@pytest.mark.parametrize(
    ("history", "wall", "reason", "retry_in_s"),
    [
        (a_history(), 0, None, None),
        (a_history(1000), 1059.9, RefusalReason.COOLDOWN, 0.1),
        (a_history(1000), 1060, None, None),
        (a_history(1000, last_ended=1030), 1060, RefusalReason.COOLDOWN, 30),
        (a_history(1000, last_ended=1030), 1090, None, None),
        (a_history(1000, 1100, 1200, last_ended=1210), 1300, RefusalReason.BUDGET, 600),
        (a_history(1000, 1100, 1200, last_ended=1210), 1899.9, RefusalReason.BUDGET, 0.1),
        (a_history(1000, 1100, 1200, last_ended=1210), 1900, None, None),
        (a_history(1000, 1800, 1890, last_ended=1895), 1899, RefusalReason.BUDGET, 56),  # then the cool-down is longer
        (a_history(1, 2, 3, 4, 5, 1000, last_ended=1001), 1100, None, None),
    ],
)
def test_a_restart_is_refused_in_its_cooldown_and_when_the_window_is_full(
    history: History, wall: float, reason: RefusalReason | None, retry_in_s: float | None
) -> None:
    refused = refusal(history, BUDGET, wall)

    assert (refused.reason if refused else None) is reason
    assert (refused.retry_in_s if refused else None) == (None if retry_in_s is None else pytest.approx(retry_in_s))


def test_a_start_forgets_the_end_of_the_one_before() -> None:
    assert begun(ended(begun(History(), 1000), 1010), 1100) == a_history(1000, 1100)


def test_a_wall_clock_that_was_set_back_blocks_for_one_window_at_most() -> None:
    history = not_ahead(a_history(9000, 9100, 9200, last_ended=9300), 1000)

    assert history == a_history(1000, 1000, 1000, last_ended=1000)
    assert refusal(history, BUDGET, 1899) == Refusal(reason=RefusalReason.BUDGET, retry_in_s=1)
    assert refusal(history, BUDGET, 1900) is None


@given(
    gaps=st.lists(st.integers(0, 400).map(float), max_size=60),
    took=st.integers(0, 100).map(float),
    budget=st.builds(
        Budget, max=st.integers(1, 5), window_s=st.integers(1, 900).map(float), cooldown_s=st.sampled_from([0.0, 60.0])
    ),
)
def test_no_window_holds_more_than_max_starts_even_when_the_history_is_stored_and_loaded_each_time(
    gaps: list[float], took: float, budget: Budget
) -> None:
    history, wall, starts = History(), 1e9, list[float]()
    for gap in gaps:
        wall += gap
        history = from_row(json.loads(json.dumps(to_row(history))))
        if refusal(history, budget, wall) is None:
            starts.append(wall)
            history = ended(begun(history, wall), wall := wall + took)

    for start in starts:
        assert sum(start <= other < start + budget.window_s for other in starts) <= budget.max
    assert all(later - earlier >= took + budget.cooldown_s for earlier, later in pairwise(starts))


@given(row=JSON)
def test_any_stored_value_is_read_and_what_is_read_is_stored_the_same(row: object) -> None:
    history = from_row(row)

    assert from_row(to_row(history)) == history


def test_what_is_no_time_is_left_out() -> None:
    assert from_row({"starts": [3, "x", None, True, 1.5, 1e300, [2]], "ended": "y"}) == a_history(1.5, 3)
