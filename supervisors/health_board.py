"""One cell per provider: the only writer of what routing reads (layout.md, Who owns health; supervision.md 21.1).

A value, not a task: older than every task that reads or feeds it, so that a supervisor's crash loses nothing. `apply` is
sync and runs the reducer (`router/domain/health_step.py`), keeps the new value, tells, marks the row and wakes who waits
for the cell. Implements HealthView and OutcomeSink of `router/ports.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import trio
from attrs import define, evolve, field

from router.domain.health import Health, HealthPolicy, ProviderStatus, Unconfigured
from router.domain.health_events import (
    AttemptBegan,
    Drifted,
    Failed,
    HealthEvent,
    Moment,
    Operated,
    Reloaded,
    Restored,
    Source,
    Succeeded,
)
from router.domain.health_step import next_due, step
from router.errors import ProviderFailed
from router.ports import Observer
from supervisors.pulse import Pulse
from supervisors.seams import Random, SystemRandom, SystemWallClock, WallClock

RowChanged = Callable[[str, Health], None]
Applied = Callable[["Cell", HealthEvent, Health], None]  # the cell with its new value, the event, the old value


@define(kw_only=True, eq=False)
class Cell:
    """One provider's published value; written by `apply` only."""

    status: ProviderStatus
    policy: HealthPolicy
    observer: Observer
    wall: WallClock
    random: Random
    on_change: RowChanged
    on_quarantine: RowChanged
    on_applied: Applied | None = None
    in_flight: int = 0
    is_retired: bool = False  # the board has it no more: what is still reported to it changes and tells nothing
    _changed: Pulse = field(factory=Pulse)
    _anew: Pulse = field(factory=Pulse)

    @property
    def name(self) -> str:
        """The provider's configured name."""
        return self.status.name

    @property
    def health(self) -> Health:
        """The current value."""
        return self.status.health

    @property
    def anew(self) -> trio.Event:
        """Set when an operator or a new configuration has spoken about the provider next."""
        return self._anew.next

    @property
    def changed(self) -> trio.Event:
        """Set at the next change; take it before you look at the value, then wait for it."""
        return self._changed.next

    def apply(self, event: HealthEvent) -> None:
        """Run the reducer and publish what it says. Never waits; a crash of the rule leaves the old value."""
        if self.is_retired:
            return
        done = step(self.health, event, self.moment(), self.policy)
        for told in done.told:
            self.observer.event(told.name, {"provider": self.name, **told.fields})
        old = self.health
        if done.health is not old:
            self.status = evolve(self.status, health=done.health)
            self.on_change(self.name, done.health)
            self.touch()
        if isinstance(event, Operated | Reloaded):
            self._anew.touch()
        if self.on_applied is not None:
            self.on_applied(self, event, old)

    def configure(self, policy: HealthPolicy, unconfigured: Unconfigured | None, event: Reloaded) -> None:
        """Take over what a new configuration says of the same backend, and judge the state by it."""
        self.policy = policy
        self.status = evolve(self.status, unconfigured=unconfigured)
        self.apply(event)
        self.touch()

    def resume(self, health: Health) -> None:
        """Take up the health that an earlier daemon has left, and judge it by the policy of today."""
        self.status = evolve(self.status, health=health)
        self.apply(Restored())
        self.touch()

    def quarantine(self) -> None:
        """Put the value aside, where the state writer keeps it, and begin afresh: its supervisor cannot live with it."""
        self.on_quarantine(self.name, self.health)
        self.status = evolve(self.status, health=Health(gen=self.health.gen + 1))
        self.tell_reset(Source.SUPERVISOR)
        self.on_change(self.name, self.health)
        self.touch()

    def tell_reset(self, source: Source) -> None:
        """Tell that the provider has begun afresh: who follows the events cannot know it otherwise (I26)."""
        fresh = self.health
        told = {"health": str(fresh.state), "admission": str(fresh.admission), "gen": fresh.gen, "source": str(source)}
        self.observer.event("self-healing-state-reset", {"provider": self.name, **told})

    def touch(self) -> None:
        """Wake who waits for the cell, so that it looks at the value again."""
        self._changed.touch()

    def next_due(self) -> float:
        """Return when a Tick is due, trio clock."""
        return next_due(self.health)

    def moment(self) -> Moment:
        """Return now, as events are applied at."""
        return Moment(trio.current_time(), self.wall.now(), self.random.random())


@define(kw_only=True)
class Attempting:
    """One attempt in flight; without a verdict it is abandoned, and nothing is recorded."""

    _cell: Cell
    _epoch: int
    _memory_cooldown_s: float | None

    @property
    def is_first(self) -> bool:
        """The provider has never answered."""
        return self._cell.health.last_ok_wall is None

    def ok(self) -> None:
        """Record a whole answer: the terminator has come."""
        self._cell.apply(Succeeded())

    def failed(self, failure: ProviderFailed) -> None:
        """Record a failure; its reason decides what it says of the provider."""
        self._cell.apply(
            Failed(
                reason=failure.reason,
                epoch=self._epoch,
                message=failure.message[:200],
                retry_after_s=failure.retry_after_s,
                memory_cooldown_s=self._memory_cooldown_s,
            )
        )


def _keep_nothing(_provider: str, _health: Health) -> None:
    return


@define(kw_only=True)
class HealthBoard:
    """The cells of the configured providers. `on_change` is called with every new value, for the state writer.

    `on_applied` sees every event with the value before and after it: the simulator checks each step there."""

    observer: Observer
    wall: WallClock = field(factory=SystemWallClock)
    random: Random = field(factory=SystemRandom)
    on_change: RowChanged = _keep_nothing
    on_quarantine: RowChanged = _keep_nothing
    on_applied: Applied | None = None
    _cells: dict[str, Cell] = field(factory=dict)
    _members: Pulse = field(factory=Pulse)

    @property
    def members_changed(self) -> trio.Event:
        """Set when a cell comes or goes; take it before you look at `cells`."""
        return self._members.next

    def add(
        self, provider: str, policy: HealthPolicy, *, unconfigured: Unconfigured | None = None, health: Health | None = None
    ) -> Cell:
        """Open the cell of a configured provider; `health` is what was loaded."""
        status = ProviderStatus(name=provider, unconfigured=unconfigured, health=health or Health())
        cell = Cell(
            status=status,
            policy=policy,
            observer=self.observer,
            wall=self.wall,
            random=self.random,
            on_change=self.on_change,
            on_applied=self.on_applied,
            on_quarantine=self.on_quarantine,
        )
        self._cells[provider] = cell
        self._members.touch()
        return cell

    def renew(self, provider: str, policy: HealthPolicy, *, unconfigured: Unconfigured | None = None) -> Cell:
        """Open another cell for a provider that is another backend from now on, in a generation of its own. Raises KeyError."""
        old = self._cells.pop(provider)
        old.is_retired = True
        fresh = Health(gen=old.health.gen + 1)
        cell = self.add(provider, policy, unconfigured=unconfigured, health=fresh)
        cell.tell_reset(Source.RELOAD)
        self.on_change(provider, fresh)
        return cell

    def remove(self, provider: str) -> None:
        """Forget a provider that is no longer configured; who still holds the cell reports to nobody."""
        self._cells.pop(provider).is_retired = True
        self._members.touch()

    def reorder(self, names: Iterable[str]) -> None:
        """Put the cells into the order of the configuration."""
        self._cells = {name: self._cells[name] for name in names}

    def _detached(self, provider: str) -> Cell:
        """Return a cell that nobody reads, for a request that began when the provider was still configured."""
        return HealthBoard(observer=self.observer, wall=self.wall, random=self.random).add(provider, HealthPolicy())

    def cell(self, provider: str) -> Cell:
        """Return a provider's cell. Raises KeyError."""
        return self._cells[provider]

    def cells(self) -> tuple[Cell, ...]:
        """Return every cell, in the order of the configuration."""
        return tuple(self._cells.values())

    def status_of(self, provider: str) -> ProviderStatus:
        """Return the published value; an unknown name is healthy."""
        cell = self._cells.get(provider)
        return cell.status if cell is not None else ProviderStatus(name=provider)

    def in_flight(self) -> Mapping[str, int]:
        """Return the attempts under way, by provider."""
        return {name: cell.in_flight for name, cell in self._cells.items() if cell.in_flight}

    @contextmanager
    def begin(self, provider: str, *, memory_cooldown_s: float | None = None) -> Iterator[Attempting]:
        """Count the attempt in flight until the context is left.

        `memory_cooldown_s` is the rest that the request's profile asks for after running out of memory."""
        cell = self._cells.get(provider) or self._detached(provider)
        cell.in_flight += 1
        if cell.health.is_passive:
            cell.apply(AttemptBegan())
        try:
            yield Attempting(cell=cell, epoch=cell.health.epoch, memory_cooldown_s=memory_cooldown_s)
        finally:
            cell.in_flight -= 1

    def drifted(self, provider: str, *, for_s: float, wants_reload: bool) -> None:
        """Let the provider be asked behind the others for a while, and its cache be flushed; an unknown name: nothing."""
        cell = self._cells.get(provider)
        if cell is not None:
            cell.apply(Drifted(for_s=for_s, wants_reload=wants_reload))
