"""Keys that are read and checked but that nothing acts on yet: each one that is set is warned about by name.

One table, so that the change that builds a behaviour takes its keys out here. A key set to its default asks for
nothing and is silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from router.config.document import Document, at, tables
from router.config.locate import KeyPath
from router.config.structure import table_types

EVERY_KEY = frozenset({"*"})

# `off` is what these do already, whatever their default
_OFF_BY_ITSELF = frozenset({"tool_repair", "mode"})

NOT_YET_ACTIVE: Mapping[str, frozenset[str]] = {
    "server": frozenset({"display_timezone", "metrics_token_env"}),
    "routing": frozenset({"prefer_healthy", "sticky_ttl_s"}),
    "providers": frozenset(
        {
            "slot_affinity_slots",
            "output_filters",
            "tool_args",
            "tool_repair",
            "extra_markers",
            "cost",
        }
    ),
    "providers.capabilities": frozenset({"tools", "prompt_cache", "thinking", "tool_choice"}),
    "profiles": frozenset(
        {
            "stream_truncation_action",
            "partial_stitch_action",
            "deferred_tools_action",
            "sticky",
            "adaptive",
            "monthly_budget_usd",
            "tool_loop_window",
            "tool_loop_threshold",
            "tool_loop_action",
            "max_tool_calls",
            "context_budget_action",
            "context_budget_warn_threshold",
            "context_budget_trim_threshold",
            "context_budget_trim_target",
            "context_budget_preserve_last_n",
            "drift_detection_action",
            "drift_detection_window_size",
            "drift_detection_cooldown_s",
            "drift_detection_sensitivity",
        }
    ),
    "auto_router": EVERY_KEY,
    "capability_rules": EVERY_KEY,
    "adaptive": EVERY_KEY,
    "budget": EVERY_KEY,
    "prices": EVERY_KEY,
    "audit": EVERY_KEY,
    "request_log": EVERY_KEY,
}


def inactive_keys(document: Document) -> Iterator[KeyPath]:
    """Yield the paths of what the user set and nothing acts on yet."""
    for name, keys in NOT_YET_ACTIVE.items():
        cls = table_types()[name]
        for path, table in _tables_of(document, name):
            yield from ((*path, key) for key in table if _is_in(key, keys) and _asks_for_something(cls, key, table[key]))


def _tables_of(document: Document, name: str) -> Iterator[tuple[KeyPath, Mapping[str, object]]]:
    first, *rest = name.split(".")
    if isinstance(at(document, (first,)), list):
        for path, table in tables(document, first):
            inner = at(table, tuple(rest))
            if isinstance(inner, dict):
                yield (*path, *rest), inner
    elif isinstance(whole := at(document, (first,)), dict):
        yield (first,), whole
    if name == "profiles" and isinstance(defaults := at(document, ("profile_defaults",)), dict):
        yield ("profile_defaults",), defaults


def _is_in(key: str, keys: frozenset[str]) -> bool:
    return keys is EVERY_KEY or key in keys


def _asks_for_something(cls: type[attrs.AttrsInstance], key: str, value: object) -> bool:
    if value == "off" and key in _OFF_BY_ITSELF:
        return False
    default = attrs.fields_dict(cls)[key].default
    return (tuple(value) if isinstance(value, list) else value) != default
