"""Errors that an upstream put into a stream or a 200 body, read as failures (wire.md 8.2, routing.md 11.2).

Every server has its own words: a vendor's error type, a code as text, an HTTP
status as a number, a bare string. What it says first is believed: memory and
loading by the text, then code, then type, then status; else the server failed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import InbandError
from router.wire.errors import scrubbed


@frozen
class _Class:
    reason: FailureReason
    status: int | None = None


_OVERLOADED = _Class(FailureReason.OVERLOADED, 529)
_RATE_LIMIT = _Class(FailureReason.RATE_LIMIT, 429)
_PAYMENT = _Class(FailureReason.PAYMENT_REQUIRED, 402)
_AUTH = _Class(FailureReason.AUTH, 401)
_FORBIDDEN = _Class(FailureReason.AUTH, 403)
_TIMEOUT = _Class(FailureReason.TIMEOUT, 504)
_MISSING = _Class(FailureReason.MODEL_MISSING, 404)
_TOO_LARGE = _Class(FailureReason.TOO_LARGE, 413)
_OVERFLOW = _Class(FailureReason.CONTEXT_OVERFLOW, 400)
_PARAMETER = _Class(FailureReason.UNSUPPORTED_PARAMETER, 400)
_CLIENT = _Class(FailureReason.CLIENT_ERROR, 400)
_LOADING = _Class(FailureReason.LOADING, 503)
_SERVER = _Class(FailureReason.UPSTREAM_5XX)

_BY_WORD = {
    "overloaded_error": _OVERLOADED,
    "overloaded": _OVERLOADED,
    "server_is_overloaded": _OVERLOADED,
    "engine_overloaded": _OVERLOADED,
    "rate_limit_error": _RATE_LIMIT,
    "rate_limit_exceeded": _RATE_LIMIT,
    "too_many_requests": _RATE_LIMIT,
    "insufficient_quota": _PAYMENT,
    "billing_error": _PAYMENT,
    "authentication_error": _AUTH,
    "invalid_api_key": _AUTH,
    "permission_error": _FORBIDDEN,
    "timeout_error": _TIMEOUT,
    "timeout": _TIMEOUT,
    "not_found_error": _MISSING,
    "model_not_found": _MISSING,
    "request_too_large": _TOO_LARGE,
    "context_length_exceeded": _OVERFLOW,
    "exceed_context_size_error": _OVERFLOW,
    "unsupported_parameter": _PARAMETER,
    "unsupported_value": _PARAMETER,
    "invalid_request_error": _CLIENT,
    "badrequesterror": _CLIENT,
    "api_error": _SERVER,
    "server_error": _SERVER,
    "internal_error": _SERVER,
    "internalservererror": _SERVER,
}
_BY_STATUS = {
    401: _AUTH,
    402: _PAYMENT,
    403: _FORBIDDEN,
    404: _MISSING,
    408: _TIMEOUT,
    413: _TOO_LARGE,
    429: _RATE_LIMIT,
    504: _TIMEOUT,
    529: _OVERLOADED,
}
_MEMORY = re.compile(r"out of memory|\boom\b|failed to allocate|insufficient memory", re.IGNORECASE)
_LOADS = re.compile(r"loading model|model is (?:still |currently )?loading", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context[ _](?:length|window|size)|maximum context|prompt is too long|input is too long|too many tokens",
    re.IGNORECASE,
)
# an overflow that is the completion's fault is an invalid field: a shorter prompt would not cure it (wire.md 17.2)
_COMPLETION = re.compile(r"max_(?:completion_)?tokens|in the completion", re.IGNORECASE)
_UNSUPPORTED = re.compile(
    r"(?:unsupported|unknown|unrecognized|unexpected)[ _](?:parameter|field|argument|key|request argument)"
    r"|extra inputs are not permitted|not supported (?:with|by|for) this model",
    re.IGNORECASE,
)
_PERMANENT = frozenset(
    {
        FailureReason.AUTH,
        FailureReason.PAYMENT_REQUIRED,
        FailureReason.MODEL_MISSING,
        FailureReason.TOO_LARGE,
        FailureReason.CONTEXT_OVERFLOW,
        FailureReason.UNSUPPORTED_PARAMETER,
        FailureReason.CLIENT_ERROR,
    }
)


def inband_error(body: Mapping[str, object]) -> InbandError | None:
    """Return the error that a frame or a whole body holds, classified; None for one that holds none."""
    error = body.get("error")
    if not error:
        if body.get("object") != "error" and body.get("type") != "error":
            return None
        error = body
    fields: Mapping[str, object] = error if isinstance(error, Mapping) else {"message": error}
    message = _message(fields)
    found = _classify(fields, message)
    return InbandError(reason=found.reason, message=message, status=found.status, transient=found.reason not in _PERMANENT)


def failed(provider: str, error: InbandError) -> ProviderFailed:
    """Return the failure that an inband error is for the attempt."""
    return ProviderFailed(
        provider=provider,
        reason=error.reason,
        message=error.message,
        status=error.status,
        transient=error.transient,
    )


def _message(fields: Mapping[str, object]) -> str:
    message = fields.get("message") or fields.get("detail") or fields.get("code") or fields.get("type") or ""
    return scrubbed(str(message))


def _classify(fields: Mapping[str, object], message: str) -> _Class:
    status = _status(fields)
    if _MEMORY.search(message):
        return _Class(FailureReason.OUT_OF_MEMORY, status)
    if _LOADS.search(message):
        return _LOADING
    words = [str(fields.get(key) or "").lower() for key in ("code", "type")]
    named = next((_BY_WORD[word] for word in words if word in _BY_WORD), None) or _by_status(status)
    if named is _CLIENT:
        return _by_text(message)
    return _Class(named.reason, status if named is _SERVER else named.status)


def _by_status(status: int | None) -> _Class:
    if status is None:
        return _SERVER
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _CLIENT if status < 500 else _SERVER  # noqa: PLR2004 - HTTP's own border


def _by_text(message: str) -> _Class:
    if _CONTEXT.search(message) and not _COMPLETION.search(message):
        return _OVERFLOW
    return _PARAMETER if _UNSUPPORTED.search(message) else _CLIENT


def _status(fields: Mapping[str, object]) -> int | None:
    for key in ("code", "status", "status_code"):
        text = str(fields.get(key))
        if re.fullmatch(r"[45]\d\d", text):
            return int(text)
    return None
