"""One provider supervisor per configured provider, kept in step with the board: task `fleet` (supervision.md 21.1).

A supervisor that goes on crashing fails open: its provider is asked all the same, last and rarely. When more than half
of them, and at least two, have given up, there is nobody left who heals, and the daemon ends (21.9)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import trio
from attrs import define, field

from router.domain.health import SlotKind
from router.domain.health_events import PassiveSet
from supervisors import provider
from supervisors.health_board import Cell, HealthBoard
from supervisors.keep_running import Keeper, SupervisorExhausted
from supervisors.policies import provider_spec
from supervisors.provider import ChildOfProvider

GIVEN_UP_S = 3600.0  # then a supervisor that went on crashing is tried again, if nobody asks for it sooner


async def run(
    board: HealthBoard,
    *,
    children: Mapping[SlotKind, ChildOfProvider],
    keeper: Keeper,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Supervise every provider of the board until cancelled; raises SupervisorExhausted when most have given up.

    Started once every supervisor is: a restored exclusion has its prober by then."""
    async with trio.open_nursery() as nursery:
        fleet = _Fleet(children=children, keeper=keeper, nursery=nursery)
        while True:
            changed = board.members_changed
            await fleet.reconcile(board.cells())
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await changed.wait()


@define(eq=False)
class _Supervised:
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    ended: trio.Event = field(factory=trio.Event)


@define(kw_only=True, eq=False)
class _Fleet:
    children: Mapping[SlotKind, ChildOfProvider]
    keeper: Keeper
    nursery: trio.Nursery
    _living: dict[Cell, _Supervised] = field(factory=dict)
    _given_up: set[Cell] = field(factory=set)

    async def reconcile(self, cells: tuple[Cell, ...]) -> None:
        """End the supervisors of cells that are gone, and start those of new ones.

        Never two of one name: one that begins afresh behind another backend waits until the old one has cleaned up (I5)."""
        leaving = {cell: self._living[cell] for cell in self._living.keys() - set(cells)}
        for supervised in leaving.values():
            supervised.scope.cancel()
        self._given_up &= set(cells)
        for cell in cells:
            if cell not in self._living:
                for old, supervised in leaving.items():
                    if old.name == cell.name:
                        await supervised.ended.wait()
                self._living[cell] = _Supervised()
                await self.nursery.start(self._supervise, cell, name=f"kept/provider/{cell.name}")

    async def _supervise(self, cell: Cell, task_status: trio.TaskStatus[None]) -> None:
        try:
            with self._living[cell].scope:
                while True:
                    self._given_up.discard(cell)
                    cell.apply(PassiveSet(is_passive=False))
                    await self.keeper.keep_running(
                        provider_spec(cell.name),
                        partial(provider.run, cell, children=self.children),
                        on_exhausted=partial(self._fail_open, cell),
                        on_poison=cell.quarantine,
                        task_status=task_status,
                    )
                    task_status = trio.TASK_STATUS_IGNORED
                    with trio.move_on_after(GIVEN_UP_S):
                        await cell.anew.wait()
        finally:
            self._living.pop(cell).ended.set()

    def _fail_open(self, cell: Cell) -> None:
        cell.apply(PassiveSet(is_passive=True))
        self._given_up.add(cell)
        if 2 * len(self._given_up) > max(len(self._living), 2):
            self.keeper.escalate(SupervisorExhausted("fleet", self.keeper.facts[provider_spec(cell.name).name].ends))
