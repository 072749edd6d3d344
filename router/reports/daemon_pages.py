"""What the pages of a running daemon have, by which another program at its address is told from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def is_page(path: str, body: Mapping[str, Any]) -> bool:
    """Tell whether a body has what a router's has on that page; of a path that is none, every body has it."""
    shape = _SHAPES.get(path.rpartition("/")[2], {})
    return all(is_right(body.get(key)) for key, is_right in shape.items())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int)


def _are_objects_with(key: str, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get(key), str) for one in value)


_are_named = partial(_are_objects_with, "name")
_OF_ACTIONS: Mapping[str, Callable[[object], bool]] = {"action": _is_text, "name": _is_text}
# the keys by which a page is known, by the last word of its path
_SHAPES: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "status": {"version": _is_text, "providers": _are_named},
    "metrics.json": {"counters": _is_object, "providers": _are_named},
    "tree": {"tree": _is_object},
    "requests": {"requests": partial(_are_objects_with, "id")},
    "cancel": {"action": _is_text, "id": _is_text, "result": _is_text},
    "exclude": _OF_ACTIONS,
    "restore": _OF_ACTIONS,
    "hold": _OF_ACTIONS,
    "probe": {"action": _is_text, "provider": _is_text, "verdict": _is_text},
    "reload": {"result": _is_text, "generation": _is_number},
}
