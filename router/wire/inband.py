"""Errors that an upstream put into a stream or a 200 body, read as failures (wire.md 8.2, routing.md 11.2).

Every server has its own words: a vendor's error type, a code as text, an HTTP
status as a number, a bare string. Whether the model is there is said by the
text, whatever the status; else the error is read as the answer with the status
that it names would be, by the one table of `error_words.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from router.errors import ProviderFailed
from router.wire.dialect import InbandError
from router.wire.error_body import error_text
from router.wire.error_words import is_transient, named_status, reason_of, server_state
from router.wire.errors import READ_CHARS, scrubbed

_FAULT = HTTPStatus.INTERNAL_SERVER_ERROR  # an error that names no status is the server's


def inband_error(body: Mapping[str, object]) -> InbandError | None:
    """Return the error that a frame or a whole body holds, classified; None for one that holds none."""
    error = body.get("error") or _inner_error(body)
    if not error:
        if body.get("object") != "error" and body.get("type") != "error":
            return None
        error = body
    fields: Mapping[str, object] = error if isinstance(error, Mapping) else {"message": error}
    text = error_text(error)
    status = named_status(text, _status(fields))
    reason = server_state(status or _FAULT, text) or reason_of(status or _FAULT, text)
    told = text.text or str(fields.get("message") or fields.get("code") or fields.get("type") or "")
    message = scrubbed(told, most=READ_CHARS)  # whoever knows the configured keys takes them out, and cuts then
    return InbandError(reason=reason, message=message, status=status, transient=is_transient(reason))


def _inner_error(body: Mapping[str, object]) -> object:
    """Return the error of a choice (OpenRouter), or of Groq's own field, as a chunk or a reply of chat has it."""
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choice := choices[0], Mapping):
        if error := choice.get("error"):
            return error
        if choice.get("finish_reason") == "error":
            return "the model's answer ended with an error"
    groq = body.get("x_groq")
    return groq.get("error") if isinstance(groq, Mapping) else None


def failed(provider: str, error: InbandError) -> ProviderFailed:
    """Return the failure that an inband error is for the attempt."""
    return ProviderFailed(
        provider=provider,
        reason=error.reason,
        message=error.message,
        status=error.status,
        transient=error.transient,
    )


def _status(fields: Mapping[str, object]) -> int | None:
    for key in ("code", "status", "status_code"):
        text = str(fields.get(key))
        if re.fullmatch(r"[45]\d\d", text):
            return int(text)
    return None
