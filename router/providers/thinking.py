"""Take thinking blocks out of a Messages body, in its own bytes: what stays keeps every byte it had (wire.md 13).

A native upstream refuses a signature that is not its own. Ours are known by their prefix and go at once; those of
another vendor show when the upstream says so (routing.md 11.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from router.wire.reasoning import SIGNATURE_PREFIX, is_router_signature
from router.wire.splice import Splicer, joined, split_items

THINKING_TYPES = frozenset({"thinking", "redacted_thinking"})

_THINKING = b"thinking"
_OURS = SIGNATURE_PREFIX.encode()

IsDropped = Callable[[Mapping[str, object]], bool]


def drop_router_thinking(body: Splicer) -> None:
    """Take out the blocks that we signed; a body without any is not looked into."""
    if _OURS in body.document:
        _drop(body, _OURS, _is_ours)


def drop_all_thinking(body: Splicer) -> None:
    """Take out every thinking block of earlier turns."""
    if _THINKING in body.document:
        _drop(body, _THINKING, _is_thinking)


def _drop(body: Splicer, pattern: bytes, is_dropped: IsDropped) -> None:
    messages = body.raw("messages")
    if messages is None or not messages.startswith(b"["):
        return
    turns = split_items(messages)
    edited = [_edited(turn, pattern, is_dropped) for turn in turns]
    if edited != turns:
        body.set_raw("messages", joined(turn for turn in edited if turn is not None))


def _edited(message: bytes, pattern: bytes, is_dropped: IsDropped) -> bytes | None:
    """Return the message without such blocks; None for one that had nothing else."""
    if pattern not in message or not message.startswith(b"{"):
        return message
    turn = Splicer(message)
    content = turn.raw("content")
    if content is None or not content.startswith(b"["):
        return message
    blocks = split_items(content)
    kept = [block for block in blocks if not _is_dropped_block(block, is_dropped)]
    if len(kept) == len(blocks):
        return message
    return turn.set_raw("content", joined(kept)).result() if kept else None


def _is_dropped_block(block: bytes, is_dropped: IsDropped) -> bool:
    parsed = orjson.loads(block)
    return isinstance(parsed, dict) and is_dropped(parsed)


def _is_thinking(block: Mapping[str, object]) -> bool:
    return block.get("type") in THINKING_TYPES


def _is_ours(block: Mapping[str, object]) -> bool:
    signature = block.get("signature")
    return _is_thinking(block) and isinstance(signature, str) and is_router_signature(signature)
