"""One probe of one provider, bounded and judged; and the one that an operator asks for (supervision.md 21.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from router.config.schema import ProbeConfig
from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbeClass, ProbePlan, ProbeResult, evidence_in, is_cold, judged
from router.errors import FailureReason
from supervisors.health_board import Cell
from supervisors.seams import Prober, WallClock


def _always_ready(_provider: str) -> bool:
    return True


@frozen(kw_only=True)
class Probing:
    """What every probe of ours needs.

    `settings` is the `[probe]` table of today. `is_ready` tells whether a provider's managed server runs and is ready, True
    for one without such a server (`Processes.is_ready`). `glance` looks at what a server tells of its model, beside all
    probes, and never raises; None: nobody looks."""

    prober: Prober
    settings: Callable[[], ProbeConfig]
    wall: WallClock
    is_ready: Callable[[str], bool] = _always_ready
    glance: Callable[[str], Awaitable[None]] | None = None


async def probe_once(cell: Cell, cls: ProbeClass, plan: ProbePlan, probing: Probing) -> ProbeResult:
    """Ask once, within the limit of the configuration, and return what that showed; a time-out of a busy provider is BUSY."""
    began, was_in_use = trio.current_time(), cell.in_flight > 0
    limit_s = limit_of(cell, cls, plan, probing)
    result = None
    with trio.move_on_after(limit_s):
        result = await probing.prober.probe(cell.name, cls)
    if result is None:
        result = ProbeResult(
            provider=cell.name,
            cls=cls,
            verdict=ProbeVerdict.FAILED,
            started_at=began,
            latency_ms=(trio.current_time() - began) * 1000,
            reason=FailureReason.TIMEOUT,
            message=f"no answer within {limit_s:g} s",
        )
    return judged(result, is_in_use=was_in_use or cell.in_flight > 0)


async def probe_now(cell: Cell, probing: Probing) -> ProbeResult:
    """Probe a provider because an operator asks; apply the result as evidence, and return it.

    The state decides what the evidence means: a success wakes the recovery prober of an excluded provider. One that cannot
    be called, for lack of its credential, say, is not asked, and nothing is applied."""
    plan = probing.prober.plan(cell.name)
    if plan is None or cell.status.unconfigured is not None:
        await trio.lowlevel.checkpoint()
        unconfigured = cell.status.unconfigured
        return ProbeResult(
            provider=cell.name,
            cls=ProbeClass.COMPLETE,
            verdict=ProbeVerdict.FAILED,
            started_at=trio.current_time(),
            latency_ms=0.0,
            reason=FailureReason.CANCELLED,
            message="is not configured" if unconfigured is None else f"{unconfigured.reason}: {unconfigured.detail}"[:200],
        )
    epoch = cell.health.epoch
    result = await probe_once(cell, plan.top, plan, probing)
    if (evidence := evidence_in(result, epoch)) is not None:
        cell.apply(evidence)
    return result


def limit_of(cell: Cell, cls: ProbeClass, plan: ProbePlan, probing: Probing) -> float:
    """Return the seconds that a probe may take: more for an answer that may have to wait for its model (D17)."""
    settings = probing.settings()
    is_ready = probing.is_ready(cell.name)
    if cls is ProbeClass.COMPLETE and is_cold(plan, cell.health.last_ok_wall, probing.wall.now(), is_ready=is_ready):
        return max(settings.cold_timeout_s, settings.timeout_s)
    return settings.timeout_s
