"""The transition table of supervision.md 21.5.2, row by row."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from attrs import evolve

from router.domain.health import (
    Admission,
    Evidence,
    Health,
    HealthPolicy,
    HealthState,
    HoldReason,
    Slot,
    SlotKind,
    evidence_of,
)
from router.domain.health_events import (
    Failed,
    HealthEvent,
    Operated,
    OperatorAction,
    ProbeVerdict,
    ProcessEnded,
    RecoveryProbed,
    Reloaded,
    RestartEnded,
    RestartOutcome,
    Succeeded,
    Tick,
)
from router.domain.health_step import step, wanted
from router.errors import FailureReason
from tests.router.domain.health_rig import (
    DOWN,
    EXCLUDES,
    RESTARTS,
    THRESHOLD,
    WARNS,
    a_held,
    an_admitted,
    an_excluded,
    moment,
    on_trial,
)

HEALTHY, DEGRADED, UNHEALTHY = HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY
ADMITTED, EXCLUDED, PROBATION, HELD = Admission.ADMITTED, Admission.EXCLUDED, Admission.PROBATION, Admission.HELD
GEN = 4  # of every value that the rig builds
T = THRESHOLD
FAILURE = Failed(reason=DOWN)
REFUSED = Failed(reason=FailureReason.AUTH)
OUT = {"admission": EXCLUDED, "state": UNHEALTHY, "failures": 2 * T, "gen": GEN + 1}
ON_TRIAL = {"admission": PROBATION, "state": DEGRADED, "failures": T, "gen": GEN, "probation_left": 5, "next_probe_at": inf}
ON_WORD = ON_TRIAL | {"state": HEALTHY, "failures": 0}  # an operator's
EXCLUDE, CHANGED, RESTORE = "self-healing-exclude", "backend-health-changed", "self-healing-restore"
HOLD, BACK, PROBED = "self-healing-hold", "self-healing-admitted", "self-healing-recovery-probe"


def probed(verdict: ProbeVerdict, reason: FailureReason | None = None, gen: int = GEN) -> RecoveryProbed:
    return RecoveryProbed(gen=gen, verdict=verdict, reason=reason)


def operated(action: OperatorAction) -> Operated:
    return Operated(action=action)


OK, FAILED = probed(ProbeVerdict.OK), probed(ProbeVerdict.FAILED, DOWN)
OWING = evolve(an_excluded(), restart_owed=GEN)
BLAMELESS = evolve(an_excluded(), failures=0)  # out by an operator
TWICE_REFUSED = evolve(an_admitted(), auth_failures=2)
Row = tuple[Health, HealthEvent, HealthPolicy, dict[str, Any], list[str]]

ROWS: dict[str, Row] = {
    "a failure below T is counted": (an_admitted(), FAILURE, EXCLUDES, {"failures": 1, "state": HEALTHY}, []),
    "from T on it degrades": (an_admitted(T - 1), FAILURE, EXCLUDES, {"state": DEGRADED, "suspect_at": 1000.0}, [CHANGED]),
    "below 2T it stays degraded": (an_admitted(T, DEGRADED), FAILURE, EXCLUDES, {"state": DEGRADED, "failures": T + 1}, []),
    "2T exclude": (an_admitted(2 * T - 1, DEGRADED), FAILURE, EXCLUDES, OUT, [CHANGED, EXCLUDE]),
    "2T exclude nobody where no profile asks": (
        an_admitted(2 * T - 1, DEGRADED),
        FAILURE,
        WARNS,
        {"admission": ADMITTED, "state": UNHEALTHY, "gen": GEN},
        [CHANGED],
    ),
    "a reload that adds exclude takes out who is unhealthy": (an_admitted(6, UNHEALTHY), Reloaded(), EXCLUDES, OUT, [EXCLUDE]),
    "a process that ended excludes and owes a restart at once": (
        an_admitted(),
        ProcessEnded(),
        RESTARTS,
        OUT | {"restart_owed": GEN + 1},
        [CHANGED, EXCLUDE],
    ),
    "on probation, too": (
        on_trial(1),
        ProcessEnded(),
        RESTARTS,
        OUT | {"restart_owed": GEN + 1, "level": 2},
        [CHANGED, EXCLUDE],
    ),
    "where nobody excludes, it is one failure": (
        an_admitted(),
        ProcessEnded(),
        WARNS,
        {"failures": 1, "admission": ADMITTED, "restart_owed": None},
        [],
    ),
    "a reload that takes exclude away lets back in": (
        an_excluded(),
        Reloaded(),
        WARNS,
        {"admission": ADMITTED, "state": UNHEALTHY, "next_probe_at": inf},
        [RESTORE],
    ),
    "and ends a probation": (on_trial(), Reloaded(), WARNS, {"admission": ADMITTED, "state": DEGRADED}, [BACK]),
    "a success heals": (an_admitted(T, DEGRADED), Succeeded(), EXCLUDES, {"state": HEALTHY, "failures": 0}, [CHANGED]),
    "a success on probation heals": (
        on_trial(),
        Succeeded(),
        EXCLUDES,
        {"state": HEALTHY, "failures": 0, "admission": PROBATION, "probation_left": 4},
        [CHANGED],
    ),
    "a success from elsewhere wakes the prober of an exclusion": (
        evolve(an_excluded(), next_probe_at=1200.0),
        Succeeded(),
        EXCLUDES,
        {"admission": EXCLUDED, "state": UNHEALTHY, "failures": 2 * T, "next_probe_at": 1000.0},
        [],
    ),
    "and that of a refused key": (a_held(), Succeeded(), EXCLUDES, {"admission": HELD, "next_probe_at": 1000.0}, []),
    "a good probe restores into probation": (an_excluded(3), OK, EXCLUDES, ON_TRIAL | {"level": 3}, [PROBED, CHANGED, RESTORE]),
    "and one that an operator has excluded without a failure": (BLAMELESS, OK, EXCLUDES, ON_WORD, [PROBED, CHANGED, RESTORE]),
    "but not where a probe has failed meanwhile": (
        evolve(BLAMELESS, last_error="cannot connect"),
        OK,
        EXCLUDES,
        ON_TRIAL,
        [PROBED, CHANGED, RESTORE],
    ),
    "a failed probe backs off": (
        an_excluded(2),
        FAILED,
        EXCLUDES,
        {"admission": EXCLUDED, "gen": GEN, "level": 3, "probes_failed": 1, "next_probe_at": 1120.0},
        [PROBED],
    ),
    "a failed probe owes a restart": (an_excluded(), FAILED, RESTARTS, {"restart_owed": GEN, "admission": EXCLUDED}, [PROBED]),
    "a busy one leaves level and count": (
        an_excluded(1),
        probed(ProbeVerdict.BUSY),
        RESTARTS,
        {"level": 1, "probes_failed": 0, "restart_owed": None, "next_probe_at": 1060.0},
        [PROBED],
    ),
    "so does one that loads": (
        an_excluded(1),
        probed(ProbeVerdict.LOADING, FailureReason.LOADING),
        RESTARTS,
        {"level": 1, "probes_failed": 0, "restart_owed": None, "is_loading": True},
        [PROBED],
    ),
    "a restart's end wakes the prober": (
        evolve(OWING, next_probe_at=1200.0),
        RestartEnded(gen=GEN, outcome=RestartOutcome.FAILED),
        RESTARTS,
        {"admission": EXCLUDED, "restart_owed": None, "next_probe_at": 1000.0},
        [],
    ),
    "a restart that was not made wakes nobody": (
        evolve(OWING, next_probe_at=1200.0),
        RestartEnded(gen=GEN, outcome=RestartOutcome.SUPPRESSED),
        RESTARTS,
        {"restart_owed": None, "next_probe_at": 1200.0},
        [],
    ),
    "an operator restores an exclusion": (
        an_excluded(2),
        operated(OperatorAction.RESTORE),
        EXCLUDES,
        ON_WORD,
        [CHANGED, RESTORE],
    ),
    "and a hold": (a_held(HoldReason.OPERATOR), operated(OperatorAction.RESTORE), EXCLUDES, ON_WORD, [RESTORE]),
    "an operator excludes who is in": (
        an_admitted(1),
        operated(OperatorAction.EXCLUDE),
        WARNS,
        OUT | {"failures": 0},
        [CHANGED, EXCLUDE],
    ),
    "and who is held": (
        a_held(HoldReason.OPERATOR),
        operated(OperatorAction.EXCLUDE),
        EXCLUDES,
        OUT | {"hold_reason": None, "failures": 0},
        [CHANGED, EXCLUDE],
    ),
    "and who is on probation": (
        on_trial(2),
        operated(OperatorAction.EXCLUDE),
        EXCLUDES,
        OUT | {"level": 2, "failures": 0},
        [CHANGED, EXCLUDE],
    ),
    "an operator holds who is in": (
        an_admitted(),
        operated(OperatorAction.HOLD),
        EXCLUDES,
        {"admission": HELD, "hold_reason": HoldReason.OPERATOR, "gen": GEN + 1, "state": HEALTHY},
        [HOLD],
    ),
    "and ends a restart and the probes by it": (
        OWING,
        operated(OperatorAction.HOLD),
        EXCLUDES,
        {"admission": HELD, "restart_owed": None, "next_probe_at": inf},
        [HOLD],
    ),
    "and turns a hold for a refused key into one of the operator's": (
        a_held(),
        operated(OperatorAction.HOLD),
        EXCLUDES,
        {"admission": HELD, "hold_reason": HoldReason.OPERATOR, "next_probe_at": inf},
        [HOLD],
    ),
    "one failure ends a probation, a level up": (on_trial(2), FAILURE, EXCLUDES, OUT | {"level": 3}, [CHANGED, EXCLUDE]),
    "the fifth success ends it well": (
        evolve(on_trial(2), probation_left=1),
        Succeeded(),
        EXCLUDES,
        {"admission": ADMITTED, "state": HEALTHY, "level": 2, "decays_at": 1300.0},
        [CHANGED, BACK],
    ),
    "so does its time": (
        evolve(on_trial(2), probation_until=1000.0),
        Tick(),
        EXCLUDES,
        {"admission": ADMITTED, "state": DEGRADED, "level": 2, "decays_at": 1300.0},
        [BACK],
    ),
    "good service takes a level off": (
        evolve(an_admitted(level=2), decays_at=1000.0),
        Tick(),
        EXCLUDES,
        {"level": 1, "decays_at": 1300.0},
        [],
    ),
    "the third refused key holds": (
        TWICE_REFUSED,
        REFUSED,
        RESTARTS,
        {"admission": HELD, "hold_reason": HoldReason.AUTH, "gen": GEN + 1, "restart_owed": None, "next_probe_at": 1300.0},
        [HOLD],
    ),
    "out of an exclusion, too": (
        evolve(an_excluded(), auth_failures=2),
        REFUSED,
        EXCLUDES,
        {"admission": HELD, "hold_reason": HoldReason.AUTH, "gen": GEN + 1},
        [HOLD],
    ),
    "and on probation": (
        evolve(on_trial(), auth_failures=2),
        REFUSED,
        EXCLUDES,
        {"admission": HELD, "hold_reason": HoldReason.AUTH, "gen": GEN + 1},
        [HOLD],
    ),
    "a good probe lifts it": (a_held(), OK, EXCLUDES, ON_TRIAL | {"hold_reason": None}, [PROBED, CHANGED, RESTORE]),
    "so does another key": (a_held(), Reloaded(is_key_changed=True), EXCLUDES, ON_TRIAL, [CHANGED, RESTORE]),
    "a failed probe keeps it, at the longest pause": (
        a_held(),
        probed(ProbeVerdict.FAILED, FailureReason.AUTH),
        RESTARTS,
        {"admission": HELD, "gen": GEN, "next_probe_at": 1300.0, "restart_owed": None},
        [PROBED],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_the_table_is_kept(row: Row) -> None:
    old, event, policy, fields, told = row

    done = step(old, event, moment(), policy)

    assert {name: getattr(done.health, name) for name in fields} == fields
    assert [told.name for told in done.told] == told


@pytest.mark.parametrize("old", [an_admitted(), an_admitted(T, DEGRADED), an_admitted(6, UNHEALTHY)])
@pytest.mark.parametrize(
    ("out", "back"),
    [
        (OperatorAction.HOLD, operated(OperatorAction.RESTORE)),
        (OperatorAction.EXCLUDE, operated(OperatorAction.RESTORE)),
        (OperatorAction.EXCLUDE, probed(ProbeVerdict.OK, gen=GEN + 1)),
    ],
)
def test_an_operators_moves_leave_no_failure_that_nobody_had(old: Health, out: OperatorAction, back: HealthEvent) -> None:
    erring = evolve(old, last_error="401", last_error_wall=1.0)

    taken_out = step(erring, operated(out), moment(), WARNS)
    restored = step(taken_out.health, back, moment(), WARNS)
    in_time = step(restored.health, Tick(), moment(inf), WARNS).health

    told = [one for one in (*taken_out.told, *restored.told) if one.name in (CHANGED, EXCLUDE)]
    assert {one.fields["consecutive_failures"] for one in told} <= {old.failures, 0}
    assert (in_time.admission, in_time.state, in_time.failures, in_time.last_error) == (ADMITTED, HEALTHY, 0, "")


NOTHING: dict[str, tuple[Health, HealthEvent]] = {
    "an operator's exclusion of who is out": (an_excluded(), operated(OperatorAction.EXCLUDE)),
    "an operator's restoring of who is in": (an_admitted(T, DEGRADED), operated(OperatorAction.RESTORE)),
    "an operator's restoring on probation": (on_trial(), operated(OperatorAction.RESTORE)),
    "an operator's hold of who is held": (a_held(HoldReason.OPERATOR), operated(OperatorAction.HOLD)),
    "a reload that leaves an exclusion asked for": (an_excluded(), Reloaded()),
    "a reload with the key that was refused": (a_held(), Reloaded()),
    "a probe of an older exclusion": (an_excluded(), probed(ProbeVerdict.OK, gen=GEN - 1)),
    "a probe that ends after the restore": (on_trial(), OK),
    "a probe that ends in an operator's hold": (a_held(HoldReason.OPERATOR), OK),
    "a restart that nobody is owed": (an_excluded(), RestartEnded(gen=GEN, outcome=RestartOutcome.OK)),
    "a tick before its time": (on_trial(), Tick()),
    "an attempt that fails for its client's mistake": (an_admitted(), Failed(reason=FailureReason.CLIENT_ERROR)),
}


@pytest.mark.parametrize("pair", NOTHING.values(), ids=NOTHING.keys())
def test_nothing_comes_of(pair: tuple[Health, HealthEvent]) -> None:
    old, event = pair

    done = step(old, event, moment(), EXCLUDES)

    assert done.health is old
    assert not done.told


@pytest.mark.parametrize("old", [an_excluded(), a_held(), a_held(HoldReason.OPERATOR)], ids=["excluded", "refused", "held"])
def test_a_failure_of_who_is_out_changes_neither_axis(old: Health) -> None:
    new = step(old, FAILURE, moment(), EXCLUDES).health

    assert (new.state, new.failures, new.admission, new.gen, new.level) == (
        old.state,
        old.failures,
        old.admission,
        old.gen,
        old.level,
    )


def test_the_classes_of_evidence_are_those_of_the_table() -> None:
    told: dict[Evidence, set[str]] = {}
    for reason in FailureReason:
        told.setdefault(evidence_of(reason), set()).add(str(reason))

    harmless = {"client-error", "loop-detected", "too-large", "model-missing", "cancelled", "busy", "empty-response"}
    assert told.pop(Evidence.NONE) >= harmless
    assert told == {
        Evidence.HEALTH: {
            "connection",
            "timeout",
            "ttft-timeout",
            "upstream-5xx",
            "bad-response",
            "empty-stream",
            "stream-truncated",
        },
        Evidence.RATE: {"rate-limit"},
        Evidence.OVERLOADED: {"overloaded"},
        Evidence.AUTH: {"auth", "payment-required"},
        Evidence.MEMORY: {"out-of-memory"},
        Evidence.LOADING: {"loading"},
    }


@pytest.mark.parametrize(
    ("health", "slots"),
    [
        (an_admitted(), []),
        (on_trial(), []),
        (an_excluded(), [SlotKind.RECOVERY]),
        (OWING, [SlotKind.RECOVERY, SlotKind.RESTART]),
        (a_held(), [SlotKind.RECOVERY]),
        (a_held(HoldReason.OPERATOR), []),
        (evolve(OWING, is_passive=True), []),
    ],
    ids=["admitted", "probation", "excluded", "restart owed", "refused key", "operator's hold", "passive"],
)
def test_the_children_that_a_health_wants(health: Health, slots: list[SlotKind]) -> None:
    assert wanted(health) == {Slot(kind, GEN) for kind in slots}
