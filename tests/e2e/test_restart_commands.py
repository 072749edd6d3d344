"""Restart commands as real processes that misbehave in every way: afterwards no descendant lives, unless it was let go."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from router.domain.health_events import RestartOutcome
from supervisors.guardian import read_process
from tests.e2e.daemon import free_port
from tests.marks import needs_linux
from tests.supervisors.living import tree_argv, wait_gone, wait_tree
from tests.supervisors.restart_commands import Commands, commands, subreaper

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    needs_linux,
]
Tell = Callable[[str], None]
SLEEP = "sleep 60"

# the five forms of D7, and more ways to outlive a shell
HANGING = {
    "foreground": SLEEP,
    "and": f"true && {SLEEP}",
    "sequence": f"{SLEEP}; true",
    "background-and-wait": f"{SLEEP} & wait",
    "pipeline": f"{SLEEP} | cat",
    "term-trapped": f"trap '' TERM; {SLEEP}; {SLEEP}",
    "setsid": f"setsid {SLEEP} & wait; {SLEEP}",
    "double-fork": f"(setsid sh -c '{SLEEP} &' &) ; {SLEEP}",
    "pipe-holder": f"({SLEEP} &) | cat; {SLEEP}",
    "term-trapped-in-a-session": f"setsid sh -c 'trap \"\" TERM; {SLEEP}; {SLEEP}' & {SLEEP}",
}


async def restart(run: Commands) -> RestartOutcome:
    with trio.fail_after(30):
        return await run.restarts.restart("a")


@pytest.mark.parametrize("form", HANGING)
async def test_d7_a_command_that_hangs_is_killed_with_everything_it_started(tmp_path: Path, form: str) -> None:
    async with commands(tmp_path, "sh", "-c", f"{HANGING[form]} # MARK", timeout_s=0.3) as run:
        assert await restart(run) is RestartOutcome.FAILED

        assert run.marker.living() == []
        assert run.told()["error"].startswith("the command did not end within 0.3 s and was killed")
        assert run.told()["duration_s"] < 5


async def test_d7_a_tree_that_tries_everything_to_outlive_the_time_limit_does_not(tmp_path: Path) -> None:
    async with commands(tmp_path, *tree_argv(tmp_path), timeout_s=5) as run, trio.open_nursery() as nursery:
        nursery.start_soon(restart, run)
        pids = await wait_tree(tmp_path)
        assert len(pids) == 8
        while run.log.events == []:  # noqa: ASYNC110 - the time limit
            await trio.sleep(0.05)

        await wait_gone(pids)


async def test_d7_a_guardian_that_is_killed_leaves_nothing_of_its_command_and_spares_what_an_earlier_one_left(
    tmp_path: Path,
) -> None:
    script = "test -e second && sleep 60; setsid sleep 60 & # MARK"
    with subreaper():
        async with commands(tmp_path, "sh", "-c", script, cwd=tmp_path) as run:
            await run.runner.prepare()
            assert await restart(run) is RestartOutcome.OK
            (daemon,) = await run.marker.wait_living(1)
            (tmp_path / "second").touch()
            async with run.runner.open_job(run.group.command) as second:
                await run.marker.wait_living(4)  # the daemon, the guardian, its shell and the sleep of that
                os.kill(second.pid, signal.SIGKILL)
                with trio.fail_after(5):
                    await second.wait()

            assert run.marker.living() == [daemon]


async def test_what_was_let_go_is_reaped_when_it_has_ended_and_another_command_comes(tmp_path: Path) -> None:
    with subreaper():
        async with commands(tmp_path, "sh", "-c", "setsid sleep 60 & # MARK") as run:
            await run.runner.prepare()
            assert await restart(run) is RestartOutcome.OK
            (daemon,) = await run.marker.wait_living(1)
            os.kill(daemon, signal.SIGKILL)
            await run.marker.wait_gone()
            assert read_process(daemon) is not None  # a zombie, and ours

            async with run.runner.open_job(run.group.command):
                assert read_process(daemon) is None


async def test_d8_output_that_is_no_text_is_told_and_harms_nothing(tmp_path: Path) -> None:
    async with commands(tmp_path, "sh", "-c", r"printf 'caf\351 \377\000 end'") as run:
        assert await restart(run) is RestartOutcome.OK

        assert run.told()["tail"] == "caf\ufffd \ufffd\0 end"


async def test_d8_much_output_is_cut_to_its_end(tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo the end; exit 3"
    async with commands(tmp_path, "sh", "-c", script) as run:
        assert await restart(run) is RestartOutcome.FAILED

        tail = run.told()["tail"]
        assert tail.endswith("line 1999\nthe end\n")
        assert len(tail.encode()) == 4096
        assert (run.told()["exit"], run.told()["error"]) == (3, "the command exited with 3")


async def test_d14_a_server_in_the_foreground_is_killed_and_the_remedy_is_named(tmp_path: Path) -> None:
    port = free_port()
    server = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    async with commands(tmp_path, *server, timeout_s=2, ready_url=f"http://127.0.0.1:{port}/") as run:
        assert await restart(run) is RestartOutcome.FAILED

        assert run.marker.living() == []
        assert run.told()["error"].endswith('a server that stays in the foreground needs mode = "managed"')


async def test_d14_a_server_that_the_command_leaves_behind_lives_on_and_holds_nothing_up(tmp_path: Path, tell: Tell) -> None:
    port = free_port()
    server = shlex.join([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
    ready_url = f"http://127.0.0.1:{port}/"
    async with commands(tmp_path, "sh", "-c", f"{server} & # MARK", ready_url=ready_url, ready_timeout_s=20) as run:
        assert await restart(run) is RestartOutcome.OK  # its output is held by the server, and nobody waits for that

        assert len(run.marker.living()) == 1
        tell(f"oneshot that leaves a server: ready after {run.told()['duration_s']} s")


@pytest.mark.parametrize("form", [f"{SLEEP} &", f"setsid {SLEEP} &", f"({SLEEP} &)", f"nohup {SLEEP} >/dev/null 2>&1 &"])
async def test_d14_what_a_command_leaves_behind_is_not_ours_whatever_ends(tmp_path: Path, form: str) -> None:
    async with commands(tmp_path, "sh", "-c", f"{form} # MARK") as run:
        assert await restart(run) is RestartOutcome.OK
        run.runner.end_now()
        await trio.sleep(0.2)

        assert len(run.marker.living()) == 1


async def test_d18_a_stop_in_the_middle_takes_the_grace_and_no_longer(tmp_path: Path) -> None:
    async with commands(tmp_path, "sh", "-c", f"trap '' TERM; echo up; {SLEEP}; {SLEEP} # MARK") as run:
        with trio.CancelScope() as member:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(restart, run)
                await run.wait_written(b"up")
                began = trio.current_time()
                member.cancel()
        while run.log.events == []:  # noqa: ASYNC110 - its processes end
            await trio.sleep(0.005)

        assert run.marker.living() == []
        assert 0.3 <= trio.current_time() - began < 2


async def test_a_command_gets_no_input_no_keys_and_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter22")
    script = "ls /proc/self/fd; env; if read line; then echo got input; fi"
    async with commands(tmp_path, "sh", "-c", script) as run:
        assert await restart(run) is RestartOutcome.OK

        tail = run.told()["tail"]
        assert tail.split()[:3] == ["0", "1", "2"]
        assert "hunter22" not in tail
        assert "got input" not in tail
        assert f"MARKER={run.marker.word}" in tail


async def test_a_program_that_is_no_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program")
    async with commands(tmp_path, str(tmp_path / "data")) as run:
        assert await restart(run) is RestartOutcome.FAILED

        assert "there is no program" in run.told()["error"]


@pytest.mark.parametrize(("code", "outcome"), [(0, RestartOutcome.OK), (5, RestartOutcome.FAILED)])
async def test_a_unit_is_restarted_by_the_users_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, outcome: RestartOutcome
) -> None:
    stub = tmp_path / "bin" / "systemctl"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@ in $XDG_RUNTIME_DIR" >&2\nexit {code}\n')
    stub.chmod(0o700)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    async with commands(tmp_path, "systemctl", "--user", "restart", "--", "x.service", mode="unit") as run:
        assert await restart(run) is outcome

        assert (run.told()["command"], run.told()["exit"]) == ("systemctl", code)
        assert run.told()["tail"] == "--user restart -- x.service in /run/user/1\n"


async def test_a_machine_without_a_service_manager_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with commands(tmp_path, "systemctl", "--user", "restart", "--", "x.service", mode="unit") as run:
        assert await restart(run) is RestartOutcome.FAILED

        assert run.told()["error"].startswith("there is no program 'systemctl' on the PATH: ")


async def test_the_output_is_private(tmp_path: Path) -> None:
    async with commands(tmp_path, "true") as run:
        await restart(run)

        assert run.output.stat().st_mode & 0o777 == 0o600
