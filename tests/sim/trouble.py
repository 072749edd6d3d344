"""Carries out the faults of a scenario, each at its time."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from router.domain.health_events import Operated, OperatorAction
from tests.sim.deterministic import START, source
from tests.sim.moods import Mood
from tests.sim.scenario import Fault, FaultKind
from tests.sim.store import Disk

if TYPE_CHECKING:
    from tests.sim.world import World

RACES, RACE_STEPS, RACE_S = 20, 45, 5.0  # a probe takes some forty steps
WAITS_S, REBIRTH_S = 200.0, 5.0  # for the event that a death waits for; until the next life has begun
AGAIN_S = 1.5  # between the crashes of one child that goes on crashing
TRIES = 10  # for each crash of a child that may be waiting to be started anew
OUT = (OperatorAction.EXCLUDE, OperatorAction.HOLD)


@define(eq=False)
class Flip(trio.abc.Instrument):
    """Acts just before the k-th step of a task."""

    task: trio.lowlevel.Task
    left: int
    act: Callable[[], None]
    done: trio.Event = field(factory=trio.Event)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        if task is self.task:
            self.left -= 1
            if not self.left:
                self.act()
                self.done.set()

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Give up with the task."""
        if task is self.task:
            self.done.set()


@define(eq=False)
class Trouble:
    """Does to the world what its seed has drawn."""

    world: World

    async def run(self) -> None:
        """Wait for each fault's time, and begin it."""
        async with trio.open_nursery() as nursery:
            for fault in self.world.scenario.faults:
                await trio.sleep_until(START + fault.at)
                told = {"kind": fault.kind, "target": fault.target, "lasts_s": round(fault.lasts_s, 1)}
                self.world.trace.tell("sim-fault", told | self._detail(fault))
                nursery.start_soon(self._do, fault, name="fault")

    def _detail(self, fault: Fault) -> dict[str, object]:
        match fault.kind:
            case FaultKind.MOOD:
                return {"mood": fault.mood}
            case FaultKind.DISK:
                return {"disk": fault.disk}
            case FaultKind.CRASH:
                return {"steps": fault.steps, "times": fault.times}
            case FaultKind.SUSPEND | FaultKind.CLOCK:
                return {"by_s": fault.by_s}
            case _:
                return {"steps": fault.steps}

    async def _do(self, fault: Fault) -> None:  # noqa: C901, PLR0912 - one row per kind
        world = self.world
        match fault.kind:
            case FaultKind.MOOD:
                await self._mood(fault)
            case FaultKind.KILL:
                if world.life is not None:
                    world.life.runner.kill(world.scenario.ports[fault.target])
            case FaultKind.SUSPEND | FaultKind.CLOCK:
                world.wall.offset_s += fault.by_s
                world.is_wall_true = False
                world.kept.clock_was_set()
            case FaultKind.CRASH:
                await self._crash(fault)
            case FaultKind.DIE:
                await self._die(fault, fault.lasts_s)
            case FaultKind.RELIVE:
                await self._relive(fault)
            case FaultKind.DISK:
                world.store.disk = fault.disk
                await trio.sleep(fault.lasts_s)
                world.store.disk = Disk.WELL
            case FaultKind.RELOAD:
                world.text = world.scenario.texts[fault.steps]
                if world.life is not None:
                    world.life.signals.send(signal.SIGHUP)
            case FaultKind.RACE:
                await self._race(fault)
            case FaultKind.DRIFT:
                await self._drift(fault)
            case FaultKind.OPERATOR:
                self._operate(fault, OUT[fault.steps])
                await trio.sleep(fault.lasts_s)
                self._operate(fault, OperatorAction.RESTORE)

    async def _drift(self, fault: Fault) -> None:
        """Report drifts, as the guard of a request does; at some somebody takes the provider out while its cache is flushed."""
        for _ in range(fault.times):
            self._report_drift(fault)
            await trio.sleep(fault.by_s)
        if fault.steps > 1:
            self._report_drift(fault)
            await trio.lowlevel.checkpoint()
            self._operate(fault, OperatorAction.EXCLUDE)
            self._report_drift(fault)  # by a request that has just ended
            await trio.sleep(fault.by_s)
            self._operate(fault, OperatorAction.RESTORE)

    def _report_drift(self, fault: Fault) -> None:
        life = self.world.life
        if life is not None and life.daemon is not None and life.is_started:
            life.daemon.parts.board.drifted(fault.target, for_s=fault.lasts_s, wants_reload=bool(fault.steps))

    async def _relive(self, fault: Fault) -> None:
        """Let a backend be down, and kill the daemon each time that it has something to keep of that (I4, I17)."""
        backend = self.world.network.backends[self.world.scenario.ports[fault.target]]
        backend.turn(fault.mood)
        until = trio.current_time() + fault.lasts_s
        self._operate(fault, OperatorAction.EXCLUDE)
        for _ in range(fault.times):
            if (left_s := until - trio.current_time()) > 0:
                await self._die(fault, min(WAITS_S, left_s))
                await trio.sleep(REBIRTH_S)
        await trio.sleep_until(max(until, trio.current_time()))
        backend.turn(Mood.HEALTHY)

    async def _die(self, fault: Fault, patience_s: float) -> None:
        """Kill the daemon, right now or soon after something was to be written; its last batch may be lost with it."""
        life = self.world.life
        if life is None or not life.is_started:
            return
        if fault.event:
            with trio.move_on_after(patience_s) as waiting:
                await life.wait_told(fault.event)
            if not waiting.cancelled_caught:
                await trio.sleep(fault.by_s)
        if self.world.life is life and not life.is_over:
            life.kill(is_torn=bool(fault.steps))

    async def _race(self, fault: Fault) -> None:
        """Exclude, then restore and exclude again between two steps of the prober, each time at another one (D4, I10)."""
        rng = source(self.world.scenario.seed, "race", fault.at)
        self._operate(fault, OperatorAction.EXCLUDE)
        for _ in range(RACES):
            await trio.sleep(0.01)
            life = self.world.life
            task = None if life is None or life.watch is None else life.watch.prober(fault.target)
            if task is not None:
                flip = Flip(task, rng.randint(1, RACE_STEPS), partial(self._flip, fault))
                trio.lowlevel.add_instrument(flip)
                with trio.move_on_after(RACE_S):
                    await flip.done.wait()
                trio.lowlevel.remove_instrument(flip)
        self._operate(fault, OperatorAction.RESTORE)

    def _flip(self, fault: Fault) -> None:
        self._operate(fault, OperatorAction.RESTORE)
        self._operate(fault, OperatorAction.EXCLUDE)

    async def _mood(self, fault: Fault) -> None:
        backend = self.world.network.backends[self.world.scenario.ports[fault.target]]
        backend.turn(fault.mood)
        await trio.sleep(fault.lasts_s)
        if backend.mood is fault.mood:
            backend.turn(Mood.HEALTHY)

    async def _crash(self, fault: Fault) -> None:
        left = fault.times
        for _ in range(TRIES * fault.times):
            life = self.world.life
            if life is None or not life.is_started or life.is_ending or not left or self.world.is_calm:
                return
            left -= await life.crashes.crash(fault.target, fault.steps, fault.lasts_s)
            await trio.sleep(AGAIN_S)

    def _operate(self, fault: Fault, action: OperatorAction) -> None:
        life = self.world.life
        if life is None or life.daemon is None or not life.is_started:
            return
        for cell in life.daemon.parts.board.cells():
            if cell.name == fault.target:
                cell.apply(Operated(action=action))
