"""Reads foreign JSON without trusting it: each function says what is at a path, or its type's nothing."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]
Step = str | int


def at(document: object, *path: Step) -> object:
    """Return the value at the path, None where the path leads nowhere."""
    for step in path:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return None
    return document


def text(document: object, *path: Step) -> str:
    """Return the text at the path, "" for anything else."""
    found = at(document, *path)
    return found if isinstance(found, str) else ""


def table(document: object, *path: Step) -> Json:
    """Return the object at the path, {} for anything else."""
    found = at(document, *path)
    return found if isinstance(found, dict) else {}


def entries(document: object, *path: Step) -> list[object]:
    """Return the list at the path, [] for anything else."""
    found = at(document, *path)
    return found if isinstance(found, list) else []


def count(document: object, *path: Step) -> int | None:
    """Return the whole number at the path that is not negative, None for anything else."""
    found = at(document, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def lacks(document: object, *keys: str) -> list[str]:
    """Return the keys that the object does not have."""
    return [key for key in keys if not isinstance(document, dict) or key not in document]


def is_object_text(value: str) -> bool:
    """Tell whether the text is one JSON object."""
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def short(value: object, limit: int = 160) -> str:
    """Return a value as JSON text that fits into a line."""
    line = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def as_json(value: object) -> str:
    """Return a value as compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
