"""One world: lives of the daemon as it runs in production, between agents and backends in memory, from a seed to a report."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence

import trio
from attrs import define, field, frozen

from router.config.schema import LoadedConfig, RouterConfig
from router.providers.adapter import own_version
from tests.sim.agents import Agent
from tests.sim.backends import Backend, Network
from tests.sim.books import KeptBooks
from tests.sim.caches import Cache
from tests.sim.call import Call
from tests.sim.deterministic import START, StandsStill, run, source
from tests.sim.guard import LeftTheWorld, nothing_real
from tests.sim.jobs import SimRunner
from tests.sim.kept import Kept
from tests.sim.life import Life
from tests.sim.lines import MemoryLine, refused
from tests.sim.moods import Mood
from tests.sim.outside import MemoryDoor, WorldClock
from tests.sim.scenario import CALM_S, Scenario, draw, read
from tests.sim.store import MemoryStore
from tests.sim.trace import Trace, where
from tests.sim.trouble import Trouble
from tests.sim.watch import Violation

MOST = 20  # violations that a report holds
BEFORE = 12  # lines that are shown before the first
ANSWER_CHARS = 30  # of what an answer came to, by which it is counted
RESTART_S = 2.0  # RestartSec of the unit


@frozen(kw_only=True)
class Report:
    """What became of one world. `before` are the lines that led to the first violation."""

    seed: int
    hours: float
    digest: str
    lines: int
    requests: int
    steps: int
    leaps: int
    lives: int
    real_s: float
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    before: tuple[str, ...]
    counts: Counter[str] = field(factory=Counter)  # what has happened how often


@define(eq=False)
class World:
    """What outlives a life of the daemon: backends, jobs' rules, disk, clock, agents; and what was found broken."""

    scenario: Scenario
    trace: Trace
    network: Network = field(init=False)
    store: MemoryStore = field(init=False)
    wall: WorldClock = field(factory=WorldClock)
    kept: Kept = field(init=False)
    kept_books: KeptBooks = field(init=False)
    calls: dict[str, Call] = field(factory=dict)
    violations: list[Violation] = field(factory=list)
    before: tuple[str, ...] = ()
    agents: list[Agent] = field(factory=list)
    loaded: LoadedConfig = field(init=False)
    text: str = field(init=False)  # the configuration file
    life: Life | None = None
    lives: int = 0
    steps: int = 0
    leaps: int = 0
    is_calm: bool = False
    is_wall_true: bool = True
    longest_bytes: int = 0  # of a request's body so far
    cut_at: float = -1.0  # when clients were last cut off by the end of a life

    def __attrs_post_init__(self) -> None:
        seed = self.scenario.seed
        managed = {p.name for p in self.scenario.loaded.config.providers if p.restart is not None and p.restart.mode == "managed"}
        self.network = Network(
            {
                port: Backend(
                    name,
                    port,
                    source(seed, "backend", name),
                    is_up=name not in managed,
                    is_ready=name not in managed,
                    cache=Cache(self.scenario.caches[name]),
                    complain=self.broken,
                    quirks=self.scenario.quirks,
                )
                for name, port in self.scenario.ports.items()
            }
        )
        self.store = MemoryStore(source(seed, "disk"))
        self.kept = Kept(wall=self.wall, broken=self.broken)
        self.kept_books = KeptBooks(broken=self.broken)
        self.loaded, self.text = self.scenario.loaded, self.scenario.texts[0]

    @property
    def until(self) -> float:
        """When the world ends, virtual time."""
        return START + self.scenario.hours * 3600

    async def live(self) -> None:
        """Run the world to its end."""
        with nothing_real():
            before = trio.lowlevel.current_statistics().tasks_living
            async with trio.open_nursery() as outside:
                self.network.nursery = outside
                self._start_agents(outside)
                outside.start_soon(Trouble(self).run, name="trouble")
                outside.start_soon(self._calm_down, name="calm")
                while trio.current_time() < self.until:
                    await self._live_once()
                outside.cancel_scope.cancel()
            if left := trio.lowlevel.current_statistics().tasks_living - before:
                self.broken("I19", f"{left} tasks are left")

    async def _live_once(self) -> None:
        """Let the daemon live until the world ends, it is killed, or it gives up; then the service manager starts it anew."""
        self.lives += 1
        self.life = Life(
            self, self.lives, MemoryDoor(), SimRunner(self.network.backends, source(self.scenario.seed, "jobs", self.lives))
        )
        await self.life.run()
        self.cut_at = trio.current_time()
        self.kept.died(self.life.store)
        self.kept_books.died(self.life.store.rows(), self.life.store.written_to)
        if self.life.watch is not None:
            self.steps += self.life.watch.steps
        if self.life.queues is not None:
            self.trace.counts["sim-waited"] += self.life.queues.waited
        self.life = None
        await trio.sleep(RESTART_S)

    async def _calm_down(self) -> None:
        await trio.sleep_until(self.until - CALM_S)
        self.is_calm = True
        for backend in self.network.backends.values():
            backend.turn(Mood.HEALTHY)
            backend.quirks = 0.0

    def _start_agents(self, nursery: trio.Nursery) -> None:
        for number, habits in enumerate(self.scenario.agents):
            agent = Agent(
                name=f"agent/{number}",
                number=number,
                rng=source(self.scenario.seed, "agent", number),
                habits=habits,
                connect=self._connect,
                bound_s=self.scenario.bound_s,
                broken=self.broken,
                told=self._told,
                calls=self.calls,
                may_be_cut=self._may_be_cut,
                configs=self._configs,
                was_torn=lambda call: self.life is None or call.mark in self.life.torn,
            )
            self.agents.append(agent)
            nursery.start_soon(agent.live, self.until, name=agent.name)

    def _connect(self) -> MemoryLine:
        if self.life is None:
            raise refused()
        return self.life.door.connect()

    def _may_be_cut(self, call: Call) -> bool:
        return self.life is None or self.life.is_ending or call.began <= self.cut_at

    def _configs(self) -> Sequence[RouterConfig]:
        """Return the configurations that the daemon has had at work in its present life."""
        return () if self.life is None else self.life.told.configs

    @property
    def longest_prompt(self) -> int:
        """The most tokens that a request has had so far: none is shorter than a byte."""
        self.longest_bytes = max([self.longest_bytes, *(call.size for call in self.calls.values())])
        return self.longest_bytes

    def _told(self, call: Call) -> None:
        took_s = round(trio.current_time() - call.began, 4)
        fields = {
            "mark": call.mark,
            "answer": call.words[:ANSWER_CHARS],
            "how": call.how,
            "words": call.words,
            "bytes": call.received,
            "took_s": took_s,
        }
        self.trace.tell("sim-answer", fields)

    async def load(self) -> LoadedConfig:
        """Read the configuration file again. Raises ConfigError."""
        await trio.lowlevel.checkpoint()
        self.loaded = read(self.text)
        return self.loaded

    def quiet(self) -> None:
        """Check what holds when no task can run."""
        self.leaps += 1
        if self.life is not None:
            self.life.quiet()

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
    try:
        run(world.live, f"{seed}/schedule", world.quiet)
    except (Exception, BaseExceptionGroup, LeftTheWorld, StandsStill) as error:  # noqa: BLE001 - a world that breaks is a finding
        world.violations.append(Violation(-1.0, "stuck", where(error)))
    world.trace.counts["sim-gone-on"] = sum(backend.gone_on for backend in world.network.backends.values())
    return Report(
        seed=seed,
        hours=hours,
        digest=world.trace.digest,
        lines=world.trace.count,
        requests=sum(agent.sent for agent in world.agents),
        steps=world.steps,
        leaps=world.leaps,
        lives=world.lives,
        real_s=time.perf_counter() - began,
        violations=tuple(world.violations),
        trace=tuple(world.trace.lines),
        before=world.before,
        counts=world.trace.counts,
    )
