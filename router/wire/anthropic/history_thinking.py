"""Thinking blocks of earlier turns that a native upstream would refuse leave its body (wire.md 13).

Anthropic checks signatures against the bytes that it signed and refuses those of others. Ours are known by their
prefix; those of another vendor show when the upstream says so (routing.md 11.2). Everything else keeps its bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from router.domain.request import Note
from router.wire.reasoning import SIGNATURE_PREFIX, is_router_signature
from router.wire.splice import Splicer, joined, split_items

_THINKING_TYPES = ("thinking", "redacted_thinking")
_CLEARS_THINKING = "clear_thinking"  # context edits of this kind are refused where thinking is off

_IsDropped = Callable[[dict[str, Any]], bool]
IsForeign = Callable[[str], bool]  # of a signature: another provider is known to have made it


def drop_foreign_thinking(body: Splicer, is_foreign: IsForeign | None = None) -> tuple[Note, ...]:
    """Take out the blocks that we signed, or another provider, and turns that held nothing else; return a note per block.

    A body without a mark of these is not looked into. A turn of open tool calls that has lost its thinking cannot be
    continued with a thinking budget, so that is switched off then."""
    if is_foreign is None:
        return _drop(body, SIGNATURE_PREFIX.encode(), _is_ours)
    return _drop(body, b'"signature"', lambda block: _is_ours(block) or _is_foreign(block, is_foreign))


def drop_all_thinking(body: Splicer) -> tuple[Note, ...]:
    """Take out every thinking block of earlier turns, otherwise as `drop_foreign_thinking`."""
    return _drop(body, b"thinking", _is_thinking)


def _drop(body: Splicer, pattern: bytes, is_dropped: _IsDropped) -> tuple[Note, ...]:
    messages = body.raw("messages")
    if messages is None or pattern not in messages or not messages.startswith(b"["):
        return ()
    notes: list[Note] = []
    turns = split_items(messages)
    edited = [
        _without_dropped(turn, is_dropped, f"messages[{index}].content", notes) if pattern in turn else turn
        for index, turn in enumerate(turns)
    ]
    if not notes:
        return ()
    kept = [turn for turn in edited if turn is not None]
    body.set_raw("messages", joined(kept))
    if _has_budget(body) and _is_loop_without_thinking(kept):
        _switch_off(body, notes)
    return tuple(notes)


def _without_dropped(turn: bytes, is_dropped: _IsDropped, path: str, notes: list[Note]) -> bytes | None:
    """Return the turn without such blocks; None for one that had nothing else."""
    splicer = Splicer(turn)
    content = splicer.raw("content")
    if content is None or not content.startswith(b"["):
        return turn
    kept: list[bytes] = []
    before = len(notes)
    for index, raw in enumerate(split_items(content)):
        block = orjson.loads(raw)
        if is_dropped(block):
            notes.append(Note(path=f"{path}[{index}]", reason=block["type"], kind="thinking"))
        else:
            kept.append(raw)
    if len(notes) == before:
        return turn
    return splicer.set_raw("content", joined(kept)).result() if kept else None


def _is_thinking(block: dict[str, Any]) -> bool:
    return block.get("type") in _THINKING_TYPES


def _is_ours(block: dict[str, Any]) -> bool:
    mark = block.get("signature", block.get("data"))  # a block without text has it in its data
    return _is_thinking(block) and isinstance(mark, str) and is_router_signature(mark)


def _is_foreign(block: dict[str, Any], is_foreign: IsForeign) -> bool:
    signature = block.get("signature")
    return _is_thinking(block) and isinstance(signature, str) and is_foreign(signature)


def _has_budget(body: Splicer) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def _is_loop_without_thinking(turns: list[bytes]) -> bool:
    """Tell whether the last turn answers calls of a turn that does not begin with thinking."""
    if len(turns) < 2:  # noqa: PLR2004 - an answer, and the calls that it answers
        return False
    calls, results = (_blocks(orjson.loads(turn)) for turn in turns[-2:])
    is_open = any(block.get("type") == "tool_result" for block in results)
    return is_open and bool(calls) and not _is_thinking(calls[0])


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _switch_off(body: Splicer, notes: list[Note]) -> None:
    body.remove("thinking")
    notes.append(Note(path="thinking", reason="the open tool calls have none", kind="thinking"))
    management = body.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    if not isinstance(edits, list):
        return
    kept = [edit for edit in edits if not (isinstance(edit, dict) and str(edit.get("type")).startswith(_CLEARS_THINKING))]
    if len(kept) == len(edits):
        return
    notes.append(Note(path="context_management.edits", reason="needs thinking"))
    if kept:
        body.set("context_management", management | {"edits": kept})
    else:
        body.remove("context_management")
