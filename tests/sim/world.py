"""One world: the daemon as it runs in production, between agents and backends in memory, from a seed to a report."""

from __future__ import annotations

import gc
import random
import signal
import time
from collections.abc import Mapping
from functools import partial

import trio
from attrs import define, field, frozen

from router.providers.adapter import own_version
from supervisors.outside import Seams
from supervisors.root import Daemon
from tests.sim.agents import Agent, Call
from tests.sim.backends import Backend, Network
from tests.sim.deterministic import START, NothingLeft, run, source
from tests.sim.guard import nothing_real
from tests.sim.jobs import SimRunner
from tests.sim.moods import Mood
from tests.sim.outside import MemoryDoor, Signals, WorldClock, id_source
from tests.sim.scenario import Fault, FaultKind, Scenario, draw
from tests.sim.trace import Trace, where
from tests.sim.watch import Violation, Watch

STOP_S = 60.0  # a drain of 20 s, 1 s for farewells, 6 s for processes; the rest is slack
START_S = 60.0
MOST = 20  # violations that a report holds
BEFORE = 12
CRASHES = ("request-crashed", "connection-crashed", "supervisor-exhausted", "supervisor-child-ended")


@frozen(kw_only=True)
class Report:
    """What became of one world."""

    seed: int
    hours: float
    digest: str
    lines: int
    requests: int
    steps: int
    leaps: int
    real_s: float
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    before: tuple[str, ...]  # the lines that led to the first violation


class TooMany(Exception):
    """So much is broken that the rest says nothing."""


@define(eq=False)
class World:
    """Everything of one run; an Observer of the daemon."""

    scenario: Scenario
    trace: Trace
    network: Network = field(init=False)
    runner: SimRunner = field(init=False)
    door: MemoryDoor = field(factory=MemoryDoor)
    signals: Signals = field(factory=Signals)
    wall: WorldClock = field(factory=WorldClock)
    calls: dict[str, Call] = field(factory=dict)
    violations: list[Violation] = field(factory=list)
    before: tuple[str, ...] = ()
    agents: list[Agent] = field(factory=list)
    is_stopping: bool = False
    watch: Watch | None = None
    _started: trio.Event = field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        seed = self.scenario.seed
        managed = {p.name for p in self.scenario.loaded.config.providers if p.restart is not None and p.restart.mode == "managed"}
        backends = {
            port: Backend(name, port, source(seed, "backend", name), is_up=name not in managed, is_ready=name not in managed)
            for name, port in self.scenario.ports.items()
        }
        self.network = Network(backends)
        self.runner = SimRunner(backends, source(seed, "jobs"))

    # -- what the daemon sees

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Take an event of the daemon."""
        self.trace.tell(name, fields)
        if name == "router-startup":
            self._started.set()
        elif name in CRASHES:
            self.broken("crash", f"{name} {fields.get('child', '')} {where(fields.get('exc_info'))}")

    def seams(self) -> Seams:
        """Return the outside that the daemon gets."""
        seed = self.scenario.seed
        return Seams(
            wall=self.wall,
            random=source(seed, "daemon"),
            new_id=partial(id_source, source(seed, "ids")),
            dial=self.network.dial,
            door=self.door,
            runner=lambda _directory: self.runner,
            open_signals=self.signals.open,
            on_applied=lambda cell, event, old: self.watch.applied(cell, event, old) if self.watch else None,
        )

    # -- what happens

    async def live(self) -> None:
        """Run the world to its end."""
        with nothing_real():
            tasks_before = trio.lowlevel.current_statistics().tasks_living
            async with trio.open_nursery() as outside:
                self.network.nursery = outside
                daemon = Daemon.of(self.scenario.loaded, self, self.seams())
                self.watch = Watch(
                    board=daemon.board,
                    drain=daemon.drain,
                    network=self.network,
                    calls=self.calls,
                    broken=self.broken,
                    now=trio.current_time,
                )
                await self._run(daemon, outside)
                outside.cancel_scope.cancel()
            left = trio.lowlevel.current_statistics().tasks_living - tasks_before
            if left:
                self.broken("I19", f"{left} tasks are left")

    async def _run(self, daemon: Daemon, outside: trio.Nursery) -> None:
        async with trio.open_nursery() as inside:
            codes: list[int] = []
            ended = trio.Event()
            inside.start_soon(self._daemon, daemon, codes, ended, name="daemon")
            with trio.move_on_after(START_S) as starting:
                await self._started.wait()
            if starting.cancelled_caught:
                self.broken("start", f"the daemon has not started within {START_S} s")
                inside.cancel_scope.cancel()
                return
            until = START + self.scenario.hours * 3600
            self._start_agents(outside, until)
            outside.start_soon(self._faults, outside, name="faults")
            await trio.sleep_until(until)
            self.is_stopping = True
            self.trace.tell("sim-stop", {"in_flight": daemon.drain.in_flight})
            self.signals.send(signal.SIGTERM)
            with trio.move_on_after(STOP_S) as stopping:
                await ended.wait()
            if stopping.cancelled_caught:
                self.broken("I19", f"the daemon has not ended within {STOP_S} s")
                inside.cancel_scope.cancel()
                return
            await trio.sleep(0.1)  # the backends see the ends of their connections
            assert self.watch is not None
            self.watch.ended(len(self.door.lines), codes[0])

    async def _daemon(self, daemon: Daemon, codes: list[int], ended: trio.Event) -> None:
        codes.append(await daemon.run_to_exit())
        ended.set()

    def _start_agents(self, nursery: trio.Nursery, until: float) -> None:
        for number, habits in enumerate(self.scenario.agents):
            agent = Agent(
                name=f"agent/{number}",
                number=number,
                rng=source(self.scenario.seed, "agent", number),
                habits=habits,
                connect=self.door.connect,
                bound_s=self.scenario.bound_s,
                broken=self.broken,
                told=self._told,
                calls=self.calls,
                is_stopping=lambda: self.is_stopping,
            )
            self.agents.append(agent)
            nursery.start_soon(agent.live, until, name=agent.name)

    def _told(self, call: Call) -> None:
        took_s = round(trio.current_time() - call.began, 4)
        self.trace.tell(
            "sim-answer", {"mark": call.mark, "how": call.how, "words": call.words, "bytes": call.received, "took_s": took_s}
        )

    # -- faults

    async def _faults(self, nursery: trio.Nursery) -> None:
        for fault in self.scenario.faults:
            await trio.sleep_until(START + fault.at)
            self.trace.tell("sim-fault", {"kind": fault.kind, "target": fault.target, "mood": fault.mood, "by_s": fault.by_s})
            match fault.kind:
                case FaultKind.MOOD:
                    nursery.start_soon(self._mood, fault, name="fault")
                case FaultKind.KILL:
                    self.runner.kill(self.scenario.ports[fault.target])
                case FaultKind.SUSPEND | FaultKind.CLOCK:
                    self.wall.offset_s += fault.by_s
                case FaultKind.HUP:
                    self.signals.send(signal.SIGHUP)

    async def _mood(self, fault: Fault) -> None:
        backend = self.network.backends[self.scenario.ports[fault.target]]
        backend.turn(fault.mood)
        await trio.sleep(fault.lasts_s)
        if backend.mood is fault.mood:
            backend.turn(Mood.HEALTHY)

    # -- what is wrong

    def broken(self, name: str, text: str) -> None:
        """Record a violation."""
        if not self.violations:
            self.before = tuple(self.trace.lines)[-BEFORE:]
        if len(self.violations) < MOST:
            self.violations.append(Violation(round(trio.current_time() - START, 4), name, text))
            self.trace.tell("sim-violation", {"name": name, "text": text})


def simulate(seed: int, hours: float, *, keeps_all: bool = False) -> Report:
    """Run the world of a seed and return what became of it."""
    own_version()  # reads files, once per process
    began = time.perf_counter()
    random.seed(seed)  # a library that draws from the module's own source draws the same
    world = World(draw(seed, hours), Trace(keeps_all=keeps_all))
    leaps = 0

    def on_quiet() -> None:
        nonlocal leaps
        leaps += 1
        if world.watch is not None:
            world.watch.quiet()

    try:
        run(world.live, f"{seed}/schedule", on_quiet)
    except (NothingLeft, trio.TrioInternalError) as error:
        world.violations.append(Violation(-1.0, "stuck", where(error)))
    gc.collect(0)
    return Report(
        seed=seed,
        hours=hours,
        digest=world.trace.digest,
        lines=world.trace.count,
        requests=sum(agent.sent for agent in world.agents),
        steps=world.watch.steps if world.watch else 0,
        leaps=leaps,
        real_s=time.perf_counter() - began,
        violations=tuple(world.violations),
        trace=tuple(world.trace.lines),
        before=world.before,
    )
