"""Fake upstreams that fail and recover by turns, each in a way that the seed draws."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import trio
from attrs import define, field

from tests.fakes.plans import CATALOGUE, Plan
from tests.fakes.upstream import Upstream, open_upstream

GOOD = Plan(deltas=8, every_s=0.01)
GONE, LOADING = "gone", "loading"
FAULTS = (
    GONE,  # nobody listens, and what was open is reset
    LOADING,
    "status-401",
    "status-429",
    "status-500",
    "status-529",
    "html-200",
    "stall-before-head",
    "reset-after-head",
    "empty-stream",
    "reset-mid",
    "stall-mid",
    "truncated-mid",
    "malformed-mid",
)
WELL_S = (1.0, 5.0)
ILL_S = (0.5, 6.0)


@define(eq=False)
class Patient:
    """One upstream of the soak, always on the same port; `is_well_kept` holds its faults back."""

    name: str
    port: int
    random: Random
    is_well_kept: bool = False
    faults: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    def keep_well(self) -> None:
        """Hold faults back, and end the one that there is."""
        self._set(is_well_kept=True)

    def let_be(self) -> None:
        """Let faults come again."""
        self._set(is_well_kept=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled, well and ill by turns. Started when it listens."""
        while True:
            async with open_upstream(port=self.port, default=GOOD) as upstream:
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await self._until_gone(upstream)
            await self._pass(self.random.uniform(*ILL_S), ends_when_kept=True)

    async def _until_gone(self, upstream: Upstream) -> None:
        for fault in self._drawn():
            upstream.exchanges.clear()  # a long run keeps nothing
            await self._pass(self.random.uniform(*WELL_S), ends_when_kept=False)
            while self.is_well_kept:
                await self._changed.wait()
            self.faults += 1
            if fault == GONE:
                return
            upstream.is_loading = fault == LOADING
            upstream.default = CATALOGUE.get(fault, GOOD)
            await self._pass(self.random.uniform(*ILL_S), ends_when_kept=True)
            upstream.is_loading, upstream.default = False, GOOD

    def _drawn(self) -> Iterator[str]:
        while True:
            yield self.random.choice(FAULTS)

    async def _pass(self, seconds: float, *, ends_when_kept: bool) -> None:
        with trio.move_on_after(seconds):
            while not (ends_when_kept and self.is_well_kept):
                await self._changed.wait()

    def _set(self, *, is_well_kept: bool) -> None:
        self.is_well_kept = is_well_kept
        old, self._changed = self._changed, trio.Event()
        old.set()
