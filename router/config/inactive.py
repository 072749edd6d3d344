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

NOT_YET_ACTIVE: Mapping[str, frozenset[str]] = {
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
    default = attrs.fields_dict(cls)[key].default
    return (tuple(value) if isinstance(value, list) else value) != default
