"""The heads of answers: what every client is told of the way, and what is relayed of an upstream's head (wire.md 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from router.domain.request import DialectName
from router.errors import RouterError, UpstreamClientError
from router.guards.drift import Severity
from router.ingress.record import Record
from router.ports import OpenInfo
from router.routing.chain import Dropped, Moved
from router.routing.profile import ProfileChoice

Headers = list[tuple[str, str]]

_STREAM_HEADERS = (("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no"))
JSON_HEADERS = (("content-type", "application/json"),)
RELAYED_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-", "retry-after", "x-codex-")  # prefixes, since lists go stale
_MAX_WHY_CHARS = 100  # of the id of a rule, which is a name for the log
_MAX_SKIPPED, _MAX_MOVED = 16, 8  # providers, 2.2 kB at most: servers in front take heads of 4 kB and more
_HEADER_CHARS = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"  # beside letters and digits; others are percent-encoded
UPSTREAM_ID = "x-router-upstream-request-id"  # `request-id` and `x-request-id` are the router's own (docs/decisions/014)


def early_headers(record: Record, stream_type: str) -> Headers:
    """Return the head of a stream that nobody answers yet, or that only tells an error."""
    return [*_typed(stream_type), *_way(record)]


def answer_headers(record: Record, info: OpenInfo, *, stream_type: str | None, is_same_dialect: bool, degraded: str) -> Headers:
    """Return the head of an answer; `degraded` are the kinds of what was left out of the request."""
    headers = [*_typed(stream_type), *_way(record)]
    if degraded:
        headers.append(("x-router-degraded", degraded))
    if is_same_dialect:
        headers += _relayed(info.headers)
    return headers


def error_headers(record: Record, error: RouterError, dialect: DialectName) -> Headers:
    """Return what goes on top of the headers that the error itself asks for."""
    headers = _way(record, is_over=True)
    failure = record.trace.failure
    if isinstance(error, UpstreamClientError) and error.dialect == dialect and failure is not None:
        headers += _relayed(failure.headers)
    return headers


def choice_headers(choice: ProfileChoice) -> Headers:
    """Return the profile, and what chose it."""
    why = quote(choice.why[:_MAX_WHY_CHARS], safe=_HEADER_CHARS)
    return [("x-router-profile", choice.profile), ("x-router-profile-why", why)]


def _typed(stream_type: str | None) -> Headers:
    """Return the head's first lines, of a stream of this type, or of one JSON body."""
    return [*JSON_HEADERS] if stream_type is None else [("content-type", stream_type), *_STREAM_HEADERS]


def _way(record: Record, *, is_over: bool = False) -> Headers:
    headers = record.trace.headers(is_over=is_over)
    if record.choice is not None:
        headers += choice_headers(record.choice)
    headers += _with_reasons("x-router-skipped", record.trace.dropped[:_MAX_SKIPPED])
    headers += _with_reasons("x-router-moved", record.trace.moved[:_MAX_MOVED])
    if (budget := record.context_budget) is not None:
        headers.append(("x-router-context-budget", budget))
    if record.drift is not Severity.NONE:
        headers.append(("x-router-drift", str(record.drift)))
    if record.upstream_request_id is not None:
        headers.append((UPSTREAM_ID, record.upstream_request_id))
    return headers


def _with_reasons(name: str, told: Sequence[Dropped | Moved]) -> Headers:
    words = ",".join(f"{one.provider}={one.reason}" for one in told)
    return [(name, words)] if words else []


def _relayed(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in headers if name.startswith(RELAYED_PREFIXES))
