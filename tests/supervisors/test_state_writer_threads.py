"""The task `state` on a machine that gives no thread, and the rows that there are to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import evolve
from trio.testing import MockClock

from supervisors.disk import RETRY_S
from tests.supervisors.store_in_memory import MemoryStore
from tests.supervisors.test_state_writer import a_writer, fields, told

T = TypeVar("T")


async def no_thread(work: Callable[[], T]) -> T:
    """Be a machine that gives no thread any more."""
    await trio.lowlevel.checkpoint()
    del work
    raise RuntimeError("can't start new thread")


async def test_a_machine_without_threads_is_a_failure_like_any_other(autojump_clock: MockClock) -> None:
    writer = evolve(a_writer(MemoryStore()), execute=no_thread)
    await writer.load()

    with trio.move_on_after(3 * RETRY_S):
        await writer.run()

    assert fields(writer, "state-degraded")["error"] == "memory: cannot open: can't start new thread"
    assert told(writer).count("state-degraded") == 1


async def test_a_deleted_row_is_not_there_any_more(autojump_clock: MockClock) -> None:
    writer = a_writer(MemoryStore())
    writer.put("health", "a", {"x": 1})
    before = writer.has("health", "a")
    writer.delete("health", "a")

    assert (before, writer.has("health", "a"), writer.has("health", "b")) == (True, False, False)
