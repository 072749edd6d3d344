"""Real processes: a guardian and a tree that tries everything to outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define

from supervisors import guardian
from supervisors.guardian import Process, descendants
from tests.marks import needs_linux
from tests.supervisors.living import living, tree_argv, wait_gone, wait_tree

pytestmark = pytest.mark.slow


@define(kw_only=True)
class Guarded:
    """A running guardian, the pipe that keeps it alive, and what it wrote."""

    process: trio.Process
    lifeline: int
    output: Path

    def let_go(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    async def end(self) -> int:
        with trio.fail_after(10):
            return await self.process.wait()


@asynccontextmanager
async def guard(tmp_path: Path, *argv: str, lets_go: bool = False) -> AsyncIterator[Guarded]:
    read_end, write_end = os.pipe()
    output = tmp_path / "output"
    program = [sys.executable if word == "python" else word for word in argv]
    with output.open("wb") as file:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-I", "-S", guardian.__file__, str(read_end), *(["let-go"] if lets_go else []), "--", *program],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=(read_end,),
            start_new_session=True,
        )
    os.close(read_end)
    guarded = Guarded(process=process, lifeline=write_end, output=output)
    try:
        yield guarded
    finally:
        guarded.let_go()
        with trio.move_on_after(10, shield=True):
            await process.wait()


@needs_linux
async def test_nothing_lives_after_the_router_is_gone(tmp_path: Path) -> None:
    async with guard(tmp_path, *tree_argv(tmp_path)) as guarded:
        pids = await wait_tree(tmp_path)
        guarded.let_go()
        await wait_gone(pids)

        assert await guarded.end() == 137


@needs_linux
async def test_nothing_lives_after_the_job_has_ended_and_its_code_is_kept(tmp_path: Path) -> None:
    async with guard(tmp_path, *tree_argv(tmp_path, "3")) as guarded:
        assert await guarded.end() == 3

        assert living(await wait_tree(tmp_path)) == []


@needs_linux
async def test_nothing_lives_after_term(tmp_path: Path) -> None:
    async with guard(tmp_path, *tree_argv(tmp_path)) as guarded:
        pids = await wait_tree(tmp_path)
        guarded.process.terminate()
        await wait_gone(pids)

        assert await guarded.end() == -signal.SIGTERM


@needs_linux
@pytest.mark.parametrize("how", ["router-gone", "term"])
async def test_a_command_that_may_leave_a_daemon_leaves_none_when_it_is_ended(tmp_path: Path, how: str) -> None:
    async with guard(tmp_path, *tree_argv(tmp_path), lets_go=True) as guarded:
        pids = await wait_tree(tmp_path)
        if how == "term":
            guarded.process.terminate()
        else:
            guarded.let_go()
        await wait_gone(pids)

        assert await guarded.end() == (-signal.SIGTERM if how == "term" else 137)


@needs_linux
async def test_a_command_that_may_leave_a_daemon_leaves_it_when_it_ends_by_itself(tmp_path: Path) -> None:
    async with guard(tmp_path, *tree_argv(tmp_path, "3"), lets_go=True) as guarded:
        assert await guarded.end() == 3
        pids = await wait_tree(tmp_path)
        left = living(pids)
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await wait_gone(pids)

        assert set(left) == set(pids) - {"main"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
async def test_signals_reach_the_job_and_its_answer_comes_back(tmp_path: Path, number: signal.Signals) -> None:
    script = f"trap 'echo got; exit 7' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    async with guard(tmp_path, "sh", "-c", script) as guarded:
        await wait_output(guarded, "ready")
        guarded.process.send_signal(number)

        assert await guarded.end() == 7
        assert guarded.output.read_text().endswith("got\n")  # before it a shell may tell what ended its `sleep`


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
async def test_a_job_that_a_signal_ended_ends_its_guardian_with_the_same_one(tmp_path: Path, number: signal.Signals) -> None:
    async with guard(tmp_path, "sh", "-c", f"ulimit -c 0; kill -{number.name[3:]} $$") as guarded:
        assert await guarded.end() == -number


async def test_a_job_that_ignores_term_is_killed_when_the_pipe_closes(tmp_path: Path) -> None:
    async with guard(tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done") as guarded:
        await wait_output(guarded, "ready")
        guarded.process.terminate()
        with trio.move_on_after(0.2):
            await guarded.process.wait()
        assert guarded.process.returncode is None
        guarded.let_go()

        assert await guarded.end() == 137


@needs_linux
async def test_the_job_starts_with_sigpipe_at_its_default_and_without_our_descriptors(tmp_path: Path) -> None:
    # no pipeline: the shell holds its pipes while it builds one
    async with guard(tmp_path, "sh", "-c", "grep SigIgn /proc/self/status; ls /proc/$$/fd") as guarded:
        assert await guarded.end() == 0

        label, ignored, *descriptors = guarded.output.read_text().split()
        assert label == "SigIgn:"
        assert int(ignored, 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)) == 0
        assert sorted(descriptors) == ["0", "1", "2"]


async def test_the_job_has_a_session_of_its_own(tmp_path: Path) -> None:
    script = "import os; print(os.getsid(0) == os.getpid(), os.getsid(os.getppid()) == os.getppid())"
    async with guard(tmp_path, sys.executable, "-I", "-S", "-c", script) as guarded:
        assert await guarded.end() == 0

        assert guarded.output.read_text().split() == ["True", "True"]


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with guard(tmp_path, "no-such-program-anywhere") as guarded:
        assert await guarded.end() == 127

        assert guarded.output.read_text() == "no-such-program-anywhere: No such file or directory\n"


async def test_a_file_that_cannot_be_executed_is_told(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    async with guard(tmp_path, str(file)) as guarded:
        assert await guarded.end() == 126

        assert guarded.output.read_text() == f"{file}: Permission denied\n"


@pytest.mark.parametrize(
    "words", [(), ("x", "--", "true"), ("3", "true"), ("3", "--"), ("3", "let-go", "true"), ("3", "let-go", "--")]
)
async def test_a_wrong_command_line_is_refused(words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-I", "-S", guardian.__file__, *words]
    done = await trio.run_process(argv, check=False, capture_stderr=True)

    assert (done.returncode, done.stderr) == (2, b"usage: guardian.py FD [let-go] -- argv...\n")


def test_descendants_are_everything_below_and_nothing_else() -> None:
    table = [Process(pid, parent, 1, "S", 0) for pid, parent in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 2), (7, 5)]]

    assert sorted(process.pid for process in descendants({2}, table)) == [3, 4, 6]
    assert sorted(process.pid for process in descendants({3, 5}, table)) == [4, 7]


@needs_linux
async def test_a_process_with_a_reused_pid_is_not_killed() -> None:
    process = await trio.lowlevel.open_process(["sleep", "60"])
    seen = guardian.read_process(process.pid)
    assert seen is not None
    guardian.kill(seen._replace(started=seen.started - 1))
    assert process.returncode is None
    guardian.kill(seen)

    assert await process.wait() == -signal.SIGKILL


@needs_linux
def test_a_name_with_blanks_and_parentheses_is_read_right(tmp_path: Path) -> None:
    me = guardian.read_process(os.getpid())

    assert me is not None
    assert (me.parent, me.session) == (os.getppid(), os.getsid(0))


async def wait_output(guarded: Guarded, text: str) -> None:
    with trio.fail_after(10):
        while text not in guarded.output.read_text():  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.01)
