"""One ASGI conversation in memory: what the server would put into `receive()`, and what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio
from attrs import define, field

from router.domain.request import DialectName
from router.ingress.asgi_types import Message, Scope
from router.ingress.client_link import STATE_KEY, ClientLink
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange


@define
class Seen:
    """Observer that keeps what it is told."""

    events: list[tuple[str, dict[str, object]]] = field(factory=list)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, dict(fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


class Conversation:
    """A request without a body, unless the test sends parts; disconnects when the test says so."""

    def __init__(self, method: str = "GET", path: str = "/", *, headers: Sequence[tuple[str, str]] = (), query: str = "") -> None:
        self.link = ClientLink()
        self.sent: list[Message] = []
        self._put, self._get = trio.open_memory_channel[Message](100)
        raw = [(name.encode(), value.encode()) for name, value in (("host", "localhost"), *headers)]
        self.scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": raw,
            "state": {STATE_KEY: self.link},
        }

    def part(self, body: bytes, *, more: bool = False) -> None:
        """Let the client send its next body message."""
        self._put.send_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        """Let the client disconnect."""
        self._put.send_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        return await self._get.receive()

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    def exchange(self, dialect: DialectName = DialectName.ANTHROPIC, drain: Drain | None = None) -> Exchange:
        """Return the exchange of this conversation."""
        return Exchange.of(self.scope, self.receive, self.send, dialect=dialect, drain=drain or Drain())

    @property
    def status(self) -> int:
        """The status that was sent."""
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The headers that were sent."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The body that was sent."""
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def is_complete(self) -> bool:
        """Whether the last message said that it is the last."""
        return bool(self.sent) and self.sent[-1].get("more_body") is False
