"""The end of the log: a file that never makes anybody wait (supervision.md 21.1: each sink degrades alone).

Whoever reads our stderr may stop: a terminal after Ctrl-S, a pager, a collector that hangs. A write would then block the
loop, and every stream with it. So a write is made only where the file has room for it; what finds none waits in memory."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import BinaryIO

from attrs import define, field

PIECE_BYTES = 4096  # PIPE_BUF of Linux: a pipe, a terminal or a socket that is ready takes so many without blocking
MAX_WAITING_BYTES = 1_048_576
LAST_LOOKS, LAST_LOOK_S = 20, 0.05  # at the end of the process: a second in all for a reader that is slow


@define(eq=False)  # structlog keeps a lock per file in a weak dictionary
class LineSink:
    """A file that swallows what cannot be written: a closed pipe or a full disk is not the requests' trouble.

    `dropped_total` counts lines that are lost. What waits is written before the next line that finds room, in its order."""

    file: BinaryIO
    dropped_total: int = 0
    _waiting: bytearray = field(factory=bytearray)  # the rest of a line, and whole lines
    _has_room: Callable[[float], bool] = field(init=False)

    @_has_room.default
    def _room_of_the_file(self) -> Callable[[float], bool]:
        return _room_in(self.file)

    def write(self, line: bytes) -> None:
        """Write one line, with its end, or keep it for later, or count it as dropped. Never waits."""
        if not self._waiting and len(line) <= PIECE_BYTES and self._has_room(0):
            self._put(line)
            return
        self._write_what_fits()
        if self._waiting and len(self._waiting) + len(line) > MAX_WAITING_BYTES:
            self.dropped_total += 1
            return
        self._waiting += line
        self._write_what_fits()

    def flush(self) -> None:
        """Do nothing: a line has been handed to the system, or waits for room."""

    def finish(self) -> None:
        """Write what waits, at the end of the process; waits for a slow reader, a second at most."""
        for _ in range(LAST_LOOKS):
            self._write_what_fits()
            if not self._waiting:
                return
            self._has_room(LAST_LOOK_S)
        self._lose(self._waiting)

    def _write_what_fits(self) -> None:
        while self._waiting and self._has_room(0):
            del self._waiting[: self._put(bytes(self._waiting[:PIECE_BYTES]))]

    def _put(self, piece: bytes) -> int:
        """Return how many bytes the file has taken; where it takes none, everything that waits is lost with them."""
        try:
            taken = self.file.write(piece)
            self.file.flush()
        except (OSError, ValueError):  # ValueError: the file is closed already, at the process's end
            self._lose(self._waiting or piece)
            return 0
        return taken

    def _lose(self, lines: bytes | bytearray) -> None:
        self.dropped_total += lines.count(b"\n")
        self._waiting.clear()


def _room_in(file: BinaryIO) -> Callable[[float], bool]:
    """Return what tells, within so many seconds, whether a file takes PIECE_BYTES at once; memory and disks always do."""
    try:
        descriptor = file.fileno()
    except OSError:  # a file in memory has none
        return _always
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return _always
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def has_room(within_s: float) -> bool:
        try:
            return bool(poll.poll(within_s * 1000))  # also where there is an error: the write finds out which
        except OSError:  # the process may have no descriptors at all by now: it writes as if it had not looked
            return True

    return has_room


def _always(_within_s: float) -> bool:
    return True
