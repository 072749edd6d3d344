"""The response object that every lifecycle event and every whole reply holds, and the items in it (wire.md 10.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from router.domain.events import Usage
from router.errors import ErrorKind, FailureReason, RouterError, StreamBroken
from router.wire.ending import token_count
from router.wire.errors import DEFAULT_RETRY_AFTER_S, ErrorShape, error_fields
from router.wire.openai_responses.calls import call_fields
from router.wire.openai_responses.stream import encode_usage
from router.wire.openai_responses.tools import CALL_TYPES, Form, Named

RATE_LIMIT = "rate_limit_exceeded"
SERVER_ERROR = "server_error"

_BAD_PROMPT = "invalid_prompt"
# Codex gives up at the one and repeats the turn at the other, which is what both of these ask for
_REPEATED = ("server_is_overloaded", "mid_stream_failure")
_FINAL = (ErrorKind.INVALID_JSON, ErrorKind.INVALID_REQUEST, ErrorKind.UPSTREAM_CLIENT, ErrorKind.TOO_LARGE)


@frozen(kw_only=True)
class ResponseHead:
    """What a response object says whatever has become of the answer; `asked` is the request that it repeats."""

    id: str
    created: int
    model: str
    asked: Mapping[str, Any]

    def told(
        self,
        status: str,
        output: Sequence[dict[str, Any]],
        *,
        usage: Usage | None = None,
        error: dict[str, str] | None = None,
        incomplete: str | None = None,
    ) -> dict[str, Any]:
        """Return the object; `incomplete` is why the answer is."""
        asked = self.asked
        parallel = asked.get("parallel_tool_calls")
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": [*output],
            "error": error,
            "incomplete_details": None if incomplete is None else {"reason": incomplete},
            "instructions": asked.get("instructions"),
            "metadata": asked.get("metadata") or {},
            "parallel_tool_calls": True if parallel is None else parallel,
            "temperature": asked.get("temperature"),
            "top_p": asked.get("top_p"),
            "tool_choice": asked.get("tool_choice") or "auto",
            "tools": asked.get("tools") or [],
            "usage": None if usage is None else encode_usage(usage),
        }


def head_of(opening: Mapping[str, Any], *, asked: Mapping[str, Any], model: str) -> ResponseHead:
    """Return the head of the response that an upstream's opening event tells, as far as it can be read."""
    told = opening.get("response")
    response = told if isinstance(told, dict) else {}
    named, called = response.get("id"), response.get("model")
    return ResponseHead(
        id=named if isinstance(named, str) else "",
        created=token_count(response.get("created_at")) or 0,
        model=called if isinstance(called, str) and called else model,
        asked=asked,
    )


def message_item(item_id: str, part: dict[str, Any], status: str) -> dict[str, Any]:
    """Return a whole message of the assistant."""
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": [part]}


def text_part(text: str) -> dict[str, Any]:
    """Return a part with what was said."""
    return {"type": "output_text", "text": text, "annotations": []}


def reasoning_item(item_id: str, text: str, encrypted: str | None, status: str) -> dict[str, Any]:
    """Return a whole reasoning item: one summary part, none where there is no text."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": item_id, "type": "reasoning", "status": status, "summary": summary, "encrypted_content": encrypted}


def call_item(item_id: str, call_id: str, named: Named, text: str, status: str) -> dict[str, Any]:
    """Return a whole call, from the JSON text of its arguments."""
    if named.form is Form.APPLY_PATCH:
        status = "completed"  # this one cannot be incomplete
    return {
        "id": item_id,
        "type": CALL_TYPES[named.form],
        "status": status,
        "call_id": call_id,
        **call_fields(named, text),
    }


def failure(error: RouterError) -> dict[str, str]:
    """Return the error of a failed response, in the codes by which clients know whether to ask again."""
    fields = error_fields(error, ErrorShape.OPENAI)
    code, message = fields["code"], str(fields["message"])
    if isinstance(error, StreamBroken) and error.reason is FailureReason.RATE_LIMIT:
        return {"code": RATE_LIMIT, "message": f"{message}; try again in {DEFAULT_RETRY_AFTER_S:.0f}s"}
    if error.kind in _FINAL and code is None:
        code = _BAD_PROMPT
    if code is None or code in _REPEATED:
        code = SERVER_ERROR
    return {"code": str(code), "message": message}
