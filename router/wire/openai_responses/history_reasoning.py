"""Reasoning items of earlier turns that a Responses upstream would refuse leave its body (wire.md 10.3, 13).

The API opens what it encrypted itself and looks for the rest by id among what it has stored, which is nothing here. So
what we sealed goes out, and what holds neither. Everything else keeps its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from router.domain.request import Note
from router.wire.reasoning import is_router_signature
from router.wire.splice import Splicer, joined, split_items

_PATTERN = b'"reasoning"'


def drop_foreign_reasoning(body: Splicer) -> tuple[Note, ...]:
    """Take out the items that we sealed, and those that nobody can read; return a note per item."""
    return _drop(body, _is_foreign)


def drop_all_reasoning(body: Splicer) -> tuple[Note, ...]:
    """Take out every reasoning item, otherwise as `drop_foreign_reasoning`."""
    return _drop(body, lambda _: True)


def _drop(body: Splicer, is_dropped: Callable[[dict[str, Any]], bool]) -> tuple[Note, ...]:
    given = body.raw("input")
    if given is None or _PATTERN not in given or not given.startswith(b"["):
        return ()
    notes: list[Note] = []
    kept: list[bytes] = []
    for index, raw in enumerate(split_items(given)):
        item = orjson.loads(raw) if _PATTERN in raw else None
        if isinstance(item, dict) and item.get("type") == "reasoning" and is_dropped(item):
            notes.append(Note(path=f"input[{index}]", reason="reasoning", kind="thinking"))
        else:
            kept.append(raw)
    if notes:
        body.set_raw("input", joined(kept))
    return tuple(notes)


def _is_foreign(item: dict[str, Any]) -> bool:
    content = item.get("encrypted_content")
    if isinstance(content, str) and content:
        return is_router_signature(content)
    return not item.get("content")  # models that run in the open have their reasoning there
