"""The fleet follows the board, and fails open; on the virtual clock with children in memory."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import HealthPolicy, SlotKind
from router.domain.health_events import Operated, OperatorAction
from supervisors import fleet
from supervisors.health_board import Cell, HealthBoard
from supervisors.keep_running import Keeper, SupervisorExhausted
from supervisors.provider import ChildOfProvider
from tests.e2e.front_harness import Seen

POLICY = HealthPolicy(excludes=True)
EXCLUDE = Operated(action=OperatorAction.EXCLUDE)


@define
class World:
    """A board, a keeper, and probers that crash for the providers named `broken`."""

    names: tuple[str, ...]
    broken: frozenset[str] = frozenset()
    breaks_after_s: float = 1.5  # sooner is taken for poison in the state
    seen: Seen = field(factory=Seen)
    probed: set[str] = field(factory=set)
    board: HealthBoard = field(init=False)
    keeper: Keeper = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.board = HealthBoard(observer=self.seen)
        self.keeper = Keeper(observer=self.seen)
        for name in self.names:
            self.board.add(name, POLICY)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await fleet.run(self.board, children=self.children(), keeper=self.keeper, task_status=task_status)

    def children(self) -> dict[SlotKind, ChildOfProvider]:
        async def recovery(cell: Cell, _gen: int) -> None:
            self.probed.add(cell.name)
            try:
                await trio.sleep(self.breaks_after_s)
                if cell.name in self.broken:
                    raise ZeroDivisionError
                await trio.sleep_forever()
            finally:
                self.probed.discard(cell.name)

        return {SlotKind.RECOVERY: recovery}


async def test_a_provider_that_comes_is_supervised_and_one_that_goes_is_not(nursery: trio.Nursery) -> None:
    world = World(("a", "b"))
    await nursery.start(world.run)

    world.board.cell("a").apply(EXCLUDE)
    gone = world.board.cell("a")
    world.board.remove("a")
    world.board.add("c", POLICY).apply(EXCLUDE)
    gone.apply(EXCLUDE)
    await wait_all_tasks_blocked()

    assert world.probed == {"c"}
    nursery.cancel_scope.cancel()


async def test_i20_a_supervisor_that_crashes_does_not_touch_the_others(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b", "c"), broken=frozenset({"a"}))
    async with trio.open_nursery() as nursery:
        await nursery.start(world.run)
        for cell in world.board.cells():
            cell.apply(EXCLUDE)
        await trio.sleep(200)

        assert world.probed == {"b", "c"}
        assert world.keeper.facts["provider/b"].restarts_total == 0
        nursery.cancel_scope.cancel()


async def test_i24_a_supervisor_that_goes_on_crashing_fails_open(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"), broken=frozenset({"a"}))
    async with trio.open_nursery() as nursery:
        await nursery.start(world.run)
        world.board.cell("a").apply(EXCLUDE)
        await trio.sleep(400)

        assert world.board.status_of("a").health.is_passive
        assert ("supervisor-exhausted", {"child": "provider/a", "action": "fail-open"}) in world.seen.events
        nursery.cancel_scope.cancel()


async def test_a_passive_provider_is_supervised_again_when_it_is_configured_anew(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"), broken=frozenset({"a"}))
    async with trio.open_nursery() as nursery:
        await nursery.start(world.run)
        world.board.cell("a").apply(EXCLUDE)
        await trio.sleep(400)
        world.board.remove("a")
        world.board.add("a", POLICY)
        await wait_all_tasks_blocked()

        assert not world.board.status_of("a").health.is_passive
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("asks", [True, False])
async def test_a_supervisor_that_gave_up_is_tried_again_when_somebody_asks_or_after_an_hour(
    asks: bool,  # noqa: FBT001 - a column
    autojump_clock: MockClock,
) -> None:
    del autojump_clock
    world = World(("a", "b"), broken=frozenset({"a"}))
    cell = world.board.cell("a")
    async with trio.open_nursery() as nursery:
        await nursery.start(world.run)
        cell.apply(EXCLUDE)
        await trio.sleep(400)
        world.broken = frozenset()
        if asks:
            cell.apply(Operated(action=OperatorAction.RESTORE))
            await trio.sleep(1)
        else:
            await trio.sleep(3600)

        assert not cell.health.is_passive
        nursery.cancel_scope.cancel()


async def test_without_most_of_the_supervisors_the_daemon_ends(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"), broken=frozenset({"a", "b"}))
    for cell in world.board.cells():
        cell.apply(EXCLUDE)

    with pytest.RaisesGroup(SupervisorExhausted, flatten_subgroups=True):
        await world.run()


async def test_a_state_that_its_supervisor_cannot_live_with_is_put_aside(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"), broken=frozenset({"a"}), breaks_after_s=0)
    put_aside: list[str] = []
    cell = world.board.cell("a")
    cell.on_quarantine = lambda name, health: put_aside.append(f"{name}: {health.admission}")
    cell.apply(EXCLUDE)
    async with trio.open_nursery() as nursery:
        await nursery.start(world.run)
        await trio.sleep(400)
        nursery.cancel_scope.cancel()

    assert put_aside == ["a: excluded"]
    assert world.keeper.facts["provider/a"].state == "running"
    assert cell.health.gen == 2


async def test_d8_a_prober_that_dies_is_there_again(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"))
    crashes = [ZeroDivisionError()]

    async def dies_once(cell: Cell, _gen: int) -> None:
        world.probed.add(cell.name)
        await trio.sleep(1)
        if crashes:
            world.probed.discard(cell.name)
            raise crashes.pop()
        await trio.sleep_forever()

    children: dict[SlotKind, ChildOfProvider] = {SlotKind.RECOVERY: dies_once}
    world.board.cell("a").apply(EXCLUDE)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(fleet.run, world.board, children=children, keeper=world.keeper))
        await trio.sleep(10)

        assert world.probed == {"a"}
        assert world.keeper.facts["provider/a"].restarts_total == 1
        nursery.cancel_scope.cancel()


async def test_i5_a_provider_that_begins_afresh_waits_until_its_old_supervisor_has_cleaned_up(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = World(("a", "b"))
    living: list[int] = []
    most: list[int] = []

    async def cleans_up(_cell: Cell, gen: int) -> None:
        living.append(gen)
        most.append(len(living))
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(1, shield=True):
                await trio.sleep(0.5)
            living.remove(gen)

    children: dict[SlotKind, ChildOfProvider] = {SlotKind.RECOVERY: cleans_up}
    world.board.cell("a").apply(EXCLUDE)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(fleet.run, world.board, children=children, keeper=world.keeper))
        await wait_all_tasks_blocked()
        world.board.renew("a", POLICY).apply(EXCLUDE)
        await trio.sleep(1)

        assert living == [3]
        assert max(most) == 1
        nursery.cancel_scope.cancel()
