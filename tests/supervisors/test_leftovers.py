from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import trio

from supervisors.guardian import Process
from supervisors.leftovers import MARK, RELEASED, Mark, Ward, orphans, read_mark, sweep_leftovers, sweep_orphans, this_instance
from supervisors.restart_names import digest
from tests.marks import needs_linux

OURS = Mark(instance="1-100-5", job="embedded")
OTHER = Mark(instance="1-100-5", job="other")
WARD = Ward(mark=OURS, since=50)
ME, MY_SESSION = 100, 90


def a_process(pid: int, *, parent: int = ME, session: int | None = None, started: int = 60) -> Process:
    return Process(pid, parent, session or pid, "S", started)


def the_orphans(*processes: Process, marks: Mapping[int, Mark] | None = None, keep: frozenset[int] = frozenset()) -> list[int]:
    table = [Process(ME, 1, MY_SESSION, "S", 5), *processes]
    found = orphans(WARD, table, me=ME, keep=keep, mark_of=(marks or {}).get)
    return sorted(process.pid for process in found)


def test_what_carries_the_jobs_mark_is_an_orphan_of_it_whatever_its_age() -> None:
    assert the_orphans(a_process(7, started=1), marks={7: OURS}) == [7]


def test_what_has_cleared_its_environment_is_an_orphan_unless_it_is_older_than_the_guardian() -> None:
    assert the_orphans(a_process(7, started=50), a_process(8, started=49)) == [7]


def test_what_lives_below_an_orphan_goes_with_it() -> None:
    assert the_orphans(a_process(7), a_process(8, parent=7), a_process(9, parent=8), a_process(10, parent=1)) == [7, 8, 9]


def test_another_jobs_process_our_own_children_and_our_own_session_are_spared() -> None:
    others, guardian, helper = a_process(7), a_process(8), a_process(9, session=MY_SESSION)

    assert the_orphans(others, guardian, helper, marks={7: OTHER}, keep=frozenset({8})) == []


def test_a_strangers_child_is_no_orphan_of_ours() -> None:
    assert the_orphans(a_process(7, parent=1), marks={7: OURS}) == []


def dead_instance() -> str:
    namespace = this_instance().partition("-")[0]
    return f"{namespace}-{os.getpid()}-1"  # our pid, but not our start


@asynccontextmanager
async def a_sleeper(mark: str | None) -> AsyncIterator[trio.Process]:
    environment = {"PATH": os.environ["PATH"]} | ({} if mark is None else {MARK: mark})
    process = await trio.lowlevel.open_process(["sleep", "60"], env=environment, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        with trio.move_on_after(5, shield=True):
            await process.wait()


@needs_linux
async def test_a_dead_instances_process_is_killed_with_everything_below_it_and_told() -> None:
    script = "env -i sleep 60 & echo $!; exec sleep 60"
    environment = {"PATH": os.environ["PATH"], MARK: f"{dead_instance()}:embedded"}
    leftover = await trio.lowlevel.open_process(["sh", "-c", script], env=environment, stdout=-1)
    assert leftover.stdout is not None
    child = int(await leftover.stdout.receive_some(16))

    swept = await sweep_leftovers()

    assert await leftover.wait() == -signal.SIGKILL
    assert {one.pid for one in swept} == {leftover.pid, child}
    assert {(one.job, one.instance) for one in swept} == {("embedded", dead_instance())}
    assert ("sleep", digest(("60",))) in {(one.command, one.arguments_hash) for one in swept}
    assert "60" not in {word for one in swept for word in one.command.split()}  # it could be a key
    await leftover.stdout.aclose()


@needs_linux
@pytest.mark.parametrize("instance", ["", "living", "elsewhere-100-5", RELEASED])
async def test_unmarked_processes_those_of_a_living_instance_of_another_namespace_and_what_was_let_go_are_spared(
    instance: str,
) -> None:
    mark = {"": None, "living": f"{this_instance()}:embedded"}.get(instance, f"{instance}:embedded")
    async with a_sleeper(mark) as process:
        assert await sweep_leftovers() == ()
        assert process.returncode is None


@needs_linux
async def test_orphans_are_killed_and_reaped_by_their_own_pid() -> None:
    async with a_sleeper(str(OURS)) as orphan, a_sleeper(str(OTHER)) as other:
        assert read_mark(orphan.pid) == OURS
        swept = await sweep_orphans(Ward(mark=OURS, since=0), keep=frozenset({other.pid}))

        assert [(one.pid, one.command, one.arguments_hash) for one in swept] == [(orphan.pid, "sleep", digest(("60",)))]
        assert read_mark(orphan.pid) is None
        assert other.returncode is None
