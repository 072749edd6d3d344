"""The task `state` on the virtual clock, over a store in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from router.errors import StateFailed, StateTooNew
from router.state.rows import Change, Opened
from supervisors.disk import ANSWER_S, RETRY_S
from supervisors.state_writer import COALESCE_S, MAX_ROWS, StateWriter
from tests.e2e.front_harness import Seen
from tests.supervisors.store_in_memory import MemoryStore, inline

T = TypeVar("T")
WALL = 1_700_000_000.0
FULL = "database or disk is full"


class VirtualWall:
    """The wall clock of a world that began at WALL."""

    def now(self) -> float:
        return WALL + trio.current_time()


async def hang(work: Callable[[], T]) -> T:
    """Be a disk that never answers."""
    await trio.Event().wait()
    return work()


def a_writer(store: MemoryStore) -> StateWriter:
    return StateWriter(store=store, execute=inline, observer=Seen(), wall=VirtualWall())


def told(writer: StateWriter) -> list[str]:
    assert isinstance(writer.observer, Seen)
    return [name for name, _ in writer.observer.events]


def fields(writer: StateWriter, name: str) -> dict[str, object]:
    assert isinstance(writer.observer, Seen)
    return next(dict(found) for event, found in writer.observer.events if event == name)


async def run_and_keep_error(writer: StateWriter, errors: list[StateFailed]) -> None:
    try:
        await writer.run()
    except StateFailed as error:
        errors.append(error)


async def test_d19_a_row_is_on_disk_half_a_second_after_it_was_put(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    await trio.sleep(5)

    writer.put("health", "a", {"level": 2})
    await trio.sleep(COALESCE_S + 0.001)

    assert [at for at, _ in store.batches] == [5.5]
    assert store.texts() == {"health/a": b'{"level":2}'}
    assert store.rows["health", "a"].wall == WALL + 5


async def test_what_changes_within_half_a_second_is_one_batch_with_the_last_values(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    for level in range(4):
        writer.put("health", "a", {"level": level})
        writer.put("health", f"p{level}", {})
        await trio.sleep(0.1)
    writer.delete("health", "p0")
    await trio.sleep(1)

    assert len(store.batches) == 1
    assert store.texts() == {"health/a": b'{"level":3}', "health/p1": b"{}", "health/p2": b"{}", "health/p3": b"{}"}


async def test_a_row_that_the_file_has_already_is_not_written_again(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    for _ in range(3):
        writer.put("health", "a", {"level": 2})
        await trio.sleep(1)

    assert len(store.batches) == 1


async def test_a_row_is_kept_as_it_was_when_it_was_put(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    row: dict[str, object] = {"level": 2}

    writer.put("health", "a", row)
    row["level"] = 3
    await trio.sleep(1)

    assert store.texts() == {"health/a": b'{"level":2}'}


async def test_putting_passes_no_checkpoint_while_the_disk_hangs(nursery: trio.Nursery, autojump_clock: MockClock) -> None:  # I25
    writer = evolve(a_writer(MemoryStore()), execute=hang)
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    with trio.testing.assert_no_checkpoints():
        for n in range(MAX_ROWS + 7):
            writer.put("health", str(n), {})
        writer.put("health", "0", {"known": "key"})

    assert (writer.sink_report().pending, writer.sink_report().dropped) == (MAX_ROWS, 7)
    assert told(writer) == ["state-row-dropped"]


@pytest.mark.parametrize("row", [{"x": object()}, {"x": "\ud800"}, {"x": 2**70}])
async def test_a_row_that_json_cannot_say_is_dropped_and_the_others_are_written(
    row: dict[str, object], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)

    writer.put("health", "bad", row)
    writer.put("health", "good", {})
    await trio.sleep(1)

    assert store.texts() == {"health/good": b"{}"}
    assert writer.sink_report().dropped == 1


async def test_d18_the_last_rows_are_written_when_it_is_cancelled(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    await wait_all_tasks_blocked()

    writer.put("health", "a", {})
    nursery.cancel_scope.cancel()
    with trio.CancelScope(shield=True):
        await trio.sleep(0.01)

    assert "health/a" in store.texts()
    assert not store.is_open


async def test_a_disk_that_hangs_delays_the_end_by_two_seconds_at_most(autojump_clock: MockClock) -> None:
    writer = evolve(a_writer(MemoryStore()), execute=hang)
    writer.put("health", "a", {})

    with trio.move_on_after(5):
        await writer.run()

    assert trio.current_time() == 7


async def test_a_disk_that_hangs_is_a_failure_like_any_other(autojump_clock: MockClock) -> None:
    writer = evolve(a_writer(MemoryStore()), execute=hang)

    opened = await writer.load()

    assert (opened, trio.current_time()) == (Opened(), ANSWER_S)
    assert fields(writer, "state-degraded")["error"] == "memory: cannot open: no answer within 10 s"
    assert writer.is_degraded


async def test_a_write_that_fails_is_told_and_raised_and_loses_nothing(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    errors: list[StateFailed] = []
    nursery.start_soon(run_and_keep_error, writer, errors)
    await wait_all_tasks_blocked()
    store.failing = FULL
    writer.put("health", "a", {"level": 1})
    await trio.sleep(1)
    assert [error.message for error in errors] == [FULL]
    assert (writer.sink_report().pending, writer.is_degraded) == (1, False)

    store.failing = None
    nursery.start_soon(writer.run)
    await wait_all_tasks_blocked()

    assert store.texts() == {"health/a": b'{"level":1}'}
    assert told(writer) == ["state-store-attached", "state-store-failed", "state-store-attached", "state-recovered"]
    assert fields(writer, "state-recovered") == {"part": "state", "path": "memory", "failing_s": 0.5, "was_degraded": False}
    nursery.cancel_scope.cancel()


async def test_the_newer_value_wins_over_one_whose_write_failed(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    nursery.start_soon(run_and_keep_error, writer, [])
    await wait_all_tasks_blocked()
    store.failing = FULL
    writer.put("health", "a", {"level": 1})
    await trio.sleep(1)

    writer.put("health", "a", {"level": 2})
    store.failing = None
    nursery.start_soon(writer.run)
    await wait_all_tasks_blocked()

    assert store.texts() == {"health/a": b'{"level":2}'}
    nursery.cancel_scope.cancel()


async def test_degraded_it_goes_on_in_memory_and_recovers_when_the_disk_has_room(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    store = MemoryStore(max_rows=1)
    writer = a_writer(store)
    writer.put("health", "a", {})
    writer.put("health", "b", {})
    writer.degrade()
    nursery.start_soon(writer.run)
    await trio.sleep(10 * RETRY_S)
    assert writer.is_degraded
    assert fields(writer, "state-store-failed")["error"] == f"memory: cannot write: {FULL}"
    assert told(writer).count("state-store-failed") == 1

    store.max_rows = 5
    await trio.sleep(RETRY_S)

    assert set(store.texts()) >= {"health/a", "health/b"}
    assert (writer.is_degraded, writer.sink_report().pending, writer.sink_report().error) == (False, 0, "")
    assert fields(writer, "state-recovered")["was_degraded"] is True
    nursery.cancel_scope.cancel()


async def test_a_second_failure_after_a_recovery_degrades_at_once(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore(failing=FULL))
    writer.degrade()
    nursery.start_soon(writer.run)
    await wait_all_tasks_blocked()
    store.failing = None
    await trio.sleep(RETRY_S + 1)
    before = writer.is_degraded

    store.failing = "read-only"
    writer.put("health", "a", {})
    await trio.sleep(1)

    assert (before, writer.is_degraded) == (False, True)
    assert told(writer).count("state-degraded") == 2
    nursery.cancel_scope.cancel()


async def test_d35_a_directory_that_cannot_be_used_at_the_start_degrades_and_is_told_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(MemoryStore(failing="Not a directory"))

    opened = await writer.load()
    await nursery.start(writer.run)
    await trio.sleep(600)

    assert opened == Opened()
    assert told(writer) == ["state-store-failed", "state-degraded"]
    nursery.cancel_scope.cancel()


async def test_a_file_of_a_newer_version_is_not_asked_again(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    class NewerStore(MemoryStore):
        def open(self) -> Opened:
            self.opened_total += 1
            raise StateTooNew(path=self.path, operation="open", message="", found=9, known=1)

    writer = a_writer(store := NewerStore())
    await nursery.start(writer.run)
    await trio.sleep(3600)

    assert store.opened_total == 1
    assert told(writer) == ["state-store-failed", "state-degraded"]
    assert "schema 9" in str(fields(writer, "state-degraded")["error"])
    nursery.cancel_scope.cancel()


async def test_a_directory_that_was_refused_is_never_asked(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    writer = a_writer(store := MemoryStore())
    writer.refuse(StateFailed(path="memory", operation="lock", message="Not a directory"))

    opened = await writer.load()
    await nursery.start(writer.run)
    writer.put("health", "a", {})
    await trio.sleep(3600)

    assert (opened, store.opened_total) == (Opened(), 0)
    assert writer.is_degraded
    assert told(writer) == ["state-store-failed", "state-degraded"]
    nursery.cancel_scope.cancel()


async def test_after_a_loss_the_file_gets_everything_that_it_should_have(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(store := MemoryStore())
    writer.put("health", "old", {"level": 1})
    writer.put("health", "away", {})
    with trio.move_on_after(1):
        await writer.run()
    with trio.move_on_after(1):
        writer.put("health", "new", {})
        writer.delete("health", "away")
        await writer.run()

    store.tear()
    nursery.start_soon(writer.run)
    await trio.sleep(1)

    assert {key: json for key, json in store.texts().items() if key.startswith("health/")} == {
        "health/old": b'{"level":1}',
        "health/new": b"{}",
    }
    nursery.cancel_scope.cancel()


async def test_rows_of_others_stay_in_the_file(autojump_clock: MockClock) -> None:
    store = MemoryStore(rows={("budget", "x"): Change(namespace="budget", key="x", wall=1.0, json=b'{"usd":3}')})
    writer = a_writer(store)

    opened = await writer.load()
    with trio.move_on_after(60):
        await writer.run()

    assert [(row.namespace, row.value) for row in opened.rows] == [("budget", {"usd": 3})]
    assert store.texts()["budget/x"] == b'{"usd":3}'


async def test_rows_that_nobody_touched_are_written_again_when_the_file_was_lost(autojump_clock: MockClock) -> None:
    store = MemoryStore(rows={("budget", "x"): Change(namespace="budget", key="x", wall=1.0, json=b'{"usd":3}')})
    writer = a_writer(store)
    await writer.load()
    with trio.move_on_after(1):
        await writer.run()

    store.rows = {}
    with trio.move_on_after(1):
        await writer.run()

    assert store.texts()["budget/x"] == b'{"usd":3}'


async def test_d24_what_the_restore_prunes_is_deleted_and_told(autojump_clock: MockClock) -> None:
    store = MemoryStore(rows={("health", key): Change(namespace="health", key=key, wall=1.0, json=b"{}") for key in "abc"})
    writer = a_writer(store)
    await writer.load()

    writer.forget(("health", key) for key in "ac")
    with trio.move_on_after(1):
        await writer.run()

    assert {key for key in store.texts() if key.startswith("health/")} == {"health/b"}
    assert fields(writer, "state-pruned") == {"namespace": "health", "keys": ["a", "c"]}


async def test_a_flush_that_is_cancelled_in_the_write_keeps_its_rows_marked(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    stuck = trio.Event()

    async def slow(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - isinstance narrows a T to nothing
        if isinstance(work, partial):  # a write
            await stuck.wait()
        return await inline(work)

    writer = evolve(a_writer(store), execute=slow)
    writer.put("health", "a", {})
    with trio.move_on_after(1):
        await writer.flush()
    stuck.set()

    await writer.flush()

    assert store.texts() == {"health/a": b"{}"}


class MendedStore(MemoryStore):
    """A store that had to be begun anew, and to move a row aside."""

    def open(self) -> Opened:
        return evolve(super().open(), reset_to="memory.corrupt", quarantined=(("health", "a"),))


async def test_what_was_lost_on_the_disk_is_told_when_it_is_opened() -> None:
    writer = a_writer(MendedStore())

    await writer.load()

    assert fields(writer, "state-reset") == {"path": "memory", "kept_as": "memory.corrupt"}
    assert fields(writer, "state-quarantined") == {"path": "memory", "keys": ["health/a"]}
