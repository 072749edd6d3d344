"""The state file whose directory is removed, replaced or taken by another while the daemon runs."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from router.errors import StateFailed
from tests.supervisors.store_in_memory import MemoryStore
from tests.supervisors.test_state_writer import a_writer, told


async def test_a_directory_that_is_lost_to_another_while_it_runs_is_not_written_any_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    writer.put("health", "a", {})
    await trio.sleep(1)

    writer.refuse(StateFailed(path="memory", operation="lock", message="in use by another instance"))
    writer.put("health", "b", {})
    await trio.sleep(3600)
    nursery.cancel_scope.cancel()

    assert (set(store.texts()), store.opened_total) == ({"health/a"}, 1)
    assert (writer.is_degraded, writer.sink_report().pending) == (True, 1)
    assert told(writer) == ["state-store-attached", "state-store-failed", "state-degraded"]


async def test_a_file_that_was_removed_gets_everything_anew_though_nothing_has_changed(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    writer = a_writer(store := MemoryStore())
    await nursery.start(writer.run)
    writer.put("health", "a", {"level": 1})
    await trio.sleep(1)

    store.rows.clear()
    writer.look_again()
    await trio.sleep(1)

    assert store.texts() == {"health/a": b'{"level":1}'}
    assert told(writer) == ["state-store-attached"] * 2
    nursery.cancel_scope.cancel()
