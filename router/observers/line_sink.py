"""The end of the log: a file that never makes anybody wait (supervision.md 21.1: each sink degrades alone).

Whoever reads our stderr may stop: a terminal after Ctrl-S, a pager, a collector that hangs. A write would then block the
loop, and every stream with it. So a write is made only where the file has room for it; what finds none waits in memory."""

from __future__ import annotations

import os
import select
import stat
import time
from typing import BinaryIO, Protocol

from attrs import define, field, frozen

PIECE_BYTES = 4096  # PIPE_BUF of Linux: a pipe or a socket that is ready takes so many without blocking
MAX_WAITING_BYTES = 1_048_576
LAST_WRITE_S = 1.0  # at the end of the process, for a reader that is slow
_LOOK_S = 0.05


class _Out(Protocol):
    """Where bytes go."""

    def take(self, piece: bytes) -> int:
        """Return how many bytes of PIECE_BYTES at most were taken, 0 where there is no room; raises OSError or ValueError."""

    def wait(self, seconds: float) -> None:
        """Wait until there may be room, so many seconds at most."""

    def close(self) -> None:
        """Give back what was opened for it; it takes nothing any more."""


@define(eq=False)  # structlog keeps a lock per file in a weak dictionary
class LineSink:
    """A file that swallows what cannot be written: a closed pipe or a full disk is not the requests' trouble.

    `dropped_total` counts lines that are lost. What waits is written before the next line, in its order."""

    file: BinaryIO
    dropped_total: int = 0
    _waiting: bytearray = field(factory=bytearray)  # the rest of a line, and whole lines
    _out: _Out = field(init=False)

    @_out.default
    def _out_of_the_file(self) -> _Out:
        return _out_of(self.file)

    def write(self, line: bytes) -> None:
        """Write one line, with its end, or keep it for later, or count it as dropped. Never waits."""
        self._write_what_fits()
        if self._waiting and len(self._waiting) + len(line) > MAX_WAITING_BYTES:
            self.dropped_total += 1
        elif self._waiting or len(line) > PIECE_BYTES:
            self._waiting += line
            self._write_what_fits()
        elif (taken := self._put(line)) < len(line):
            self._waiting += line[taken:]

    def flush(self) -> None:
        """Do nothing: a line has been handed to the system, or waits for room."""

    def finish(self) -> None:
        """Write what waits, at the end of the process; waits for a slow reader, a second at most. Called once."""
        until = time.monotonic() + LAST_WRITE_S
        self._write_what_fits()
        while self._waiting and (left_s := until - time.monotonic()) > 0:
            self._out.wait(min(left_s, _LOOK_S))
            self._write_what_fits()
        self._lose(self._waiting)
        self._out.close()

    def _write_what_fits(self) -> None:
        while self._waiting and (taken := self._put(bytes(self._waiting[:PIECE_BYTES]))):
            del self._waiting[:taken]

    def _put(self, piece: bytes) -> int:
        """Return how many bytes are done with: taken, or lost with everything that waits, where the file takes no more."""
        try:
            return self._out.take(piece)
        except (OSError, ValueError):  # ValueError: the file is closed already, at the process's end
            self._lose(self._waiting or piece)
            return len(piece)

    def _lose(self, lines: bytes | bytearray) -> None:
        self.dropped_total += lines.count(b"\n")
        self._waiting.clear()


@frozen
class _Memory:
    """A file without a descriptor, which always has room."""

    file: BinaryIO

    def take(self, piece: bytes) -> int:
        self.file.write(piece)
        return len(piece)

    def wait(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


@frozen
class _Descriptor:
    """A descriptor that is asked for room before each write: it may block, and whoever has it too would mind if it did not."""

    number: int
    poll: select.poll | None  # None: a file of a disk, which always has room
    is_ours: bool

    def take(self, piece: bytes) -> int:
        if self._has_room(0):
            try:
                return os.write(self.number, piece)
            except BlockingIOError:
                return 0
        return 0

    def wait(self, seconds: float) -> None:
        self._has_room(seconds)

    def close(self) -> None:
        if self.is_ours:
            os.close(self.number)

    def _has_room(self, within_s: float) -> bool:
        try:
            return self.poll is None or bool(self.poll.poll(within_s * 1000))  # also for an error: the write finds out which
        except OSError:  # the process may have no descriptors at all by now: it writes as if it had not looked
            return True


def _out_of(file: BinaryIO) -> _Out:
    try:
        descriptor = file.fileno()
    except OSError:
        return _Memory(file)
    file.flush()
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return _Descriptor(descriptor, None, is_ours=False)
    terminal = _own_terminal(descriptor)
    number = descriptor if terminal is None else terminal
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return _Descriptor(number, poll, is_ours=terminal is not None)


def _own_terminal(descriptor: int) -> int | None:
    """Open a terminal once more, for writes that never block: one that is ready may have room for a single byte.

    None for whatever else it is, and for a terminal that is not ours to open."""
    try:
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
