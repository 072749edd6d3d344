"""The recovery prober of one exclusion, or of a hold for a refused key: the child `recovery` of a provider supervisor.

It waits for the moment that the cell's health names, asks, and applies what it saw; when to ask next is the reducer's
(`router/domain/health_step.py`). So evidence from elsewhere, an ended restart or a clock that jumped wakes it by changing
the cell, and nothing is remembered here but which rung failed last. Source: supervision.md 21.7."""

from __future__ import annotations

from math import inf

import trio

from router.domain.health import Health
from router.domain.health_events import ProbeVerdict, RecoveryProbed
from router.domain.health_step import is_probed, probe_due
from router.domain.probe import ProbeClass, ProbePlan, ProbeResult, rungs
from supervisors.health_board import Cell
from supervisors.probe_once import Probing, probe_once


async def run(cell: Cell, gen: int, *, probing: Probing) -> None:
    """Probe at the moments that generation `gen` of the cell names, until cancelled: it never ends by itself."""
    failed: ProbeClass | None = None
    while True:
        await _wait_due(cell, gen)
        changed = cell.changed
        plan = probing.prober.plan(cell.name)
        if plan is None or not _may_be_asked(cell, plan):
            await changed.wait()  # for a configuration that lets requests reach it
        else:
            result = await _climb(cell, plan, failed, probing)
            failed = None if result.verdict is ProbeVerdict.OK else result.cls
            cell.apply(_report(gen, result))


def _may_be_asked(cell: Cell, plan: ProbePlan) -> bool:
    """Tell whether any request may reach the provider: else nobody wants to know how it is."""
    return plan.is_enabled and not plan.is_gated and cell.status.unconfigured is None


async def _wait_due(cell: Cell, gen: int) -> None:
    while True:
        changed = cell.changed
        due = _due(cell.health, gen)
        if due <= trio.current_time():
            return
        with trio.move_on_at(due):
            await changed.wait()


def _due(health: Health, gen: int) -> float:
    """Return when to probe, trio clock; never in a generation that is over, whose results would be void (D4)."""
    return probe_due(health) if health.gen == gen and is_probed(health) else inf


async def _climb(cell: Cell, plan: ProbePlan, failed: ProbeClass | None, probing: Probing) -> ProbeResult:
    """Ask from the rung that failed last up to the one that decides; return the first that is not OK, or the last."""
    first, *others = rungs(plan, failed, is_ready=probing.is_ready(cell.name))
    result = await probe_once(cell, first, plan, probing)
    for cls in others:
        if result.verdict is not ProbeVerdict.OK:
            break
        result = await probe_once(cell, cls, plan, probing)
    return result


def _report(gen: int, result: ProbeResult) -> RecoveryProbed:
    return RecoveryProbed(
        gen=gen,
        verdict=result.verdict,
        reason=result.reason,
        message=result.message,
        retry_after_s=result.retry_after_s,
        latency_ms=result.latency_ms,
    )
