"""Connections in memory: as sockets behave, with half-close, reset and back-pressure, and without a kernel."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

import trio
from attrs import define, field

from router.providers.h1 import Line
from supervisors.client_stream import ClientStream

CAPACITY = 64 * 1024  # bytes on the way in one direction


@define(eq=False)
class Pipe:
    """One direction. `is_ended` after the writer's end, `is_cut` after a reset, `is_unread` when the reader has closed."""

    chunks: deque[bytes] = field(factory=deque)
    size: int = 0
    is_ended: bool = False
    is_cut: bool = False
    is_unread: bool = False
    arrival: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    room: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def wake(self) -> None:
        """Let both sides look again."""
        self.arrival.unpark_all()
        self.room.unpark_all()


@define(eq=False, slots=False)
class MemoryLine(Line):
    """One end of a connection. `socket` is what Hypercorn and ClientStream ask a socket for."""

    incoming: Pipe
    outgoing: Pipe
    is_closed: bool = False
    on_close: Callable[[], None] = lambda: None

    def __attrs_post_init__(self) -> None:
        self.socket = SocketWords(self)

    def send_now(self, data: bytes) -> int:
        """Put what there is room for on the way; return how many bytes. Raises ClosedResourceError, BrokenResourceError."""
        pipe = self.outgoing
        if self.is_closed or pipe.is_ended:
            raise trio.ClosedResourceError("closed here")
        if pipe.is_unread or pipe.is_cut:
            raise trio.BrokenResourceError("closed there")
        data = data[: CAPACITY - pipe.size]
        if data:
            pipe.chunks.append(bytes(data))
            pipe.size += len(data)
            pipe.arrival.unpark()
        return len(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything, waiting for room."""
        await trio.lowlevel.checkpoint()
        left = bytes(data)
        while left := left[self.send_now(left) :]:
            await self.outgoing.room.park()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room."""
        while self.outgoing.size >= CAPACITY and not self.outgoing.is_unread:
            await self.outgoing.room.park()

    def receive_now(self) -> bytes | None:
        """Return what has come, b"" at the end, None for nothing yet. Raises as `receive_some` does."""
        pipe = self.incoming
        if self.is_closed:
            raise trio.ClosedResourceError("closed here")
        if pipe.is_cut:
            raise trio.BrokenResourceError("reset")
        if pipe.chunks:
            data = pipe.chunks[0] if len(pipe.chunks) == 1 else b"".join(pipe.chunks)
            pipe.chunks.clear()
            pipe.size = 0
            pipe.room.unpark()
            return data
        return b"" if pipe.is_ended else None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return all that has come, b"" at the end. Raises ClosedResourceError, BrokenResourceError for a reset."""
        del max_bytes
        await trio.lowlevel.checkpoint()
        while (data := self.receive_now()) is None:
            await self.incoming.arrival.park()
        return data

    def is_alive(self) -> bool:
        """Tell whether an idle connection can be used again."""
        pipe = self.incoming
        return not (self.is_closed or pipe.is_ended or pipe.is_cut or pipe.chunks)

    async def send_eof(self) -> None:
        """End our direction."""
        await trio.lowlevel.checkpoint()
        if self.is_closed:
            raise trio.ClosedResourceError("closed here")
        self._end()

    async def aclose(self) -> None:
        """Close; what was sent still arrives."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close; what was sent still arrives. Bytes that were not read become a reset, as with a kernel."""
        if self.is_closed:
            return
        if self.incoming.chunks:
            self.outgoing.is_cut = not self.outgoing.chunks
        self._end()
        self.is_closed = True
        self.incoming.is_unread = True
        self.incoming.wake()
        self.on_close()

    def reset(self) -> None:
        """Close; what is on the way is lost."""
        if not self.is_closed:
            self.outgoing.is_cut = True
            self.outgoing.chunks.clear()
            self.close()

    def _end(self) -> None:
        self.outgoing.is_ended = True
        self.outgoing.wake()


@define(eq=False)
class SocketWords:
    """What is asked of a client's socket."""

    line: MemoryLine
    family: int = socket.AF_INET

    def fileno(self) -> int:
        """Return a number below zero once it is closed."""
        return -1 if self.line.is_closed else 0

    def getpeername(self) -> tuple[str, int]:
        """Return the client's address."""
        return ("127.0.0.1", 50_000)

    def getsockname(self) -> tuple[str, int]:
        """Return the daemon's address."""
        return ("127.0.0.1", 8088)

    def setsockopt(self, *_option: object) -> None:
        """Set the only option that is ever set: a close is a reset from now on."""

    def close(self) -> None:
        """Reset: nobody closes a client's socket past its stream but `abort`."""
        self.line.reset()


class MemoryClientStream(ClientStream):
    """ClientStream over a MemoryLine."""

    def send_now(self, data: bytes) -> int:
        """Hand over what there is room for."""
        try:
            return cast("MemoryLine", self.stream).send_now(data)
        except trio.BrokenResourceError:
            self.link.lost()
            raise


def pair() -> tuple[MemoryLine, MemoryLine]:
    """Return the two ends of a new connection."""
    there, back = Pipe(), Pipe()
    return MemoryLine(incoming=back, outgoing=there), MemoryLine(incoming=there, outgoing=back)


def refused() -> OSError:
    """Return what a connection to a port that nobody listens on raises."""
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
