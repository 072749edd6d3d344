"""Cache marks for a client whose dialect has none (wire.md 10.1, provider key `auto_cache`)."""

from __future__ import annotations

from typing import Any

_MARK = {"type": "ephemeral"}


def add_cache_marks(body: dict[str, Any]) -> None:
    """Mark the last system block, the last tool and the last user block: up to three of the four marks allowed."""
    if system := body.get("system"):
        body["system"] = [{"type": "text", "text": system, "cache_control": _MARK}]
    if tools := body.get("tools"):
        tools[-1]["cache_control"] = _MARK
    last = next((message for message in reversed(body["messages"]) if message["role"] == "user"), None)
    if last is None:
        return
    if isinstance(last["content"], str):
        last["content"] = [{"type": "text", "text": last["content"]}]
    last["content"][-1]["cache_control"] = _MARK
