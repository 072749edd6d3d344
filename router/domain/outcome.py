"""How one attempt ended, in one value."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from attrs import frozen

from router.errors import FailureReason


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
