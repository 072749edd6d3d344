"""What a drift of the replies does to a provider: behind the others for a while, and its cache flushed once (L4)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from router.domain.health import Health, HealthPolicy, HoldReason, Slot, SlotKind
from router.domain.health_events import (
    ClockJumped,
    Drifted,
    DriftReloaded,
    Failed,
    HealthEvent,
    Operated,
    OperatorAction,
    PassiveSet,
    ProcessEnded,
    Restored,
    Succeeded,
)
from router.domain.health_rows import from_row, to_row
from router.domain.health_step import step, wanted
from router.errors import FailureReason
from tests.router.domain.health_rig import (
    DOWN,
    EXCLUDES,
    RESTARTS,
    START,
    WALL,
    WARNS,
    Life,
    a_held,
    an_admitted,
    an_excluded,
    moment,
    on_trial,
)

WARNED, RELOADS = Drifted(for_s=60), Drifted(for_s=60, wants_reload=True)
ATTEMPTED, SKIPPED = "drift-reload-attempted", "drift-reload-skip"
UNTIL = START + 60
OWING = evolve(an_admitted(), reload_owed=3, reloads=3, drift_until=UNTIL)
NONE_THERE = evolve(an_admitted(), is_unreloadable=True)
Row = tuple[Health, HealthEvent, HealthPolicy, dict[str, Any], list[str]]


def ended(*, gen: int = 3, success: bool = True, is_supported: bool = True) -> DriftReloaded:
    return DriftReloaded(gen=gen, success=success, detail="how it was", is_supported=is_supported)


def operated(action: OperatorAction) -> Operated:
    return Operated(action=action)


ROWS: dict[str, Row] = {
    "a drift puts it behind the others": (an_admitted(), WARNED, WARNS, {"drift_until": UNTIL, "reload_owed": None}, []),
    "a shorter one ends no longer one": (
        evolve(an_admitted(), drift_until=UNTIL + 1),
        WARNED,
        WARNS,
        {"drift_until": UNTIL + 1},
        [],
    ),
    "a drift may owe a reload": (an_admitted(), RELOADS, WARNS, {"drift_until": UNTIL, "reload_owed": 1, "reloads": 1}, []),
    "on probation, too": (on_trial(), RELOADS, EXCLUDES, {"reload_owed": 1}, []),
    "a later one is another one": (evolve(an_admitted(), reloads=3), RELOADS, WARNS, {"reload_owed": 4, "reloads": 4}, []),
    "one that is owed serves every drift": (OWING, RELOADS, WARNS, {"reload_owed": 3, "reloads": 3, "drift_until": UNTIL}, []),
    "one that succeeded pays it": (OWING, ended(), WARNS, {"reload_owed": None, "reloads": 3, "drift_until": UNTIL}, [ATTEMPTED]),
    "one that failed does, too": (OWING, ended(success=False), WARNS, {"reload_owed": None}, [ATTEMPTED]),
    "a server without one is told": (
        OWING,
        ended(success=False, is_supported=False),
        WARNS,
        {"reload_owed": None, "is_unreloadable": True},
        [SKIPPED],
    ),
    "and asked again after the next drift": (NONE_THERE, RELOADS, WARNS, {"reload_owed": 1}, []),
    "but told once": (
        evolve(OWING, is_unreloadable=True),
        ended(success=False, is_supported=False),
        WARNS,
        {"reload_owed": None, "is_unreloadable": True},
        [],
    ),
    "until it turns out to have one": (
        evolve(OWING, is_unreloadable=True),
        ended(),
        WARNS,
        {"is_unreloadable": False},
        [ATTEMPTED],
    ),
    "a good answer leaves it owed": (OWING, Succeeded(), WARNS, {"reload_owed": 3}, []),
    "so does a bad one": (OWING, Failed(reason=DOWN), WARNS, {"reload_owed": 3, "failures": 1}, []),
    "a clock that jumped shortens the drift": (
        OWING,
        ClockJumped(by_s=50),
        WARNS,
        {"reload_owed": 3, "drift_until": UNTIL - 50},
        [],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_the_table_is_kept(row: Row) -> None:
    old, event, policy, fields, told = row

    done = step(old, event, moment(), policy)

    assert {name: getattr(done.health, name) for name in fields} == fields
    assert [told.name for told in done.told] == told


VOID: dict[str, tuple[Health, HealthEvent, HealthPolicy]] = {
    "a drift of who is out": (an_excluded(), RELOADS, EXCLUDES),
    "of who is held": (a_held(HoldReason.OPERATOR), RELOADS, EXCLUDES),
    "of whose key is refused": (a_held(), RELOADS, EXCLUDES),
    "of whom nobody watches": (evolve(an_admitted(), is_passive=True), RELOADS, WARNS),
    "of who is restarted": (evolve(on_trial(), restart_owed=4), RELOADS, RESTARTS),
    "an exclusion": (OWING, operated(OperatorAction.EXCLUDE), EXCLUDES),
    "a hold": (OWING, operated(OperatorAction.HOLD), EXCLUDES),
    "a relapse": (evolve(on_trial(), reload_owed=3, reloads=3), Failed(reason=DOWN), EXCLUDES),
    "the third refused key": (evolve(OWING, auth_failures=2), Failed(reason=FailureReason.AUTH), EXCLUDES),
    "the end of its process": (OWING, ProcessEnded(), RESTARTS),
    "a supervisor that gives up": (OWING, PassiveSet(is_passive=True), WARNS),
}


@pytest.mark.parametrize("row", VOID.values(), ids=VOID.keys())
def test_a_reload_that_would_help_nobody_is_void(row: tuple[Health, HealthEvent, HealthPolicy]) -> None:
    old, event, policy = row

    done = step(old, event, moment(), policy)

    assert done.health.reload_owed is None
    assert not any(told.name.startswith("drift-reload") for told in done.told)
    assert SlotKind.DRIFT_RELOAD not in {slot.kind for slot in wanted(done.health)}


def test_a_void_reload_is_not_made_up_for_when_the_provider_is_back() -> None:
    life = Life(health=OWING, policy=EXCLUDES)

    life.apply(operated(OperatorAction.EXCLUDE))
    life.apply(operated(OperatorAction.RESTORE))

    assert life.health.reload_owed is None


@pytest.mark.parametrize("gen", [2, 4])
def test_i10_the_end_of_another_reload_changes_nothing(gen: int) -> None:
    done = step(OWING, ended(gen=gen), moment(), WARNS)

    assert done.health is OWING
    assert not done.told


def test_two_reloads_are_two_slots() -> None:
    life = Life(policy=WARNS)

    slots: list[Slot] = []
    for _ in range(2):
        life.apply(RELOADS, after_s=300)
        slots += wanted(life.health)
        life.apply(ended(gen=life.health.reloads))

    assert slots == [Slot(SlotKind.DRIFT_RELOAD, 1), Slot(SlotKind.DRIFT_RELOAD, 2)]
    assert wanted(life.health) == frozenset()


def test_what_is_told_says_how_it_went() -> None:
    (told,) = step(OWING, ended(success=False), moment(), WARNS).told

    assert {name: told.fields[name] for name in ("success", "detail", "source")} == {
        "success": False,
        "detail": "how it was",
        "source": "supervisor",
    }


def test_a_reload_dies_with_the_daemon() -> None:
    row = to_row(OWING, wall=WALL + START)

    health = from_row(row, now=moment(), policy=WARNS)

    assert health is not None
    assert step(health, Restored(), moment(), WARNS).health.reload_owed is None
