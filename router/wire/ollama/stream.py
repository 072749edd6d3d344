"""Words, counts and times that Ollama's streams and replies share (wire.md 12, 12.1).

Source: docs/api.md of github.com/ollama/ollama, "Generate a chat completion", and the types of its api package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from router.domain.events import StopReason, Usage
from router.wire.ending import token_count
from router.wire.lenient_json import arguments_object

REASONS = {"stop": StopReason.END, "length": StopReason.LENGTH}  # `load` and `unload` end what was no question
DONE_REASONS = {StopReason.LENGTH: "length", StopReason.CONTEXT_FULL: "length"}  # all others are `stop`
CALL_PREFIX = "call_"

# nobody has measured these for an answer of another vendor; clients read the keys, so that they are there
_NO_DURATIONS = {"total_duration": 0, "load_duration": 0, "prompt_eval_duration": 0, "eval_duration": 0}


def message_of(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line says, {} for nothing."""
    message = chunk.get("message")
    return message if isinstance(message, dict) else {}


def text_of(message: Mapping[str, Any], key: str) -> str:
    """Return the text under a key of a message, "" for none."""
    text = message.get(key)
    return text if isinstance(text, str) else ""


def calls_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a message that have a function."""
    calls = message.get("tool_calls")
    told = calls if isinstance(calls, list) else []
    return [call for call in told if isinstance(call, dict) and isinstance(call.get("function"), dict)]


def stop_of(chunk: Mapping[str, Any]) -> StopReason | None:
    """Return why the model stopped, None as long as it goes on."""
    if chunk.get("done") is not True:
        return None
    return REASONS.get(str(chunk.get("done_reason")), StopReason.UNKNOWN)


def decode_usage(chunk: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a last line or reply, None where neither count is there."""
    prompt, output = token_count(chunk.get("prompt_eval_count")), token_count(chunk.get("eval_count"))
    if prompt is None and output is None:
        return None
    return Usage(input=prompt or 0, output=output or 0)


def encode_end(reason: StopReason, usage: Usage) -> dict[str, Any]:
    """Return the members that only a last line has; the prompt's count includes what came from and went into a cache."""
    return {
        "done_reason": DONE_REASONS.get(reason, "stop"),
        "done": True,
        **_NO_DURATIONS,
        "prompt_eval_count": usage.input + (usage.cache_read or 0) + (usage.cache_write or 0),
        "eval_count": usage.output,
    }


def encode_call(call_id: str, name: str, json_text: str) -> dict[str, Any]:
    """Return one whole call: its arguments are an object here, whatever the model wrote."""
    return {"id": call_id, "function": {"name": name, "arguments": arguments_object(json_text)}}


def unix_time(stamp: object) -> int | None:
    """Return the Unix time of an RFC 3339 text, None for anything else."""
    if not isinstance(stamp, str):
        return None
    try:
        return int(datetime.fromisoformat(stamp).timestamp())
    except (ValueError, OverflowError):
        return None


def time_stamp(created: int, otherwise: int) -> str:
    """Return the RFC 3339 text of a Unix time; of `otherwise` for a time that no calendar has."""
    try:
        moment = datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(otherwise, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
