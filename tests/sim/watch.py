"""The invariants of the request path and of the board, checked whenever the world is quiet, at every step, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import Any

import trio
from attrs import define, evolve, field, frozen

from router.domain.health import Admission, Evidence, Health, HealthState, HoldReason, evidence_of
from router.domain.health_events import (
    DriftReloaded,
    Failed,
    HealthEvent,
    PassiveSet,
    ProbeVerdict,
    RecoveryProbed,
    Source,
    Succeeded,
)
from router.domain.health_rows import to_row
from router.domain.health_step import LEVEL_MAX, PASSIVE_PAUSE_S, wanted
from router.ingress.drain import Drain
from supervisors.drift_reload import FLUSH_S
from supervisors.health_board import Cell, HealthBoard
from supervisors.policies import provider_spec
from tests.sim.backends import Network
from tests.sim.call import Call
from tests.sim.crashes import Crashes
from tests.sim.told import Told

SUPERVISOR = "provider/"
EVERY = 8  # quiet moments without an event or a step: something may end without a word, too
SLACK_S = 1.0
MIN_JITTER, MAX_JITTER = 0.9 - 1e-6, 1.1 + 1e-6
LEAVE_S = 12.0  # a restart command has TERM, 5 s and KILL; a probe closes its connection within 1 s
GONE_S = 1.5  # an upstream's connection closes within CLOSE_S = 1 s of its client's departure
_SEVERITY = {HealthState.HEALTHY: 0, HealthState.DEGRADED: 1, HealthState.UNHEALTHY: 2}


@frozen
class Violation:
    """An invariant that did not hold. `at` is seconds from the start."""

    at: float
    name: str
    text: str


@define(eq=False, kw_only=True)
class Watch:
    """Sees the daemon from outside; `broken` records what does not hold."""

    board: HealthBoard
    drain: Drain
    network: Network
    calls: dict[str, Call]
    broken: Callable[[str, str], None]
    now: Callable[[], float]
    crashes: Crashes
    told: Told
    pending: Callable[[], int]  # rows that wait for the disk
    steps: int = 0
    counted_epochs: dict[Cell, set[int]] = field(factory=dict)
    leaving_since: dict[str, float] = field(factory=dict)  # supervisors with a child that is cancelled and cleans up
    owing_since: dict[str, tuple[int, float]] = field(factory=dict)  # number of the reload that is owed, and since when
    values: dict[Cell, Health] = field(factory=dict)  # the last that was committed
    replaced: dict[Cell, list[tuple[float, float]]] = field(factory=dict)  # moments of a next probe, and until when each stood
    _seen: tuple[int, int, int] = (0, 0, 0)
    _quiet_moments: int = 0

    # -- whenever no task can run

    def quiet(self, *, is_ending: bool = False) -> None:
        """Check what holds between any two steps."""
        now = self.now()
        if self.calls:
            self._departed(now)
        attempts = sum(self.board.in_flight().values())
        if attempts > self.drain.in_flight:
            self.broken("in-flight", f"{attempts} attempts of {self.drain.in_flight} requests")
        if not self.drain.in_flight:
            self.told.check_verdicts()
        self._quiet_moments += 1
        seen = (self.steps, self.told.count_of_events, len(self.crashes.living))
        if seen != self._seen or self._quiet_moments % EVERY == 0:
            self._seen = seen
            self._standing(now, is_ending=is_ending)

    def _standing(self, now: float, *, is_ending: bool) -> None:
        """Compare values, events and tasks with each other. Most quiet moments are those of a stream, and change none."""
        for cell in self.board.cells():
            if self.values.setdefault(cell, cell.health) is not cell.health:
                self.broken("I23", f"{cell.name}: its value is not what was committed last")
                self.values[cell] = cell.health
            if not is_ending:
                self._probation(cell, now)
                self._reload(cell, now)
        self.told.check(self.board)
        if not is_ending:
            self._children()

    def reset(self, provider: str) -> None:
        """Take notice that a value was put into quarantine."""
        cell = self.board.cell(provider)
        self.values[cell] = cell.health
        self.counted_epochs.pop(cell, None)

    def _children(self) -> None:
        """Compare what each supervisor's cell wants with the children that it has (I2, I3, I5)."""
        names = {cell.name for cell in self.board.cells()}
        for name, victim in self.crashes.living.items():
            if not name.startswith(SUPERVISOR):
                continue
            provider = name.removeprefix(SUPERVISOR)
            if provider not in names:
                self.broken("I2", f"{name} lives, and there is no such provider")
                continue
            tasks = [task for nursery in victim.task.child_nurseries for task in nursery.child_tasks]
            leaving = {task.name.partition("/")[0] for task in tasks if is_told_to_end(task)}
            self._cleaning_up(name, leaving)
            living = sorted(_slot(task) for task in tasks if not is_told_to_end(task))
            needed = sorted(
                (str(slot.kind), slot.gen)
                for slot in wanted(self.board.cell(provider).health)
                if slot.kind not in leaving  # its place is free only when the old child has fully ended
            )
            if living != needed:
                self.broken("I3", f"{name} has {living}, its cell wants {needed}")

    def _cleaning_up(self, name: str, leaving: set[str]) -> None:
        """Bound how long a cancelled child may hold its place."""
        now = self.now()
        since = self.leaving_since.setdefault(name, now) if leaving else now
        if not leaving:
            self.leaving_since.pop(name, None)
        if now - since > LEAVE_S:
            self.broken("I3", f"{name}: {sorted(leaving)} was cancelled {now - since:.1f} s ago and is there still")

    def prober(self, provider: str) -> trio.lowlevel.Task | None:
        """Return the task of a provider's recovery prober."""
        victim = self.crashes.living.get(f"{SUPERVISOR}{provider}")
        tasks = [] if victim is None else [task for nursery in victim.task.child_nurseries for task in nursery.child_tasks]
        return next((task for task in tasks if task.name.startswith("recovery/")), None)

    def _probation(self, cell: Cell, now: float) -> None:
        health = cell.health
        is_watched = f"{SUPERVISOR}{cell.name}" in self.crashes.living
        if health.admission is Admission.PROBATION and is_watched and now > health.probation_until + SLACK_S:
            self.broken("I27", f"{cell.name}: on probation, which should have ended {now - health.probation_until:.1f} s ago")
        if health.is_passive and health.passive_until > now + PASSIVE_PAUSE_S:
            self.broken("I24", f"{cell.name}: passive, and not asked for {health.passive_until - now:.1f} s")

    def _reload(self, cell: Cell, now: float) -> None:
        """Bound how long a reload is owed while somebody watches over the provider."""
        owed = cell.health.reload_owed
        is_watched = f"{SUPERVISOR}{cell.name}" in self.crashes.living
        if owed is None or not is_watched or self.owing_since.get(cell.name, (owed, now))[0] != owed:
            self.owing_since.pop(cell.name, None)
        if owed is None:
            return
        since = self.owing_since.setdefault(cell.name, (owed, now))[1] if is_watched else now
        if now - since > FLUSH_S + LEAVE_S:  # the one before it may clean up still
            self.broken("reload", f"{cell.name}: reload {owed} is owed for {now - since:.1f} s")

    def _departed(self, now: float) -> None:
        for mark, call in tuple(self.calls.items()):
            if call.left_at is None or (left_s := now - call.left_at) < GONE_S:
                continue
            holders = self.network.holders(mark)
            late = [name for name in holders if left_s > GONE_S + self.told.reads_on_s(name)]
            if late:
                self.broken("left", f"{mark} left {left_s:.1f} s ago, and its upstream is still there: {late}")
            if late or not holders:
                del self.calls[mark]

    # -- every applied event

    def applied(self, cell: Cell, event: HealthEvent, old: Health) -> None:
        """Check one step of a provider's health."""
        self.steps += 1
        new = cell.health
        if (known := self.values.get(cell)) is not None and known is not old and known != old:
            self.broken("I23", f"{cell.name}: a step began from another value than the one that was committed last")
        self.values[cell] = new
        if lasting(new) != lasting(old) and not self.pending():
            self.broken("I25", f"{cell.name}: a change that no row waits for")
        self._by_event(cell, event, old)
        if new.next_probe_at != old.next_probe_at:
            self.replaced.setdefault(cell, []).append((old.next_probe_at, self.now()))
        is_relapse = isinstance(event, Failed) and (old.admission, new.admission) == (Admission.PROBATION, Admission.EXCLUDED)
        if is_relapse and new.level != min(old.level + 1, LEVEL_MAX):
            self.broken("I27", f"{cell.name}: a relapse took level {old.level} to {new.level}")
        if isinstance(event, RecoveryProbed) and event.gen != old.gen and new != old:
            self.broken("I10", f"{cell.name}: a probe of generation {event.gen} changed {old.gen}")
        if isinstance(event, Failed):
            self._failed(cell, event, old, new)
        is_back = new.admission is Admission.PROBATION and old.admission is not new.admission  # where all begin as degraded
        if isinstance(event, Succeeded) and _SEVERITY[new.state] > _SEVERITY[old.state] and not is_back:
            self.broken("I13", f"{cell.name}: a success made it {new.state}")
        if new.gen < old.gen:
            self.broken("gen", f"{cell.name}: generation {new.gen} after {old.gen}")
        if (new.hold_reason is not None) is not (new.admission is Admission.HELD):
            self.broken("hold", f"{cell.name}: {new.admission} with hold reason {new.hold_reason}")
        if new.admission is Admission.EXCLUDED and new.next_probe_at == inf:
            self.broken("I3", f"{cell.name}: excluded, and no probe is due ever")
        if new.admission is Admission.ADMITTED and new.state is HealthState.UNHEALTHY and cell.policy.excludes:
            self.broken("D1", f"{cell.name}: unhealthy and admitted, though a profile excludes")

    def _by_event(self, cell: Cell, event: HealthEvent, old: Health) -> None:
        is_out = cell.health.admission in (Admission.EXCLUDED, Admission.HELD)
        if cell.health.reload_owed is not None and (is_out or cell.health.is_passive):
            self.broken("reload", f"{cell.name}: one is owed to who is {cell.health.admission}, or passive")
        if isinstance(event, PassiveSet) and event.is_passive:
            self._given_up(cell)
        elif isinstance(event, RecoveryProbed):
            self._probed(cell, event, old, cell.health)
        elif isinstance(event, DriftReloaded) and event.gen != old.reload_owed and cell.health != old:
            self.broken("I10", f"{cell.name}: the end of reload {event.gen} changed {old.reload_owed}")
        elif isinstance(event, Succeeded | Failed) and event.source is Source.TRAFFIC:
            self.told.count(cell.name, is_ok=isinstance(event, Succeeded))

    def _probed(self, cell: Cell, event: RecoveryProbed, old: Health, new: Health) -> None:
        """Check when the probe was made, and when the next one is due (I8)."""
        now, policy = self.now(), cell.policy
        if event.gen != old.gen or new is old:
            return
        if not self._was_due(cell, old, began=now - event.latency_ms / 1000):
            self.broken("I8", f"{cell.name}: probed {old.next_probe_at - now:.1f} s too early")
        if event.verdict is ProbeVerdict.FAILED and new.gen == old.gen and new.cooldown is None:
            pause_s = new.next_probe_at - now
            if not MIN_JITTER * policy.probe_initial_s <= pause_s <= MAX_JITTER * policy.probe_max_s:
                self.broken("I8", f"{cell.name}: the next probe is due in {pause_s:.1f} s at level {new.level}")

    def _was_due(self, cell: Cell, old: Health, *, began: float) -> bool:
        """Tell whether a probe was due that began then: a jump of the clock may name a later moment while it is under way."""
        named = [*self.replaced.get(cell, []), (old.next_probe_at, self.now())]
        return any(at - SLACK_S <= until for at, until in named if until >= began)

    def _given_up(self, cell: Cell) -> None:
        name = f"{SUPERVISOR}{cell.name}"
        crashes, limit = self.crashes.injected.get(name, 0), provider_spec(cell.name).intensity
        if crashes <= limit:
            self.broken("I20", f"{cell.name}: passive after {crashes} crashes of its own, {limit} are allowed")

    def _failed(self, cell: Cell, event: Failed, old: Health, new: Health) -> None:
        evidence = evidence_of(event.reason)
        is_same = (new.state, new.failures) == (old.state, old.failures)
        if evidence is not Evidence.HEALTH and not is_same:
            self.broken("I11", f"{cell.name}: {event.reason} changed health")
        if evidence not in (Evidence.HEALTH, Evidence.AUTH) and new.admission is not old.admission:
            self.broken("I11", f"{cell.name}: {event.reason} changed admission")
        if _SEVERITY[new.state] < _SEVERITY[old.state] and new.admission is old.admission:
            self.broken("I13", f"{cell.name}: a failure made it {new.state}")
        if event.epoch is not None and event.source is Source.TRAFFIC and new.failures > old.failures:
            counted = self.counted_epochs.setdefault(cell, set())
            is_one_more = new.failures == old.failures + 1 or new.admission is not old.admission
            if event.epoch in counted or not is_one_more:
                self.broken("I12", f"{cell.name}: epoch {event.epoch} was counted twice")
            counted.add(event.epoch)

    # -- the end of the run

    def ended(self, client_lines: int, exit_code: int, jobs: Collection[str]) -> None:
        """Check what is left when the daemon has ended."""
        if jobs:
            self.broken("I19", f"jobs are left: {sorted(jobs)}")
        if exit_code:
            self.broken("exit", f"the daemon ended with {exit_code}")
        if left := self.network.open_lines():
            self.broken("I19", f"{left} connections to backends are left")
        if client_lines:
            self.broken("I19", f"{client_lines} connections of clients are left")
        if self.drain.in_flight or self.board.in_flight():
            self.broken("I19", f"in flight at the end: {self.drain.in_flight}, {self.board.in_flight()}")

    def recovered(self, exempt: frozenset[str]) -> None:
        """Check that nobody is out any more, long after the last fault, but those whom nobody can help (I6)."""
        for cell in self.board.cells():
            health = cell.health
            is_out = health.admission in (Admission.EXCLUDED, Admission.HELD) and health.hold_reason is not HoldReason.OPERATOR
            is_watched = f"{SUPERVISOR}{cell.name}" in self.crashes.living
            if is_out and is_watched and not health.is_passive and cell.name not in exempt:
                self.broken("I6", f"{cell.name} is {health.admission} still, though its backend has been well for long")


def _slot(task: trio.lowlevel.Task) -> tuple[str, int]:
    """Return kind and generation of a supervisor's child: its name has the one, its own frame the other."""
    kind = task.name.partition("/")[0]
    frame = getattr(task.coro, "cr_frame", None)
    slot = None if frame is None else frame.f_locals.get("slot")
    return kind, -1 if slot is None else slot.gen


def lasting(health: Health) -> dict[str, object]:
    """Return what a row keeps of it, but for the time of its last success, which may wait."""
    return to_row(evolve(health, last_ok_wall=None), wall=0.0)


def is_told_to_end(task: trio.lowlevel.Task) -> bool:
    """Tell whether a scope around a task was cancelled; behind a shield it may clean up for a while."""
    status: Any = task._cancel_status  # noqa: SLF001 - trio does not tell it otherwise; pinned to its minor
    while status is not None:
        if status._scope.cancel_called:  # noqa: SLF001 - same
            return True
        status = status._parent  # noqa: SLF001 - same
    return False
