"""An upstream's answer that is no success, read as a failure: the status column of routing.md 11.2.

What a failure leads to (the next provider, or the client's own error) is the other half of that table:
`router/routing/classify.py`."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from router.config.redact import Redactor
from router.errors import ProviderFailed
from router.providers.retry_after import retry_after_s
from router.wire.error_body import ErrorText, read_error
from router.wire.error_words import is_transient, reason_of
from router.wire.errors import scrubbed

MAX_ERROR_BYTES = 8192  # kept of an error body: for the client it is handed to, and for the trace


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
