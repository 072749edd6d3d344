"""Restarts of managed processes, and what others are told of them. On the virtual clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from router.errors import ProviderFailed
from supervisors.process_spec import ProcessSpec
from supervisors.process_state import ProcessState
from supervisors.processes import Processes
from tests.supervisors.jobs_in_memory import TERM, EventLog, FakeRunner, JobPlan
from tests.supervisors.test_processes import URL, World, a_spec, a_world


async def restart(world: World) -> float:
    """Return when the restart was through. Fails where it failed."""
    assert await world.processes.restart("embedded") is None
    return round(trio.current_time(), 3)


async def test_a_restart_starts_what_is_down(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        assert 1 <= await restart(world) < 1.3
        assert world.state() is ProcessState.READY


async def test_a_restart_joins_a_start_under_way(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=10)]) as world:
        world.nursery.start_soon(world.lease)
        await trio.sleep(5)
        await restart(world)

        assert world.restarts() == [0]


async def test_a_restart_of_what_is_up_stops_it_first_whoever_uses_it(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=0, stop_s=3), JobPlan(ready_s=2)]) as world:
        async with world.processes.lease("embedded"):
            old = world.runner.live[URL]
            await trio.sleep(10)
            restarted = await restart(world)
        assert old.exit_code == TERM
        assert restarted == pytest.approx(15, abs=0.3)
        assert world.log.last("process-ended")["reason"] == "restart"


async def test_a_lease_that_comes_during_a_restart_waits_for_the_new_server(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=0, stop_s=3), JobPlan(ready_s=2)]) as world:
        await world.lease()
        world.nursery.start_soon(restart, world)
        await wait_all_tasks_blocked()
        async with world.processes.lease("embedded"):
            assert world.runner.live[URL] is world.runner.jobs[1]


async def test_two_restarts_at_once_are_one(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=0, stop_s=3), JobPlan(ready_s=2)]) as world:
        await world.lease()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(restart, world)
            nursery.start_soon(restart, world)

        assert len(world.runner.jobs) == 2


async def test_a_restart_does_not_wait_out_the_pause_after_a_failed_start_and_ends_it(autojump_clock: MockClock) -> None:
    plans = [*[JobPlan(ready_s=9, ends_s=0.5)] * 3, JobPlan(ready_s=1, ends_s=3), JobPlan()]
    async with a_world(plans=plans) as world:
        await world.refusal()
        failed = trio.current_time()
        assert world.status.last_error

        assert await restart(world) < failed + 2

        assert not world.processes.status()[0].last_error
        await trio.sleep(3)
        assert world.state() is ProcessState.STOPPED
        assert await world.lease() < failed + 6  # it crashed since; nothing has failed to start


async def test_a_restart_that_fails_says_why(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=9, ends_s=1, exit_code=3, says="no such model")]) as world:
        failure = await world.processes.restart("embedded")

        assert failure is not None
        assert (failure.message, failure.exit) == ("exited with 3 before it was ready: no such model", 3)


async def test_who_gives_up_waiting_for_a_restart_does_not_stop_it(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=5)]) as world:
        with trio.move_on_after(1):
            await world.processes.restart("embedded")
        await trio.sleep(6)

        assert world.state() is ProcessState.READY


async def test_while_nothing_runs_a_restart_fails(autojump_clock: MockClock) -> None:
    runner = FakeRunner()
    failure = await Processes([a_spec()], observer=EventLog(), runner=runner).restart("embedded")

    assert failure is not None
    assert "managed processes are stopped" in failure.message
    assert runner.jobs == []


async def test_the_state_of_a_provider_is_that_of_its_process(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(providers=("a", "b"))) as world:
        await world.lease("a")

        found = world.processes.status_of("b")
        assert found is not None
        assert found.state is ProcessState.READY
        assert world.processes.status_of("ollama") is None


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (JobPlan(ready_s=0, ends_s=50, exit_code=-9), [(("a", "b"), "managed process 'embedded' was ended by SIGKILL")]),
        (JobPlan(ready_s=0, ends_s=50, exit_code=0), [(("a", "b"), "managed process 'embedded' exited with 0")]),
        (JobPlan(ready_s=99, ends_s=1), []),  # it never was ready
        (JobPlan(ready_s=0), []),  # an idle stop, or the end of the router
    ],
)
async def test_an_end_that_nobody_asked_for_is_told_with_every_provider_behind_it(
    autojump_clock: MockClock, plan: JobPlan, told: list[tuple[tuple[str, ...], str]]
) -> None:
    runner, ends = FakeRunner(plans=[plan]), list[tuple[tuple[str, ...], str]]()
    spec = a_spec(providers=("a", "b"), idle_stop_s=100, ready_timeout_s=20)
    processes = Processes(
        [spec],
        observer=EventLog(),
        runner=runner,
        probe=runner.probe,
        on_unasked_end=lambda providers, message: ends.append((providers, message)),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        try:
            async with processes.lease("a"):
                await trio.sleep(60)
        except ProviderFailed:
            pass
        await trio.sleep(200)
        if not told:
            nursery.start_soon(processes.restart, "a")
            await trio.sleep(5)
        nursery.cancel_scope.cancel()

    assert ends == told


async def test_a_restart_is_no_end_that_nobody_asked_for(autojump_clock: MockClock) -> None:
    runner, ends = FakeRunner(), list[str]()
    spec = ProcessSpec(id="x", providers=("x",), argv=("x",), ready_url=URL)
    processes = Processes(
        [spec], observer=EventLog(), runner=runner, probe=runner.probe, on_unasked_end=lambda _, message: ends.append(message)
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        await processes.restart("x")
        await processes.restart("x")
        nursery.cancel_scope.cancel()

    assert len(runner.jobs) == 2
    assert ends == []
