"""One row of the table of fallback: what the first of two providers does, what has to come of it; and short ways to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from router.domain.health import CooldownReason
from router.errors import ErrorKind, FailureReason
from router.providers.transport import HttpRequest
from tests.replay.fallback_forms import Form, error_event, error_object, good, refusal

STREAMS_ONLY = {"whole": "events answer a call for a stream only"}
AUTH = (CooldownReason.AUTH, 60.0)
LIMITED = (CooldownReason.RATE_LIMITED, 20.0)
OVERLOADED = (CooldownReason.OVERLOADED, 5.0)
RESTS = {
    FailureReason.AUTH: AUTH,
    FailureReason.PAYMENT_REQUIRED: AUTH,
    FailureReason.RATE_LIMIT: LIMITED,
    FailureReason.OVERLOADED: OVERLOADED,
}
SECOND = good("second")
KINDS = {
    429: ErrorKind.RATE_LIMITED,
    502: ErrorKind.ALL_FAILED,
    503: ErrorKind.ALL_EXCLUDED,
    504: ErrorKind.TIMEOUT,
    529: ErrorKind.ALL_OVERLOADED,
}

Look = Callable[[HttpRequest], object]


class End(StrEnum):
    """What the client gets."""

    NEXT = "the second provider's answer"
    FIRST = "the first one's, after all"
    HANDED = "the first one's refusal: its status and its words"
    STOPPED = "a refusal in the router's words"


@frozen(kw_only=True)
class Row:
    """One row; it holds for each of the eight cells that `not_for` does not excuse.

    `forms` are what the first provider does, call by call; `reason` None: it has not failed. `status` and `says` are what
    the log tells of the failure (None: the row does not say). `kind`, `client` and `tells` are the kind, status and words of
    the client's refusal, `text` is the first provider's answer. `rests`: why and for how many seconds the first provider is
    left alone. `chain` is the log's, where a second look is taken. `event` is told beside the usual ones. `sees` looks for
    what a repeat changes, `seen` is what it finds in all calls of two requests. `is_late`: behind `header_grace_s`, when a
    stream has its head. A key of `not_for` names cells by their words, the value says why they cannot be."""

    name: str
    forms: tuple[Form, ...]
    reason: FailureReason | None = None
    end: End = End.NEXT
    status: int | None = None
    says: str = ""
    kind: ErrorKind = ErrorKind.UPSTREAM_CLIENT
    client: int = 400
    tells: str = ""
    text: str = "first"
    rests: tuple[CooldownReason, float] | None = None
    calls: tuple[int, int] = (1, 1)
    chain: tuple[str, ...] = ()
    event: str = ""
    second: Form = SECOND
    is_late: bool = False
    profile: Mapping[str, Any] = field(factory=dict)
    keys: Mapping[str, Mapping[str, object]] = field(factory=dict)
    tables: Mapping[str, object] = field(factory=dict)
    ask: Mapping[str, Any] = field(factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    sees: Look | None = None
    seen: tuple[object, ...] = ()
    not_for: Mapping[str, str] = field(factory=dict)


def row(name: str, form: Form, reason: FailureReason | None, **more: object) -> Row:
    """Return the row of one failure; the first provider rests where its reason always makes it rest."""
    rests = None if reason is None else RESTS.get(reason)
    return Row(**{"name": name, "forms": (form,), "reason": reason, "rests": rests, **more})  # type: ignore[arg-type]  # by name


def refused(status: int, text: str, reason: FailureReason, note: str = "", **more: object) -> Row:
    """Return the row of an error answer."""
    return row(f"{status} {note}".strip(), refusal(status, text), reason, **{"status": status, "says": text, **more})


def handed(status: int, text: str, note: str = "", **more: object) -> Row:
    """Return the row of an error answer that concerns the client."""
    facts = {"end": End.HANDED, "client": status, "calls": (1, 0), **more}
    return refused(status, text, FailureReason.CLIENT_ERROR, note, **facts)


def stopped(name: str, form: Form, reason: FailureReason, client: int, tells: str, **more: object) -> Row:
    """Return the row of a chain that ends in the router's words."""
    facts = {"end": End.STOPPED, "kind": KINDS.get(client, ErrorKind.UPSTREAM_CLIENT), "client": client, "tells": tells}
    return row(name, form, reason, **{**facts, "calls": (1, 0), **more})


def told_to_stop(status: int, reason: FailureReason, client: int, text: str = "words", **more: object) -> Row:
    """Return the row of an error answer whose status is on `stop_statuses`, and that concerns the router."""
    facts = {"status": status, "says": text, "profile": {"stop_statuses": (status,)}, **more}
    return stopped(f"stop {status} {reason}", refusal(status, text), reason, client, f"a {status} {reason}", **facts)


def limited(name: str, seconds: float, *headers: tuple[str, str]) -> Row:
    """Return the row of a 429 that states a wait."""
    rests = (CooldownReason.RATE_LIMITED, seconds)
    return row(f"429 {name}", refusal(429, "slow down", *headers), FailureReason.RATE_LIMIT, status=429, rests=rests)


def passing(name: str, form: Form, **more: object) -> Row:
    """Return the row of an answer that goes out as it is."""
    return row(name, form, None, **{"end": End.FIRST, "calls": (1, 0), **more})


def repeated(name: str, form: Form, sees: Look, seen: tuple[object, ...], **more: object) -> Row:
    """Return the row of a refusal that is followed by a changed repeat at the same provider."""
    facts = {"end": End.FIRST, "calls": (2, 0), "sees": sees, "seen": seen, "event": "capability-degraded", **more}
    return row(name, form, None, **{"forms": (form, good("first")), **facts})


def inband(
    word: str, code: object, text: str, reason: FailureReason, status: int | None, *, note: str = "", **more: object
) -> Iterator[Row]:
    """Yield the rows of an error inside a 200: as its body, as the first event, and behind the opening events."""
    facts = {"status": status, "says": text, **more}
    name = f"{word} {code} {reason} {note}".strip()
    yield row(f"{name}, object", error_object(word, text, code), reason, **facts)
    event = error_event(word, text, code)
    yield row(f"{name}, event", event, reason, **facts, not_for=STREAMS_ONLY)
    behind = error_event(word, text, code, after_opening=True)
    yield row(f"{name}, event behind the opening", behind, reason, **facts, not_for=STREAMS_ONLY)


def betas(request: HttpRequest) -> bytes:
    """Return the beta flags that were sent."""
    return dict(request.headers)[b"anthropic-beta"]


def holds(word: bytes) -> Look:
    """Return a look for a word in the body."""
    return lambda request: word in request.content
