"""The provider supervisor keeps its children equal to what the cell wants; on the virtual clock with children in memory."""

from __future__ import annotations

from math import inf

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from router.domain.health import Admission, Health, HealthPolicy, HealthState, SlotKind
from router.domain.health_events import (
    Operated,
    OperatorAction,
    ProbeVerdict,
    RecoveryProbed,
    RestartEnded,
    RestartOutcome,
    Succeeded,
)
from router.errors import FailureReason
from supervisors import provider
from supervisors.health_board import Cell, HealthBoard
from supervisors.provider import ChildOfProvider
from tests.e2e.front_harness import Seen

POLICY = HealthPolicy(threshold=2, excludes=True, can_restart=True)


@define
class Children:
    """Children that only note when they live; one may take a while to clean up."""

    cleanup_s: float = 0.0
    began: list[tuple[str, int]] = field(factory=list)
    living: list[tuple[str, int]] = field(factory=list)
    most_of_a_kind: int = 0

    def table(self) -> dict[SlotKind, ChildOfProvider]:
        async def recovery(_cell: Cell, gen: int) -> None:
            await self._live("recovery", gen)

        async def restart(_cell: Cell, gen: int) -> None:
            await self._live("restart", gen)

        return {SlotKind.RECOVERY: recovery, SlotKind.RESTART: restart}

    async def _live(self, kind: str, gen: int) -> None:
        self.began.append((kind, gen))
        self.living.append((kind, gen))
        self.most_of_a_kind = max(self.most_of_a_kind, sum(k == kind for k, _ in self.living))
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.cleanup_s)
            self.living.remove((kind, gen))


def a_cell(policy: HealthPolicy = POLICY, health: Health | None = None) -> Cell:
    return HealthBoard(observer=Seen()).add("p", policy, health=health)


async def supervise(nursery: trio.Nursery, cell: Cell, children: Children) -> None:
    async def run(task_status: trio.TaskStatus[None]) -> None:
        await provider.run(cell, children=children.table(), task_status=task_status)

    await nursery.start(run)


async def test_an_excluded_provider_has_one_prober_of_its_generation(nursery: trio.Nursery) -> None:
    cell, children = a_cell(), Children()
    await supervise(nursery, cell, children)

    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    await wait_all_tasks_blocked()

    assert children.living == [("recovery", 1)]
    nursery.cancel_scope.cancel()


async def test_d9_a_loaded_exclusion_has_its_prober_before_the_supervisor_has_started(nursery: trio.Nursery) -> None:
    health = Health(admission=Admission.EXCLUDED, state=HealthState.UNHEALTHY, gen=7, next_probe_at=inf)
    children = Children()

    await supervise(nursery, a_cell(health=health), children)
    await wait_all_tasks_blocked()

    assert children.living == [("recovery", 7)]
    nursery.cancel_scope.cancel()


async def test_d4_a_new_exclusion_gets_a_new_prober_also_where_the_old_one_still_cleans_up(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    del autojump_clock
    cell, children = a_cell(), Children(cleanup_s=3)
    await supervise(nursery, cell, children)

    for action in (OperatorAction.EXCLUDE, OperatorAction.RESTORE, OperatorAction.EXCLUDE):
        cell.apply(Operated(action=action))
        await wait_all_tasks_blocked()
    still_one = list(children.living)
    await trio.sleep(4)

    assert still_one == [("recovery", 1)]
    assert children.began == [("recovery", 1), ("recovery", 2)]
    assert children.living == [("recovery", 2)]
    assert children.most_of_a_kind == 1
    nursery.cancel_scope.cancel()


async def test_a_restart_that_is_owed_runs_beside_the_prober_and_once(nursery: trio.Nursery) -> None:
    cell, children = a_cell(), Children()
    await supervise(nursery, cell, children)
    cell.apply(Operated(action=OperatorAction.EXCLUDE))

    cell.apply(RecoveryProbed(gen=1, verdict=ProbeVerdict.FAILED, reason=FailureReason.CONNECTION))
    await wait_all_tasks_blocked()
    both = sorted(children.living)
    cell.apply(RestartEnded(gen=1, outcome=RestartOutcome.FAILED))
    await wait_all_tasks_blocked()

    assert both == [("recovery", 1), ("restart", 1)]
    assert children.living == [("recovery", 1)]
    assert len(children.began) == 2
    nursery.cancel_scope.cancel()


async def test_a_hold_ends_every_child(nursery: trio.Nursery) -> None:
    cell, children = a_cell(), Children()
    await supervise(nursery, cell, children)
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    cell.apply(RecoveryProbed(gen=1, verdict=ProbeVerdict.FAILED, reason=FailureReason.CONNECTION))
    await wait_all_tasks_blocked()

    cell.apply(Operated(action=OperatorAction.HOLD))
    await wait_all_tasks_blocked()

    assert children.living == []
    nursery.cancel_scope.cancel()


async def test_the_end_of_a_probation_comes_by_itself(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    cell, children = a_cell(), Children()
    await supervise(nursery, cell, children)
    cell.apply(Operated(action=OperatorAction.EXCLUDE))
    cell.apply(RecoveryProbed(gen=1, verdict=ProbeVerdict.OK))
    on_probation = cell.health.admission

    await trio.sleep(POLICY.probation_s + 1)

    assert on_probation is Admission.PROBATION
    assert cell.health.admission is Admission.ADMITTED
    nursery.cancel_scope.cancel()


async def test_good_service_takes_a_level_off_per_longest_pause(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    del autojump_clock
    cell = a_cell(health=Health(admission=Admission.PROBATION, level=2, probation_left=1, probation_until=inf))
    await supervise(nursery, cell, Children())
    cell.apply(Succeeded())

    levels = []
    for _ in range(3):
        await trio.sleep(POLICY.probe_max_s + 1)
        levels.append(cell.health.level)

    assert levels == [1, 0, 0]
    nursery.cancel_scope.cancel()


async def test_a_child_that_crashes_ends_the_supervisor_and_the_cell_keeps_its_state() -> None:
    cell = a_cell()

    async def broken(_cell: Cell, _gen: int) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    cell.apply(Operated(action=OperatorAction.EXCLUDE))

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await provider.run(cell, children={SlotKind.RECOVERY: broken})
    assert cell.health.admission is Admission.EXCLUDED
