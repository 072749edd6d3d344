"""What a probe may do, and what its result says."""

from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.health_events import Failed, ProbeVerdict, Source, Succeeded
from router.domain.probe import ProbeClass, ProbePlan, ProbeResult, evidence_in, is_cold, judged, ladder_of, rungs, verdict_of
from router.errors import FailureReason

TCP, READY, MODELS, COMPLETE = ProbeClass
LOCAL = ProbePlan(ladder=(TCP, COMPLETE), model="m")
PAID = ProbePlan(ladder=(TCP, MODELS), model="m", is_paid=True)
OK = ProbeResult(provider="p", cls=COMPLETE, verdict=ProbeVerdict.OK, started_at=0, latency_ms=1)


def failed(reason: FailureReason, status: int | None = None) -> ProbeResult:
    return evolve(OK, verdict=verdict_of(reason), reason=reason, status=status)


@pytest.mark.parametrize(
    ("has_ready_url", "may_complete", "ladder"),
    [
        (False, True, (TCP, COMPLETE)),
        (True, True, (READY, COMPLETE)),
        (False, False, (TCP, MODELS)),
        (True, False, (READY, MODELS)),
    ],
)
def test_a_ladder_has_the_cheapest_rung_and_the_one_that_decides(
    has_ready_url: bool,  # noqa: FBT001 - a column
    may_complete: bool,  # noqa: FBT001 - a column
    ladder: tuple[ProbeClass, ...],
) -> None:
    assert ladder_of(has_ready_url=has_ready_url, may_complete=may_complete) == ladder


@pytest.mark.parametrize(
    ("plan", "before", "is_ready", "asked"),
    [
        (LOCAL, None, True, (TCP, COMPLETE)),
        (LOCAL, TCP, True, (TCP, COMPLETE)),
        (LOCAL, COMPLETE, True, (COMPLETE,)),
        (LOCAL, TCP, False, (COMPLETE,)),
        (PAID, TCP, False, (MODELS,)),  # else nobody would ever start its server again
        (PAID, COMPLETE, True, (TCP, MODELS)),
    ],
)
def test_a_prober_asks_the_rung_that_failed_last_and_the_one_that_decides(
    plan: ProbePlan,
    before: ProbeClass | None,
    is_ready: bool,  # noqa: FBT001 - a column
    asked: tuple[ProbeClass, ...],
) -> None:
    assert rungs(plan, before, is_ready=is_ready) == asked


@pytest.mark.parametrize(
    ("plan", "last_ok_wall", "is_ready", "cold"),
    [
        (LOCAL, None, True, True),
        (LOCAL, 701.0, True, False),
        (LOCAL, 700.0, True, True),
        (LOCAL, 999.0, False, True),
        (PAID, None, True, False),
    ],
)
def test_a_model_is_cold_after_five_minutes_without_a_success(
    plan: ProbePlan,
    last_ok_wall: float | None,
    is_ready: bool,  # noqa: FBT001 - a column
    cold: bool,  # noqa: FBT001 - a column
) -> None:
    assert is_cold(plan, last_ok_wall, 1000.0, is_ready=is_ready) is cold


@pytest.mark.parametrize(
    ("result", "is_in_use", "verdict"),
    [
        (failed(FailureReason.TIMEOUT), True, ProbeVerdict.BUSY),
        (failed(FailureReason.TIMEOUT), False, ProbeVerdict.FAILED),
        (failed(FailureReason.TIMEOUT, 504), True, ProbeVerdict.FAILED),
        (failed(FailureReason.CONNECTION), True, ProbeVerdict.FAILED),
        (failed(FailureReason.LOADING, 503), True, ProbeVerdict.LOADING),
        (OK, True, ProbeVerdict.OK),
    ],
)
def test_only_a_time_out_of_a_provider_in_use_is_busy(
    result: ProbeResult,
    is_in_use: bool,  # noqa: FBT001 - a column
    verdict: ProbeVerdict,
) -> None:
    assert judged(result, is_in_use=is_in_use).verdict is verdict


def test_a_result_is_evidence_of_a_probe() -> None:
    limited = evolve(failed(FailureReason.RATE_LIMIT, 429), retry_after_s=7.0, message="slow")

    assert evidence_in(OK, 4) == Succeeded(source=Source.PROBE)
    assert evidence_in(failed(FailureReason.BUSY), 4) is None
    assert evidence_in(limited, 4) == Failed(
        reason=FailureReason.RATE_LIMIT, source=Source.PROBE, epoch=4, message="slow", retry_after_s=7.0
    )
