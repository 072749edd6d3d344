"""The supervisor of one provider, task `provider/<name>`: keeps its children equal to what its cell wants.

Level-triggered: it compares the wanted slots with the living children whenever the cell changes, and starts or cancels
the difference, so no transition can be missed (D1, D2, D8, D9). Owns the children and no state: they report with
`cell.apply`. A child that crashes ends the supervisor, whose own policy decides (supervision.md 21.5.3, 21.9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import trio
from attrs import define, field

from router.domain.health import Slot, SlotKind
from router.domain.health_events import Tick
from router.domain.health_step import wanted
from supervisors.health_board import Cell

ChildOfProvider = Callable[[Cell, int], Awaitable[None]]  # the cell, and the generation that it works for


async def run(
    cell: Cell,
    *,
    children: Mapping[SlotKind, ChildOfProvider],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Supervise one provider until cancelled.

    Started once every child that the loaded state asks for is there (21.10, step 5)."""
    async with trio.open_nursery() as nursery:
        kids = _Children(cell=cell, children=children, nursery=nursery)
        is_started = False
        while True:
            changed = cell.changed
            kids.reconcile()
            if not is_started:
                task_status.started()
                is_started = True
            with trio.move_on_at(cell.next_due()) as waiting:
                await changed.wait()
            if waiting.cancelled_caught:
                cell.apply(Tick())


@define(kw_only=True, eq=False)
class _Children:
    cell: Cell
    children: Mapping[SlotKind, ChildOfProvider]
    nursery: trio.Nursery
    _living: dict[Slot, trio.CancelScope] = field(factory=dict)

    def reconcile(self) -> None:
        """Cancel who is not wanted; start who is, where no old child of its kind is still cleaning up."""
        slots = wanted(self.cell.health)
        for slot in self._living.keys() - slots:
            self._living[slot].cancel()
        busy = {slot.kind for slot in self._living}
        for slot in sorted(slots):
            if slot.kind not in busy:
                self._living[slot] = trio.CancelScope()
                self.nursery.start_soon(self._run_child, slot, name=f"{slot.kind}/{self.cell.name}")

    async def _run_child(self, slot: Slot) -> None:
        try:
            with self._living[slot]:
                await self.children[slot.kind](self.cell, slot.gen)
        finally:
            del self._living[slot]
            self.cell.touch()  # the free place is looked at
