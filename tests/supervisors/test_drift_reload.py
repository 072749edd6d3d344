"""A drift brings one flush of the server's cache, bounded, and never a second beside it; virtual clock, flushes in memory."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import Admission, HealthPolicy, SlotKind
from router.domain.health_events import Drifted, Operated, OperatorAction, PassiveSet
from router.providers.cache_flush import FlushResult
from supervisors import drift_reload, provider
from supervisors.health_board import Cell, HealthBoard
from supervisors.provider import ChildOfProvider
from tests.builders import RememberingObserver

DONE = FlushResult(success=True, detail="done")
NONE_THERE = FlushResult(success=False, detail="no such thing", supported=False)
WARNED, RELOADS = Drifted(for_s=300), Drifted(for_s=300, wants_reload=True)
ATTEMPTED, SKIPPED = "drift-reload-attempted", "drift-reload-skip"


@define
class Server:
    """A server that takes its time to flush, and says how that went."""

    result: FlushResult = DONE
    takes_s: float = 1.0
    is_broken: bool = False
    flushed: list[str] = field(factory=list)
    open_now: int = 0
    most_open: int = 0

    async def flush(self, provider: str) -> FlushResult:
        self.flushed.append(provider)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await trio.sleep(self.takes_s)
        finally:
            self.open_now -= 1
        if self.is_broken:
            raise ZeroDivisionError
        return self.result


@define(kw_only=True)
class World:
    """One provider's cell, what is told of it, and its server."""

    cell: Cell
    observer: RememberingObserver
    server: Server

    def children(self) -> dict[SlotKind, ChildOfProvider]:
        async def prober(_cell: Cell, _gen: int) -> None:
            await trio.sleep_forever()

        return {
            SlotKind.RECOVERY: prober,
            SlotKind.DRIFT_RELOAD: partial(drift_reload.run, flush=self.server.flush),
        }

    async def supervise(self, nursery: trio.Nursery) -> None:
        async def run(task_status: trio.TaskStatus[None]) -> None:
            await provider.run(self.cell, children=self.children(), task_status=task_status)

        await nursery.start(run)

    def told(self, name: str = ATTEMPTED) -> list[tuple[object, object]]:
        return [(fields.get("success"), fields["detail"]) for fields in self.observer.named(name)]


def a_world(server: Server | None = None) -> World:
    observer = RememberingObserver()
    cell = HealthBoard(observer=observer).add("p", HealthPolicy(threshold=2, excludes=True))
    return World(cell=cell, observer=observer, server=server or Server())


async def test_a_drift_that_wants_it_is_followed_by_one_flush_whose_result_is_told(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = a_world()
    await world.supervise(nursery)

    world.cell.apply(RELOADS)
    await trio.sleep(600)

    assert world.server.flushed == ["p"]
    assert world.cell.health.reload_owed is None
    assert world.told() == [(True, "done")]
    nursery.cancel_scope.cancel()


async def test_a_drift_that_does_not_want_it_flushes_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    world = a_world()
    await world.supervise(nursery)

    world.cell.apply(WARNED)
    await trio.sleep(600)

    assert world.server.flushed == []
    nursery.cancel_scope.cancel()


async def test_no_flush_runs_beside_another_and_a_later_drift_brings_another(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = a_world(Server(takes_s=5.0))
    await world.supervise(nursery)

    for pause_s in (0.0, 2.0, 2.0, 300.0):  # the second and the third come while the first is at work
        await trio.sleep(pause_s)
        world.cell.apply(RELOADS)
    await trio.sleep(600)

    assert len(world.server.flushed) == 2
    assert world.server.most_open == 1
    assert world.told() == [(True, "done")] * 2
    nursery.cancel_scope.cancel()


async def test_a_server_that_does_not_answer_is_given_up_after_ten_seconds(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = a_world(Server(takes_s=3600.0))
    await world.supervise(nursery)

    world.cell.apply(RELOADS)
    await trio.sleep(9.9)
    before = (world.server.open_now, world.told())
    await trio.sleep(0.2)

    assert before == (1, [])
    assert world.server.open_now == 0
    assert world.told() == [(False, "did not finish within 10 s")]
    nursery.cancel_scope.cancel()


async def test_a_server_that_cannot_is_told_once_and_tried_again_after_the_next_drift(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = a_world(Server(result=NONE_THERE))
    await world.supervise(nursery)

    for result in (NONE_THERE, NONE_THERE, DONE):
        world.server.result = result
        world.cell.apply(RELOADS)
        await trio.sleep(600)

    assert len(world.server.flushed) == 3
    assert world.told(SKIPPED) == [(None, "no such thing")]
    assert world.told() == [(True, "done")]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("event", [Operated(action=OperatorAction.EXCLUDE), Operated(action=OperatorAction.HOLD)])
async def test_who_leaves_the_chains_is_not_flushed_on(nursery: trio.Nursery, autojump_clock: MockClock, event: Operated) -> None:
    del autojump_clock
    world = a_world(Server(takes_s=5.0))
    await world.supervise(nursery)
    world.cell.apply(RELOADS)
    await wait_all_tasks_blocked()

    world.cell.apply(event)
    await wait_all_tasks_blocked()

    assert world.cell.health.admission in (Admission.EXCLUDED, Admission.HELD)
    assert (world.server.flushed, world.server.open_now) == (["p"], 0)
    assert world.told() == []
    nursery.cancel_scope.cancel()


async def test_the_end_of_the_daemon_ends_it_and_says_so(nursery: trio.Nursery) -> None:
    world = a_world(Server(takes_s=3600.0))
    async with trio.open_nursery() as core:
        await world.supervise(core)
        world.cell.apply(RELOADS)
        await wait_all_tasks_blocked()

        core.cancel_scope.cancel()

    assert world.server.open_now == 0
    assert world.cell.health.reload_owed is None
    assert world.told() == [(False, "was interrupted before it ended")]
    nursery.cancel_scope.cancel()


async def test_a_flush_that_crashes_is_not_tried_again_by_the_next_supervisor(autojump_clock: MockClock) -> None:
    del autojump_clock
    world = a_world(Server(is_broken=True))
    world.cell.apply(RELOADS)

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await provider.run(world.cell, children=world.children())
    with trio.move_on_after(60):
        await provider.run(world.cell, children=world.children())

    assert world.server.flushed == ["p"]
    assert world.told() == [(False, "was interrupted before it ended")]


async def test_a_debt_outlives_the_supervisor_that_has_not_seen_it(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    world = a_world()
    world.cell.apply(RELOADS)

    await world.supervise(nursery)
    await trio.sleep(2)

    assert world.told() == [(True, "done")]
    nursery.cancel_scope.cancel()


async def test_nothing_is_flushed_late_for_a_provider_whose_supervisor_had_given_up(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    world = a_world()
    world.cell.apply(RELOADS)
    world.cell.apply(PassiveSet(is_passive=True))

    world.cell.apply(PassiveSet(is_passive=False))
    await world.supervise(nursery)
    await trio.sleep(60)

    assert world.server.flushed == []
    nursery.cancel_scope.cancel()
