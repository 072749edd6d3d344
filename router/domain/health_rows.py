"""A provider's health as it is stored, and what a restart of the daemon makes of it. Pure; never raises on what it reads.

Stored is what a later daemon can use: the two axes, the generation, the level (supervision.md 21.5.1), when it last
answered, and when the row was written. Epochs, cool-downs and everything on trio's clock die with the daemon: it has no
meaning in another process. Restoring follows 21.10."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import inf
from typing import TypeVar

from attrs import evolve, frozen

from router.domain.health import Admission, Health, HealthPolicy, HealthState, HoldReason
from router.domain.health_events import Moment
from router.domain.health_step import LEVEL_MAX, is_probed

MAX_AGE_S = 86_400.0  # an older row says nothing about today
RESTORED_LEVEL_MAX = 2  # the back-off begins low again: the outage may have ended with the daemon's own
OK_EVERY_S = 30.0  # between rows that tell of a success and nothing else
_COUNT_MAX = 2**53  # beyond it other readers of JSON round
_WALL_MAX = 253_402_300_799  # the year 9999: a later one has no date

_Word = TypeVar("_Word", bound=StrEnum)


def to_row(health: Health, *, wall: float) -> dict[str, object]:
    """Return the JSON form of what outlives the daemon; `wall` is now, unix seconds."""
    return {
        "health": str(health.state),
        "failures": health.failures,
        "admission": str(health.admission),
        "gen": health.gen,
        "since_wall": health.since_wall,
        "level": health.level,
        "hold_reason": None if health.hold_reason is None else str(health.hold_reason),
        "last_ok_wall": health.last_ok_wall,
        "wall": wall,
    }


def is_news(kept: Health, health: Health) -> bool:
    """Tell whether a health is worth a row after the one that was kept: not for a success soon after another one."""
    ok, ok_before = health.last_ok_wall, kept.last_ok_wall
    if ok is None or ok_before is None or ok - ok_before >= OK_EVERY_S or ok < ok_before:
        return kept != health
    return to_row(kept, wall=0) != to_row(evolve(health, last_ok_wall=ok_before), wall=0)


def from_row(row: object, *, now: Moment, policy: HealthPolicy) -> Health | None:
    """Return the health to begin with, None for a row that is too old or that says nothing which can be used.

    Who is excluded or refused is probed now, and restarted only after that has failed; a probation begins anew. The row
    is not checked against the policy: apply `Restored` to the result for that. What an operator holds never ages out."""
    read = _Reader.of(row)
    if read is None:
        return None
    health = read.health()
    if health is None or (health.hold_reason is not HoldReason.OPERATOR and now.wall - read.wall > MAX_AGE_S):
        return None
    return _resumed(health, now, policy)


def _resumed(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    low = evolve(health, level=min(health.level, RESTORED_LEVEL_MAX), next_probe_at=now.mono if is_probed(health) else inf)
    match low.admission:
        case Admission.PROBATION:
            until = now.mono + policy.probation_s
            return evolve(low, probation_left=policy.probation_successes, probation_until=until)
        case Admission.ADMITTED if low.level:
            return evolve(low, decays_at=now.mono + policy.probe_max_s)
        case Admission.EXCLUDED:
            return evolve(low, state=HealthState.UNHEALTHY)
        case _:
            return low


@frozen(kw_only=True)
class _Reader:
    """The cells of one row, each checked as it is read."""

    cells: Mapping[object, object]
    wall: float

    @classmethod
    def of(cls, row: object) -> _Reader | None:
        if not isinstance(row, Mapping):
            return None
        wall = _wall(row.get("wall"))
        return None if wall is None else cls(cells=row, wall=wall)

    def health(self) -> Health | None:
        cells = self.cells
        state, admission = _word(HealthState, cells.get("health")), _word(Admission, cells.get("admission"))
        failures, gen, level = (_count(cells.get(name)) for name in ("failures", "gen", "level"))
        since_wall = _wall(cells.get("since_wall"))
        hold_reason, last_ok_wall = _word(HoldReason, cells.get("hold_reason")), _wall(cells.get("last_ok_wall"))
        if state is None or admission is None or failures is None or gen is None or level is None or since_wall is None:
            return None
        if level > LEVEL_MAX or (admission is Admission.HELD) is (hold_reason is None):
            return None
        return Health(
            state=state,
            failures=failures,
            admission=admission,
            gen=gen,
            since_wall=since_wall,
            level=level,
            hold_reason=hold_reason,
            last_ok_wall=last_ok_wall,
        )


def _word(words: type[_Word], value: object) -> _Word | None:
    return next((word for word in words if value == word.value), None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _COUNT_MAX else None


def _wall(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _WALL_MAX:
        return None
    return float(value)
