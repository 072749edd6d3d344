"""How one attempt ended, in one value."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from router.domain.events import Usage
from router.errors import FailureReason


class OutcomeSource(StrEnum):
    """Who asked."""

    TRAFFIC = "traffic"
    PROBE = "probe"
    RECOVERY = "recovery"


@frozen(kw_only=True)
class Attempt:
    """One try at one provider.

    `reason` is None for an answer; `latency_s` counts to commit; `committed` tells whether the client got anything of it."""

    provider: str
    reason: FailureReason | None = None
    status: int | None = None
    latency_s: float = 0.0
    committed: bool = False
    usage: Usage | None = None
    retry_after_s: float | None = None
    message: str = ""
    source: OutcomeSource = OutcomeSource.TRAFFIC
