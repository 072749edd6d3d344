"""What of a provider's health outlives the daemon, and how it begins again."""

from __future__ import annotations

from math import inf
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.domain.health import Admission, Health, HealthState, HoldReason
from router.domain.health_events import ProbeVerdict, RecoveryProbed, Restored
from router.domain.health_rows import from_row, to_row
from router.domain.health_step import step
from router.errors import FailureReason
from tests.router.domain.health_rig import (
    EXCLUDES,
    RESTARTS,
    WALL,
    Life,
    a_held,
    an_admitted,
    an_excluded,
    lives,
    moment,
    on_trial,
)

DAY_S = 86_400.0
LATER = moment(50.0)  # another process: its clock begins anew, the wall clock goes on
PERSISTED = ("state", "failures", "admission", "gen", "since_wall", "hold_reason", "last_ok_wall")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from([*HealthState, *Admission, *HoldReason, "x"]).map(str)
NEARLY_A_ROW = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | WORDS | st.integers(0, 9) | st.floats(1.6e9, 1.8e9)
        for name in ("health", "failures", "admission", "gen", "since_wall", "level", "hold_reason", "last_ok_wall", "wall")
    },
)


def stored(health: Health, *, age_s: float = 10.0) -> dict[str, Any]:
    """Return a row as it comes back from a file."""
    row: dict[str, Any] = orjson.loads(orjson.dumps(to_row(health, wall=LATER.wall - age_s)))
    return row


def resumed(health: Health, *, age_s: float = 10.0) -> Health:
    again = from_row(stored(health, age_s=age_s), now=LATER, policy=EXCLUDES)
    assert again is not None
    return again


@pytest.mark.slow
@given(lives())
def test_i17_what_is_stored_comes_back(life: Life) -> None:
    again = from_row(stored(life.health), now=LATER, policy=life.policy)

    assert again is not None
    assert {name: getattr(again, name) for name in PERSISTED} == {name: getattr(life.health, name) for name in PERSISTED}
    assert again.level == min(life.health.level, 2)


@pytest.mark.slow
@given(JSON | NEARLY_A_ROW)
def test_i17_no_json_makes_the_reader_raise_and_what_it_reads_the_rule_can_use(row: object) -> None:
    health = from_row(row, now=LATER, policy=EXCLUDES)

    if health is not None:
        assert from_row(to_row(health, wall=LATER.wall), now=LATER, policy=EXCLUDES) == health
        step(health, Restored(), LATER, EXCLUDES)


@pytest.mark.parametrize(
    "change",
    [
        {"health": "ill"},
        {"admission": None},
        {"failures": -1},
        {"failures": True},
        {"failures": 1.0},
        {"gen": "4"},
        {"gen": 2**60},
        {"level": 9},
        {"since_wall": None},
        {"since_wall": 10**400},
        {"since_wall": float("nan")},
        {"wall": float("inf")},
        {"wall": None},
        {"admission": "held"},
        {"hold_reason": "auth"},
    ],
    ids=str,
)
def test_a_row_that_contradicts_itself_or_its_types_is_unusable(change: dict[str, object]) -> None:
    row = stored(an_admitted()) | change

    assert from_row(row, now=LATER, policy=EXCLUDES) is None


def test_a_missing_time_of_its_last_answer_makes_no_row_unusable() -> None:
    row = stored(an_admitted()) | {"last_ok_wall": "yesterday"}

    health = from_row(row, now=LATER, policy=EXCLUDES)

    assert health is not None
    assert health.last_ok_wall is None


def test_an_exclusion_is_probed_now_from_level_2_at_most() -> None:
    health = resumed(evolve(an_excluded(7), last_ok_wall=WALL))

    assert (health.admission, health.gen, health.level, health.next_probe_at) == (Admission.EXCLUDED, 4, 2, LATER.mono)


def test_an_exclusion_is_not_restarted_before_its_first_probe_has_failed() -> None:
    life = Life(policy=RESTARTS, health=resumed(evolve(an_excluded(), restart_owed=4)), at=LATER.mono)
    owed_before = life.health.restart_owed

    life.apply(RecoveryProbed(gen=4, verdict=ProbeVerdict.FAILED, reason=FailureReason.CONNECTION))

    assert (owed_before, life.health.restart_owed) == (None, 4)


def test_a_refused_key_is_probed_now_since_it_may_be_another_one() -> None:
    health = resumed(a_held())

    assert (health.hold_reason, health.next_probe_at) == (HoldReason.AUTH, LATER.mono)


def test_an_operators_hold_is_not_probed() -> None:
    assert resumed(a_held(HoldReason.OPERATOR)).next_probe_at == inf


def test_a_probation_begins_anew() -> None:
    health = resumed(evolve(on_trial(2), probation_left=1))

    assert (health.admission, health.probation_left, health.probation_until) == (Admission.PROBATION, 5, LATER.mono + 60)


def test_a_level_in_service_decays_from_now_on() -> None:
    assert resumed(an_admitted(level=2)).decays_at == LATER.mono + 300


@pytest.mark.parametrize(
    ("health", "is_kept"),
    [
        (an_excluded(), False),
        (a_held(), False),
        (on_trial(), False),
        (an_admitted(), False),
        (a_held(HoldReason.OPERATOR), True),
    ],
    ids=["excluded", "refused key", "probation", "admitted", "operator's hold"],
)
def test_after_a_day_only_an_operators_hold_is_left(
    health: Health,
    is_kept: bool,  # noqa: FBT001 - a table's column
) -> None:
    row = stored(health, age_s=DAY_S + 1)

    assert (from_row(row, now=LATER, policy=EXCLUDES) is not None) is is_kept


@pytest.mark.parametrize("age_s", [DAY_S, -DAY_S * 30], ids=["a day", "from the future"])
def test_a_row_of_a_day_or_from_a_clock_that_was_set_back_counts(age_s: float) -> None:
    assert resumed(an_excluded(), age_s=age_s).admission is Admission.EXCLUDED
