"""Managed processes under another configuration. On the virtual clock."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.errors import ConfigError, ProviderFailed
from supervisors.process_state import ProcessState
from supervisors.processes import Processes
from tests.supervisors.jobs_in_memory import TERM, EventLog, FakeRunner, JobPlan
from tests.supervisors.test_processes import URL, World, a_spec, a_world

SPEC = a_spec()
OTHER = a_spec("other", argv=("other",), ready_url="http://127.0.0.1:8090/")


async def test_what_is_run_the_same_way_goes_on_with_its_new_settings(autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        await world.lease()
        world.processes.configure([evolve(SPEC, idle_stop_s=50)])
        await trio.sleep(40)
        assert world.runner.jobs[0].exit_code is None
        await trio.sleep(11)

        assert world.state() is ProcessState.STOPPED
        assert len(world.runner.jobs) == 1


async def test_another_provider_in_front_of_the_same_command_does_not_restart_it(autojump_clock: MockClock) -> None:
    async with a_world(a_spec("a", providers=("a", "b"))) as world:
        await world.lease("b")
        world.processes.configure([a_spec("b")])

        await world.lease("b")

        assert len(world.runner.jobs) == 1
        assert (world.status.id, world.status.providers) == ("a", ("b",))


async def test_what_is_no_longer_named_ends_when_its_last_request_has(autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=10))
        await trio.sleep(5)
        world.processes.configure([])
        await wait_all_tasks_blocked()
        assert list(world.runner.live) == [URL]
        await trio.sleep(7)

        assert world.runner.live == {}
        assert world.processes.status() == ()
        assert await world.lease() == pytest.approx(trio.current_time())  # a provider without a process


async def test_nothing_is_cut_as_long_as_nobody_wants_its_port(autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=1000))
        await trio.sleep(5)
        world.processes.configure([])
        await trio.sleep(990)
        assert list(world.runner.live) == [URL]
        await trio.sleep(12)

        assert world.runner.live == {}


@pytest.mark.parametrize("later_s", [0, 100])
async def test_a_request_that_does_not_end_holds_the_port_for_twenty_seconds(later_s: float, autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=1000))
        await trio.sleep(5)
        world.processes.configure([])
        await trio.sleep(later_s)
        world.processes.configure([evolve(SPEC, argv=("new",))])
        await trio.sleep(19)
        assert list(world.runner.live) == [URL]
        assert len(world.runner.jobs) == 1
        await trio.sleep(2)

        assert world.runner.live == {}


async def test_another_command_on_the_same_port_starts_when_the_old_one_has_given_it_up(autojump_clock: MockClock) -> None:
    async with a_world(SPEC, plans=[JobPlan(ready_s=1, stop_s=3)]) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=10))
        await trio.sleep(5)
        world.processes.configure([evolve(SPEC, argv=("new",))])

        assert await world.lease() == pytest.approx(11 + 3 + 1, abs=0.5)

        assert [job.exit_code for job in world.runner.jobs] == [TERM, None]


async def test_another_command_on_another_port_does_not_wait(autojump_clock: MockClock) -> None:
    async with a_world(SPEC, plans=[JobPlan(ready_s=1, stop_s=3)]) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=10))
        await trio.sleep(5)
        world.processes.configure([OTHER])

        assert await world.lease("other") < 6.5


async def test_a_change_of_mind_before_the_old_one_has_ended_keeps_one_at_a_time(autojump_clock: MockClock) -> None:
    async with a_world(SPEC, plans=[JobPlan(ready_s=1, stop_s=3)]) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=10))
        await trio.sleep(5)
        for argv in (("new",), SPEC.argv, ("newer",)):
            world.processes.configure([evolve(SPEC, argv=argv)])
            await wait_all_tasks_blocked()

        assert await world.lease() == pytest.approx(15, abs=0.5)  # the runner refuses two at once
        assert len(world.runner.jobs) == 2


async def test_who_waits_for_a_process_gets_it_though_it_is_no_longer_named(autojump_clock: MockClock) -> None:
    async with a_world(SPEC, plans=[JobPlan(ready_s=100)]) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.lease)
            await trio.sleep(1)
            world.processes.configure([])
        assert trio.current_time() == pytest.approx(100, abs=1)
        await trio.sleep(5)

        assert world.runner.live == {}


async def test_who_waits_for_a_process_whose_port_another_one_wants_is_told(autojump_clock: MockClock) -> None:
    async with a_world(SPEC, plans=[JobPlan(ready_s=100)]) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.refusal)
            await trio.sleep(1)
            world.processes.configure([evolve(SPEC, argv=("new",))])

        assert trio.current_time() == pytest.approx(21)


async def test_reloads_do_not_add_up_tasks_for_a_process_that_is_no_longer_named(autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        world.nursery.start_soon(lambda: world.lease(hold_s=1000))
        await trio.sleep(5)
        world.processes.configure([])
        await wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            world.processes.configure([])
            await wait_all_tasks_blocked()

        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_a_configuration_that_cannot_be_changes_nothing(autojump_clock: MockClock) -> None:
    async with a_world(SPEC) as world:
        await world.lease()
        with pytest.raises(ConfigError):
            world.processes.configure([a_spec("a"), a_spec("b")])

        assert await world.lease() == pytest.approx(trio.current_time())
        assert len(world.runner.jobs) == 1


async def test_a_quick_change_of_mind_leaves_nobody_waiting_for_ever(autojump_clock: MockClock) -> None:
    async def ask(world: World) -> None:
        with suppress(ProviderFailed):
            await world.lease("other")

    async with a_world(SPEC) as world:
        for _ in range(30):  # who runs first is left to chance: the lease, the task that is to own its process, or this one
            world.processes.configure([OTHER])
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, world)
                    await trio.lowlevel.checkpoint()
                    world.processes.configure([])
            await trio.sleep(60)


async def test_the_end_of_a_server_that_is_no_longer_named_says_nothing_of_the_new_one(autojump_clock: MockClock) -> None:
    ends: list[tuple[str, ...]] = []
    runner = FakeRunner(plans=[JobPlan(ends_s=10), JobPlan()])
    processes = Processes(
        [SPEC],
        observer=EventLog(),
        runner=runner,
        probe=runner.probe,
        on_unasked_end=lambda providers, _message: ends.append(providers),
    )

    async def use(hold_s: float) -> None:
        async with processes.lease("embedded"):
            await trio.sleep(hold_s)

    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        nursery.start_soon(use, 12)
        await trio.sleep(5)
        processes.configure([evolve(SPEC, argv=("new",))])
        await use(1)
        nursery.cancel_scope.cancel()

    assert len(runner.jobs) == 2
    assert ends == []
