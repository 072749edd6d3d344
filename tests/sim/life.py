"""One life of the daemon, from its start to its exit, or to a `kill -9`; an Observer of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
from attrs import define, field, frozen

from router.config.schema import LoadedConfig
from router.domain.health import Health
from router.domain.health_events import HealthEvent, Source
from supervisors.health_board import Cell
from supervisors.keep_running import Child
from supervisors.outside import Seams
from supervisors.policies import ChildSpec, OnExhausted
from supervisors.root import GAVE_UP, STOPPED, Daemon
from tests.sim.books import Books, Largest
from tests.sim.crashes import Crashes, InjectedCrash
from tests.sim.deterministic import source
from tests.sim.jobs import SimRunner
from tests.sim.outside import MemoryDoor, Signals, id_source
from tests.sim.queues import Queues
from tests.sim.scenario import RESTART_OWED
from tests.sim.siblings import Siblings
from tests.sim.store import LifeStore
from tests.sim.told import Told
from tests.sim.trace import where
from tests.sim.watch import SUPERVISOR, Watch
from tests.supervisors.lines_in_memory import MemoryAgedLines, MemoryLines

if TYPE_CHECKING:
    from tests.sim.world import World

START_S = 60.0
STOP_S = 60.0
AFTER_DRAIN_S = 10.0  # of a stop: farewells 1 s, upstreams 1 s, processes 6 s, the state file 2 s (supervision.md 21.11)
SLACK_S = 0.6


@frozen(kw_only=True)
class WorldSource:
    """The configuration file of the world, which is read again only when somebody asks for that."""

    world: World
    watch_s: float = inf

    async def load(self) -> LoadedConfig:
        """Read it. Raises ConfigError."""
        return await self.world.load()

    def stamp(self) -> object:
        """Return the same at every time."""
        return None


@frozen
class _Log:
    """The log of a life: every event, without its stamp."""

    event: Callable[[str, Mapping[str, Any]], None]


@define(eq=False)
class Life:
    """One daemon process. `is_over` from its death on: nothing that it still does counts."""

    world: World
    number: int
    door: MemoryDoor
    runner: SimRunner
    signals: Signals = field(factory=Signals)
    store: LifeStore = field(init=False)
    crashes: Crashes = field(init=False)
    siblings: Siblings = field(init=False)
    told: Told = field(init=False)
    daemon: Daemon | None = None
    watch: Watch | None = None
    books: Books | None = None
    queues: Queues | None = None
    given_up: set[str] = field(factory=set)
    is_started: bool = False
    has_resumed: bool = False
    is_ending: bool = False
    is_over: bool = False
    torn: set[str] = field(factory=set)  # requests whose answer broke off after its first word
    _awaited: dict[str, trio.Event] = field(factory=dict)
    _stop_at: float = inf
    _stop_s: float = 0.0
    _leaving: set[str] = field(factory=set)  # providers whose supervisor a reload ends
    _judged: list[Cell] = field(factory=list)  # before it has resumed
    _killed: trio.Event = field(factory=trio.Event)
    _ended: trio.Event = field(factory=trio.Event)
    _startup: trio.Event = field(factory=trio.Event)
    _exit_code: int | None = None

    def __attrs_post_init__(self) -> None:
        self.runner.is_calm = lambda: self.world.is_calm
        self.store = LifeStore(self.world.store)
        self.crashes = Crashes(self.broken, self._crashed, self._cancelled)
        self.siblings = Siblings(network=self.world.network, calls=self.world.calls, broken=self.broken)
        self.told = Told(
            broken=self.broken,
            configs=[self.world.loaded.config],
            now=trio.current_time,
            is_wall_true=lambda: self.world.is_wall_true,
            drifting=self._drifting,
        )

    def broken(self, name: str, text: str) -> None:
        """Record a violation, unless this life is over."""
        if not self.is_over:
            self.world.broken(name, text)

    # -- what the daemon sees

    def event(self, name: str, fields: Mapping[str, Any]) -> None:  # noqa: C901, PLR0912 - one row per event
        """Take an event of the daemon."""
        if self.is_over:
            return
        self.world.trace.tell(name, fields)
        self.told.take(name, fields)
        if self.queues is not None:
            self.queues.take(name, fields)
        self._wake(name)
        match name:
            case "router-startup":
                self._startup.set()
            case "self-healing-state-reset" if self.watch is not None:
                if fields["source"] == Source.RELOAD:
                    self._leaving.add(fields["provider"])
                self.watch.reset(fields["provider"])
                self.world.kept.changed(fields["provider"], self.watch.board.cell(fields["provider"]).health)
            case "chain-resolved" if self.books is not None:
                self.books.asked(fields)
            case "state-store-attached" if self.books is not None:
                self.books.taken_up()
            case "provider-failed-midstream":
                self.torn.add(fields["request_id"])
            case "request-complete":
                self._completed(fields)
            case "state-row-dropped":
                self.broken("kept", f"a row was dropped: {fields}")
            case "config-reload" if fields["result"] == "applied":
                self._reloaded()
            case "request-crashed" | "connection-crashed":
                self.broken("crash", f"{name} {where(fields.get('exc_info'))}")
            case "supervisor-child-ended":
                if not is_injected(fields.get("exc_info")) and fields["child"] != "state":
                    self.broken("crash", f"{name} {fields['child']} {where(fields.get('exc_info'))}")
            case "supervisor-exhausted":
                self.given_up.add(fields["child"])
                if fields["action"] == OnExhausted.ESCALATE:
                    self._stop_begins(0.5)
                if not self.crashes.injected and fields["child"] != "state":
                    self.broken("crash", f"{name} {fields}")

    def _completed(self, fields: Mapping[str, Any]) -> None:
        if self.books is not None:
            self.books.answered(fields)
        if fields["request_id"] in self.torn:
            self.world.trace.counts[f"sim-torn {fields['outcome']}"] += 1

    def _cancelled(self, name: str) -> None:
        """Take notice that a child was ended from outside: in a stop, by a reload, with the fleet, and by nobody else (I20)."""
        if self.is_ending or self.is_over or not self.is_started or self.daemon is None or self.daemon.parts.drain.is_started:
            return
        if name.startswith(SUPERVISOR):
            provider, fleet = name.removeprefix(SUPERVISOR), self.crashes.living.get("fleet")
            is_leaving = provider in self._leaving
            self._leaving.discard(provider)
            if is_leaving or fleet is None or fleet.scope.cancel_called:
                return
        self.broken("I20", f"{name} was ended, and neither a stop nor a reload has asked for that")

    def _crashed(self, name: str) -> None:
        self.siblings.crashed(name)
        if name == "ingress":  # its connections are its own, and end with it
            self.world.cut_at = trio.current_time()

    def _reloaded(self) -> None:
        assert self.daemon is not None
        configured = {provider.name for provider in self.daemon.parts.deployed.current.loaded.config.providers}
        for name in set(self.told.standings) - configured:
            self.told.forget(name)
        gone = sorted(self.world.kept.histories.keys() - configured)
        before = {provider.name for provider in self.told.configs[-1].providers}
        self._leaving.update(gone, before - configured)  # also one that never had anything to keep
        for name in gone:
            self.world.kept.changed(name, None)
        self.told.configs.append(self.daemon.parts.deployed.current.loaded.config)
        if self.books is not None:
            self.books.reloaded()
        self.world.loaded = self.daemon.parts.deployed.current.loaded

    def _seams(self) -> Seams:
        world, seed = self.world, self.world.scenario.seed
        return Seams(
            wall=world.wall,
            random=source(seed, "daemon", self.number),
            new_id=partial(id_source, source(seed, "ids", self.number)),
            dial=world.network.dial,
            door=self.door,
            runner=lambda _directory, _observer: self.runner,
            open_signals=self.signals.open,
            hold=_held,
            store=lambda _directory, _wall: self.store,
            lines=lambda _directory, name: MemoryLines(path=f"memory/{name}"),
            aged_lines=lambda _directory, name, _render, _wall: MemoryAgedLines(path=f"memory/{name}"),
            execute=self.store.execute,
            new_execute=lambda: self.world.store.execute,
            cgroup=lambda: "",
            on_applied=self._applied,
            wrap=self._wrap,
        )

    def _keep(self, cell: Cell) -> None:
        if self.has_resumed:
            self.world.kept.changed(cell.name, cell.health)
        else:
            self._judged.append(cell)

    def _wrap(self, spec: ChildSpec, child: Child) -> Child:
        if not self.has_resumed and self.daemon is not None:  # the first child: all that was on disk has been taken up
            self.has_resumed = True
            parts = self.daemon.parts
            self.world.kept.begin(self.store, parts.board.cells(), parts.restarts)
            opened = None if self.store.opened is None else self.store.opened.rows
            self.world.kept_books.begin(opened, self.store.rows(), parts.ledger.snapshot())
            for cell in self._judged:  # today's policy has made another value of them, which is written
                self.world.kept.changed(cell.name, cell.health)
        return self.crashes.wrap(spec, child)

    def _applied(self, cell: Cell, event: HealthEvent, old: Health) -> None:
        if self.watch is not None and not self.is_over:
            self.watch.applied(cell, event, old)
            if cell.health is not old:
                self._keep(cell)
            if cell.health.restart_owed is not None and old.restart_owed is None:
                self._wake(RESTART_OWED)

    # -- its course

    async def run(self) -> None:
        """Live."""
        world = self.world
        daemon = self.daemon = Daemon.of(world.loaded, _Log(self.event), self._seams(), source=WorldSource(world=world))
        self.watch = Watch(
            board=daemon.parts.board,
            drain=daemon.parts.drain,
            network=world.network,
            calls=world.calls,
            broken=self.broken,
            now=trio.current_time,
            crashes=self.crashes,
            told=self.told,
            pending=lambda: daemon.parts.state.sink_report().pending,
        )
        self._follow(daemon)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._daemon, daemon, name="daemon")
            nursery.start_soon(self._stop_in_time, name="stop")
            with trio.move_on_after(START_S) as starting:
                await self._startup.wait()
                self.is_started = True
            if starting.cancelled_caught and not self._ended.is_set():
                self.broken("start", f"the daemon has not started within {START_S} s")
                self._killed.set()
            await self._killed.wait()
            self.is_over = self.is_ending = True
            nursery.cancel_scope.cancel()

    def _follow(self, daemon: Daemon) -> None:
        """Look over the daemon's books, and over who waits."""
        parts, world = daemon.parts, self.world
        if world.scenario.has_policies:
            self.books = Books(
                report=parts.ledger.snapshot,
                in_flight=parts.board.in_flight,
                configs=self.told.configs,
                largest=lambda: Largest(world.longest_prompt, world.scenario.max_tokens),
                broken=self.broken,
            )
        self.queues = Queues(
            calls=world.calls,
            configs=self.told.configs,
            waiting=lambda: parts.ports.fairness.waiting,
            running=lambda: parts.ports.fairness.running,
            broken=self.broken,
            now=trio.current_time,
        )

    def _drifting(self) -> frozenset[str]:
        if self.daemon is None:
            return frozenset()
        now = trio.current_time()
        return frozenset(cell.name for cell in self.daemon.parts.board.cells() if cell.health.drift_until > now)

    def _without_help(self) -> frozenset[str]:
        """Return the providers that nobody brings back: no request may reach them, or managed processes were given up."""
        config = self.told.configs[-1]
        are_stopped = "processes" in self.given_up
        return frozenset(
            p.name
            for p in config.providers
            if not p.enabled
            or (p.paid and not config.routing.allow_paid)
            or (are_stopped and p.restart is not None and p.restart.mode == "managed")
        )

    async def _daemon(self, daemon: Daemon) -> None:
        self._exit_code = await daemon.run_to_exit()
        await trio.sleep(0.1)  # the backends see the ends of their connections
        assert self.watch is not None
        self.is_ending = True
        is_fine = self._exit_code == STOPPED or (self._exit_code == GAVE_UP and bool(self.crashes.injected))
        self.watch.ended(len(self.door.lines), 0 if is_fine else self._exit_code, self.runner.live)
        took_s = trio.current_time() - self._stop_at
        if took_s > self._stop_s + SLACK_S:
            self.broken("I19", f"the stop took {took_s:.1f} s, its budget is {self._stop_s:.1f} s")
        self._ended.set()
        self._killed.set()

    def _stop_begins(self, share: float = 1.0) -> None:
        """Take notice that the daemon stops, with this share of the time to drain."""
        drain_s = self.told.configs[0].server.drain_timeout_s
        self._stop_at, self._stop_s = min(self._stop_at, trio.current_time()), max(self._stop_s, share * drain_s + AFTER_DRAIN_S)

    async def _stop_in_time(self) -> None:
        """End the daemon as the service manager does, at the end of the world."""
        await trio.sleep_until(self.world.until)
        self.is_ending = True
        if self.is_started and self.watch is not None and self.daemon is not None:
            self.watch.recovered(self._without_help())
        self.world.trace.tell("sim-stop", {"in_flight": 0 if self.daemon is None else self.daemon.parts.drain.in_flight})
        self._stop_begins()
        self.signals.send(signal.SIGTERM)
        with trio.move_on_after(STOP_S) as stopping:
            await self._ended.wait()
        if stopping.cancelled_caught:
            self.broken("I19", f"the daemon has not ended within {STOP_S} s")
            self._killed.set()

    def _wake(self, name: str) -> None:
        if name in self._awaited:
            self._awaited.pop(name).set()

    async def wait_told(self, name: str) -> None:
        """Return once the daemon tells an event of that name, or owes a restart (RESTART_OWED)."""
        await self._awaited.setdefault(name, trio.Event()).wait()

    def _quiet_books(self) -> None:
        if self.books is not None and self.has_resumed:
            self.world.kept_books.note(self.books.quiet(), trio.current_time())

    def kill(self, *, is_torn: bool = False) -> None:
        """`kill -9`: connections are reset, jobs end with their guardians; the disk stays as it is, or loses its last batch."""
        if is_torn:
            self.store.tear()
        self.is_over = self.is_ending = self.store.is_dead = True
        self.world.cut_at = trio.current_time()
        for line in tuple(self.door.lines.values()):
            line.reset()
        self.world.network.cut()
        self.runner.end_now()
        self._killed.set()

    def quiet(self) -> None:
        """Check what holds when no task can run."""
        if self.is_started and not self.is_over and self.watch is not None:
            self.watch.quiet(is_ending=self.is_ending)
            self.siblings.quiet(is_ending=self.is_ending)
            self._quiet_books()
            if self.queues is not None and not self.is_ending:
                self.queues.quiet()
        if self.has_resumed and not self.is_over and self.daemon is not None:
            self.world.kept.quiet(self.crashes, tuple(self.daemon.parts.restarts.groups))


def is_injected(error: object) -> bool:
    """Tell whether a crash is the world's own doing, and nothing else with it."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_injected(member) for member in error.exceptions)
    return isinstance(error, InjectedCrash)


@contextmanager
def _held(_directory: Path) -> Iterator[None]:
    yield
