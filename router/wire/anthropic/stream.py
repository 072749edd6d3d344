"""Words and counts that Messages streams and replies share (wire.md 7.1, 7.2)."""

from __future__ import annotations

from typing import Any

from router.domain.events import StopReason, Usage
from router.wire.ending import token_count

REASONS = {
    "end_turn": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "tool_use": StopReason.TOOL_USE,
    "pause_turn": StopReason.PAUSE,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
}
STOP_REASONS = {
    StopReason.END: "end_turn",
    StopReason.LENGTH: "max_tokens",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
    StopReason.TOOL_USE: "tool_use",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.CONTENT_FILTER: "refusal",
    StopReason.REFUSAL: "refusal",
    StopReason.PAUSE: "pause_turn",
    StopReason.UNKNOWN: "end_turn",
}
ID_PREFIX = "msg_"
CALL_PREFIX = "toolu_"


def client_id(upstream_id: str) -> str:
    """Return the id that the client sees: the upstream's with this dialect's prefix, once; "" where it gave none."""
    return upstream_id if not upstream_id or upstream_id.startswith(ID_PREFIX) else ID_PREFIX + upstream_id


def merged_usage(usage: object, before: Usage | None) -> Usage | None:
    """Return the usage so far: an event's counts are cumulative and overwrite what it names, and only that."""
    if not isinstance(usage, dict):
        return before
    known = before or Usage()
    told = {
        "input": token_count(usage.get("input_tokens")),
        "output": token_count(usage.get("output_tokens")),
        "cache_read": token_count(usage.get("cache_read_input_tokens")),
        "cache_write": token_count(usage.get("cache_creation_input_tokens")),
    }
    if all(value is None for value in told.values()):
        return before
    return Usage(
        input=known.input if told["input"] is None else told["input"],
        output=known.output if told["output"] is None else told["output"],
        cache_read=known.cache_read if told["cache_read"] is None else told["cache_read"],
        cache_write=known.cache_write if told["cache_write"] is None else told["cache_write"],
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object; cache counts only where they are known."""
    fields: dict[str, Any] = {"input_tokens": usage.input, "output_tokens": usage.output}
    if usage.cache_read is not None:
        fields["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write is not None:
        fields["cache_creation_input_tokens"] = usage.cache_write
    return fields
