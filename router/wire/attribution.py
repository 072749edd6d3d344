"""The line that a client puts before its system prompt to be billed by (wire.md 5, R-41).

It changes with every request, so in front of a prompt it defeats the prefix cache of a local server."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from router.domain.request import Note
from router.wire.splice import Splicer, joined, split_items

PREFIX = "x-anthropic-billing-header:"


def drop_attribution(body: Splicer) -> tuple[Note, ...]:
    """Take the line out of a client's own Messages body, whose other bytes stay; return a note where it was there.

    It stands first, where a client puts it at all."""
    system = body.get("system")
    if isinstance(system, str):
        if not system.startswith(PREFIX):
            return ()
        _set_or_remove(body, orjson.dumps(rest) if (rest := system.partition("\n")[2]) else b"")
        return (_note(0),)
    first = system[0] if isinstance(system, list) and system else None
    text = first.get("text") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(text, str) or not text.startswith(PREFIX):
        return ()
    items = split_items(body.raw("system") or b"[]")
    rest = text.partition("\n")[2]
    kept = [orjson.dumps({**first, "text": rest}), *items[1:]] if rest else items[1:]
    _set_or_remove(body, joined(kept) if kept else b"")
    return (_note(0),)


def without_attribution(system: Sequence[str], notes: list[Note], *, keeps: bool) -> list[str]:
    """Return the system texts without the client's attribution; a block that holds nothing else goes whole."""
    if keeps:
        return list(system)
    kept: list[str] = []
    for index, text in enumerate(system):
        rest = text
        if text.startswith(PREFIX):
            notes.append(_note(index))
            rest = text.partition("\n")[2]
        if rest or rest is text:
            kept.append(rest)
    return kept


def _set_or_remove(body: Splicer, system: bytes) -> None:
    if system:
        body.set_raw("system", system)
    else:
        body.remove("system")


def _note(index: int) -> Note:
    return Note(path=f"system[{index}]", reason="client attribution block")
