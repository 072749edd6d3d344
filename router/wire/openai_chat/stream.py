"""Words and counts that chat streams and replies share (wire.md 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.wire.ending import reported_cost, token_count

REASONS = {
    "stop": StopReason.END,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.CONTENT_FILTER,
}
FINISH = {
    StopReason.END: "stop",
    StopReason.LENGTH: "length",
    StopReason.CONTEXT_FULL: "length",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.CONTENT_FILTER: "content_filter",
    StopReason.REFUSAL: "content_filter",
    StopReason.PAUSE: "stop",
    StopReason.UNKNOWN: "stop",
}
ID_PREFIX = "chatcmpl-"
CALL_PREFIX = "call_"
DONE = b"data: [DONE]\n\n"


def first_choice(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the choice with index 0 of a chunk or reply, None where there is none; others belong to other answers."""
    choices = body.get("choices")
    if not isinstance(choices, list):
        return None
    for position, choice in enumerate(choices):
        if isinstance(choice, dict) and not choice.get("index", position):
            return choice
    return None


def delta_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a choice says: its delta, or the whole message of a server that answers a stream request whole."""
    for key in ("delta", "message"):
        if isinstance(said := choice.get(key), dict):
            return said
    return {}


def stop_of(choice: Mapping[str, Any]) -> StopReason | None:
    """Return why a choice stopped, None as long as it goes on."""
    finish = choice.get("finish_reason")
    return REASONS.get(str(finish), StopReason.UNKNOWN) if finish else None


def text_of(content: object) -> str:
    """Return the text of a content value: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    return "".join(_part_texts(content)) if isinstance(content, list) else ""


def reasoning_of(delta: Mapping[str, Any]) -> str:
    """Return the reasoning of a delta under any of its names, once where two of them say the same."""
    told = [text for key in ("reasoning_content", "reasoning") if isinstance(text := delta.get(key), str) and text]
    if told:
        return told[0] if len(set(told)) == 1 else "".join(told)
    return text_of(delta.get("reasoning_details")) or "".join(map(_thought, _parts(delta.get("content"))))


def is_thinking_part(part: object) -> bool:
    """Tell whether a part of a content list holds reasoning, as Mistral's do."""
    return isinstance(part, dict) and part.get("type") == "thinking"


def decode_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a chunk or reply; None where there is none, or only zeros, as some servers send all the time."""
    usage = body.get("usage")
    if not isinstance(usage, dict) and isinstance(groq := body.get("x_groq"), dict):
        usage = groq.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, output = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
    if not prompt and not output:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = token_count(usage.get("prompt_cache_hit_tokens"))  # DeepSeek's own name
    written = _detail(usage, "prompt_tokens_details", "cache_write_tokens")  # OpenRouter
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(
        input=max(0, (prompt or 0) - (cached or 0) - (written or 0)),
        output=(output or 0) + _reasoning_beside(usage, prompt or 0, output or 0, reasoning or 0),
        cache_read=cached,
        cache_write=written,
        reasoning=reasoning,
        cost_usd=reported_cost(usage),
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object: prompt counts include what came from and went into the cache."""
    prompt = usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)
    fields: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
    }
    if usage.cache_read is not None:
        fields["prompt_tokens_details"] = {"cached_tokens": usage.cache_read}
    if usage.reasoning is not None:
        fields["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return fields


def client_id(upstream_id: str) -> str:
    """Return the id that the client sees: the upstream's with this dialect's prefix, once; "" where it gave none."""
    return upstream_id if not upstream_id or upstream_id.startswith(ID_PREFIX) else ID_PREFIX + upstream_id


def _detail(usage: Mapping[str, Any], group: str, key: str) -> int | None:
    details = usage.get(group)
    return token_count(details.get(key)) if isinstance(details, dict) else None


def _reasoning_beside(usage: Mapping[str, Any], prompt: int, output: int, reasoning: int) -> int:
    """Return the tokens of reasoning that `completion_tokens` leaves out, as xAI does: its total has them."""
    return reasoning if token_count(usage.get("total_tokens")) == prompt + output + reasoning else 0


def _thought(part: object) -> str:
    return text_of(part.get("thinking")) if isinstance(part, dict) and is_thinking_part(part) else ""


def _parts(content: object) -> list[Any]:
    return content if isinstance(content, list) else []


def _part_texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, dict) and isinstance(text := part.get("text"), str):
            yield text
