"""The lock on real directories. It belongs to an open file, so that two in one process exclude each other like two daemons."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.errors import StateFailed, StateLocked
from router.observers.events import EVENTS
from supervisors.state_lock import LOOK_S, Held, locked, watch
from tests.e2e.front_harness import Seen
from tests.supervisors.store_in_memory import inline


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


def removed(directory: Path) -> None:
    shutil.rmtree(directory)


def replaced(directory: Path) -> None:
    directory.rename(directory.with_name("aside"))
    directory.mkdir(mode=0o700)


def emptied(directory: Path) -> None:
    (directory / "router.lock").unlink()


def put_back(directory: Path) -> None:
    """Restore a copy, lock file and all."""
    shutil.copytree(directory, directory.with_name("copy"))
    shutil.rmtree(directory)
    directory.with_name("copy").rename(directory)


WAYS = pytest.mark.parametrize("lose", [removed, replaced, emptied, put_back])


@pytest.fixture(params=["one number", "two numbers"])
def _numbers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give open files the number that their path has, and another one, as some network file systems do."""
    if request.param == "two numbers":
        renumber(monkeypatch)


def renumber(monkeypatch: pytest.MonkeyPatch) -> None:
    true = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = true(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return found
        return os.stat_result((*found[: stat.ST_DEV], found.st_dev + 1, *found[stat.ST_DEV + 1 :]))

    monkeypatch.setattr(os, "fstat", fstat)


def test_a_file_with_another_number_by_its_path_is_ours_and_names_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renumber(monkeypatch)
    with locked(tmp_path) as held:
        was_gone = [held.renew(), held.renew()]
        with pytest.raises(StateLocked) as refused, locked(tmp_path):
            pass

    assert was_gone == [False, False]
    assert refused.value.pid == os.getpid()
    with locked(tmp_path):
        assert (tmp_path / "router.lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("call", ["fstat", "fsync"])
def test_a_file_that_is_gone_from_its_server_is_locked_anew(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_descriptor: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with locked(tmp_path) as held:
        emptied(tmp_path)
        (tmp_path / "router.lock").touch()
        with monkeypatch.context() as patched:
            patched.setattr(os, call, gone)
            assert held.renew()
        assert not held.renew()


@pytest.mark.usefixtures("_numbers")
@WAYS
def test_a_directory_that_was_lost_is_made_and_locked_anew(lose: Callable[[Path], None], tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with locked(directory) as held:
        was_gone = [held.renew()]
        lose(directory)
        was_gone += [held.renew(), held.renew()]

        with pytest.raises(StateLocked) as refused, locked(directory):
            pass

        assert was_gone == [False, True, False]
        assert refused.value.pid == os.getpid()
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "router.lock").stat().st_mode) == 0o600
    with locked(directory):
        pass


@pytest.mark.usefixtures("_numbers")
@WAYS
def test_who_has_taken_a_lost_directory_meanwhile_keeps_it(lose: Callable[[Path], None], tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with locked(directory) as held:
        lose(directory)
        with locked(directory) as other:
            with pytest.raises(StateLocked):
                held.renew()
            assert not other.renew()
        assert held.renew()


def test_a_directory_that_cannot_be_made_anew_is_a_named_error_and_can_be_tried_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with locked(directory) as held:
        shutil.rmtree(directory)
        directory.touch()
        with pytest.raises(StateFailed, match="cannot lock"):
            held.renew()
        directory.unlink()

        assert held.renew()


@define
class Watched:
    """A lock that is looked after on the virtual clock, and what comes of it."""

    lock: Held
    seen: Seen = field(factory=Seen)
    renewed_at: list[float] = field(factory=list)
    lost: list[StateFailed] = field(factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await watch(
            self.lock,
            execute=inline,
            observer=self.seen,
            on_renewed=lambda: self.renewed_at.append(trio.current_time()),
            on_lost=self.lost.append,
            task_status=task_status,
        )


async def test_a_lost_directory_is_locked_anew_within_two_seconds_and_told_once(
    nursery: trio.Nursery, autojump_clock: MockClock, tmp_path: Path
) -> None:
    with locked(tmp_path / "state") as held:
        watched = Watched(held)
        await nursery.start(watched.run)
        await trio.sleep(11)
        before = list(watched.seen.events)
        shutil.rmtree(tmp_path / "state")
        await trio.sleep(11)

        assert before == []
        assert watched.seen.events == [("state-lock-renewed", {"path": str(tmp_path / "state")})]
        assert len(watched.renewed_at) == 1
        assert watched.renewed_at[0] - 11 <= LOOK_S
        assert watched.lost == []
        nursery.cancel_scope.cancel()


async def test_a_directory_that_another_has_is_told_as_an_error_and_nothing_is_looked_after_any_more(
    nursery: trio.Nursery, autojump_clock: MockClock, tmp_path: Path
) -> None:
    with locked(tmp_path / "state") as held:
        watched = Watched(held)
        await nursery.start(watched.run)
        shutil.rmtree(tmp_path / "state")
        with locked(tmp_path / "state"):
            await trio.sleep(11)
        await trio.sleep(11)

        ((name, fields),) = watched.seen.events
        assert EVENTS[name].level == logging.ERROR
        assert f"in use by another instance (pid {os.getpid()})" in str(fields["message"])
        assert fields["then"] == (
            "it stays in memory only until the next start, even when the other one ends: "
            "stop the other one, then restart this one"
        )
        assert [error.operation for error in watched.lost] == ["lock"]
        assert watched.renewed_at == []
        nursery.cancel_scope.cancel()


async def test_a_directory_that_cannot_be_made_is_told_once_and_tried_again(
    nursery: trio.Nursery, autojump_clock: MockClock, tmp_path: Path
) -> None:
    with locked(tmp_path / "state") as held:
        watched = Watched(held)
        await nursery.start(watched.run)
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "state").touch()
        await trio.sleep(11)
        (tmp_path / "state").unlink()
        await trio.sleep(11)

        assert watched.seen.names() == ["state-store-failed", "state-lock-renewed"]
        assert watched.seen.events[0][1]["then"] == "another instance may start there; this is retried every 2 s"
        nursery.cancel_scope.cancel()


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
