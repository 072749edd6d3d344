"""A client is run alone, told apart by how it ends, and leaves nobody behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.agents import Agent
from tests.clients.running import Ran, run_agent

pytestmark = pytest.mark.e2e


def shell(script: str) -> Agent:
    """Return a client that is a shell script; `$1` is the prompt."""
    return Agent(
        name="shell",
        kind="anthropic",
        package="none",
        program="/bin/sh",
        models=("m",),
        arguments=lambda prompt, model, url: ("-c", script, "shell", prompt, model, url),
        variables=lambda url: {"ADDRESS": url},
    )


async def run(script: str, directory: Path, *, limit_s: float = 10.0) -> Ran:
    """Return how the script ended."""
    return await run_agent(shell(script), prompt="hello", model="m", url="http://x", directory=directory, limit_s=limit_s)


async def test_code_and_words_are_what_it_ended_with(tmp_path: Path) -> None:
    ran = await run('printf "\\033[31m%s\\033[0m\\n" "$1"; echo "bad luck" >&2; exit 3', tmp_path)

    assert (ran.code, ran.stdout, ran.stderr) == (3, "hello\n", "bad luck\n")
    assert ran.last_words == "hello"


async def test_it_sees_its_own_environment_alone(tmp_path: Path) -> None:
    ran = await run("env | cut -d= -f1 | sort", tmp_path)

    assert set(ran.stdout.split()) - {"PWD", "SHLVL", "_", "OLDPWD"} == {"ADDRESS", "HOME", "LANG", "PATH", "TMPDIR"}


async def test_it_has_no_input_and_works_in_its_own_directory(tmp_path: Path) -> None:
    ran = await run("cat; pwd", tmp_path)

    assert ran.stdout.strip() == str(tmp_path / "work")


async def test_one_that_says_nothing_on_stdout_is_quoted_from_stderr(tmp_path: Path) -> None:
    assert (await run("echo why >&2", tmp_path)).last_words == "why"
    assert (await run("true", tmp_path)).last_words == "(it printed nothing)"


@pytest.mark.slow
async def test_out_of_time_it_goes_with_all_its_children(tmp_path: Path) -> None:
    ran = await run("sleep 61 & echo $!; wait", tmp_path, limit_s=0.3)

    assert ran.code is None
    assert not is_alive(int(ran.stdout))


@pytest.mark.slow
async def test_children_that_outlive_it_go_with_it(tmp_path: Path) -> None:
    ran = await run("sleep 62 >/dev/null & echo $!", tmp_path)

    assert ran.code == 0
    assert not is_alive(int(ran.stdout))


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not reaped yet does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
