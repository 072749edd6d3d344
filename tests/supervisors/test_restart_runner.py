"""Restarts on the virtual clock: who joins, who is refused, what is told, what is left. No process at all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.config.redact import Redactor
from router.config.secret import Secret
from router.domain.health_events import RestartOutcome
from supervisors.processes import Processes
from supervisors.restart_budget import Budget
from supervisors.restart_job import RestartTools
from supervisors.restart_runner import Restarts
from tests.supervisors.jobs_in_memory import TERM, EventLog, FakeRunner, JobPlan
from tests.supervisors.restarts_in_memory import DONE, GROUP, MANAGED, URL, a_world


async def test_a_command_that_ends_well_is_told_once_with_its_group_and_without_its_arguments(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ends_s=3, exit_code=0, says="started\n")]) as world:
        assert await world.restarts.restart("b") is RestartOutcome.OK

        assert world.log.names() == ["self-healing-restart"]
        assert world.log.last("self-healing-restart") == {
            "provider": "a,b",
            "providers": ["a", "b"],
            "group": "gpu",
            "mode": "oneshot",
            "command": "run",
            "arguments_hash": GROUP.arguments_hash,
            "success": True,
            "duration_s": 3.0,
            "exit": 0,
            "error": "",
            "tail": "started\n",
        }


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (JobPlan(ends_s=1, exit_code=3), "the command exited with 3"),
        (JobPlan(ends_s=1, exit_code=-9), "the command was ended by SIGKILL"),
        (JobPlan(), 'did not end within 30 s and was killed: a server that stays in the foreground needs mode = "managed"'),
        (JobPlan(unstartable=OSError(13, "Permission denied")), "cannot be started: [Errno 13] Permission denied"),
    ],
)
async def test_a_command_that_fails_says_how(autojump_clock: MockClock, plan: JobPlan, error: str) -> None:
    async with a_world(plans=[plan]) as world:
        assert await world.restarts.restart("a") is RestartOutcome.FAILED

        told = world.log.last("self-healing-restart")
        assert (told["success"], told["error"].endswith(error)) == (False, True)


async def test_a_missing_program_says_what_to_do(autojump_clock: MockClock) -> None:
    async with a_world(missing="there is no program 'run' on the PATH") as world:
        assert await world.restarts.restart("a") is RestartOutcome.FAILED

        error = world.log.last("self-healing-restart")["error"]
        assert error == "there is no program 'run' on the PATH: correct [providers.restart], or the router's environment"


async def test_d15_members_that_ask_at_once_share_one_job_and_one_event(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        async with trio.open_nursery() as asking:
            asking.start_soon(world.ask, "a")
            asking.start_soon(world.ask, "b")

        assert world.outcomes == {"a": RestartOutcome.OK, "b": RestartOutcome.OK}
        assert len(world.runner.jobs) == 1
        assert world.log.names() == ["self-healing-restart"]


async def test_groups_are_restarted_side_by_side(autojump_clock: MockClock) -> None:
    other = evolve(GROUP, id="other", members=("c",))
    async with a_world(GROUP, other) as world, trio.open_nursery() as asking:
        asking.start_soon(world.ask, "a")
        asking.start_soon(world.ask, "c")

    assert world.began() == [0, 0]


async def test_the_second_member_waits_on_when_the_first_one_leaves(autojump_clock: MockClock) -> None:
    async with a_world() as world, trio.open_nursery() as asking:
        asking.start_soon(world.ask, "b")
        with trio.move_on_after(0.5):
            await world.restarts.restart("a")

    assert world.outcomes == {"b": RestartOutcome.OK}


async def test_the_last_member_that_leaves_ends_the_command_and_who_comes_then_waits_for_its_end(
    autojump_clock: MockClock,
) -> None:
    group = evolve(GROUP, budget=Budget(cooldown_s=0))
    async with a_world(group, plans=[JobPlan(stop_s=4), DONE]) as world:
        with trio.move_on_after(2):
            await world.restarts.restart("a")
        assert world.runner.live

        assert await world.restarts.restart("b") is RestartOutcome.OK

        assert world.began() == [0, 6]
        assert world.runner.jobs[0].exit_code == TERM
        told = [fields for _, name, fields in world.log.events if name == "self-healing-restart"]
        assert [fields["success"] for fields in told] == [False, True]
        assert "abandoned" in told[0]["error"]


async def test_what_is_given_up_before_it_began_starts_nothing(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        with trio.CancelScope() as scope:
            scope.cancel()
            await world.restarts.restart("a")
        await wait_all_tasks_blocked()

        assert world.runner.jobs == []


async def test_d6_no_more_than_max_restarts_begin_in_a_window(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        for _ in range(4 * 900 // 30):
            await world.restarts.restart("a")
            await trio.sleep(30)

        began = world.began()
        assert all(later - earlier >= 60 for earlier, later in pairwise(began))
        assert all(sum(start <= other < start + 900 for other in began) <= 3 for start in began)
        assert len(began) >= 4 * 3
        assert set(world.refusals()) == {"budget", "cooldown"}


async def test_a_refusal_is_told_with_its_reason_and_the_time_it_holds(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        await world.restarts.restart("a")

        assert await world.restarts.restart("b") is RestartOutcome.SUPPRESSED
        assert world.log.last("self-healing-restart-suppressed") == {
            "provider": "b",
            "providers": ["a", "b"],
            "group": "gpu",
            "mode": "oneshot",
            "reason": "cooldown",
            "retry_in_s": 60,
        }


async def test_the_budget_holds_across_a_restart_of_the_router(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        for _ in range(3):
            await world.restarts.restart("a")
            await trio.sleep(61)
        stored = {key: row for (namespace, key), row in world.rows.kept.items() if namespace == "restart-budget"}
    async with a_world(stored=stored) as world:
        assert await world.restarts.restart("a") is RestartOutcome.SUPPRESSED
        assert world.refusals() == ["budget"]


async def test_a_start_is_stored_before_anything_runs(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan()]) as world:
        world.nursery.start_soon(world.ask, "a")
        await trio.sleep(5)

        assert world.rows.kept == {("restart-budget", "gpu"): {"starts": [1e9], "ended": None}}


async def test_stored_rows_that_make_no_sense_cost_nothing_but_themselves(autojump_clock: MockClock) -> None:
    async with a_world(stored={"gpu": "nonsense", "gone": {"starts": {}}}) as world:
        assert await world.restarts.restart("a") is RestartOutcome.OK


async def test_a_wall_clock_set_back_by_a_year_does_not_end_restarts_for_a_year(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        await world.restarts.restart("a")
        world.wall.ahead -= 365 * 86_400
        assert await world.restarts.restart("a") is RestartOutcome.SUPPRESSED
        await trio.sleep(60)

        assert await world.restarts.restart("a") is RestartOutcome.OK


@pytest.mark.parametrize(("provider", "reason"), [("stranger", "mode"), ("a", "shutting_down")])
async def test_what_cannot_be_restarted_or_not_any_more_is_told(autojump_clock: MockClock, provider: str, reason: str) -> None:
    async with a_world(is_stopping=lambda: True) as world:
        assert await world.restarts.restart(provider) is RestartOutcome.SUPPRESSED

        assert world.refusals() == [reason]
        assert world.runner.jobs == []


async def test_a_managed_provider_whose_process_is_not_configured_has_no_mode(autojump_clock: MockClock) -> None:
    async with a_world(evolve(MANAGED, members=("other",))) as world:
        await world.restarts.restart("other")

        assert world.refusals() == ["mode"]


async def test_before_and_after_its_run_nothing_is_restarted(autojump_clock: MockClock) -> None:
    async with a_world() as world:
        pass

    assert await world.restarts.restart("a") is RestartOutcome.SUPPRESSED
    assert world.refusals() == ["shutting_down"]


async def test_the_ready_url_is_asked_every_two_seconds_until_it_answers(autojump_clock: MockClock) -> None:
    group = evolve(GROUP, ready_url="http://127.0.0.1:9/ready", ready_timeout_s=120)
    async with a_world(group) as world:
        world.nursery.start_soon(world.ask, "a")
        await trio.sleep(10)
        assert world.outcomes == {}
        world.runner.foreign["http://127.0.0.1:9/ready"] = 503  # it loads
        await trio.sleep(10)
        assert world.outcomes == {}
        world.runner.foreign["http://127.0.0.1:9/ready"] = 401  # it asks for a key
        await trio.sleep(2.1)

        assert world.outcomes == {"a": RestartOutcome.OK}
        assert world.log.last("self-healing-restart")["duration_s"] == 21  # the command took 1 s


async def test_a_server_that_is_not_ready_in_time_is_a_failed_restart(autojump_clock: MockClock) -> None:
    group = evolve(GROUP, ready_url="http://127.0.0.1:9/ready", ready_timeout_s=30)
    async with a_world(group) as world:
        assert await world.restarts.restart("a") is RestartOutcome.FAILED

        told = world.log.last("self-healing-restart")
        assert told["error"].startswith("no server answers at http://127.0.0.1:9/ready 30 s after the restart: ")
        assert told["exit"] == 0
        assert trio.current_time() == 31


async def test_a_server_that_hangs_on_the_ready_url_does_not_hold_the_restart_longer(autojump_clock: MockClock) -> None:
    async def hang(_url: str) -> int | None:
        await trio.sleep_forever()

    group = evolve(GROUP, ready_url="http://127.0.0.1:9/ready", ready_timeout_s=30)
    async with a_world(group) as world:
        world.restarts.tools = evolve(world.restarts.tools, probe=hang)

        assert await world.restarts.restart("a") is RestartOutcome.FAILED
        assert trio.current_time() == 31


async def test_w41_secrets_are_taken_out_of_output_and_error_before_it_is_cut(autojump_clock: MockClock) -> None:
    secret = "s3cret-" + "x" * 20
    says = secret + "y" * (4096 - 10)  # the cut goes through the secret
    redact = Redactor.of([Secret(secret)]).redact
    async with a_world(plans=[JobPlan(ends_s=1, exit_code=1, says=says)], redact=redact) as world:
        await world.restarts.restart("a")

        tail = world.log.last("self-healing-restart")["tail"]
        assert len(tail.encode()) <= 4096
        assert tail == "***" + "y" * (4096 - 10)


async def test_the_output_is_cut_to_4_kib_of_bytes(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(ends_s=1, exit_code=0, says="ä" * 4095 + "\udcff")]) as world:
        await world.restarts.restart("a")

        assert 4090 < len(world.log.last("self-healing-restart")["tail"].encode()) <= 4096


async def test_d18_stopping_ends_a_command_in_the_time_of_its_grace_and_tells_it(autojump_clock: MockClock) -> None:
    async with a_world(plans=[JobPlan(stop_s=5)]) as world:
        world.nursery.start_soon(world.ask, "a")
        await trio.sleep(7)

    assert trio.current_time() == 12
    assert world.runner.jobs[0].exit_code == TERM
    assert world.log.last("self-healing-restart")["error"] == "the restart was interrupted before it ended"


@pytest.mark.parametrize("change", [{"argv": ("other",)}, {"mode": "unit"}, {"cwd": Path("/")}, {"env": (("A", "b"),)}])
async def test_a_flight_whose_group_does_something_else_now_ends_and_the_members_are_told_that_it_failed(
    autojump_clock: MockClock, change: dict[str, Any]
) -> None:
    async with a_world(plans=[JobPlan()]) as world:
        world.nursery.start_soon(world.ask, "a")
        await trio.sleep(3)
        world.restarts.configure([evolve(GROUP, **change), MANAGED])
        await wait_all_tasks_blocked()

        assert world.outcomes == {"a": RestartOutcome.FAILED}
        assert world.runner.live == {}
        assert "the configuration names another command" in world.log.last("self-healing-restart")["error"]


@pytest.mark.parametrize(
    "change", [{}, {"members": ("a", "c")}, {"timeout_s": 90.0}, {"ready_timeout_s": 9.0}, {"budget": Budget(max=1)}]
)
async def test_a_flight_whose_group_does_the_same_lives_through_a_reload_with_its_new_members(
    autojump_clock: MockClock, change: dict[str, Any]
) -> None:
    async with a_world() as world:
        world.nursery.start_soon(world.ask, "a")
        await wait_all_tasks_blocked()
        group = evolve(GROUP, **change)
        world.restarts.configure([group])
        world.nursery.start_soon(world.ask, group.members[1])
        await trio.sleep(2)

        assert world.outcomes == dict.fromkeys(group.members, RestartOutcome.OK)
        assert len(world.runner.jobs) == 1
        assert world.log.last("self-healing-restart")["providers"] == list(group.members)


async def test_a_crash_of_a_job_is_a_failed_restart_for_everybody_and_the_next_run_serves_again(
    autojump_clock: MockClock,
) -> None:
    async def crash(_url: str) -> int | None:
        await trio.sleep(1)
        raise ZeroDivisionError

    runner, log = FakeRunner(plans=[DONE]), EventLog()
    processes = Processes([], observer=log, runner=runner)
    tools = RestartTools(runner=runner, processes=processes, probe=crash)
    groups = [evolve(GROUP, ready_url=URL, budget=Budget(cooldown_s=0))]
    restarts = Restarts(observer=log, tools=tools, groups=groups)
    outcomes = []

    async def ask() -> None:
        outcomes.append(await restarts.restart("a"))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        with pytest.raises(ExceptionGroup):
            await restarts.run()
    restarts.tools = evolve(tools, probe=runner.probe)
    runner.foreign[URL] = 200
    async with trio.open_nursery() as nursery:
        await nursery.start(restarts.run)
        await ask()
        nursery.cancel_scope.cancel()

    assert outcomes == [RestartOutcome.FAILED, RestartOutcome.OK]
