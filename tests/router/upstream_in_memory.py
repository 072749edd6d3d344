"""An upstream behind streams in memory: answers one chat request after the other, when the test lets it."""

from __future__ import annotations

import re

import trio
from attrs import define, field
from trio.testing import memory_stream_pair

from router.providers.h1 import Line
from tests.builders import chat_reply

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@define(eq=False)
class MemoryLine(Line):
    """The router's end of a connection."""

    stream: trio.abc.Stream
    is_open: bool = True

    def is_alive(self) -> bool:
        return self.is_open

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        self.is_open = False
        await self.stream.aclose()


@define(eq=False, kw_only=True)
class MemoryUpstreams:
    """Upstreams on every port; `lines` are the connections that came, by port. A request on a held port waits for `let_go`."""

    nursery: trio.Nursery
    lines: dict[int, list[MemoryLine]] = field(factory=dict)
    held: set[int] = field(factory=set)
    asked: list[int] = field(factory=list)  # the port of each request
    sizes: list[int] = field(factory=list)  # of each request's body, in bytes
    _let_go: trio.Event = field(factory=trio.Event)

    async def dial(self, host: str, port: int) -> MemoryLine:
        """Connect; implements `Dial`."""
        del host
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_stream_pair()
        self.lines.setdefault(port, []).append(MemoryLine(ours))
        self.nursery.start_soon(self._serve, theirs, port)
        return self.lines[port][-1]

    def open_lines(self, port: int) -> int:
        """Return how many connections to the port are open."""
        return sum(line.is_open for line in self.lines.get(port, ()))

    def let_go(self) -> None:
        """Answer everything that waits, and whatever comes."""
        self._let_go.set()

    async def _serve(self, stream: trio.abc.Stream, port: int) -> None:
        data = bytearray()
        async with stream:
            while more := await stream.receive_some(65_536):
                data += more
                head, found, body = bytes(data).partition(b"\r\n\r\n")
                length = _LENGTH.search(head)
                if not found or length is None or len(body) < int(length.group(1)):
                    continue
                data.clear()
                self.asked.append(port)
                self.sizes.append(len(body))
                if port in self.held:
                    await self._let_go.wait()
                answer = chat_reply(f"from {port}")
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
                await stream.send_all(head + answer)
