"""An upstream's answer that is no success, read as a failure: the status column of routing.md 11.2.

What a failure leads to (the next provider, or the client's own error) is the other half of that table:
`router/routing/classify.py`."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from attrs import frozen

from router.config.redact import Redactor
from router.errors import FailureReason, ProviderFailed
from router.providers.error_body import ErrorText, read_error
from router.providers.retry_after import retry_after_s
from router.providers.words import fault_reason, is_out_of_money, overflows, refusal_reason, server_state
from router.wire.errors import scrubbed

MAX_ERROR_BYTES = 8192  # kept of an error body: for the client it is handed to, and for the trace

_BY_STATUS = {
    401: FailureReason.AUTH,
    402: FailureReason.PAYMENT_REQUIRED,
    403: FailureReason.AUTH,
    408: FailureReason.TIMEOUT,
    425: FailureReason.UPSTREAM_5XX,
    504: FailureReason.TIMEOUT,
    529: FailureReason.OVERLOADED,
}
# the same request would fail there again, now or in a minute
_PERMANENT = frozenset(
    {
        FailureReason.AUTH,
        FailureReason.PAYMENT_REQUIRED,
        FailureReason.MODEL_MISSING,
        FailureReason.MODEL_LOAD_FAILED,
        FailureReason.TOO_LARGE,
        FailureReason.CONTEXT_OVERFLOW,
        FailureReason.UNSUPPORTED_PARAMETER,
        FailureReason.REDIRECT,
        FailureReason.CLIENT_ERROR,
    }
)


@frozen(kw_only=True)
class ErrorAnswer:
    """An answer outside 200 to 299: lower-case header names, at most MAX_ERROR_BYTES of the body, maybe not all of it."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    is_whole: bool = True

    def text(self) -> ErrorText:
        """Return what the body says."""
        return read_error(self.body)


def read_failure(answer: ErrorAnswer, *, provider: str, now: float, redactor: Redactor) -> ProviderFailed:
    """Return the failure that an answer is, with the upstream's own words in at most 500 characters.

    `now` is a Unix time, for resets that are stated as one; `redactor` takes the configured secrets out. A body that was cut is
    read, but left out of the failure: it could not be handed through."""
    text = answer.text()
    reason = reason_of(answer.status, text)
    return ProviderFailed(
        provider=provider,
        reason=reason,
        message=scrubbed(redactor.redact(text.text or f"status {answer.status}")),
        status=answer.status,
        retry_after_s=retry_after_s(answer.headers, text.text, now),
        transient=is_transient(reason),
        body=_redacted(answer.body, redactor) if answer.is_whole else b"",
        content_type=dict(answer.headers).get("content-type", ""),
        headers=answer.headers,
    )


def _redacted(body: bytes, redactor: Redactor) -> bytes:
    return redactor.redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def is_transient(reason: FailureReason) -> bool:
    """Tell whether the same request may succeed at the same provider later."""
    return reason not in _PERMANENT


def reason_of(status: int, text: ErrorText) -> FailureReason:
    """Return why an answer with this status and these words is no success."""
    if status < HTTPStatus.BAD_REQUEST:
        return FailureReason.REDIRECT
    if status == HTTPStatus.TOO_MANY_REQUESTS:  # the pace, or an account that is empty
        return FailureReason.PAYMENT_REQUIRED if is_out_of_money(text) else FailureReason.RATE_LIMIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == HTTPStatus.NOT_FOUND:  # some servers say so while they load the model, or cannot
        return server_state(text) or FailureReason.MODEL_MISSING
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return FailureReason.CONTEXT_OVERFLOW if overflows(text) else FailureReason.TOO_LARGE
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return fault_reason(text) or (FailureReason.CONTEXT_OVERFLOW if overflows(text) else FailureReason.UPSTREAM_5XX)
    return refusal_reason(text) or FailureReason.CLIENT_ERROR
