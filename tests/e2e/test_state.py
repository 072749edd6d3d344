"""State on a real disk, under real kills."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest
import trio

from router.errors import StateFailed
from router.state.store import SqliteStore
from supervisors.disk import WorkerThread
from supervisors.seams import SystemWallClock
from supervisors.state_lock import LOCKED
from supervisors.state_writer import StateWriter
from tests.e2e.daemon import ROOT, free_port, open_router, provider, router_config
from tests.e2e.front_harness import Seen
from tests.tools.full_disk import disk_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0  # a start takes half a second; the rest is for a machine that is busy

# Writes two rows of one number in one batch, then says the number.
WRITER = """
import sys
from pathlib import Path
from router.state.rows import Change, encode_row
from router.state.store import SqliteStore

store = SqliteStore(directory=Path(sys.argv[1]), wall=lambda: 0.0)
store.open()
n = 0
while True:
    n += 1
    row = encode_row({"n": n, "padding": "x" * 3000})
    store.write([Change(namespace="health", key=key, wall=1.0, json=row) for key in "ab"])
    print(n, flush=True)
"""


def numbers_in(directory: Path) -> list[object]:
    store = SqliteStore(directory=directory, wall=lambda: 0.0)
    with closing(store):
        opened = store.open()
    assert (opened.reset_to, opened.quarantined) == (None, ())
    return [row.value["n"] for row in opened.rows]


@asynccontextmanager
async def started(*argv: str, directory: Path) -> AsyncIterator[trio.Process]:
    """Run a program until the context is left; then it is killed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT)}
    run = partial(trio.run_process, [sys.executable, *argv], stdout=PIPE, stderr=PIPE, env=environment, check=False)
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run)
        try:
            yield process
        finally:
            process.kill()


async def wait_number(process: trio.Process, least: int) -> int:
    assert process.stdout is not None
    text = b""
    while True:
        text += await process.stdout.receive_some()
        numbers = text.split(b"\n")[:-1]
        if numbers and int(numbers[-1]) >= least:
            return int(numbers[-1])


@pytest.mark.parametrize("least", [1, 40, 300])
async def test_a_kill_loses_nothing_that_was_written_and_leaves_no_half_batch(least: int, tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with started("-c", WRITER, str(tmp_path / "state"), directory=tmp_path) as process:
            written = await wait_number(process, least)
            process.send_signal(signal.SIGKILL)
            await process.wait()

    first, second = numbers_in(tmp_path / "state")

    assert first == second
    assert isinstance(first, int)
    assert first >= written


async def test_the_writer_writes_in_a_thread_and_the_next_daemon_reads_it(tmp_path: Path) -> None:
    def a_writer() -> StateWriter:
        store = SqliteStore(directory=tmp_path / "state", wall=SystemWallClock().now)
        return StateWriter(store=store, execute=WorkerThread(), observer=Seen(), wall=SystemWallClock())

    first, second = a_writer(), a_writer()
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            await first.load()
            await nursery.start(first.run)
            first.put("health", "a", {"n": 1})
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        opened = await second.load()
        with trio.CancelScope() as scope:
            scope.cancel()
            await second.run()

    assert [row.value for row in opened.rows if row.key == "a"] == [{"n": 1}]


async def test_a_full_disk_costs_nothing_once_it_has_room_again(tmp_path: Path) -> None:
    store = SqliteStore(directory=tmp_path / "state", wall=SystemWallClock().now)
    writer = StateWriter(store=store, execute=WorkerThread(), observer=Seen(), wall=SystemWallClock())
    with trio.fail_after(LIMIT_S):
        writer.put("health", "a", {"n": 1})
        await writer.flush()
        writer.put("health", "b", {"n": 2, "padding": "x" * 200_000})
        with disk_of(64 * 1024), pytest.raises(StateFailed, match=r"full|I/O"):
            await writer.flush()
        await writer.flush()

    store.close()
    assert sorted(map(str, numbers_in(store.directory))) == ["1", "2"]


async def test_a_write_that_hangs_is_left_behind_and_keeps_its_turn() -> None:
    execute, disk, order = WorkerThread(), threading.Event(), list[str]()

    def hang() -> None:
        disk.wait(LIMIT_S)
        order.append("first")

    with trio.fail_after(LIMIT_S):
        with trio.move_on_after(0.05) as scope:
            await execute(hang)
        with trio.move_on_after(0.05):
            await execute(lambda: order.append("too early"))
        disk.set()
        await execute(lambda: order.append("second"))

    assert scope.cancelled_caught
    assert order == ["first", "second"]


async def test_a_file_that_was_removed_under_a_running_writer_is_written_whole_again(tmp_path: Path) -> None:
    store = SqliteStore(directory=tmp_path / "state", wall=SystemWallClock().now)
    writer = StateWriter(store=store, execute=WorkerThread(), observer=Seen(), wall=SystemWallClock())
    writer.put("health", "a", {"n": 1})
    with trio.fail_after(LIMIT_S):
        await writer.flush()
        for path in store.directory.iterdir():
            path.unlink()
        writer.put("health", "b", {"n": 2})

        with pytest.raises(StateFailed):
            await writer.flush()
        await writer.flush()

    store.close()
    assert sorted(map(str, numbers_in(store.directory))) == ["1", "2"]


async def test_a_second_daemon_ends_with_75_and_a_killed_one_is_no_hindrance(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def config() -> str:
        return router_config(free_port(), providers=[provider("a", 1)], server={"state_dir": str(state)})

    (tmp_path / "second.toml").write_text(config())
    with trio.fail_after(LIMIT_S):
        async with open_router(config(), directory=tmp_path) as first:
            argv = ("-m", "router", "serve", "--config", str(tmp_path / "second.toml"))
            async with started(*argv, directory=tmp_path) as second:
                assert second.stderr is not None
                complaint = b"".join([data async for data in second.stderr]).decode()
                exit_code = await second.wait()
            first.process.kill()
            await first.process.wait()
        async with open_router(config(), directory=tmp_path) as third:
            holder = (state / "router.lock").read_text()

    assert exit_code == LOCKED
    assert f"state directory {state} is in use by another instance (pid {first.process.pid})" in complaint
    assert holder == f"{third.process.pid}\n"
