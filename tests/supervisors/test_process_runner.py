"""Real processes below the real runner, in this process."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from supervisors.leftovers import MARK, this_instance
from supervisors.process_runner import GuardedRunner
from supervisors.process_spec import ProcessSpec
from tests.supervisors.jobs_in_memory import EventLog
from tests.supervisors.living import tree_argv, wait_gone, wait_tree


def a_job(*argv: str, **fields: Any) -> ProcessSpec:  # noqa: ANN401 - any field of the value
    return ProcessSpec(id="job", providers=("job",), argv=argv, ready_url="http://127.0.0.1:9/", **fields)


def a_script(text: str, **fields: Any) -> ProcessSpec:  # noqa: ANN401 - any field of the value
    return a_job("sh", "-c", text, **fields)


@pytest.fixture
def runner(tmp_path: Path) -> GuardedRunner:
    return GuardedRunner(directory=tmp_path / "logs", observer=EventLog(), grace_s=0.3, log_bytes=1000, log_check_s=0.05)


async def wait_until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await trio.sleep(0.01)


async def test_a_job_that_ends_by_itself_gives_its_code_and_its_output(runner: GuardedRunner) -> None:
    spec = a_script("echo to stdout; echo to stderr >&2; exit 3")
    async with runner.open_job(spec) as job:
        with trio.fail_after(10):
            await job.wait()

    assert job.exit_code == 3
    assert runner.tail(spec) == "to stdout\nto stderr\n"
    assert runner.tail(spec, max_bytes=7) == "stderr\n"


async def test_leaving_the_context_ends_the_job_with_term(runner: GuardedRunner) -> None:
    spec = a_script("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    async with runner.open_job(spec) as job:
        await wait_until(lambda: "up" in runner.tail(spec))

    assert job.exit_code == 0
    assert "bye" in runner.tail(spec)


@pytest.mark.slow
async def test_a_job_that_ignores_term_is_killed_after_the_grace(runner: GuardedRunner) -> None:
    spec = a_script("trap '' TERM; echo up; while :; do sleep 0.02; done")
    async with runner.open_job(spec) as job:
        await wait_until(lambda: "up" in runner.tail(spec))
        began = trio.current_time()

    assert job.exit_code == 137
    assert 0.3 <= trio.current_time() - began < 2


@pytest.mark.slow
async def test_a_job_that_is_left_by_cancellation_ends_with_all_its_descendants(runner: GuardedRunner, tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with runner.open_job(a_job(*tree_argv(tmp_path))):
            pids = await wait_tree(tmp_path)
            scope.cancel()
            await trio.sleep_forever()

    assert await wait_gone(pids) < 100


@pytest.mark.slow
async def test_end_now_waits_for_no_grace(runner: GuardedRunner) -> None:
    runner.grace_s = 60
    spec = a_script("trap '' TERM; echo up; while :; do sleep 0.02; done")
    async with runner.open_job(spec) as job:
        await wait_until(lambda: "up" in runner.tail(spec))
        runner.end_now()
        with trio.fail_after(5):
            await job.wait()

    assert job.exit_code == 137


@pytest.mark.slow
async def test_a_stopped_guardian_ends_its_tree_all_the_same(runner: GuardedRunner, tmp_path: Path) -> None:
    async with runner.open_job(a_job(*tree_argv(tmp_path))) as job:
        pids = await wait_tree(tmp_path)
        os.kill(job.pid, signal.SIGSTOP)  # it sees neither TERM nor its pipe

    assert await wait_gone(pids) < 100


async def test_the_job_runs_in_its_directory_with_its_mark_and_nothing_that_is_not_allowed(
    runner: GuardedRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    spec = a_script("pwd; env; cat", cwd=tmp_path, env=(("GREETING", "hello"),))
    async with runner.open_job(spec) as job:
        with trio.fail_after(10):
            await job.wait()  # at once: stdin is empty

    lines = runner.tail(spec).splitlines()
    assert lines[0] == str(tmp_path)
    assert {"GREETING=hello", f"{MARK}={this_instance()}:job"} <= set(lines)
    assert "secret" not in runner.tail(spec)


async def test_logs_are_private_and_the_run_before_stays_beside(runner: GuardedRunner) -> None:
    for word in ("first", "second"):
        async with runner.open_job(a_script(f"echo {word}")) as job:
            with trio.fail_after(10):
                await job.wait()

    log = runner.directory / "job.log"
    assert (log.read_text(), log.with_name("job.log.1").read_text()) == ("second\n", "first\n")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


@pytest.mark.slow
async def test_a_log_that_grows_is_turned_over(runner: GuardedRunner) -> None:
    spec = a_script("while :; do echo 0123456789012345678901234567890123456789; sleep 0.001; done")
    log = runner.directory / "job.log"
    async with runner.open_job(spec):
        await wait_until(log.with_name("job.log.1").exists)
        await trio.sleep(0.3)

    assert log.stat().st_size < 50_000
    assert log.with_name("job.log.1").stat().st_size == 1000
    assert stat.S_IMODE(log.with_name("job.log.1").stat().st_mode) == 0o600
    assert log.read_bytes().count(b"\0") == 0


async def test_a_program_that_is_not_there_ends_with_127_and_says_so(runner: GuardedRunner) -> None:
    spec = a_job("no-such-program")
    async with runner.open_job(spec) as job:
        with trio.fail_after(10):
            await job.wait()

    assert job.exit_code == 127
    assert runner.tail(spec) == "no-such-program: No such file or directory\n"
    assert runner.why_not_runnable(spec) == "there is no program 'no-such-program' on the PATH"


async def test_a_job_that_cannot_be_started_raises_and_leaves_nothing(runner: GuardedRunner, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with runner.open_job(a_script("true", cwd=tmp_path / "missing")):
            pytest.fail("it was started")


async def test_what_never_ran_has_no_tail(runner: GuardedRunner) -> None:
    assert runner.tail(a_job("true")) == ""


async def run_once(runner: GuardedRunner, spec: ProcessSpec) -> int | None:
    async with runner.open_job(spec) as job:
        with trio.fail_after(10):
            await job.wait()
    return job.exit_code


def told(runner: GuardedRunner) -> list[tuple[str, dict[str, object]]]:
    assert isinstance(runner.observer, EventLog)
    return [(name, dict(fields)) for _, name, fields in runner.observer.events]


async def test_d35_without_a_directory_jobs_run_without_a_log_and_that_is_told_once(runner: GuardedRunner) -> None:
    runner.directory.write_text("in the way")
    spec = a_script("echo hello; exit 3")

    assert [await run_once(runner, spec), await run_once(runner, spec)] == [3, 3]
    assert runner.tail(spec) == ""
    ((name, fields),) = told(runner)
    assert (name, fields["path"]) == ("process-log-failed", str(runner.directory))
    assert "File exists" in str(fields["error"])


@pytest.mark.slow
async def test_a_log_that_can_be_made_again_is_and_its_next_failure_is_told_anew(runner: GuardedRunner) -> None:
    spec = a_script("echo hello")
    runner.directory.write_text("in the way")
    await run_once(runner, spec)
    runner.directory.unlink()
    await run_once(runner, spec)
    tail = runner.tail(spec)
    (runner.directory / "job.log.1").mkdir()  # the log cannot be moved away
    await run_once(runner, spec)

    assert tail == "hello\n"
    assert [name for name, _ in told(runner)] == ["process-log-failed"] * 2


async def test_the_log_of_an_earlier_run_is_not_taken_for_that_of_one_that_has_none(runner: GuardedRunner) -> None:
    await run_once(runner, a_script("echo first"))
    (runner.directory / "job.log.1").mkdir()
    await run_once(runner, second := a_script("echo second"))

    assert (runner.directory / "job.log").read_text() == "first\n"
    assert runner.tail(second) == ""


async def test_a_log_that_cannot_be_copied_is_emptied_and_its_job_lives(runner: GuardedRunner, tmp_path: Path) -> None:
    log = runner.directory / "job.log"
    log.with_name("job.log.1").mkdir(parents=True)
    async with runner.open_job(a_script("head -c 1800 /dev/zero; touch written; exec sleep 60", cwd=tmp_path)) as job:
        await wait_until((tmp_path / "written").exists)
        await wait_until(lambda: log.stat().st_size == 0)

        assert job.exit_code is None
