"""A tap on the line between client and router: bytes pass unchanged, and can be read afterwards as requests and statuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import trio
from attrs import define, field, frozen

READ_BYTES = 65_536


@frozen(kw_only=True)
class Exchange:
    """One request of the client and the status it got, 0 where no response head came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status or 'no answer'}"


@define
class Connection:
    """What went over one connection, both ways."""

    asked: bytearray = field(factory=bytearray)
    answered: bytearray = field(factory=bytearray)


@define(kw_only=True)
class Tap:
    """Where the client connects to, and what it said there. Written by the connections' tasks."""

    port: int
    connections: list[Connection] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def exchanges(self) -> list[Exchange]:
        """Return every request so far, in the order of the connections."""
        return [exchange for connection in self.connections for exchange in exchanges_of(connection)]


@asynccontextmanager
async def open_tap(router_port: int) -> AsyncIterator[Tap]:
    """Listen on a port of its own and hand every connection on, until the context is left."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        tap = Tap(port=listeners[0].socket.getsockname()[1])

        async def serve(client: trio.SocketStream) -> None:
            await _relay(client, router_port, tap)

        await nursery.start(trio.serve_listeners, serve, listeners)
        yield tap
        nursery.cancel_scope.cancel()


async def _relay(client: trio.SocketStream, router_port: int, tap: Tap) -> None:
    connection = Connection()
    tap.connections.append(connection)
    try:
        router = await trio.open_tcp_stream("127.0.0.1", router_port)
    except OSError:
        return  # the client sees its connection closed, as it would without the tap
    async with router, trio.open_nursery() as nursery:
        nursery.start_soon(_pump, client, router, connection.asked, nursery.cancel_scope)
        nursery.start_soon(_pump, router, client, connection.answered, nursery.cancel_scope)


async def _pump(source: trio.SocketStream, sink: trio.SocketStream, kept: bytearray, scope: trio.CancelScope) -> None:
    """Hand bytes on until one side ends; a closed side ends both, as a client that leaves does to a server."""
    try:
        while data := await source.receive_some(READ_BYTES):
            kept += data
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


def exchanges_of(connection: Connection) -> list[Exchange]:
    """Return the requests of one connection, each with its status; bytes that are no HTTP end the list."""
    server, client = h11.Connection(h11.SERVER), h11.Connection(h11.CLIENT)
    for side, data in ((server, connection.asked), (client, connection.answered)):
        if data:  # nothing at all would be read as the end of the connection
            side.receive_data(bytes(data))
    found: list[Exchange] = []
    try:
        while (request := _next_request(server)) is not None:
            head, body = request
            client.send(head)
            client.send(h11.Data(data=body))
            client.send(h11.EndOfMessage())
            found.append(
                Exchange(
                    method=head.method.decode(),
                    target=head.target.decode(),
                    headers=tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers.raw_items()),
                    body=body,
                    status=_next_status(client),
                )
            )
            server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
            client.start_next_cycle()
    except h11.ProtocolError:
        pass  # the connection ended within an answer, or was upgraded: there is nothing more on it
    return found


def _next_request(server: h11.Connection) -> tuple[h11.Request, bytes] | None:
    head = server.next_event()
    if not isinstance(head, h11.Request):
        return None
    parts: list[bytes] = []
    while isinstance(event := server.next_event(), h11.Data):
        parts.append(bytes(event.data))
    return (head, b"".join(parts)) if isinstance(event, h11.EndOfMessage) else None


def _next_status(client: h11.Connection) -> int:
    """Return the status of the next response, its body read; 0 where there is none."""
    status = 0
    while isinstance(event := client.next_event(), h11.InformationalResponse | h11.Response | h11.Data):
        if isinstance(event, h11.Response | h11.InformationalResponse):
            status = event.status_code
    return status
