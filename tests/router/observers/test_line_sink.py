from __future__ import annotations

import fcntl
import io
import os
import resource
import tty
from collections.abc import Iterator
from threading import Thread
from typing import BinaryIO

import pytest

from router.observers.line_sink import MAX_WAITING_BYTES, PIECE_BYTES, LineSink


@pytest.fixture
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield the ends of a pipe that holds one page."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIECE_BYTES)
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb") as writer:
        yield reader, writer


def numbered(start: int, stop: int) -> list[bytes]:
    return [b"%05d %s\n" % (number, b"." * 93) for number in range(start, stop)]


def drain(reader: BinaryIO, sink: LineSink) -> bytes:
    """Read until nothing waits."""
    read = b""
    while True:
        read += reader.read(PIECE_BYTES)
        if len(read) >= 100 and read.endswith(b"last\n"):
            return read
        sink.write(b"")


def test_a_file_in_memory_gets_each_line_at_once() -> None:
    file = io.BytesIO()
    sink = LineSink(file)

    sink.write(b"a\n")
    sink.write(b"b" * 3 * PIECE_BYTES + b"\n")

    assert file.getvalue() == b"a\n" + b"b" * 3 * PIECE_BYTES + b"\n"


def test_a_reader_that_has_stopped_makes_nobody_wait_and_misses_nothing_when_it_goes_on(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    sink = LineSink(writer)
    lines = [*numbered(0, 1000), b"x" * 2 * PIECE_BYTES + b"\n", *numbered(1000, 1100), b"last\n"]

    for line in lines:
        sink.write(line)

    assert drain(reader, sink) == b"".join(lines)
    assert sink.dropped_total == 0


def test_what_waits_has_a_bound_and_what_is_lost_is_counted_and_whole(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    sink = LineSink(writer)
    fit = (PIECE_BYTES + MAX_WAITING_BYTES) // 100

    for line in numbered(0, fit + 50):
        sink.write(line)
    dropped = sink.dropped_total
    read = reader.read(PIECE_BYTES)
    sink.write(b"last\n")
    read += drain(reader, sink)

    kept = read.splitlines(keepends=True)
    assert 50 <= dropped <= 50 + PIECE_BYTES // 100
    assert kept == [*numbered(0, fit + 50 - dropped), b"last\n"]


def test_the_end_waits_a_little_for_a_reader_and_counts_what_it_did_not_take(
    pipe: tuple[BinaryIO, BinaryIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.observers.line_sink.LAST_WRITE_S", 0.01)
    _, writer = pipe
    sink = LineSink(writer)
    for line in numbered(0, 100):
        sink.write(line)

    sink.finish()

    assert 100 - PIECE_BYTES // 100 <= sink.dropped_total < 100


def test_a_line_that_is_longer_than_all_that_may_wait_is_kept_where_nothing_waits(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    sink = LineSink(writer)

    sink.write(b"y" * (MAX_WAITING_BYTES + 2 * PIECE_BYTES) + b"\n")
    sink.write(b"lost\n")

    assert sink.dropped_total == 1
    assert reader.read(PIECE_BYTES) == b"y" * PIECE_BYTES


def test_a_file_that_takes_nothing_loses_lines_and_nobody_hears_of_it(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    full = LineSink(Full())
    full.write(b"x\n")

    reader, writer = pipe
    left = LineSink(writer)
    for line in numbered(0, 100):
        left.write(line)
    reader.close()
    left.write(b"x\n")

    assert full.dropped_total == 1
    assert 60 <= left.dropped_total <= 100


def test_a_process_that_may_open_nothing_more_logs_all_the_same(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    sink = LineSink(writer)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))  # poll refuses to look at more descriptors than that
    try:
        sink.write(b"x\n")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert reader.read(2) == b"x\n"


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_terminal_that_nobody_reads_makes_nobody_wait_and_misses_nothing(*, is_blocking: bool) -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    os.set_blocking(terminal, is_blocking)
    lines = [*numbered(0, 700), b"last\n"]
    with os.fdopen(master, "rb", buffering=0) as reader, os.fdopen(terminal, "wb") as writer:
        sink = LineSink(writer)
        for line in lines:
            sink.write(line)
        read = drain(reader, sink)
        sink.finish()

    assert read == b"".join(lines)
    assert sink.dropped_total == 0


def test_the_end_waits_for_a_reader_that_is_slow(pipe: tuple[BinaryIO, BinaryIO]) -> None:
    reader, writer = pipe
    sink = LineSink(writer)
    lines = [*numbered(0, 2000), b"last\n"]
    for line in lines:
        sink.write(line)
    read = bytearray()

    def read_slowly() -> None:
        while not read.endswith(b"last\n"):
            read.extend(reader.read(PIECE_BYTES))

    slow = Thread(target=read_slowly)
    slow.start()
    sink.finish()
    slow.join()

    assert bytes(read) == b"".join(lines)
    assert sink.dropped_total == 0
