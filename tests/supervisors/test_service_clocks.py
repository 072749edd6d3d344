"""D25: a machine that was suspended is noticed by its wall clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from attrs import define, field

from supervisors.service import watch_clocks
from tests.builders import RememberingObserver


@define
class FakeWall:
    """A wall clock that goes with trio's but for what a test adds."""

    ahead_s: float = 1_800_000_000.0

    def now(self) -> float:
        return self.ahead_s + trio.current_time()


@define
class Watch:
    wall: FakeWall = field(factory=FakeWall)
    observer: RememberingObserver = field(factory=RememberingObserver)
    jumps: list[tuple[float, float]] = field(factory=list)

    async def run(self) -> None:
        await watch_clocks(self.wall, observer=self.observer, on_jump=self.jumped)

    def jumped(self, by_s: float) -> None:
        self.jumps.append((round(trio.current_time()), round(by_s)))

    async def move(self, steps: list[tuple[float, float]]) -> None:
        """Wait, then move the wall clock, step by step; then let ten more minutes pass."""
        for after_s, by_s in steps:
            await trio.sleep(after_s)
            self.wall.ahead_s += by_s
        await trio.sleep(600)


@pytest.mark.parametrize(
    ("steps", "jumps"),
    [
        ([(12, 3600)], [(15, 3600)]),
        ([(12, 31)], [(15, 31)]),
        ([(12, 29)], []),
        ([(12, -7200)], [(15, -7200)]),
        ([(12, 3600), (20, 3600)], [(15, 3600), (35, 3600)]),
        ([(6, 20), (5, 20), (5, 20)], []),  # a clock that is slewed
    ],
)
async def test_d25_a_jump_of_more_than_30_s_is_told_once_within_5_s(
    autojump_clock: trio.testing.MockClock, steps: list[tuple[float, float]], jumps: list[tuple[float, float]]
) -> None:
    watch = Watch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await watch.move(steps)
        nursery.cancel_scope.cancel()

    assert watch.jumps == jumps
    assert [fields["by_s"] for fields in watch.observer.named("clock-jumped")] == [by_s for _, by_s in jumps]


async def test_a_loop_that_stands_for_minutes_is_no_jump(mock_clock: trio.testing.MockClock) -> None:
    watch = Watch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(300)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert watch.jumps == []
