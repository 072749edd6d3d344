"""What a restart does for its provider, and restarts of managed servers. On the virtual clock."""

from __future__ import annotations

from functools import partial

import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import Admission, HealthPolicy
from router.domain.health_events import Operated, OperatorAction, ProcessEnded, RestartOutcome
from supervisors import restart_runner
from supervisors.health_board import Cell, HealthBoard
from tests.supervisors.jobs_in_memory import TERM, EventLog, JobPlan
from tests.supervisors.restarts_in_memory import MANAGED, a_world

# ---- the child of a provider supervisor


def a_cell(log: EventLog) -> Cell:
    """Return the cell of a provider whose managed server has just ended: excluded, and owed a restart."""
    cell = HealthBoard(observer=log).add("a", HealthPolicy(excludes=True, can_restart=True))
    cell.apply(ProcessEnded(message="gone"))
    assert cell.health.restart_owed == 1
    return cell


async def test_the_child_pays_the_debt_of_its_generation(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        cell = a_cell(world.log)
        await restart_runner.run(cell, 1, restarts=world.restarts)

        assert cell.health.restart_owed is None
        assert cell.health.next_probe_at == trio.current_time()  # the prober looks at once


async def test_d4_a_result_of_an_old_generation_changes_nothing(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        cell = a_cell(world.log)
        world.nursery.start_soon(partial(restart_runner.run, restarts=world.restarts), cell, 1)
        await wait_all_tasks_blocked()
        cell.apply(Operated(action=OperatorAction.RESTORE))
        cell.apply(Operated(action=OperatorAction.EXCLUDE))
        due = cell.health.next_probe_at
        await trio.sleep(2)

        assert world.log.last("self-healing-restart")["success"]
        assert (cell.health.admission, cell.health.gen, cell.health.level) == (Admission.EXCLUDED, 2, 0)
        assert cell.health.next_probe_at == due  # the result of the old one makes nobody look again


async def test_an_operators_hold_ends_the_command(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(stop_s=1)]) as world:
        cell = a_cell(world.log)
        with trio.CancelScope() as scope:  # the supervisor's, which a hold makes it cancel
            world.nursery.start_soon(_cancel_when_unowed, cell, scope)
            world.nursery.start_soon(_hold_after_3_s, cell)
            await restart_runner.run(cell, 1, restarts=world.restarts)
        await trio.sleep(2)

        assert world.runner.jobs[0].exit_code == TERM
        assert cell.health.admission is Admission.HELD


async def _hold_after_3_s(cell: Cell) -> None:
    await trio.sleep(3)
    cell.apply(Operated(action=OperatorAction.HOLD))


async def _cancel_when_unowed(cell: Cell, scope: trio.CancelScope) -> None:
    while cell.health.restart_owed is not None:
        await cell.changed.wait()
    scope.cancel()


# ---- managed


async def test_a_managed_server_that_is_down_is_started(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=2)]) as world:
        assert await world.restarts.restart("m") is RestartOutcome.OK

        assert world.log.names() == ["process-started", "process-ready", "self-healing-restart"]


async def test_a_managed_server_that_cannot_be_started_is_a_failed_restart_with_its_reason(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=99, ends_s=1, exit_code=3, says="no such model")]) as world:
        assert await world.restarts.restart("m") is RestartOutcome.FAILED

        told = world.log.last("self-healing-restart")
        assert (told["error"], told["exit"]) == ("exited with 3 before it was ready: no such model", 3)


async def test_the_limit_of_a_command_does_not_bound_a_managed_start(autojump_clock: MockClock) -> None:
    async with a_world(evolve(MANAGED, timeout_s=5), plans=[JobPlan(ready_s=50)]) as world:
        assert await world.restarts.restart("m") is RestartOutcome.OK
