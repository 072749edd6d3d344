"""How often a group may be restarted: pure. The history is kept as unix seconds, so that it holds across router restarts.

    asked ──> in the cool-down? ──> `max` starts within `window_s`? ──> begun ──> ended
                    └── cooldown            └── budget

I4: never more than `max` starts in any `window_s`. Source: supervision.md 21.6, D6, W4."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from router.domain.health_events import RefusalReason

LONGEST = 100  # starts that are remembered: the largest `max` that a configuration may ask for
LATEST = 1e12  # unix seconds; no stamp of ours, and no number that overflows


@frozen(kw_only=True)
class Budget:
    """At most `max` starts in any `window_s`, `cooldown_s` after the end of the one before."""

    max: int = 3
    window_s: float = 900.0
    cooldown_s: float = 60.0


@frozen(kw_only=True)
class History:
    """When a group's restarts began, oldest first, and when the last one ended (None: it is under way, or was cut off)."""

    starts: tuple[float, ...] = ()
    ended: float | None = None


@frozen(kw_only=True)
class Refusal:
    """Why not, and in how many seconds it would be allowed; None: time alone does not allow it."""

    reason: RefusalReason
    retry_in_s: float | None = None


def refusal(history: History, budget: Budget, wall: float) -> Refusal | None:
    """Return why no restart may begin at `wall` (unix seconds), None when one may."""
    if not history.starts:
        return None
    rest_s = max(history.starts[-1], history.ended or 0.0) + budget.cooldown_s - wall
    counted = [start for start in history.starts if wall - start < budget.window_s]
    if len(counted) >= budget.max:
        free_s = counted[-budget.max] + budget.window_s - wall
        return Refusal(reason=RefusalReason.BUDGET, retry_in_s=max(free_s, rest_s))
    if rest_s > 0:
        return Refusal(reason=RefusalReason.COOLDOWN, retry_in_s=rest_s)
    return None


def begun(history: History, wall: float) -> History:
    """Return the history with one more start."""
    return History(starts=(*history.starts, wall)[-LONGEST:])


def ended(history: History, wall: float) -> History:
    """Return the history with the end of its last restart."""
    return evolve(history, ended=wall)


def not_ahead(history: History, wall: float) -> History:
    """Return the history without stamps in the future: a wall clock that was set back would block restarts until then."""
    starts = tuple(min(start, wall) for start in history.starts)
    return History(starts=starts, ended=None if history.ended is None else min(history.ended, wall))


def to_row(history: History) -> Mapping[str, object]:
    """Return what is stored."""
    return {"starts": list(history.starts), "ended": history.ended}


def from_row(row: object) -> History:
    """Return the stored history; what is no time is left out. Never raises (I17)."""
    if not isinstance(row, Mapping):
        return History()
    starts = row.get("starts")
    stamps = [_time(start) for start in starts] if isinstance(starts, list | tuple) else []
    known = sorted(stamp for stamp in stamps if stamp is not None)
    return History(starts=tuple(known[-LONGEST:]), ended=_time(row.get("ended")))


def _time(value: object) -> float | None:
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST
    return float(value) if is_time else None  # type: ignore[arg-type]  # looked at in the line above
