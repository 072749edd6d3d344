"""The daemon's outside in a world: clients' door, wall clock, chance, ids and signals."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import trio
from attrs import define, field

from supervisors.client_stream import ClientStream
from supervisors.ingress import BoundAddress, Ingress, IngressOptions
from tests.sim.deterministic import START
from tests.sim.lines import MemoryClientStream, MemoryLine, pair, refused

EPOCH = 1_800_000_000.0  # unix seconds at the start of every world


@define(eq=False)
class WorldClock:
    """Unix seconds: the virtual time, and what suspends and settings of the clock have added."""

    offset_s: float = 0.0

    def now(self) -> float:
        """Return unix seconds."""
        return EPOCH + trio.current_time() - START + self.offset_s


@define(eq=False)
class MemoryDoor:
    """Where the agents come in. Open while the daemon accepts."""

    client_stream: type[ClientStream] = MemoryClientStream
    lines: dict[int, MemoryLine] = field(factory=dict)  # the daemon's ends that it holds open
    _waiting: deque[MemoryLine] = field(factory=deque)
    _arrival: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _is_open: bool = False
    _number: int = 0

    async def open(self, options: IngressOptions) -> tuple[BoundAddress, ...]:
        """Listen."""
        await trio.lowlevel.checkpoint()
        self._is_open = True
        return (BoundAddress(host=options.host, port=options.port),)

    async def accept(self, ingress: Ingress, connections: trio.Nursery) -> None:
        """Serve every client that comes."""
        try:
            while True:
                while self._waiting:
                    line = cast("trio.SocketStream", self._waiting.popleft())  # has what ClientStream asks of one
                    connections.start_soon(ingress.serve_client, line, name="connection")
                await self._arrival.park()
        finally:
            self._is_open = False
            while self._waiting:
                self._waiting.popleft().reset()

    def connect(self) -> MemoryLine:
        """Return the client's end of a new connection. Raises ConnectionRefusedError."""
        if not self._is_open:
            raise refused()
        theirs, ours = pair()
        number = self._number = self._number + 1
        self.lines[number] = ours
        ours.on_close = partial(self.lines.__delitem__, number)
        self._waiting.append(ours)
        self._arrival.unpark()
        return theirs


@define(eq=False)
class Signals:
    """The signals that the service manager sends."""

    _sent: deque[int] = field(factory=deque)
    _arrival: trio.Event = field(factory=trio.Event)

    def send(self, number: int) -> None:
        """Send one."""
        self._sent.append(number)
        self._arrival.set()

    @contextmanager
    def open(self, *_numbers: int) -> Iterator[AsyncIterator[int]]:
        """Yield what iterates over those that are sent."""
        yield self._receive()

    async def _receive(self) -> AsyncIterator[int]:
        while True:
            self._arrival = trio.Event()
            while self._sent:
                yield self._sent.popleft()
            await self._arrival.wait()


def id_source(rng: random.Random) -> str:
    """Return 24 hex digits."""
    return f"{rng.getrandbits(96):024x}"
