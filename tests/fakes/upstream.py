"""A fault-injecting fake upstream on real sockets: Messages and chat, streamed and whole.

In a test:

    async with open_upstream() as upstream:          # port 0 of 127.0.0.1, gone when the context is left
        upstream.script(Plan(status=529), Plan())    # the next two requests; then `model`, then `upstream.default`
        ... provider base_url = upstream.chat_url or upstream.anthropic_url ...
        await upstream.wait_until(lambda: upstream.aborts == 1)
        assert upstream.exchanges[0].client_gone_at is not None

In a terminal: `make fake`, or `python -m tests.fakes.upstream --port 9101`; the request's `model` names a plan of
`tests.fakes.plans.CATALOGUE` (`ok`, `reset-mid`, `status-529` ...), any other model gets the default plan.

It is written on trio sockets and h11 because a web server would not let it reset a connection, send half a frame,
leave out the terminal chunk or see its client's FIN or RST at once. All times are `time.monotonic()`, so that they
compare with those of other processes."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

import h11
import trio
from attrs import define, field

from tests.fakes.pieces import Asked, Wire
from tests.fakes.plans import CATALOGUE, Plan
from tests.fakes.sender import ConnectionGone, Sender, answer, send_json

READ_BYTES = 65_536
ROUTES = {
    "/v1/chat/completions": Wire.CHAT,
    "/chat/completions": Wire.CHAT,
    "/v1/messages": Wire.ANTHROPIC,
}


class After(Enum):
    """What becomes of a connection after one answer."""

    REUSE = auto()
    CLOSE = auto()
    RESET = auto()


@define(kw_only=True)
class Exchange:
    """One request as the fake saw it, and what became of its answer."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    arrived_at: float
    bytes_sent: int = 0
    deltas_sent: int = 0
    first_delta_at: float | None = None
    finished_at: float | None = None  # the answer went out as planned, a planned fault included
    client_gone_at: float | None = None  # FIN or RST of the client, seen before the answer was finished

    def header(self, name: str) -> str | None:
        """Return the header's value, None without one; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> dict[str, object]:
        """Return the body, which must be a JSON object."""
        decoded = json.loads(self.body)
        assert isinstance(decoded, dict)
        return decoded


Respond = Callable[[Exchange, Sender], Awaitable[None]]


@define(kw_only=True)
class Upstream:
    """The fake's settings and what it saw. Written by its connection tasks, read by the test that owns it."""

    port: int
    default: Plan
    respond: Respond | None = None  # answers in the place of every plan
    is_loading: bool = False  # a llama.cpp server that still loads its model: 503 everywhere
    exchanges: list[Exchange] = field(factory=list)
    connections_open: int = 0
    connections_total: int = 0
    aborts: int = 0
    _queue: deque[Plan] = field(factory=deque)
    _changed: trio.Event = field(factory=trio.Event)

    @property
    def anthropic_url(self) -> str:
        """The base_url of a provider of kind `anthropic`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def chat_url(self) -> str:
        """The base_url of a provider of kind `openai_compat`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *plans: Plan) -> None:
        """Answer the next requests by these plans, one each, whatever model they name."""
        self._queue.extend(plans)

    def plan_for(self, model: str) -> Plan:
        """Return the next scripted plan, the catalogue's plan of that name, or the default."""
        return self._queue.popleft() if self._queue else CATALOGUE.get(model, self.default)

    def touch(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_until(self, predicate: Callable[[], bool]) -> None:
        """Wait until the predicate over this fake's own numbers holds; the caller sets the deadline."""
        while not predicate():
            await self._changed.wait()


@asynccontextmanager
async def open_upstream(*, port: int = 0, default: Plan | None = None, respond: Respond | None = None) -> AsyncIterator[Upstream]:
    """Listen on 127.0.0.1 and answer until the context is left; open connections are then reset.

    `respond` writes the answers itself and knows no plans."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        bound: int = listeners[0].socket.getsockname()[1]
        upstream = Upstream(port=bound, default=default or Plan(), respond=respond)

        async def handler(stream: trio.SocketStream) -> None:
            await _serve_connection(upstream, stream)

        await nursery.start(trio.serve_listeners, handler, listeners)
        yield upstream
        nursery.cancel_scope.cancel()


async def _serve_connection(upstream: Upstream, stream: trio.SocketStream) -> None:
    upstream.connections_open += 1
    upstream.connections_total += 1
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn = h11.Connection(h11.SERVER)
    after = After.RESET  # what cancellation leaves
    try:
        while (after := await _serve_request(upstream, stream, conn)) is After.REUSE:
            after = After.RESET
            conn.start_next_cycle()
    except h11.RemoteProtocolError:
        pass  # the client left between requests, or spoke no HTTP
    finally:
        upstream.connections_open -= 1
        if after is After.RESET:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()
        upstream.touch()


async def _serve_request(upstream: Upstream, stream: trio.SocketStream, conn: h11.Connection) -> After:
    exchange = await _read_request(stream, conn)
    if exchange is None:
        return After.CLOSE
    upstream.exchanges.append(exchange)
    upstream.touch()
    sender = Sender(stream=stream, conn=conn, exchange=exchange, on_delta=upstream.touch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_client, upstream, stream, conn, exchange, nursery.cancel_scope)
        try:
            await (upstream.respond(exchange, sender) if upstream.respond else _answer(upstream, exchange, sender))
        except ConnectionGone:
            _note_abort(upstream, exchange)
        nursery.cancel_scope.cancel()
    if exchange.client_gone_at is not None:
        return After.CLOSE
    exchange.finished_at = time.monotonic()
    upstream.touch()
    if sender.is_cut:
        return After.RESET if sender.is_reset else After.CLOSE
    return After.REUSE if conn.our_state is h11.DONE and conn.their_state is h11.DONE else After.CLOSE


async def _watch_client(
    upstream: Upstream, stream: trio.SocketStream, conn: h11.Connection, exchange: Exchange, scope: trio.CancelScope
) -> None:
    """Cancel the answer when the client closes or resets; bytes sent ahead are kept for the next request."""
    while data := await _receive(stream):
        conn.receive_data(data)
    _note_abort(upstream, exchange)
    scope.cancel()


async def _receive(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(READ_BYTES))
    except trio.BrokenResourceError:  # RST
        return b""


def _note_abort(upstream: Upstream, exchange: Exchange) -> None:
    if exchange.client_gone_at is None:
        exchange.client_gone_at = time.monotonic()
        upstream.aborts += 1
        upstream.touch()


async def _answer(upstream: Upstream, exchange: Exchange, sender: Sender) -> None:
    path = exchange.target.partition("?")[0]
    wire = ROUTES.get(path)
    if upstream.is_loading:
        error = {"message": "Loading model", "type": "unavailable_error", "code": 503}
        await send_json(sender, 503, {"error": error})
    elif exchange.method == "POST" and wire is not None:
        asked = _asked(wire, exchange.body)
        await answer(sender, upstream.plan_for(asked.model), asked)
    elif path == "/v1/messages/count_tokens":
        await send_json(sender, 200, {"input_tokens": upstream.default.input_tokens})
    elif path == "/v1/models":
        models = [{"id": "ok", "object": "model", "type": "model", "created": 1_700_000_000, "owned_by": "fake"}]
        await send_json(sender, 200, {"object": "list", "data": models, "has_more": False})
    elif path in {"/health", "/", "/v1/health"}:
        await send_json(sender, 200, {"status": "ok"})
    else:
        await send_json(sender, 404, {"error": {"message": f"no route {path}", "type": "not_found_error"}})


def _asked(wire: Wire, body: bytes) -> Asked:
    try:
        request = json.loads(body)
    except ValueError:
        request = {}
    options = request.get("stream_options") or {}
    return Asked(
        wire=wire,
        model=str(request.get("model", "")),
        stream=bool(request.get("stream", False)),
        include_usage=bool(options.get("include_usage", False)),
    )


async def _read_request(stream: trio.SocketStream, conn: h11.Connection) -> Exchange | None:
    """Return the next whole request, None when the client has closed."""
    head = await _next_event(stream, conn)
    if not isinstance(head, h11.Request):
        return None
    parts: list[bytes] = []
    while isinstance(event := await _next_event(stream, conn), h11.Data):
        parts.append(bytes(event.data))
    return Exchange(
        method=head.method.decode(),
        target=head.target.decode(),
        headers=tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers),
        body=b"".join(parts),
        arrived_at=time.monotonic(),
    )


async def _next_event(stream: trio.SocketStream, conn: h11.Connection) -> object:
    while (event := conn.next_event()) is h11.NEED_DATA:
        conn.receive_data(await _receive(stream))
    return event


async def main(port: int) -> None:
    """Serve on the port (0 picks one) and print one line per request until interrupted."""
    async with open_upstream(port=port) as upstream:
        print(f"fake upstream on {upstream.anthropic_url} (chat: {upstream.chat_url})", flush=True)
        while True:
            await upstream.wait_until(lambda: bool(upstream.exchanges))
            for exchange in upstream.exchanges:
                print(f"{exchange.method} {exchange.target} {len(exchange.body)} bytes", flush=True)
            upstream.exchanges.clear()  # a long run keeps nothing


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="A fault-injecting fake upstream; `model` names the plan.")
    parser.add_argument("--port", type=int, default=9101)
    parser.add_argument("--list", action="store_true", help="print the named plans and end")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CATALOGUE))
    else:
        with suppress(KeyboardInterrupt):
            trio.run(main, arguments.port)
