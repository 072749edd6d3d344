"""Errors as clients read them: the only place with status codes for clients (wire.md 17.2, 17.3).

One table gives each kind its status and its words in the four shapes that
exist: Anthropic's, OpenAI's (chat and Responses share it), Gemini's and Ollama's.
Messages name providers and statuses, never URLs, keys or prompt text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from attrs import frozen

from router.config.key_forms import MASK, STEMS, holds_key_form, without_key_forms
from router.domain.request import DialectName
from router.errors import (
    ContextOverflow,
    ErrorKind,
    GuardRejected,
    InvalidRequest,
    LeftOut,
    MethodNotAllowed,
    NoProviderAvailable,
    ProviderFailed,
    RouterError,
    StreamBroken,
    UpstreamClientError,
)
from router.wire.json_text import parse_object


class ErrorShape(StrEnum):
    """The forms of an error body."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GEMINI = "gemini"
    OLLAMA = "ollama"  # one text, with the statuses of OpenAI's


@frozen(kw_only=True)
class Rendered:
    """A whole answer; header names are lower-case. The request's id is in the body, its header is the exchange's."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


SHAPES = {
    DialectName.ANTHROPIC: ErrorShape.ANTHROPIC,
    DialectName.OPENAI_CHAT: ErrorShape.OPENAI,
    DialectName.OPENAI_RESPONSES: ErrorShape.OPENAI,
    DialectName.GEMINI: ErrorShape.GEMINI,
    DialectName.OLLAMA: ErrorShape.OLLAMA,
}
_SHAPE_BY_NAME = {str(name): shape for name, shape in SHAPES.items()}

MAX_MESSAGE_CHARS = 500
READ_CHARS = 8 * MAX_MESSAGE_CHARS  # an upstream's text may be megabytes of HTML
DEFAULT_RETRY_AFTER_S = 5.0  # a 429 without Retry-After is final for Codex (clients.md 2)
MAX_RELEASE_S = 30.0  # Claude Code gives up at once when told to wait 120 s (routing.md 11.7)
_JSON = "application/json"
_NOBODY_LEFT = "all_providers_excluded"  # supervision.md 21.5.4


@frozen
class _Words:
    """One row of the table. `elsewhere` is the status in the shapes that do not know Anthropic's 529."""

    status: int
    anthropic: str
    openai: str
    code: str | None
    gemini: str
    elsewhere: int | None = None


_INVALID = "invalid_request_error"
_ARGUMENT = "INVALID_ARGUMENT"
_WORDS = {
    ErrorKind.INVALID_JSON: _Words(400, _INVALID, _INVALID, None, _ARGUMENT),
    ErrorKind.INVALID_REQUEST: _Words(400, _INVALID, _INVALID, None, _ARGUMENT),
    ErrorKind.UNKNOWN_PROFILE: _Words(400, _INVALID, _INVALID, "unknown_profile", _ARGUMENT),
    ErrorKind.UNKNOWN_MODE: _Words(400, _INVALID, _INVALID, "unknown_mode", _ARGUMENT),
    ErrorKind.UNAUTHORIZED: _Words(401, "authentication_error", _INVALID, "invalid_api_key", "UNAUTHENTICATED"),
    ErrorKind.HOST_NOT_ALLOWED: _Words(403, "permission_error", "permission_error", "host_not_allowed", "PERMISSION_DENIED"),
    ErrorKind.PAID_GATE: _Words(403, "permission_error", "permission_error", "paid_gate", "PERMISSION_DENIED"),
    ErrorKind.NOT_CONFIGURED: _Words(403, "permission_error", "permission_error", "not_configured", "PERMISSION_DENIED"),
    ErrorKind.NOT_FOUND: _Words(404, "not_found_error", _INVALID, "not_found", "NOT_FOUND"),
    ErrorKind.METHOD_NOT_ALLOWED: _Words(405, _INVALID, _INVALID, "method_not_allowed", _ARGUMENT),
    ErrorKind.TOO_LARGE: _Words(413, "request_too_large", _INVALID, "request_too_large", _ARGUMENT),
    ErrorKind.UNSUPPORTED_MEDIA_TYPE: _Words(415, _INVALID, _INVALID, "unsupported_media_type", _ARGUMENT),
    ErrorKind.CONTEXT_OVERFLOW: _Words(400, _INVALID, _INVALID, "context_length_exceeded", _ARGUMENT),
    ErrorKind.TOOL_LOOP: _Words(400, _INVALID, _INVALID, "tool_loop_detected", "FAILED_PRECONDITION"),
    ErrorKind.TOOL_COUNT: _Words(400, _INVALID, _INVALID, "tool_count_exceeded", "FAILED_PRECONDITION"),
    ErrorKind.BUDGET_EXHAUSTED: _Words(402, "billing_error", "insufficient_quota", "insufficient_quota", "RESOURCE_EXHAUSTED"),
    ErrorKind.RATE_LIMITED: _Words(429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"),
    ErrorKind.ALL_FAILED: _Words(502, "api_error", "server_error", "no_providers_available", "UNAVAILABLE"),
    ErrorKind.ALL_EXCLUDED: _Words(503, "overloaded_error", "server_error", "no_providers_available", "UNAVAILABLE"),
    ErrorKind.ALL_OVERLOADED: _Words(
        529, "overloaded_error", "server_error", "server_is_overloaded", "UNAVAILABLE", elsewhere=503
    ),
    ErrorKind.TIMEOUT: _Words(504, "timeout_error", "server_error", "timeout", "DEADLINE_EXCEEDED"),
    ErrorKind.OVER_CAPACITY: _Words(503, "overloaded_error", "server_error", "server_is_overloaded", "UNAVAILABLE"),
    ErrorKind.SHUTTING_DOWN: _Words(503, "overloaded_error", "server_error", "shutting_down", "UNAVAILABLE"),
    # 403: clients repeat a 5xx, a 408 and a 409 by themselves, and a 401 sends the user to log in
    ErrorKind.CANCELLED_BY_OPERATOR: _Words(
        403, "permission_error", "permission_error", "cancelled_by_operator", "PERMISSION_DENIED"
    ),
    ErrorKind.LOOP_DETECTED: _Words(508, "api_error", "server_error", "loop_detected", "FAILED_PRECONDITION"),
    ErrorKind.INTERNAL: _Words(500, "api_error", "server_error", "internal_error", "INTERNAL"),
    ErrorKind.UPSTREAM_CLIENT: _Words(400, _INVALID, _INVALID, None, _ARGUMENT),
    ErrorKind.MIDSTREAM: _Words(502, "api_error", "upstream_error", "mid_stream_failure", "UNAVAILABLE"),
}
_UPSTREAM_KINDS: dict[int, ErrorKind] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorKind.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorKind.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorKind.RATE_LIMITED,
}
# An upstream's 401 would send the user to log in, its 402 and 403 concern the router's keys, and its 404 makes Claude
# Code ask again without stream (wire.md 17.2, clients.md 2): the client gets a 502 instead.
_NEVER_OURS = frozenset({401, 402, 403, 404})


def render(error: RouterError, dialect: DialectName | ErrorShape, request_id: str) -> Rendered:
    """Return the answer that tells `error` before anything of a reply was sent."""
    shape = dialect if isinstance(dialect, ErrorShape) else SHAPES[dialect]
    status = _status(error, shape)
    if isinstance(error, UpstreamClientError) and _hands_through(error, shape):
        return Rendered(status=status, headers=_headers(error, status, error.content_type or _JSON), body=error.body)
    body = error_document(error, shape)
    if isinstance(error, ContextOverflow) and dialect is DialectName.OPENAI_RESPONSES:
        body["error"]["param"] = "input"  # what this API calls the conversation; a chat's is `messages`
    if shape is ErrorShape.ANTHROPIC:
        body = {"type": "error", **body, "request_id": request_id}
    return Rendered(status=status, headers=_headers(error, status, _JSON), body=orjson.dumps(body))


def status_of(error: RouterError, dialect: DialectName) -> int:
    """Return the status with which `render` tells it."""
    return _status(error, SHAPES[dialect])


def error_document(error: RouterError, shape: ErrorShape) -> dict[str, Any]:
    """Return the object that holds the error under `error`, the same in a body and in a stream's last frame."""
    return {"error": _message(error) if shape is ErrorShape.OLLAMA else error_fields(error, shape)}


def error_fields(error: RouterError, shape: ErrorShape) -> dict[str, Any]:
    """Return the object under `error` in a shape that has one there."""
    words = _words(error)
    message = _message(error)
    match shape:
        case ErrorShape.ANTHROPIC:
            return {"type": words.anthropic, "message": message, **_details(error)}
        case ErrorShape.OPENAI:
            if error.kind is ErrorKind.RATE_LIMITED:
                message = f"{message}; try again in {_retry_after(error)}s"  # Codex reads the number from the text
            param, code = (error.param, error.code) if isinstance(error, InvalidRequest) else (None, None)
            return {"message": message, "type": words.openai, "param": param, "code": code or words.code, **_details(error)}
        case ErrorShape.OLLAMA:
            raise ValueError("Ollama's errors are a text: see error_document")
        case ErrorShape.GEMINI:
            fields: dict[str, Any] = {"code": _status(error, shape), "message": message, "status": words.gemini}
            if error.kind is ErrorKind.RATE_LIMITED:
                retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{_retry_after(error)}s"}
                fields["details"] = [retry]
            return fields


def _words(error: RouterError) -> _Words:
    match error:
        case UpstreamClientError() if not _is_hidden(error):
            return _WORDS[_UPSTREAM_KINDS.get(error.status, ErrorKind.UPSTREAM_CLIENT)]
        case UpstreamClientError() | ProviderFailed():
            return _WORDS[ErrorKind.ALL_FAILED]
        case _:
            return _WORDS[error.kind]


def _status(error: RouterError, shape: ErrorShape) -> int:
    if isinstance(error, UpstreamClientError) and not _is_hidden(error):
        return error.status
    words = _words(error)
    return words.status if shape is ErrorShape.ANTHROPIC else words.elsewhere or words.status


def _is_hidden(error: UpstreamClientError) -> bool:
    return error.status in _NEVER_OURS or not HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR


def _hands_through(error: UpstreamClientError, shape: ErrorShape) -> bool:
    """Tell whether the client reads the upstream's own body: an error of its dialect, with a status that may be shown.

    One that holds what looks like a key is told in our words, without it."""
    is_same = _SHAPE_BY_NAME.get(error.dialect) is shape and bool(error.body) and not _is_hidden(error)
    return is_same and _is_of_shape(error.body, shape) and not _shows_a_key(error.body)


def _is_of_shape(body: bytes, shape: ErrorShape) -> bool:
    """Tell whether a body is an error as a client of this shape reads it: servers have forms of their own."""
    document = parse_object(body) or {}
    error = document.get("error")
    if shape is ErrorShape.OLLAMA:
        return isinstance(error, str)
    if shape is ErrorShape.ANTHROPIC and document.get("type") != "error":
        return False
    wanted = ("message", "status") if shape is ErrorShape.GEMINI else ("message", "type")
    return isinstance(error, dict) and all(isinstance(error.get(key), str) for key in wanted)


def _message(error: RouterError) -> str:
    match error:
        case UpstreamClientError() if _is_hidden(error):
            return f"[{error.provider}] answered with status {error.status}"
        case UpstreamClientError():
            return f"[{error.provider}] {scrubbed(error.message)}"
        case StreamBroken() | ProviderFailed():
            return f"[{error.provider}] the answer broke off: {error.reason}"
        case _ if error.kind is ErrorKind.INTERNAL:
            return "internal error"
        case InvalidRequest(kind=ErrorKind.INVALID_REQUEST, param=str(path)):  # the one place that puts the path before the words
            return f"{path}: {scrubbed(error.message)}"
        case _:
            return scrubbed(str(getattr(error, "message", error.kind)))


def _details(error: RouterError) -> dict[str, Any]:
    match error:
        case GuardRejected():
            return {str(error.kind): dict(error.details)}
        case NoProviderAvailable(left_out=left_out) if left_out:
            return {"code": _NOBODY_LEFT, "providers": [_left_out(provider) for provider in left_out]}
        case _:
            return {}


def _left_out(provider: LeftOut) -> dict[str, Any]:
    since, wait_s = provider.since_wall, provider.next_probe_in_s
    return {
        "provider": provider.provider,
        "reason": provider.reason,
        "since": None if since is None else datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "next_probe_in": None if wait_s is None else round(wait_s, 1),
    }


def _headers(error: RouterError, status: int, content_type: str) -> tuple[tuple[str, str], ...]:
    headers = [("content-type", content_type)]
    if (retry_after := _retry_after(error)) is not None:
        headers.append(("retry-after", str(retry_after)))
    if (should_retry := _should_retry(error, status)) is not None:
        headers.append(("x-should-retry", should_retry))
    if isinstance(error, MethodNotAllowed):
        headers.append(("allow", ", ".join(error.allow)))
    if error.kind is ErrorKind.UNAUTHORIZED:
        headers.append(("www-authenticate", "Bearer"))
    if error.kind is ErrorKind.SHUTTING_DOWN:
        headers.append(("connection", "close"))
    return tuple(headers)


def _retry_after(error: RouterError) -> int | None:
    """Return whole seconds, rounded up; some number for the kinds that clients repeat only when they get one."""
    seconds: float | None = getattr(error, "retry_after_s", None)
    if seconds is None and error.kind in (ErrorKind.RATE_LIMITED, ErrorKind.ALL_EXCLUDED):
        seconds = DEFAULT_RETRY_AFTER_S
    if seconds is None or isinstance(error, ProviderFailed):
        return None
    if error.kind is ErrorKind.ALL_EXCLUDED:
        seconds = min(seconds, MAX_RELEASE_S)
    return max(1, ceil(seconds))


def _should_retry(error: RouterError, status: int) -> str | None:
    """Return what the client SDKs shall do; without it they walk the whole chain again (wire.md 17.2)."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    if status < HTTPStatus.INTERNAL_SERVER_ERROR or error.kind is ErrorKind.LOOP_DETECTED:
        return "true" if status == HTTPStatus.TOO_MANY_REQUESTS else "false"
    is_final = isinstance(error, UpstreamClientError) or (isinstance(error, NoProviderAvailable) and error.permanent)
    return "false" if status == HTTPStatus.BAD_GATEWAY and is_final else "true"


_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_KEY = re.compile(  # beyond the forms of keys that every sink knows: what is left of one that its vendor has masked, say
    rf"\b(?:{'|'.join(STEMS)})[-_][\w*-]{{6,}}"
    r"|\bAIza[\w-]{10,}"
    r"|(?i:\bbearer\s+(?!tokens?[.,;:)'\"]{0,2}(?:\s|$)))\S+"  # `a bearer token` says what is to be sent, and is none
    r"|\b(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{32,}\b"  # long and mixed: no word, no model name
)


def scrubbed(text: str, most: int = MAX_MESSAGE_CHARS) -> str:
    """Return foreign text fit for a client: no URL, nothing that looks like a key, at most so many characters."""
    return _KEY.sub(MASK, without_key_forms(_URL.sub("[url]", text[:READ_CHARS])))[:most]


def _shows_a_key(body: bytes) -> bool:
    text = body.decode("utf-8", "replace")
    return _KEY.search(text) is not None or holds_key_form(text)
