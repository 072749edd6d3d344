"""Messages taken out of a client's own body, where that goes upstream as it is (supervision.md 2.4, wire.md 21)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from router.wire.splice import Splicer, joined, split_items

_INSTRUCTIONS = ("system", "developer")


def cut_messages(body: bytes, removed: frozenset[int], synthetic: str | None) -> bytes:
    """Return the body without the items `removed` of its `messages`; every other byte of an item and of the rest stays.

    `synthetic` is said by the user in front of what is left of the conversation, behind instructions that lead it. The
    body must have been read as one of either dialect: a user's plain text looks the same in both."""
    document = Splicer(body)
    items = split_items(document.raw("messages") or b"[]")
    kept = [item for index, item in enumerate(items) if index not in removed]
    if synthetic is not None:
        kept.insert(_leading_instructions(items), orjson.dumps({"role": "user", "content": synthetic}))
    return document.set_raw("messages", joined(kept)).result()


def _leading_instructions(items: Sequence[bytes]) -> int:
    """Return how many items stand before the conversation; none of them is ever cut."""
    roles = (orjson.loads(item).get("role") for item in items)
    return next((index for index, role in enumerate(roles) if role not in _INSTRUCTIONS), len(items))
