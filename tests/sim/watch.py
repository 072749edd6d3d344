"""The invariants of the request path and of the board, checked whenever the world is quiet, at every step, and at the end."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from attrs import define, field, frozen

from router.domain.health import Admission, Evidence, Health, HealthState, HoldReason, evidence_of
from router.domain.health_events import Failed, HealthEvent, RecoveryProbed, Source, Succeeded
from router.ingress.drain import Drain
from supervisors.health_board import Cell, HealthBoard
from tests.sim.agents import Call
from tests.sim.backends import Network

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
    steps: int = 0
    counted_epochs: dict[tuple[str, int], int] = field(factory=dict)

    # -- whenever no task can run

    def quiet(self) -> None:
        """Check what holds between any two steps."""
        now = self.now()
        if self.calls:
            self._departed(now)
        attempts = sum(self.board.in_flight().values())
        if attempts > self.drain.in_flight:
            self.broken("in-flight", f"{attempts} attempts of {self.drain.in_flight} requests")
        if not self.drain.in_flight and attempts:
            self.broken("in-flight", f"{attempts} attempts are left without a request")

    def _departed(self, now: float) -> None:
        for mark, call in tuple(self.calls.items()):
            if call.left_at is None or now - call.left_at < GONE_S:
                continue
            if self.network.seen(mark):
                self.broken("left", f"{mark} left {now - call.left_at:.1f} s ago, and its upstream is still there")
            del self.calls[mark]

    # -- every applied event

    def applied(self, cell: Cell, event: HealthEvent, old: Health) -> None:
        """Check one step of a provider's health."""
        self.steps += 1
        new = cell.health
        if isinstance(event, RecoveryProbed) and event.gen != old.gen and new != old:
            self.broken("I10", f"{cell.name}: a probe of generation {event.gen} changed {old.gen}")
        if isinstance(event, Failed):
            self._failed(cell, event, old, new)
        if isinstance(event, Succeeded) and _SEVERITY[new.state] > _SEVERITY[old.state]:
            self.broken("I13", f"{cell.name}: a success made it {new.state}")
        if new.gen < old.gen:
            self.broken("gen", f"{cell.name}: generation {new.gen} after {old.gen}")
        if (new.hold_reason is not None) is not (new.admission is Admission.HELD):
            self.broken("hold", f"{cell.name}: {new.admission} with hold reason {new.hold_reason}")
        if new.admission is Admission.EXCLUDED and new.next_probe_at == inf:
            self.broken("I3", f"{cell.name}: excluded, and no probe is due ever")
        if new.admission is Admission.ADMITTED and new.state is HealthState.UNHEALTHY and cell.policy.excludes:
            self.broken("D1", f"{cell.name}: unhealthy and admitted, though a profile excludes")

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
            key = (cell.name, event.epoch)
            self.counted_epochs[key] = self.counted_epochs.get(key, 0) + 1
            if self.counted_epochs[key] > 1 or (new.failures != old.failures + 1 and new.admission is old.admission):
                self.broken("I12", f"{cell.name}: epoch {event.epoch} was counted twice")

    # -- the end of the run

    def ended(self, client_lines: int, exit_code: int) -> None:
        """Check what is left when the daemon has ended."""
        if exit_code:
            self.broken("exit", f"the daemon ended with {exit_code}")
        if left := self.network.open_lines():
            self.broken("I19", f"{left} connections to backends are left")
        if client_lines:
            self.broken("I19", f"{client_lines} connections of clients are left")
        if self.drain.in_flight or self.board.in_flight():
            self.broken("I19", f"in flight at the end: {self.drain.in_flight}, {self.board.in_flight()}")
        for cell in self.board.cells():
            if cell.health.hold_reason is HoldReason.OPERATOR:
                continue
