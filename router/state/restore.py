"""What of the rows on disk is taken up again (supervision.md 21.10). Pure.

Names that are no longer configured are pruned (D24, I2), so are rows of a daemon that has been away for a day: nobody
knows any more what they were about. An operator's hold never ages, and neither do counters. Namespaces of others are not
looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from math import isfinite

from attrs import field, frozen

from router.domain.health import HoldReason
from router.state.rows import COUNTERS, HEALTH, RESTART_BUDGET, Row

MAX_AGE_S = 86_400.0  # supervision.md 21.10


class PruneReason(StrEnum):
    """Why a row is not taken up."""

    UNKNOWN_NAME = "unknown-name"
    TOO_OLD = "too-old"


@frozen(kw_only=True)
class Pruned:
    """One row that has to be deleted."""

    namespace: str
    key: str
    reason: PruneReason


@frozen(kw_only=True)
class Known:
    """The names of the configuration: providers, and the groups of their restarts."""

    providers: Collection[str]
    groups: Collection[str] = ()


@frozen(kw_only=True)
class Restored:
    """What to take up: rows by provider, wall stamps of restarts by group (oldest first), counters by family."""

    health: Mapping[str, Mapping[str, object]] = field(factory=dict)
    restarts: Mapping[str, tuple[float, ...]] = field(factory=dict)
    counters: Mapping[str, Mapping[str, object]] = field(factory=dict)
    pruned: tuple[Pruned, ...] = ()


def restore(rows: Iterable[Row], known: Known, *, wall: float) -> Restored:
    """Return what the rows mean for this configuration at this moment, unix seconds. Never raises."""
    rows = tuple(rows)
    pruned = prune(rows, known, wall=wall)
    gone = {(row.namespace, row.key) for row in pruned}
    kept = [row for row in rows if (row.namespace, row.key) not in gone]
    return Restored(
        health={row.key: row.value for row in kept if row.namespace == HEALTH},
        restarts={row.key: restart_walls(row.value) for row in kept if row.namespace == RESTART_BUDGET},
        counters={row.key: row.value for row in kept if row.namespace == COUNTERS},
        pruned=pruned,
    )


def prune(rows: Iterable[Row], known: Known, *, wall: float) -> tuple[Pruned, ...]:
    """Return what has to go.

    Age counts from the file's last sign of life, not from each row's own stamp: a provider that was excluded for two
    days under a living daemon is still excluded after a restart."""
    rows = tuple(rows)
    is_forgotten = wall - max((row.wall for row in rows), default=wall) > MAX_AGE_S
    names = {HEALTH: frozenset(known.providers), RESTART_BUDGET: frozenset(known.groups)}
    found = []
    for row in rows:
        if row.namespace not in names:
            continue
        if row.key not in names[row.namespace]:
            found.append(Pruned(namespace=row.namespace, key=row.key, reason=PruneReason.UNKNOWN_NAME))
        elif is_forgotten and row.value.get("hold_reason") != HoldReason.OPERATOR:
            found.append(Pruned(namespace=row.namespace, key=row.key, reason=PruneReason.TOO_OLD))
    return tuple(found)


def restart_walls(row: Mapping[str, object]) -> tuple[float, ...]:
    """Return the stamps of a `restart-budget` row, oldest first; what is no number is left out."""
    stamps = row.get("at")
    if not isinstance(stamps, list):
        return ()
    return tuple(sorted(float(s) for s in stamps if isinstance(s, int | float) and not isinstance(s, bool) and isfinite(s)))
