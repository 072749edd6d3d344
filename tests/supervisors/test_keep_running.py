"""Restarts within limits, on the virtual clock (supervision.md 21.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors.keep_running import Child, ChildState, Keeper, SupervisorExhausted
from supervisors.policies import FLEET, PROBES, ChildSpec, OnExhausted, is_exhausted, restart_delay_s
from tests.e2e.front_harness import Seen

SPEC = ChildSpec(name="child", intensity=3, period_s=60, first_delay_s=1, longest_delay_s=30, on_exhausted=OnExhausted.DEGRADE)


@define
class Scripted:
    """A child that runs so long each time and then ends as told: with an exception, or normally for None."""

    script: list[tuple[float, Exception | None]]
    begun_at: list[float] = field(factory=list)

    async def __call__(self, *, task_status: trio.TaskStatus[Any]) -> None:
        self.begun_at.append(trio.current_time())
        task_status.started("ready")
        if not self.script:
            await trio.sleep_forever()
        for_s, error = self.script.pop(0)
        await trio.sleep(for_s)
        if error is not None:
            raise error


@define
class Giving:
    """Counts how often it was called."""

    times: int = 0

    def __call__(self) -> None:
        self.times += 1


async def keep(spec: ChildSpec, child: Scripted, for_s: float, **hooks: Callable[[], bool | None]) -> tuple[Keeper, Seen]:
    seen = Seen()
    keeper = Keeper(observer=seen)
    with trio.move_on_after(for_s):
        await keeper.keep_running(spec, child, **hooks)  # type: ignore[arg-type]  # one kind of callable for all hooks
    return keeper, seen


async def test_a_crash_is_followed_by_restarts_with_doubling_pauses(autojump_clock: MockClock) -> None:
    del autojump_clock
    child = Scripted([(10, ValueError()), (10, ValueError()), (10, None)])
    begun = trio.current_time()

    keeper, seen = await keep(SPEC, child, 300)

    assert [at - begun for at in child.begun_at] == [0, 11, 23, 37]
    assert seen.names() == ["supervisor-child-ended", "supervisor-child-restarted"] * 3
    assert keeper.facts["child"].restarts_total == 3
    assert keeper.facts["child"].state is ChildState.RUNNING


async def test_a_quiet_period_starts_the_pauses_over(autojump_clock: MockClock) -> None:
    del autojump_clock
    child = Scripted([(0, ValueError()), (0, ValueError()), (100, ValueError())])
    begun = trio.current_time()

    await keep(SPEC, child, 300)

    assert [at - begun for at in child.begun_at] == [0, 1, 3, 104]


async def test_too_many_ends_in_a_period_exhaust_it_and_the_policy_is_carried_out(autojump_clock: MockClock) -> None:
    del autojump_clock
    given_up = Giving()
    child = Scripted([(0, ValueError())] * 9)

    keeper, seen = await keep(SPEC, child, 300, on_exhausted=given_up)

    assert len(child.begun_at) == SPEC.intensity + 1
    assert given_up.times == 1
    assert seen.events[-1] == ("supervisor-exhausted", {"child": "child", "action": "degrade"})
    assert keeper.facts["child"].state is ChildState.EXHAUSTED


async def test_a_child_that_the_daemon_needs_escalates(autojump_clock: MockClock) -> None:
    del autojump_clock
    spec = evolve(FLEET, name="fleet")

    with pytest.raises(SupervisorExhausted, match="fleet"):
        await keep(spec, Scripted([(0, ValueError())] * 9), 300)


async def test_an_escalation_may_be_carried_out_without_a_crash(autojump_clock: MockClock) -> None:
    del autojump_clock
    told: list[str] = []
    keeper = Keeper(observer=Seen(), escalate=lambda error: told.append(error.child))

    await keeper.keep_running(evolve(FLEET, name="fleet"), Scripted([(0, ValueError())] * 9))

    assert told == ["fleet"]


@pytest.mark.parametrize("error", [None, ValueError()])
async def test_every_end_is_followed_by_a_restart_also_a_normal_one(error: Exception | None, autojump_clock: MockClock) -> None:
    del autojump_clock
    child = Scripted([(1, error)])

    await keep(SPEC, child, 100)

    assert len(child.begun_at) == 2


async def test_a_normal_end_that_was_asked_for_is_the_end(autojump_clock: MockClock) -> None:
    del autojump_clock
    child = Scripted([(1, None)])

    keeper, _ = await keep(SPEC, child, 100, is_over=lambda: True)

    assert len(child.begun_at) == 1
    assert keeper.facts["child"].state is ChildState.ENDED


async def test_it_starts_with_what_the_child_starts_with(nursery: trio.Nursery) -> None:
    keeper = Keeper(observer=Seen())

    assert await nursery.start(keeper.keep_running, SPEC, Scripted([])) == "ready"
    nursery.cancel_scope.cancel()


async def test_a_fault_that_no_restart_cures_is_raised_at_the_first_start(autojump_clock: MockClock) -> None:
    del autojump_clock

    async def unable(*, task_status: trio.TaskStatus[Any]) -> None:
        del task_status
        await trio.lowlevel.checkpoint()
        raise LookupError

    with pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        await Keeper(observer=Seen()).keep_running(SPEC, unable, fatal_at_start=LookupError)


async def test_three_quick_crashes_at_one_place_put_the_state_aside_once(autojump_clock: MockClock) -> None:
    del autojump_clock
    put_aside = Giving()
    spec = evolve(SPEC, intensity=5)

    _, seen = await keep(spec, Scripted([(0, ValueError())] * 3), 300, on_poison=put_aside)

    assert put_aside.times == 1
    assert "supervisor-quarantine" in seen.names()


async def test_slow_crashes_are_no_poison(autojump_clock: MockClock) -> None:
    del autojump_clock
    put_aside = Giving()

    await keep(evolve(SPEC, intensity=9), Scripted([(2, ValueError())] * 4), 300, on_poison=put_aside)

    assert put_aside.times == 0


async def test_a_restart_begins_when_the_old_nursery_is_empty(autojump_clock: MockClock) -> None:
    del autojump_clock
    living: list[int] = []
    overlaps: list[int] = []

    async def slow_to_end() -> None:
        living.append(1)
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            living.pop()

    async def child(*, task_status: trio.TaskStatus[Any]) -> None:
        overlaps.append(len(living))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow_to_end)
            task_status.started()
            await wait_all_tasks_blocked()
            raise ValueError

    with trio.move_on_after(100):
        await Keeper(observer=Seen()).keep_running(SPEC, child)

    assert overlaps == [0] * (SPEC.intensity + 1)


async def test_i20_a_crash_leaves_the_neighbours_alone(autojump_clock: MockClock) -> None:
    del autojump_clock
    keeper = Keeper(observer=Seen())
    neighbour = Scripted([])
    with trio.move_on_after(200):
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.keep_running, evolve(SPEC, name="b"), neighbour)
            await nursery.start(keeper.keep_running, SPEC, Scripted([(0, ValueError())] * 9))

    assert len(neighbour.begun_at) == 1
    assert keeper.facts["b"].state is ChildState.RUNNING


@given(ends=st.lists(st.floats(0, 1000), max_size=12), intensity=st.integers(1, 5), period_s=st.floats(1, 300))
def test_i21_exhausted_means_more_than_intensity_ends_in_the_last_period(
    ends: list[float], intensity: int, period_s: float
) -> None:
    spec = evolve(SPEC, intensity=intensity, period_s=period_s)
    now = max(ends, default=0.0)

    recent = [at for at in ends if at > now - period_s]

    assert is_exhausted(spec, tuple(ends), now) is (len(recent) > intensity)


@pytest.mark.parametrize(("restarts", "delay_s"), [(0, 1), (1, 2), (4, 16), (5, 30), (50, 30)])
def test_the_pause_doubles_up_to_the_longest(restarts: int, delay_s: float) -> None:
    assert restart_delay_s(PROBES, restarts) == delay_s


def test_the_wrapper_of_the_keeper_gets_every_child() -> None:
    wrapped: list[str] = []

    def wrap(spec: ChildSpec, child: Child) -> Child:
        wrapped.append(spec.name)
        return child

    async def run() -> None:
        with trio.move_on_after(0):
            await Keeper(observer=Seen(), wrap=wrap).keep_running(SPEC, Scripted([]))

    trio.run(run)

    assert wrapped == ["child"]
