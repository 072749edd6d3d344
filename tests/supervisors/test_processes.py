"""Managed processes on the virtual clock: exact times, no process at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.errors import ConfigError, FailureReason, ProviderFailed
from supervisors.leftovers import Swept
from supervisors.process_spec import ProcessSpec
from supervisors.process_state import ProcessState, ProcessStatus
from supervisors.processes import Processes
from tests.supervisors.jobs_in_memory import TERM, EventLog, FakeRunner, JobPlan

URL = "http://127.0.0.1:8089/health"


def a_spec(process_id: str = "embedded", **fields: Any) -> ProcessSpec:  # noqa: ANN401 - any field of the value
    values = {"argv": ("python", "-V"), "ready_url": URL, "providers": (process_id,)} | fields
    return ProcessSpec(id=process_id, **values)


@define(kw_only=True, eq=False)
class World:
    """Running `Processes` over jobs in memory."""

    runner: FakeRunner
    log: EventLog = field(factory=EventLog)
    processes: Processes
    nursery: trio.Nursery

    @property
    def status(self) -> ProcessStatus:
        return self.processes.status()[0]

    def state(self) -> ProcessState:  # a call, so that type checkers do not take it for unchanged
        return self.status.state

    def restarts(self) -> list[float]:
        return self.log.times("process-started")

    async def lease(self, provider: str = "embedded", *, hold_s: float = 0.0) -> float:
        """Return when the lease was given."""
        async with self.processes.lease(provider):
            given = trio.current_time()
            await trio.sleep(hold_s)
        return round(given, 3)

    async def refusal(self, provider: str = "embedded") -> ProviderFailed:
        with pytest.raises(ProviderFailed) as caught:
            await self.lease(provider)
        return caught.value


@asynccontextmanager
async def a_world(*specs: ProcessSpec, **runner: Any) -> AsyncIterator[World]:  # noqa: ANN401 - any field of the runner
    fake = FakeRunner(**runner)
    log = EventLog()
    processes = Processes(specs or (a_spec(),), observer=log, runner=fake, probe=fake.probe)
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        yield World(runner=fake, log=log, processes=processes, nursery=nursery)
        nursery.cancel_scope.cancel()


async def test_a_provider_finds_its_server_ready_only_while_that_is(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(idle_stop_s=10.0)) as world:
        seen = [world.processes.is_ready("embedded")]
        async with world.processes.lease("embedded"):
            seen.append(world.processes.is_ready("embedded"))
        await trio.sleep(30)
        seen.append(world.processes.is_ready("embedded"))

        assert seen == [False, True, False]
        assert world.processes.is_ready("a-provider-without-one")


async def test_a_lease_starts_the_process_and_waits_until_it_is_ready(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(listens_s=0.5, ready_s=2)]) as world:
        assert world.state() is ProcessState.STOPPED

        assert 2 <= await world.lease() <= 2.3

        assert world.log.names() == ["process-started", "process-ready"]
        assert world.log.last("process-ready")["pid"] == 1000


async def test_a_provider_without_a_managed_process_is_not_kept_waiting(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        assert await world.lease("ollama") == trio.current_time()
        assert world.runner.jobs == []


async def test_the_state_is_told_while_it_starts(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(idle_stop_s=10), plans=[JobPlan(listens_s=1, ready_s=3, stop_s=2)]) as world:
        seen = []
        world.nursery.start_soon(world.lease)
        for moment in (0.5, 2, 4, 13.8, 16):
            await trio.sleep_until(moment)
            seen.append((str(world.state()), world.status.pid, world.status.leases))

    assert seen == [
        ("starting", 1000, 1),
        ("loading", 1000, 1),
        ("ready", 1000, 0),
        ("stopping", 1000, 0),
        ("stopped", None, 0),
    ]


async def test_two_first_leases_share_one_start(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(providers=("a", "b"))) as world, trio.open_nursery() as nursery:
        nursery.start_soon(world.lease, "a")
        await trio.sleep(0.5)
        assert await world.lease("b") < 1.3

    assert len(world.runner.jobs) == 1


async def test_it_is_stopped_when_nobody_has_used_it_for_the_idle_time(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(idle_stop_s=600)) as world:
        await world.lease(hold_s=1000)
        left = trio.current_time()
        await trio.sleep(599)
        assert world.state() is ProcessState.READY
        await world.lease(hold_s=1)
        await trio.sleep(601)

        assert world.state() is ProcessState.STOPPED
        assert world.log.times("process-idle-stopped") == [round(left + 1200, 3)]
        assert world.log.last("process-idle-stopped")["exit"] == TERM


async def test_zero_idle_seconds_keep_it_for_ever(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(idle_stop_s=0)) as world:
        await world.lease()
        await trio.sleep(80_000)

        assert world.state() is ProcessState.READY


async def test_a_lease_during_the_stop_waits_for_a_new_start(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(idle_stop_s=10), plans=[JobPlan(ready_s=0, stop_s=4)]) as world:
        await world.lease()
        await trio.sleep(11)
        assert world.state() is ProcessState.STOPPING

        assert await world.lease() == pytest.approx(14, abs=0.3)

        assert len(world.runner.jobs) == 2


@pytest.mark.parametrize("late_s", [-1e-6, 0, 1e-6])
async def test_a_lease_at_the_very_moment_of_the_idle_stop_keeps_its_server(autojump_clock: MockClock, late_s: float) -> None:
    async with a_world(a_spec(idle_stop_s=10), plans=[JobPlan(ready_s=0, stop_s=1)]) as world:
        for _ in range(20):  # who is woken first at one moment is left to chance
            await world.lease()
            await trio.sleep(10 + late_s)
            async with world.processes.lease("embedded"):
                job = world.runner.live[URL]
                await trio.sleep(5)
                assert job.exit_code is None


async def test_an_early_end_is_tried_again_within_the_same_start(autojump_clock: MockClock) -> None:
    plans = [JobPlan(ready_s=9, ends_s=1), JobPlan(ready_s=9, ends_s=1), JobPlan(ready_s=1)]
    async with a_world(plans=plans) as world:
        assert await world.lease() == pytest.approx(9, abs=0.3)

        assert world.restarts() == [0, 3, 8]  # 1 s of life, then 2 s and 4 s of pause


async def test_after_three_early_ends_the_lease_fails_with_the_last_words(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=9, ends_s=1, exit_code=3, says="loading\nno such model\n")]) as world:
        failure = await world.refusal()

        assert (failure.reason, failure.provider) == (FailureReason.CONNECTION, "embedded")
        assert failure.message == "managed process 'embedded' exited with 3 before it was ready: no such model"
        assert world.restarts() == [0, 3, 8]
        assert world.state() is ProcessState.FAILED
        assert world.status.last_exit == 3
        assert world.log.last("process-start-failed") == {
            "process": "embedded",
            "provider": "embedded",
            "tries": 3,
            "reason": "connection",
            "message": "exited with 3 before it was ready: no such model",
            "exit": 3,
        }
        assert world.log.last("process-ended")["reason"] == "not-ready"
        assert world.log.last("process-ended")["tail"] == "loading\nno such model\n"


async def test_after_a_failed_start_leases_fail_at_once_for_half_a_minute_and_then_try_again(autojump_clock: MockClock) -> None:
    async with a_world(plans=[*[JobPlan(ready_s=9, ends_s=0.5)] * 3, JobPlan()]) as world:
        await world.refusal()
        failed_at = trio.current_time()
        await trio.sleep(20)

        failure = await world.refusal()

        assert trio.current_time() == failed_at + 20
        assert failure.retry_after_s == pytest.approx(10)
        assert len(world.runner.jobs) == 3
        await trio.sleep(10)
        assert await world.lease() < failed_at + 32


@pytest.mark.parametrize(
    ("plan", "reason"),
    [(JobPlan(ready_s=1000), FailureReason.LOADING), (JobPlan(listens_s=1000, ready_s=1000), FailureReason.TIMEOUT)],
)
async def test_what_is_not_ready_in_time_is_stopped(autojump_clock: MockClock, plan: JobPlan, reason: FailureReason) -> None:
    async with a_world(a_spec(ready_timeout_s=60), plans=[plan]) as world:
        failure = await world.refusal()

        assert failure.reason is reason
        assert trio.current_time() == pytest.approx(60)
        assert world.runner.live == {}
        assert len(world.runner.jobs) == 1


async def test_the_time_limit_holds_for_all_tries_of_a_start_together(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(ready_timeout_s=5), plans=[JobPlan(ready_s=9, ends_s=2)]) as world:
        await world.refusal()

        assert world.restarts() == [0, 4]  # 2 s of life, 2 s of pause, and the second one has 1 s left
        assert trio.current_time() == pytest.approx(5)


async def test_a_program_that_is_not_there_fails_at_once_and_can_be_asked_for_again_at_once(autojump_clock: MockClock) -> None:
    async with a_world(missing="there is no program 'x' on the PATH") as world:
        failure = await world.refusal()

        assert failure.message == "managed process 'embedded' there is no program 'x' on the PATH"
        assert (trio.current_time(), failure.retry_after_s, world.runner.jobs) == (0, None, [])
        world.runner.missing = None
        await world.lease()


async def test_a_start_that_the_system_refuses_fails_at_once(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(unstartable=OSError(12, "Cannot allocate memory"))]) as world:
        failure = await world.refusal()

        assert "cannot be started: [Errno 12] Cannot allocate memory" in failure.message
        assert world.state() is ProcessState.FAILED


async def test_a_port_that_cannot_be_claimed_costs_no_other_server(autojump_clock: MockClock) -> None:
    other = a_spec("other", ready_url="http://127.0.0.1:8090/health")
    async with a_world(a_spec(), other) as world:
        await world.lease("other")
        world.runner.unclaimable = OSError(24, "Too many open files")
        failure = await world.refusal()

        assert "cannot be started: [Errno 24] Too many open files" in failure.message
        assert [status.state for status in world.processes.status()] == [ProcessState.FAILED, ProcessState.READY]


async def test_another_programs_port_is_not_taken_for_our_server(autojump_clock: MockClock) -> None:
    async with a_world(foreign={URL: 200}) as world:
        failure = await world.refusal()

        assert failure.message == f"managed process 'embedded' is not started: another program answers at {URL}"
        assert world.runner.jobs == []


async def test_an_end_that_nobody_asked_for_is_told_and_the_next_lease_starts_it_anew(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ends_s=100, exit_code=-9, says="out of memory"), JobPlan()]) as world:
        await world.lease()
        await trio.sleep(200)

        assert world.state() is ProcessState.STOPPED
        ended = world.log.last("process-ended")
        assert (ended["reason"], ended["exit"], ended["uptime_s"], ended["tail"]) == ("unasked", -9, 100, "out of memory")
        await world.lease()
        assert world.state() is ProcessState.READY


async def test_an_end_in_use_is_noticed_at_once(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ends_s=100), JobPlan()]) as world:
        await world.lease(hold_s=150)

        assert world.log.times("process-ended") == [100]


async def test_a_client_that_leaves_does_not_stop_the_start(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ready_s=5)]) as world:
        with trio.move_on_after(1):
            await world.lease()
        assert world.status.leases == 0

        assert await world.lease() == pytest.approx(5, abs=0.6)

        assert len(world.runner.jobs) == 1


async def test_a_boot_process_starts_without_a_lease(autojump_clock: MockClock) -> None:
    async with a_world(a_spec(start="boot")) as world:
        await trio.sleep(5)

        assert world.state() is ProcessState.READY


async def test_cancelling_ends_the_jobs_side_by_side_and_refuses_who_waits(autojump_clock: MockClock) -> None:
    runner = FakeRunner(plans=[JobPlan(ready_s=0, stop_s=5), JobPlan(ready_s=100, stop_s=5)])
    log = EventLog()
    specs = [a_spec(start="boot"), a_spec("slow", ready_url="http://127.0.0.1:8090/")]
    processes = Processes(specs, observer=log, runner=runner, probe=runner.probe)
    refusals: list[ProviderFailed] = []

    async def wait_in_vain() -> None:
        with pytest.raises(ProviderFailed) as caught:
            async with processes.lease("slow"):
                pytest.fail("it is never ready")
        refusals.append(caught.value)

    async with trio.open_nursery() as clients:
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(processes.run)
                clients.start_soon(wait_in_vain)
        stopped_at = trio.current_time()

    assert stopped_at == 15
    assert [job.exit_code for job in runner.jobs] == [TERM, TERM]
    assert [status.state for status in processes.status()] == [ProcessState.STOPPED] * 2
    assert "managed processes are stopped" in refusals[0].message
    assert [fields["reason"] for _, name, fields in log.events if name == "process-ended"] == ["shutdown"] * 2


async def test_a_lease_outside_of_run_is_refused_and_a_second_run_serves_again(autojump_clock: MockClock) -> None:
    runner = FakeRunner()
    processes = Processes([a_spec()], observer=EventLog(), runner=runner, probe=runner.probe)
    for _ in range(2):
        with pytest.raises(ProviderFailed):
            async with processes.lease("embedded"):
                pytest.fail("nothing runs")
        async with trio.open_nursery() as nursery:
            await nursery.start(processes.run)
            async with processes.lease("embedded"):
                assert runner.live
            nursery.cancel_scope.cancel()

    assert len(runner.jobs) == 2


async def test_what_a_dead_instance_left_is_told_before_anything_starts(autojump_clock: MockClock) -> None:
    left = Swept(pid=7, job="embedded", instance="1-2-3", command="python", arguments_hash="1234")
    async with a_world(a_spec(start="boot"), leftovers=(left,)) as world:
        await trio.sleep(1)

    assert world.log.events[0][1:] == (
        "process-leftover-swept",
        {"pid": 7, "job": "embedded", "instance": "1-2-3", "command": "python", "arguments_hash": "1234"},
    )


async def test_run_without_any_process_waits_for_its_end(autojump_clock: MockClock) -> None:
    runner = FakeRunner()
    with trio.move_on_after(1000) as scope:
        await Processes((), observer=EventLog(), runner=runner, probe=runner.probe).run()

    assert scope.cancelled_caught


def test_two_processes_on_one_port_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Processes([a_spec("a"), a_spec("b")], observer=EventLog(), runner=FakeRunner())

    assert [mistake.path for mistake in caught.value.mistakes] == ["providers[b].restart.ready_url"]


async def test_the_tail_is_that_of_the_named_process(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(says="hello")]) as world:
        await world.lease()

        assert world.processes.tail("embedded") == "hello"
