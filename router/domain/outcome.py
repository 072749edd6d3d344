"""How one attempt ended, and how one request did, in one value each."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from attrs import frozen

from router.errors import ErrorKind, FailureReason


class AttemptOutcome(StrEnum):
    """How an attempt ended, as it is counted."""

    OK = "ok"
    FAILED = "failed"  # the client has seen nothing of it
    FAILED_MIDSTREAM = "failed_midstream"
    CANCELLED = "cancelled"  # by its client

    @classmethod
    def of(cls, *, is_ended: bool, has_failed: bool, is_midstream: bool) -> Self:
        """Return the outcome; `is_midstream`: some of it was delivered."""
        if not is_ended:
            return cls.CANCELLED
        if not has_failed:
            return cls.OK
        return cls.FAILED_MIDSTREAM if is_midstream else cls.FAILED


class RequestResult(StrEnum):
    """How a request to a model ended: what the journal calls its outcome, and the metrics its result."""

    OK = "ok"
    FAILED = "failed"  # a provider was asked, and none answered; or the router itself is at fault
    REFUSED = "refused"  # no provider was asked: the client's mistake, a limit, a chain without a provider that may be asked
    CANCELLED = "cancelled"  # by its client, or by an operator


_CANCELLED = "cancelled"  # the words of these ends begin so
_OUR_FAULT = frozenset({"error", str(ErrorKind.INTERNAL)})  # a crash


def result_of(word: object, *, has_asked: bool) -> RequestResult:
    """Return the result of a request by the log's word for its end; `has_asked`: its chain has an attempt.

    The one rule of the journal, `replay`, the dashboard, the metrics and what is asked of them."""
    if word == "ok":
        return RequestResult.OK
    word = str(word)
    if word.startswith(_CANCELLED):
        return RequestResult.CANCELLED
    return RequestResult.FAILED if has_asked or word in _OUR_FAULT else RequestResult.REFUSED


@frozen(kw_only=True)
class Attempt:
    """One try at one provider.

    `reason` is None for an answer, `message` the upstream's own words; `committed`: the client got something of it.
    `absent`: a server of this machine that has not been there since the start. `cost_usd` is None where nothing was booked."""

    provider: str
    reason: FailureReason | None = None
    message: str = ""
    committed: bool = False
    absent: bool = False
    cost_usd: float | None = None
    savings_usd: float = 0.0
