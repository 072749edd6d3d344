"""The stream of one client, as Hypercorn's protocol server gets it: it cures what the server cannot do by itself.

- A client that stops reading: Hypercorn shields its sends, so such a client would hold up a shutdown for ever. Every
  send has a deadline here, and `abort` ends the connection under a send (stack.md, defect 2).
- A client that leaves while Hypercorn does not read, since pipelined bytes or a full queue of body messages hold it
  up: a task of ours reads ahead and tells the request in answer at once (defect 3)."""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from math import inf

import trio
from attrs import define, field

from router.ingress.client_link import ClientLink

CHUNK_BYTES = 64 * 1024  # what Hypercorn asks for in one read
READ_AHEAD_BYTES = 4 * CHUNK_BYTES  # a departure behind more unread bytes than this is seen only when they are read
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: the kernel drops what the client did not read


@define(eq=False, kw_only=True)
class ClientStream:
    """One accepted connection. `read_ahead` owns the reading side; Hypercorn's tasks call the rest, one send at a time."""

    stream: trio.SocketStream
    link: ClientLink
    write_timeout_s: float
    _chunks: deque[bytes] = field(factory=deque)
    _buffered: int = 0
    _is_over: bool = False
    _arrival: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _room: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _guard: trio.CancelScope = field(factory=trio.CancelScope)

    @property
    def socket(self) -> trio.socket.SocketType:
        """The connection's socket; Hypercorn asks it for the addresses."""
        return self.stream.socket

    async def read_ahead(self) -> None:
        """Read until the client has left, then wait to be cancelled; a send that misses its deadline ends the connection.

        The deadline is that of this task's own scope, moved by each send, which is cheaper than a scope per send."""
        with self._guard:
            await self._read_to_end()
            self._end()
            await trio.sleep_forever()
        if self._guard.cancelled_caught:
            self.abort()

    async def _read_to_end(self) -> None:
        try:
            while data := await self.stream.receive_some(CHUNK_BYTES):
                self._chunks.append(data)
                self._buffered += len(data)
                self._arrival.unpark()
                while self._buffered >= READ_AHEAD_BYTES:
                    await self._room.park()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a reset is an end like the other

    async def receive_some(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        """Return the next bytes of the client, b"" at its end. At most CHUNK_BYTES, whatever is asked for."""
        del max_bytes
        while not self._chunks:
            if self._is_over:
                return b""
            await self._arrival.park()
        data = self._chunks.popleft()
        self._buffered -= len(data)
        self._room.unpark()
        return data

    def send_now(self, data: bytes) -> int:
        """Hand the kernel what it takes without a wait; return how many bytes. Raises as `send_all` does.

        Past trio, since a delta of a stream nearly always fits: no scope, no deadline, no turn of the scheduler."""
        descriptor = self.stream.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError("the connection was closed")
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.link.lost()
            raise trio.BrokenResourceError("the client has disconnected") from error

    async def send_all(self, data: bytes) -> None:
        """Send within `write_timeout_s`. Raises BrokenResourceError or ClosedResourceError: the client is gone or too slow."""
        self._guard.deadline = trio.current_time() + self.write_timeout_s
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            self.link.lost()
            raise
        finally:
            self._guard.deadline = inf

    async def send_eof(self) -> None:
        """Say that nothing more comes."""
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """Close; what was sent still reaches the client."""
        await self.stream.aclose()

    def abort(self) -> None:
        """Reset the connection now, under whatever waits on it."""
        self._end()
        if self.stream.socket.fileno() >= 0:
            self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.stream.socket.close()

    def _end(self) -> None:
        self._is_over = True
        self._arrival.unpark_all()
        self.link.lost()
