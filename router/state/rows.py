"""Rows of the state file, as values. A row is a JSON object under a namespace and a key.

    health            a provider's health
    restart-budget    a group's restarts
    spend             what was spent in a month or on a day, by its name
    quarantine/<ns>   what could not be read, or crashed its reader; never handed out

Namespaces that nobody here knows belong to others and stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from attrs import field, frozen

HEALTH = "health"
RESTART_BUDGET = "restart-budget"
SPEND = "spend"
QUARANTINE = "quarantine/"  # what a namespace's unreadable rows are moved below

Key = tuple[str, str]  # namespace, key
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@frozen(kw_only=True)
class Row:
    """One row as it was read. `wall` is when it was written, unix seconds; `json` is `value` as it stands in the file."""

    namespace: str
    key: str
    wall: float
    json: bytes = field(repr=False)
    value: Mapping[str, object] = field(eq=False)


@frozen(kw_only=True)
class Change:
    """One row to write; `json` of None deletes it."""

    namespace: str
    key: str
    wall: float
    json: bytes | None


@frozen(kw_only=True)
class Opened:
    """What an opened store holds.

    `quarantined` are rows that could not be read and were moved aside; `reset_to` is where a corrupt file went, None
    where there was none."""

    rows: tuple[Row, ...] = ()
    quarantined: tuple[Key, ...] = ()
    reset_to: str | None = None


def encode_row(row: Mapping[str, object]) -> bytes:
    """Return a row as JSON, the same bytes for equal rows. Raises TypeError for what JSON cannot say."""
    return orjson.dumps(dict(row), option=_OPTIONS)


def decode_row(json: bytes) -> dict[str, object] | None:
    """Return the object that the text is, None for anything else. Never raises."""
    try:
        value = orjson.loads(json)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
