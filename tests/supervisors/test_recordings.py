"""The recordings of a daemon: from a request to the file, and out of it again when they are old."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pytest
import trio
from trio.testing import MockClock

from router.config.redact import LiveRedactor
from router.config.schema import CaptureConfig
from router.config.secret import Secret
from router.errors import StateFailed
from router.observers.capture import FILE, Asked, Capture, Rendering
from router.state.jsonl import JsonlReader
from supervisors.outside import aged_file
from supervisors.recordings import EXPIRE_S, Recordings
from tests.builders import CHAT
from tests.e2e.front_harness import Seen
from tests.supervisors.lines_in_memory import MemoryAgedLines
from tests.supervisors.store_in_memory import inline
from tests.supervisors.test_state_writer import VirtualWall

ON = CaptureConfig(enabled=True, max_age_days=3)
CANARY = "canary-0123456789"


def some(file: MemoryAgedLines) -> Recordings:
    return Recordings.of(file, execute=inline, observer=Seen(), wall=VirtualWall())


def told(recordings: Recordings) -> list[str]:
    assert isinstance(recordings.observer, Seen)
    return [name for name, _ in recordings.observer.events]


def asked(number: int, text: str) -> Asked:
    return Asked(
        request_id=f"r{number}",
        dialect=CHAT,
        path="/v1/chat/completions",
        query="",
        headers={"authorization": f"Bearer {CANARY}"},
        profile="default",
        model="m",
        is_stream=False,
        body=orjson.dumps({"messages": [{"role": "user", "content": text}]}),
    )


def written(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.iterdir())


async def test_a_request_is_in_the_file_without_its_secret_and_survives_a_reload(
    nursery: trio.Nursery, autojump_clock: MockClock, tmp_path: Path
) -> None:
    redactor, wall = LiveRedactor(), VirtualWall()
    redactor.learn([Secret(CANARY)])
    file = aged_file(tmp_path, FILE, Rendering(redact=redactor.redact).line, wall)
    recordings = Recordings.of(file, execute=inline, observer=Seen(), wall=wall)
    recordings.configure(ON)
    await nursery.start(recordings.writer.run)
    for number, text in enumerate(("hello", f"my key is {CANARY}")):
        capture = Capture.of(ON, recordings.writer.put, wall.now)
        assert capture is not None
        capture.take(asked(number, text))
        recordings.configure(ON)  # a reload

    await trio.sleep(2)

    records = list(JsonlReader(tmp_path / FILE).records())
    assert [record["request_id"] for record in records] == ["r0", "r1"]
    assert records[1]["body"] == {"messages": [{"role": "user", "content": "my key is ***"}]}
    assert CANARY not in written(tmp_path)
    nursery.cancel_scope.cancel()


async def test_off_it_opens_no_file(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    recordings = some(file := MemoryAgedLines())
    recordings.configure(CaptureConfig())
    await nursery.start(recordings.writer.run)
    recordings.writer.put(b"{}")

    await trio.sleep(10)

    assert (file.opened_total, file.lines, told(recordings)) == (0, [], [])
    nursery.cancel_scope.cancel()


async def test_it_is_told_as_a_warning_that_requests_are_recorded_and_when_no_more(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    recordings = some(MemoryAgedLines())
    recordings.configure(ON)
    await nursery.start(recordings.writer.run)
    await trio.sleep(2)
    recordings.configure(CaptureConfig())

    assert told(recordings) == ["capture-started", "capture-stopped"]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("config", [ON, CaptureConfig(max_age_days=3)])
async def test_what_is_too_old_is_looked_for_at_once_and_every_hour_also_when_it_is_off(
    config: CaptureConfig, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    recordings = some(file := MemoryAgedLines())
    recordings.configure(config)
    await nursery.start(recordings.expire)

    await trio.sleep(2 * EXPIRE_S + 1)

    assert file.expired_at == [0, EXPIRE_S, 2 * EXPIRE_S]
    assert file.max_age_s == 3 * 86_400
    nursery.cancel_scope.cancel()


async def test_a_disk_that_cannot_forget_is_told_once_and_tried_again(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    recordings = some(file := MemoryAgedLines(failing="Read-only file system"))
    await nursery.start(recordings.expire)
    await trio.sleep(2 * EXPIRE_S + 1)
    after_failures = told(recordings)
    file.failing = None

    await trio.sleep(EXPIRE_S)

    assert after_failures == ["state-store-failed"]
    assert len(file.expired_at) == 1
    nursery.cancel_scope.cancel()


async def test_a_directory_that_is_not_ours_is_not_touched(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    recordings = some(file := MemoryAgedLines())
    recordings.configure(ON)
    recordings.refuse(StateFailed(path="x", operation="open", message="not ours"))
    await nursery.start(recordings.expire)
    nursery.start_soon(partial(recordings.writer.run))

    await trio.sleep(EXPIRE_S + 1)

    assert (file.opened_total, file.expired_at, recordings.writer.is_degraded) == (0, [], True)
    nursery.cancel_scope.cancel()


async def test_each_request_is_written_by_a_call_of_its_own(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    recordings = some(file := MemoryAgedLines())
    recordings.configure(ON)
    await nursery.start(recordings.writer.run)
    for _ in range(3):
        recordings.writer.put(b"{}")

    await trio.sleep(2)

    assert [count for _, count in file.appends] == [1, 1, 1]
    nursery.cancel_scope.cancel()
