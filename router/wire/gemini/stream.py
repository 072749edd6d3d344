"""Words and counts that Gemini streams and replies share (wire.md 7.1, 7.2, 11, 22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.ending import token_count
from router.wire.gemini.decode_parts import code_fence

_FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"),
    *("ESCALATION", "MODEL_ARMOR", "PUP_LIMITED_DISABLED"),
)
_IMAGE = "IMAGE_"  # the same for images that the model made
_REASONS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.LENGTH,
    "CONTINUATION": StopReason.PAUSE,
    **dict.fromkeys(_FILTERED, StopReason.CONTENT_FILTER),
}
# the model said something that its own server could not read: another try may do better
_FAULTS = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"}
    | {"MALFORMED_RESPONSE"}
)
FINISH = {
    StopReason.END: "STOP",
    StopReason.LENGTH: "MAX_TOKENS",
    StopReason.CONTEXT_FULL: "MAX_TOKENS",
    StopReason.TOOL_USE: "STOP",
    StopReason.STOP_SEQUENCE: "STOP",
    StopReason.CONTENT_FILTER: "SAFETY",
    StopReason.REFUSAL: "SAFETY",
    StopReason.PAUSE: "STOP",
    StopReason.UNKNOWN: "OTHER",
}
ID_PREFIX = "resp_"
CALL_PREFIX = "call_"


def first_candidate(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the candidate with index 0 of a chunk or reply, None where there is none; others belong to other answers."""
    candidates = body.get("candidates")
    if not isinstance(candidates, list):
        return None
    for position, candidate in enumerate(candidates):
        if isinstance(candidate, dict) and not candidate.get("index", position):
            return candidate
    return None


def parts_of(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a candidate, [] for one that says nothing."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def text_of(part: Mapping[str, Any]) -> str:
    """Return what a part says in words, thought or not; what its vendor ran is a fence (wire.md 11), an image is named."""
    text = part.get("text")
    if isinstance(text, str):
        return text
    for kind in ("executableCode", "codeExecutionResult"):
        if fence := code_fence(part, kind):
            return f"\n{fence}\n"
    blob = part.get("inlineData")
    return f"[{blob.get('mimeType') or 'data'} omitted: the client's API has no place for it]" if isinstance(blob, dict) else ""


def call_of(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the call that a part is, None for another part."""
    call = part.get("functionCall")
    return call if isinstance(call, dict) else None


def judge_parts(parts: list[dict[str, Any]]) -> Verdict:
    """Return CONTENT for text that is not blank and for calls, THINKING for thoughts, else NEUTRAL.

    Blank text alone is nothing that a client can act on: the decoder holds it back, too (wire.md 8.3)."""
    verdict = Verdict.NEUTRAL
    for part in parts:
        if call_of(part) is not None:
            return Verdict.CONTENT
        text = text_of(part)
        if part.get("thought") is True:
            verdict = Verdict.THINKING if text else verdict
        elif text and not text.isspace():
            return Verdict.CONTENT
    return verdict


def finish_of(body: Mapping[str, Any], candidate: Mapping[str, Any] | None) -> str | None:
    """Return the word for why an answer ended, None as long as it goes on; a refused prompt has ended as filtered."""
    if candidate is not None:
        finish = candidate.get("finishReason")
        return str(finish) if finish else None
    feedback = body.get("promptFeedback")
    return "SAFETY" if isinstance(feedback, dict) and feedback.get("blockReason") else None


def stop_of(finish: str) -> StopReason:
    """Return the stop reason that a word stands for."""
    return StopReason.CONTENT_FILTER if finish.startswith(_IMAGE) else _REASONS.get(finish, StopReason.UNKNOWN)


def fault_of(finish: str) -> InbandError | None:
    """Return the failure that an answer of which nothing was said is with this word at its end; None for a proper end."""
    if finish not in _FAULTS:
        return None
    return InbandError(reason=FailureReason.BAD_RESPONSE, message=f"the answer ended with {finish}")


def decode_usage(body: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a chunk or reply; None where there is none, or only zeros.

    The vendor counts thoughts beside the answer; both are output, and paid for as such."""
    usage = body.get("usageMetadata")
    if not isinstance(usage, dict):
        return None
    prompt, cached = token_count(usage.get("promptTokenCount")), token_count(usage.get("cachedContentTokenCount"))
    said, thought = token_count(usage.get("candidatesTokenCount")), token_count(usage.get("thoughtsTokenCount"))
    read = (prompt or 0) + (token_count(usage.get("toolUsePromptTokenCount")) or 0)
    output = (said or 0) + (thought or 0)
    if not read and not output:
        return None
    return Usage(input=max(0, read - (cached or 0)), output=output, cache_read=cached, reasoning=thought)


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object: prompt counts include what came from and went into the cache."""
    prompt = usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)
    thought = min(usage.reasoning or 0, usage.output)
    fields: dict[str, Any] = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output - thought,
        "totalTokenCount": prompt + usage.output,
    }
    if usage.reasoning is not None:
        fields["thoughtsTokenCount"] = thought
    if usage.cache_read is not None:
        fields["cachedContentTokenCount"] = usage.cache_read
    return fields
