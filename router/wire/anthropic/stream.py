"""Words and counts that Messages streams and replies share (wire.md 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from router.domain.events import StopReason, Usage
from router.wire.ending import reported_cost, token_count

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


def stop_of(told: Mapping[str, Any]) -> StopReason | None:
    """Return why a reply or the delta of a `message_delta` stopped, None where it does not say."""
    reason = told.get("stop_reason")
    return REASONS.get(str(reason), StopReason.UNKNOWN) if reason else None


def merged_usage(usage: object, before: Usage | None) -> Usage | None:
    """Return the usage so far: an event's counts are cumulative and overwrite what it names, and only that."""
    if not isinstance(usage, dict):
        return before
    told: dict[str, Any] = {
        "input": token_count(usage.get("input_tokens")),
        "output": token_count(usage.get("output_tokens")),
        "cache_read": token_count(usage.get("cache_read_input_tokens")),
        **_written(usage),
        "cost_usd": reported_cost(usage),
    }
    named = {field: value for field, value in told.items() if value is not None}
    return evolve(before or Usage(), **named) if named else before


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object; cache counts only where they are known."""
    fields: dict[str, Any] = {"input_tokens": usage.input, "output_tokens": usage.output}
    if usage.cache_read is not None:
        fields["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write is not None:
        fields["cache_creation_input_tokens"] = usage.cache_write
    return fields


def _written(usage: dict[str, Any]) -> dict[str, int | None]:
    """Return what went into the cache, and what of it for an hour; the whole is their sum where only the parts are told."""
    whole = token_count(usage.get("cache_creation_input_tokens"))
    parts = usage.get("cache_creation")
    if not isinstance(parts, dict):
        return {"cache_write": whole}
    short, long = (token_count(parts.get(f"ephemeral_{kept}_input_tokens")) for kept in ("5m", "1h"))
    if whole is None and (short, long) != (None, None):
        whole = (short or 0) + (long or 0)
    return {"cache_write": whole, "cache_write_1h": long}
