"""Continuous probing: quiet providers are asked from time to time, so that their health is known before a request needs it.

    probes
    ├─ probe/<name>    one task per provider: waits until it is due, takes one of `[probe].parallel` slots, asks, reports
    └─ probes/glances  once a minute, also without `[probe].enabled`: what servers tell of their models, free of charge

Each has its own due time (D20), counted from the end of its last probe, so that missed ones are one and never a queue.
A provider with fresh traffic is not asked, nor one that another task asks already. Source: supervision.md 21.7, W25."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from functools import partial

import trio
from attrs import define, field, frozen

from router.domain.health import Admission, CooldownReason, Health
from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbePlan, ProbeResult, evidence_in
from router.ports import Observer
from supervisors.health_board import Cell, HealthBoard
from supervisors.probe_once import Probing, probe_now, probe_once
from supervisors.seams import Random

SHORTEST_PAUSE_S = 1.0  # whatever the jitter
GLANCE_EVERY_S = 60.0  # a model that has come or gone is seen soon enough for `router status`


class ProbeSkip(StrEnum):
    """Why a probe that was due was not made."""

    FRESH = "fresh"  # a request has succeeded meanwhile
    UNCONFIGURED = "unconfigured"
    DISABLED = "disabled"
    GATED = "paid"  # no request may reach it either
    PASSIVE = "passive"
    EXCLUDED = "excluded"  # its recovery prober asks
    HELD = "held"
    RATE_LIMITED = "rate-limited"  # not before the stated reset
    STOPPED = "stopped"  # its managed server is not ready: a probe would start it


@frozen
class Skipped:
    """A probe that is not made, and when the next one is due, trio clock; None: after a usual pause."""

    reason: ProbeSkip
    again_at: float | None = None


@define(kw_only=True)
class Schedule:
    """When one provider is due. Written by its task, and by a jump of the clock.

    `looked_at` is when the last probe ended: what has got worse since then makes the next one due. `own_ok_wall` is the
    success that a probe of ours has left in the health, so that it is not taken for traffic."""

    due: float
    looked_at: float
    own_ok_wall: float | None = None
    rests: bool = False  # `due` is the reset of a rate limit; an operator or another key may end it before


@define(eq=False)
class _Child:
    cell: Cell
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(kw_only=True, eq=False)
class Probes:
    """The scheduler."""

    board: HealthBoard
    probing: Probing
    random: Random
    observer: Observer
    _schedules: dict[str, Schedule] = field(factory=dict, init=False)
    _told_models: dict[str, str] = field(factory=dict, init=False)  # the last model that was not the configured one
    _slots: trio.CapacityLimiter = field(factory=partial(trio.CapacityLimiter, 1), init=False)  # as many as `_reconcile` says
    _touched: trio.Event = field(factory=trio.Event, init=False)
    _is_on: bool = field(default=False, init=False)
    _interval_s: float = field(default=0.0, init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep one task per provider of the board while `[probe].enabled`, until cancelled. Started with them."""
        self._is_on = False
        live: dict[str, _Child] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_members, name="probes/members")
            if self.probing.glance is not None:
                nursery.start_soon(self._keep_glancing, self.probing.glance, name="probes/glances")
            self._reconcile(nursery, live)
            task_status.started()
            while True:
                await self._touched.wait()
                self._touched = trio.Event()
                self._reconcile(nursery, live)

    def touch(self) -> None:
        """Look at the settings again: the configuration has changed. The cells of the board are watched anyway."""
        self._touched.set()

    def clock_jumped(self) -> None:
        """Spread the next probes over one interval: after a suspend all of them are due at once (D25)."""
        now, interval_s = trio.current_time(), self.probing.settings().interval_s
        for cell in self.board.cells():
            if (schedule := self._schedules.get(cell.name)) is not None:
                schedule.due = now + interval_s * self.random.random()
                cell.touch()

    async def probe_now(self, provider: str) -> ProbeResult:
        """Probe for an operator (`probe_once.probe_now`), whatever the schedule says. Raises KeyError for an unknown provider."""
        result = await probe_now(self.board.cell(provider), self.probing)
        self._tell(result, self.probing.prober.plan(provider))
        return result

    async def _watch_members(self) -> None:
        while True:
            changed = self.board.members_changed
            self.touch()
            await changed.wait()

    async def _keep_glancing(self, glance: Callable[[str], Awaitable[None]]) -> None:
        while True:
            for cell in self.board.cells():
                plan = self.probing.prober.plan(cell.name)
                if plan is not None and self._may_be_looked_at(cell, plan):
                    await glance(cell.name)
            await trio.sleep(GLANCE_EVERY_S)

    def _may_be_looked_at(self, cell: Cell, plan: ProbePlan) -> bool:
        """Tell whether requests reach the provider: what nobody asks, nobody looks at."""
        if not plan.is_enabled or plan.is_gated or cell.status.unconfigured is not None:
            return False
        return cell.health.admission is not Admission.EXCLUDED and self.probing.is_ready(cell.name)

    def _reconcile(self, nursery: trio.Nursery, live: dict[str, _Child]) -> None:
        settings = self.probing.settings()
        self._slots.total_tokens = settings.parallel
        if settings.interval_s != self._interval_s:
            self._interval_s = settings.interval_s
            self._hurry(live)
        wanted: Mapping[str, Cell] = {cell.name: cell for cell in self.board.cells()} if settings.enabled else {}
        for name, child in live.items():
            if wanted.get(name) is not child.cell:
                child.scope.cancel()
        for name, cell in wanted.items():
            if name not in live:  # one that is still cleaning up keeps its place
                live[name] = _Child(cell)
                nursery.start_soon(self._run_child, live, live[name], name=f"probe/{name}")
        if settings.enabled and not self._is_on:
            fields = {"interval_s": settings.interval_s, "probe_paid": settings.paid, "providers": len(wanted)}
            self.observer.event("continuous-probe-started", fields)
        self._is_on = settings.enabled

    def _hurry(self, live: Mapping[str, _Child]) -> None:
        """Let nobody wait longer than the new interval; a rest is not one of its pauses."""
        for name, schedule in self._schedules.items():
            if not schedule.rests:
                schedule.due = min(schedule.due, trio.current_time() + self._pause_s())
                live[name].cell.touch()

    async def _run_child(self, live: dict[str, _Child], child: _Child) -> None:
        name, now = child.cell.name, trio.current_time()
        self._schedules[name] = Schedule(due=now + self._pause_s(), looked_at=now)
        try:
            with child.scope:
                await self._keep_probing(child.cell, self._schedules[name])
        finally:
            del live[name], self._schedules[name]
            self.touch()  # the place is free

    async def _keep_probing(self, cell: Cell, schedule: Schedule) -> None:
        while True:
            await _wait_due(cell, schedule)
            async with self._slots:
                plan = self.probing.prober.plan(cell.name)
                skip = self._skip(cell, plan, schedule)
                if plan is not None and skip is None:
                    await self._probe(cell, plan, schedule)
                again_at = None if skip is None else skip.again_at
            if skip is not None:
                self.observer.event("probe-skipped", {"provider": cell.name, "reason": str(skip.reason)})
            now = trio.current_time()
            schedule.rests = skip is not None and skip.reason is ProbeSkip.RATE_LIMITED
            schedule.looked_at = now
            schedule.due = now + self._pause_s() if again_at is None else again_at

    def _skip(self, cell: Cell, plan: ProbePlan | None, schedule: Schedule) -> Skipped | None:
        """Return why the provider is not probed now, None when it is."""
        if plan is None or cell.status.unconfigured is not None:
            return Skipped(ProbeSkip.UNCONFIGURED)
        if not plan.is_enabled:
            return Skipped(ProbeSkip.DISABLED)
        if plan.is_gated:
            return Skipped(ProbeSkip.GATED)
        now = trio.current_time()
        if (skip := skipped_by_health(cell.health, now)) is not None:
            return skip
        if not self.probing.is_ready(cell.name):
            return Skipped(ProbeSkip.STOPPED)
        is_suspect = cell.health.suspect_at > schedule.looked_at
        left_s = self._fresh_for_s(cell.health, schedule)
        return Skipped(ProbeSkip.FRESH, now + left_s) if left_s > 0 and not is_suspect else None

    def _fresh_for_s(self, health: Health, schedule: Schedule) -> float:
        """Return for how long the last success of a request still counts; 0 for none."""
        ok_wall, interval_s = health.last_ok_wall, self.probing.settings().interval_s
        if ok_wall is None or ok_wall == schedule.own_ok_wall:
            return 0.0
        age_s = self.probing.wall.now() - ok_wall
        return interval_s - age_s if 0 <= age_s < interval_s else 0.0

    async def _probe(self, cell: Cell, plan: ProbePlan, schedule: Schedule) -> None:
        """Ask once; apply and tell the result. One that has got worse has to show a whole answer."""
        epoch = cell.health.epoch
        is_suspect = cell.health.suspect_at > schedule.looked_at
        result = await probe_once(cell, plan.top if is_suspect else plan.routine, plan, self.probing)
        self._tell(result, plan)
        if (evidence := evidence_in(result, epoch)) is not None:
            cell.apply(evidence)
        if result.verdict is ProbeVerdict.OK:
            schedule.own_ok_wall = cell.health.last_ok_wall

    def _tell(self, result: ProbeResult, plan: ProbePlan | None) -> None:
        self.observer.event("probe-completed", _fields(result))
        self._tell_drift(result, plan)

    def _tell_drift(self, result: ProbeResult, plan: ProbePlan | None) -> None:
        """Tell once that another model answers than the configured one; again when it changes, or after it was right."""
        observed, configured = result.model.strip(), "" if plan is None else plan.model.strip()
        if not observed or not configured:
            return
        if observed == configured:
            self._told_models.pop(result.provider, None)
        elif self._told_models.get(result.provider) != observed:
            self._told_models[result.provider] = observed
            fields = {"provider": result.provider, "configured_model": configured, "observed_model": observed}
            self.observer.event("probe-capabilities-drift", fields)

    def _pause_s(self) -> float:
        settings = self.probing.settings()
        return max(settings.interval_s * (1 + settings.jitter * (2 * self.random.random() - 1)), SHORTEST_PAUSE_S)


def skipped_by_health(health: Health, now: float) -> Skipped | None:
    """Return why a provider in this health is not asked by the scheduler, None when it may be."""
    if health.is_passive:
        return Skipped(ProbeSkip.PASSIVE)
    if health.admission is Admission.EXCLUDED:
        return Skipped(ProbeSkip.EXCLUDED)
    if health.admission is Admission.HELD:
        return Skipped(ProbeSkip.HELD)
    rest = health.cooldown
    if rest is not None and rest.reason is CooldownReason.RATE_LIMITED and rest.until > now:
        return Skipped(ProbeSkip.RATE_LIMITED, rest.until)
    return None


async def _wait_due(cell: Cell, schedule: Schedule) -> None:
    """Wait until the schedule says so, until the provider has got worse since the last look, or until its rest has ended."""
    while True:
        changed = cell.changed
        now = trio.current_time()
        if cell.health.suspect_at > schedule.looked_at or schedule.due <= now:
            return
        if schedule.rests and skipped_by_health(cell.health, now) is None:
            return
        with trio.move_on_at(schedule.due):
            await changed.wait()


def _fields(result: ProbeResult) -> dict[str, object]:
    return {
        "provider": result.provider,
        "success": result.verdict is ProbeVerdict.OK,
        "verdict": str(result.verdict),
        "class": str(result.cls),
        "reason": None if result.reason is None else str(result.reason),
        "status": result.status,
        "latency_ms": round(result.latency_ms, 1),
        "error": result.message,
        "model_name": result.model or None,
    }
