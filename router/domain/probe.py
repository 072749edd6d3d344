"""What a probe may do, and what it showed: values and rules for recovery, the continuous scheduler and the doctor. Pure.

Source: supervision.md 21.7; D16 (money), D17 (cold models), D27 to D29 (what counts as an answer)."""

from __future__ import annotations

from enum import StrEnum

from attrs import evolve, frozen

from router.domain.health_events import Failed, ProbeVerdict, Source, Succeeded
from router.errors import FailureReason

COLD_AFTER_S = 300.0  # without a success a model may have left the memory (D17)
MESSAGE_CHARS = 200


class ProbeClass(StrEnum):
    """The kinds of probes, cheapest first."""

    TCP = "tcp"  # connect
    READY = "ready"  # the health URL of a restart table
    MODELS = "models"  # the list of models
    COMPLETE = "complete"  # one token, read to the terminator


@frozen(kw_only=True)
class ProbePlan:
    """How one provider may be probed, as the configuration has it today.

    `ladder` is climbed from its first rung; only its last shows that requests are answered. `is_gated`: it costs money,
    and the router may not spend any, so that no request reaches it either. `spares_model`: an answer would load the model,
    or keep it in memory for another while, so that it is not asked for one without need."""

    ladder: tuple[ProbeClass, ...]
    model: str
    is_paid: bool = False
    is_enabled: bool = True
    is_gated: bool = False
    spares_model: bool = False

    @property
    def routine(self) -> ProbeClass:
        """The probe of a provider of which nothing bad is known."""
        return ProbeClass.MODELS if self.spares_model else self.top

    @property
    def top(self) -> ProbeClass:
        """The probe that decides."""
        return self.ladder[-1]


@frozen(kw_only=True)
class ProbeResult:
    """One probe's end. `reason` is None exactly for OK; `model` is the name that the answer carried, "" for none.

    `started_at` is on trio's clock. `message` has at most 200 characters. `cls` is what was asked, which is MODELS where
    COMPLETE would have cost money that may not be spent."""

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


def ladder_of(*, has_ready_url: bool, may_complete: bool) -> tuple[ProbeClass, ...]:
    """Return a provider's ladder. Two rungs: a prober's turn takes two time-outs at most (I6).

    Money is spent only where `may_complete`; the list of models is free of charge everywhere (D16)."""
    first = ProbeClass.READY if has_ready_url else ProbeClass.TCP
    return (first, ProbeClass.COMPLETE if may_complete else ProbeClass.MODELS)


def rungs(plan: ProbePlan, failed: ProbeClass | None, *, is_ready: bool) -> tuple[ProbeClass, ...]:
    """Return what a recovery prober asks now: the rung that failed last, then the one that decides.

    A managed server that is not ready is started by the lease of the last rung: to knock at its closed door shows nothing."""
    if not is_ready:
        return (plan.top,)
    first = failed if failed in plan.ladder else plan.ladder[0]
    return plan.ladder[plan.ladder.index(first) :]


def is_cold(plan: ProbePlan, last_ok_wall: float | None, now_wall: float, *, is_ready: bool) -> bool:
    """Tell whether a whole answer may have to wait for a model that is loaded first."""
    if plan.is_paid:
        return False
    return not is_ready or last_ok_wall is None or now_wall - last_ok_wall >= COLD_AFTER_S


def judged(result: ProbeResult, *, is_in_use: bool) -> ProbeResult:
    """Return the result, BUSY for a time-out of a provider that is `is_in_use` by requests of ours (R-55).

    A 504 is no such time-out: there a gateway has answered."""
    is_time_out = result.verdict is ProbeVerdict.FAILED and result.reason is FailureReason.TIMEOUT and result.status is None
    if not (is_time_out and is_in_use):
        return result
    return evolve(result, verdict=ProbeVerdict.BUSY, reason=FailureReason.BUSY)


def evidence_in(result: ProbeResult, epoch: int) -> Succeeded | Failed | None:
    """Return what a probe outside of recovery says of its provider, None for nothing; it began in that epoch (D12)."""
    if result.verdict is ProbeVerdict.BUSY:
        return None
    if result.reason is None:
        return Succeeded(source=Source.PROBE)
    return Failed(
        reason=result.reason,
        source=Source.PROBE,
        epoch=epoch,
        message=result.message,
        retry_after_s=result.retry_after_s,
    )


def verdict_of(reason: FailureReason) -> ProbeVerdict:
    """Return what a probe showed that failed for this reason."""
    match reason:
        case FailureReason.LOADING:
            return ProbeVerdict.LOADING
        case FailureReason.BUSY:  # no slot of `max_concurrency` was free
            return ProbeVerdict.BUSY
        case _:
            return ProbeVerdict.FAILED
