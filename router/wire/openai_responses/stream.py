"""Words and counts that Responses streams and replies share (wire.md 7.1, 7.2, 10.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.wire.ending import reported_cost, token_count
from router.wire.openai_responses.tools import Form

ID_PREFIX = "resp_"
MESSAGE_PREFIX = "msg_"
REASONING_PREFIX = "rs_"
CALL_PREFIX = "call_"
ITEM_PREFIXES: Mapping[Form, str] = {
    Form.FUNCTION: "fc_",
    Form.CUSTOM: "ctc_",
    Form.LOCAL_SHELL: "lsh_",
    Form.SHELL: "sh_",
    Form.APPLY_PATCH: "apc_",
}

_MAX_TOKENS, _FILTER = "max_output_tokens", "content_filter"
# why an answer is incomplete; the reasons that are not here complete it
INCOMPLETE: Mapping[StopReason, str] = {
    StopReason.LENGTH: _MAX_TOKENS,
    StopReason.CONTEXT_FULL: _MAX_TOKENS,
    StopReason.PAUSE: _MAX_TOKENS,
    StopReason.CONTENT_FILTER: _FILTER,
}


def stop_of(response: Mapping[str, Any]) -> StopReason | None:
    """Return why the model stopped, None as long as the response does not say."""
    status = response.get("status")
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return StopReason.CONTENT_FILTER if reason == _FILTER else StopReason.LENGTH
    return StopReason.END if status == "completed" else None


def decode_usage(response: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a response object; None where there is none, or only zeros."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    told, output = token_count(usage.get("input_tokens")), token_count(usage.get("output_tokens"))
    if not told and not output:
        return None
    cached = _detail(usage, "input_tokens_details", "cached_tokens")
    written = _detail(usage, "input_tokens_details", "cache_write_tokens")
    return Usage(
        input=max(0, (told or 0) - (cached or 0) - (written or 0)),
        output=output or 0,
        cache_read=cached,
        cache_write=written or None,
        reasoning=_detail(usage, "output_tokens_details", "reasoning_tokens"),
        cost_usd=reported_cost(usage),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object: every count is there, and the input holds what came from and went into the cache."""
    told = usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)
    return {
        "input_tokens": told,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": usage.cache_write or 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": told + usage.output,
    }


def client_id(upstream_id: str) -> str:
    """Return the id that the client sees: the upstream's with this dialect's prefix, once; "" where it gave none."""
    return upstream_id if not upstream_id or upstream_id.startswith(ID_PREFIX) else ID_PREFIX + upstream_id


def _detail(usage: Mapping[str, Any], group: str, key: str) -> int | None:
    details = usage.get(group)
    return token_count(details.get(key)) if isinstance(details, dict) else None
