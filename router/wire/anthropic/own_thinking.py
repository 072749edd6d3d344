"""Thinking that the router signed itself has to leave a body that goes to Anthropic, which refuses the signature (wire.md 13).

Everything else of the body keeps its bytes: Anthropic's own signatures are checked against them."""

from __future__ import annotations

from typing import Any

import orjson

from router.domain.request import Note
from router.wire.reasoning import SIGNATURE_PREFIX
from router.wire.splice import Splicer, edit_items, split_items

_PATTERN = SIGNATURE_PREFIX.encode()
_CLEARS_THINKING = "clear_thinking"  # context edits of this kind are refused where thinking is off


def remove_router_thinking(body: Splicer) -> tuple[Note, ...]:
    """Take the router's own thinking blocks out, and turns that held nothing else; return a note per block.

    A turn of open tool calls that has lost its thinking cannot be continued with thinking on, so that is switched off."""
    messages = body.raw("messages")
    if messages is None or _PATTERN not in messages:
        return ()
    notes: list[Note] = []
    edited = edit_items(messages, lambda index, message: _edited_message(message, f"messages[{index}]", notes))
    if not notes:
        return ()
    body.set_raw("messages", edited)
    if _is_budget(body.get("thinking")) and _is_loop_without_thinking(edited):
        _switch_off(body, notes)
    return tuple(notes)


def _edited_message(message: bytes, path: str, notes: list[Note]) -> bytes | None:
    if _PATTERN not in message:
        return message
    splicer = Splicer(message)
    content = splicer.raw("content")
    if content is None or not content.startswith(b"["):
        return message
    blocks = split_items(content)
    ours = {index for index, block in enumerate(blocks) if _is_ours(block)}
    if not ours:
        return message
    notes += [Note(path=f"{path}.content[{index}]", reason="thinking", kind="thinking") for index in sorted(ours)]
    if len(ours) == len(blocks):
        return None
    return splicer.set_raw("content", edit_items(content, lambda n, block: None if n in ours else block)).result()


def _is_ours(block: bytes) -> bool:
    if _PATTERN not in block:
        return False
    thinking = orjson.loads(block)
    signature = thinking.get("signature")
    return thinking.get("type") == "thinking" and isinstance(signature, str) and signature.startswith(SIGNATURE_PREFIX)


def _is_budget(thinking: object) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") == "enabled"


def _is_loop_without_thinking(messages: bytes) -> bool:
    *_, asked, answered = [b"{}", b"{}", *split_items(messages)]
    results, calls = _blocks(orjson.loads(answered)), _blocks(orjson.loads(asked))
    is_open = any(block.get("type") == "tool_result" for block in results)
    return is_open and bool(calls) and calls[0].get("type") not in ("thinking", "redacted_thinking")


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _switch_off(body: Splicer, notes: list[Note]) -> None:
    body.remove("thinking")
    notes.append(Note(path="thinking", reason="the open tool calls came without", kind="thinking"))
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
