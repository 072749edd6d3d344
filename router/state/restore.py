"""What of the rows on disk is taken up again (supervision.md 21.10). Pure.

Names that are no longer configured are pruned (D24, I2), except from what was spent: that money is gone. What a row says,
and whether it is too old to say anything, is judged by who reads it. Namespaces of others are not looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from attrs import field, frozen

from router.state.rows import HEALTH, RESTART_BUDGET, SPEND, Key, Row

Values = Mapping[str, Mapping[str, object]]  # by key


@frozen(kw_only=True)
class Known:
    """The names of the configuration: providers, and the groups of their restarts."""

    providers: Collection[str]
    groups: Collection[str] = ()


@frozen(kw_only=True)
class Restored:
    """What to take up, by provider, by group and by period; `pruned` are the rows that have to be deleted."""

    health: Values = field(factory=dict)
    restarts: Values = field(factory=dict)
    spend: Values = field(factory=dict)
    pruned: tuple[Key, ...] = ()


def restore(rows: Iterable[Row], known: Known) -> Restored:
    """Return what the rows mean for this configuration. Never raises."""
    by_namespace: dict[str, dict[str, Mapping[str, object]]] = {}
    for row in rows:
        by_namespace.setdefault(row.namespace, {})[row.key] = row.value
    pruned = unknown_names(((namespace, key) for namespace, keys in by_namespace.items() for key in keys), known)
    for namespace, key in pruned:
        del by_namespace[namespace][key]
    return Restored(
        health=by_namespace.get(HEALTH, {}),
        restarts=by_namespace.get(RESTART_BUDGET, {}),
        spend=by_namespace.get(SPEND, {}),
        pruned=pruned,
    )


def unknown_names(keys: Iterable[Key], known: Known) -> tuple[Key, ...]:
    """Return those that belong to nobody who is configured: at a start, and again at each reload."""
    names = {HEALTH: frozenset(known.providers), RESTART_BUDGET: frozenset(known.groups)}
    return tuple(key for key in keys if key[0] in names and key[1] not in names[key[0]])
