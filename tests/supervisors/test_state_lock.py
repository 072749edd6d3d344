"""The lock on real directories. It belongs to an open file, so that two in one process exclude each other like two daemons."""

from __future__ import annotations

import os
import stat
import sys
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest
import trio

from router.errors import StateFailed, StateLocked
from supervisors.state_lock import locked


def test_a_second_instance_is_told_who_has_the_directory(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StateLocked) as refused, locked(tmp_path):
        pass

    assert refused.value.pid == os.getpid()
    assert str(refused.value) == (
        f"state directory {tmp_path} is in use by another instance (pid {os.getpid()}):"
        " stop that one, or set [server].state_dir for this one"
    )


def test_a_lock_that_was_left_can_be_taken_again(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        text = (tmp_path / "router.lock").read_text()

    assert text == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", ["1\n", "", "not a number", "9" * 100])
def test_a_file_of_a_dead_holder_is_no_lock(content: str, tmp_path: Path) -> None:
    (tmp_path / "router.lock").write_text(content)

    with locked(tmp_path):
        assert (tmp_path / "router.lock").read_text() == f"{os.getpid()}\n"


def test_the_directory_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "b"):
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "a" / "b" / "router.lock").stat().st_mode) == 0o600


def test_a_directory_that_cannot_be_created_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateFailed, match=r"cannot lock: .*Not a directory"), locked(tmp_path / "file" / "state"):
        pass


@pytest.mark.e2e
async def test_a_program_that_was_started_does_not_inherit_the_lock(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            with locked(tmp_path):
                started = await nursery.start(partial(trio.run_process, argv, stdin=PIPE, stdout=PIPE, close_fds=False))
                await started.stdout.receive_some(1)
            with locked(tmp_path):
                was_alive = started.poll() is None
            await started.stdin.aclose()

    assert was_alive
