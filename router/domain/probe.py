"""What one probe of a provider showed: a value for recovery, the continuous scheduler and the doctor.

Source: supervision.md 21.7."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from router.domain.health_events import ProbeVerdict
from router.errors import FailureReason


class ProbeClass(StrEnum):
    """The ladder of probes, cheapest first."""

    TCP = "tcp"  # connect
    READY = "ready"  # the health URL of a managed server
    MODELS = "models"  # the list of models
    COMPLETE = "complete"  # one token, read to the terminator


@frozen(kw_only=True)
class ProbeResult:
    """One probe's end. `reason` is None exactly for OK; `model` is the name that the answer carried, "" for none.

    `started_at` is on trio's clock. `message` has at most 200 characters."""

    provider: str
    cls: ProbeClass
    verdict: ProbeVerdict
    started_at: float
    latency_ms: float
    reason: FailureReason | None = None
    status: int | None = None
    message: str = ""
    retry_after_s: float | None = None
    model: str = ""
