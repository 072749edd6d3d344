"""The shape of the state file, step by step: a step that was released is never changed, a new one is added at the end."""

from __future__ import annotations

_TABLE = """CREATE TABLE kv (
    namespace TEXT NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL, wall REAL NOT NULL, PRIMARY KEY (namespace, key))"""

STEPS: tuple[tuple[str, ...], ...] = ((_TABLE,),)
SCHEMA = len(STEPS)


def statements_from(schema: int, steps: tuple[tuple[str, ...], ...] = STEPS) -> tuple[str, ...]:
    """Return the SQL that brings a file of this schema to the newest; 0 is an empty file, () is one that is there."""
    return tuple(statement for step in steps[schema:] for statement in step)
