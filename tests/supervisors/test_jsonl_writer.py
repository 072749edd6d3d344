"""The task of one file of lines on the virtual clock, over a file in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import orjson
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.errors import StateFailed
from router.state.jsonl import Limits
from supervisors.disk import ANSWER_S, LAST_FLUSH_S, RETRY_S
from supervisors.jsonl_writer import (
    FLUSH_LINES,
    FLUSH_S,
    LINE_COST_BYTES,
    JsonlWriter,
)
from tests.e2e.front_harness import Seen
from tests.supervisors.lines_in_memory import MemoryLines
from tests.supervisors.store_in_memory import inline
from tests.supervisors.test_state_writer import VirtualWall

T = TypeVar("T")
LIMITS = Limits(max_bytes=1000, backups=1)
FULL = "No space left on device"


def a_writer(file: MemoryLines) -> JsonlWriter:
    writer = JsonlWriter(
        part="audit",
        started_event="audit-log-started",
        stopped_event="audit-log-stopped",
        file=file,
        execute=inline,
        observer=Seen(),
        wall=VirtualWall(),
    )
    writer.configure(LIMITS)
    return writer


def put(writer: JsonlWriter, *numbers: int) -> None:
    for number in numbers:
        writer.put(orjson.dumps(number))


def told(writer: JsonlWriter) -> list[tuple[str, dict[str, object]]]:
    assert isinstance(writer.observer, Seen)
    return [(name, dict(fields)) for name, fields in writer.observer.events]


def names(writer: JsonlWriter) -> list[str]:
    return [name for name, _ in told(writer)]


async def hang(work: Callable[[], T]) -> T:
    """Be a disk that never answers."""
    await trio.Event().wait()
    return work()


async def test_w34_a_line_is_in_the_file_within_two_seconds_though_none_follows(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(file := MemoryLines())
    await nursery.start(writer.run)
    await trio.sleep(5)

    put(writer, 1)
    await trio.sleep(1)
    before = list(file.lines)
    await trio.sleep(1)

    assert before == []
    assert file.lines == [b"1"]
    assert file.appends == [(5 + FLUSH_S, 1)]


async def test_much_at_once_is_written_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    put(writer, *range(FLUSH_LINES))
    await wait_all_tasks_blocked()

    assert len(file.lines) == FLUSH_LINES


async def test_the_file_is_opened_and_told_before_there_is_a_line(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    assert file.opened_total == 1
    assert told(writer) == [("audit-log-started", {"path": file.path, "max_bytes": 1000, "backups": 1})]


async def test_what_is_switched_off_writes_what_it_has_and_keeps_no_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(file := MemoryLines())
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    put(writer, 1)
    writer.configure(None)
    put(writer, 2)
    await trio.sleep(5)
    off = file.is_open
    writer.configure(LIMITS)
    put(writer, 3)
    await trio.sleep(5)

    assert (off, file.is_open) == (False, True)
    assert file.lines == [b"1", b"3"]
    assert names(writer) == ["audit-log-started", "audit-log-stopped", "audit-log-started"]


async def test_one_that_is_off_touches_no_file(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    writer.configure(None)
    await nursery.start(writer.run)
    put(writer, 1)
    await trio.sleep(5)
    nursery.cancel_scope.cancel()
    await writer.finish()

    assert (file.opened_total, file.closed_total) == (0, 0)
    assert writer.is_on is False


async def test_a_stop_writes_the_rest(autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        await wait_all_tasks_blocked()
        put(writer, 1)
        nursery.cancel_scope.cancel()

    assert file.lines == [b"1"]
    assert not file.is_open


async def test_what_is_told_after_the_tasks_is_written_by_finish(autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        nursery.cancel_scope.cancel()
    put(writer, 1)

    await writer.finish()

    assert file.lines == [b"1"]
    assert not file.is_open


async def test_a_disk_that_hangs_holds_up_a_stop_for_two_seconds_at_most(autojump_clock: MockClock) -> None:
    writer = evolve(a_writer(MemoryLines()), execute=hang)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        await wait_all_tasks_blocked()
        put(writer, 1)
        began = trio.current_time()
        nursery.cancel_scope.cancel()

    assert LAST_FLUSH_S <= trio.current_time() - began <= 2.0


async def test_i25_putting_passes_no_checkpoint_while_the_disk_hangs_and_memory_stays_bounded(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    room = 10 * (LINE_COST_BYTES + 1)
    writer = evolve(a_writer(MemoryLines()), execute=hang, max_buffer_bytes=room)
    writer.configure(LIMITS)
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    with trio.testing.assert_no_checkpoints():
        put(writer, *[1] * 25)

    assert (writer.sink_report().pending, writer.sink_report().dropped) == (10, 15)
    assert [fields["namespace"] for name, fields in told(writer) if name == "state-row-dropped"] == ["audit"]


async def test_a_failing_disk_loses_no_line_and_doubles_none(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    file.fails_after = 3
    put(writer, 1, 2, 3, 4, 5)

    with pytest.raises(StateFailed):
        await writer.flush()
    half = list(file.lines), writer.sink_report().pending
    file.fails_after = None
    await writer.flush()

    assert half == ([b"1", b"2", b"3"], 2)
    assert file.lines == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_write_that_was_left_behind_and_succeeds_later_is_not_made_again(autojump_clock: MockClock) -> None:
    left: list[Callable[[], object]] = []

    async def leave_behind(work: Callable[[], T]) -> T:
        if not left:
            left.append(work)
            await trio.sleep_forever()
        elif len(left) == 1:  # it ends now, before the next one has its turn
            left.append(left[0])
            left[0]()
        return await inline(work)

    writer = a_writer(file := MemoryLines())
    await writer.flush()
    writer = evolve(writer, execute=leave_behind)
    writer.configure(LIMITS)
    put(writer, 1, 2)

    with pytest.raises(StateFailed, match=f"no answer within {ANSWER_S:g} s"):
        await writer.flush()
    await writer.flush()

    assert file.lines == [b"1", b"2"]


async def test_w47_a_full_disk_is_told_raised_and_after_degrade_tried_again_until_there_is_room(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(file := MemoryLines())
    file.failing = FULL
    put(writer, 1)
    with pytest.raises(StateFailed):
        await writer.run()
    writer.degrade()
    while_full = writer.is_degraded

    nursery.start_soon(writer.run)
    await trio.sleep(RETRY_S * 2.5)
    put(writer, 2)
    file.failing = None
    await trio.sleep(RETRY_S)

    assert while_full
    assert FULL in str(dict(told(writer))["state-degraded"]["error"])
    assert [line for line in file.lines if line in (b"1", b"2")] == [b"1", b"2"]
    assert not writer.is_degraded
    assert names(writer) == ["state-store-failed", "state-degraded", "audit-log-started", "state-recovered"]
    recovered = dict(told(writer))["state-recovered"]
    assert (recovered["part"], recovered["was_degraded"], recovered["dropped"]) == ("audit", True, 0)


async def test_one_that_is_off_says_nothing_of_a_directory_that_is_not_ours_until_it_is_switched_on() -> None:
    writer = a_writer(MemoryLines())
    writer.configure(None)
    writer.refuse(StateFailed(path="/x", operation="lock", message="Read-only file system"))
    before = names(writer)
    writer.configure(LIMITS)

    assert before == ["audit-log-stopped"]
    assert names(writer)[1:] == ["state-store-failed", "state-degraded"]


async def test_without_a_directory_that_is_ours_no_file_is_ever_touched(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(file := MemoryLines())
    writer.refuse(StateFailed(path="/x", operation="lock", message="Read-only file system"))
    nursery.start_soon(writer.run)
    put(writer, 1)
    await trio.sleep(RETRY_S * 3)
    nursery.start_soon(partial(writer.finish))
    await wait_all_tasks_blocked()

    assert file.opened_total == 0
    assert writer.is_degraded


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_directory_that_is_lost_to_another_while_it_runs_is_not_written_any_more(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    is_on: bool,  # noqa: FBT001 - a column
) -> None:
    writer = a_writer(file := MemoryLines())
    await nursery.start(writer.run)
    put(writer, 1)
    await trio.sleep(3)
    if not is_on:
        writer.configure(None)
        await trio.sleep(3)
    before = list(file.lines)

    writer.refuse(StateFailed(path="/x", operation="lock", message="in use by another instance"))
    writer.configure(LIMITS)
    put(writer, 2)
    await trio.sleep(RETRY_S * 3)
    await writer.finish()

    assert b"1" in before
    assert file.lines == before
    assert writer.is_degraded
    assert names(writer)[-2:] == ["state-store-failed", "state-degraded"]
