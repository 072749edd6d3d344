"""The listener: Hypercorn's protocol server on our own accept loop, and the drain (supervision.md 21.11, steps 1 to 3).

Hypercorn's `serve` offers no place for a stream of ours (client_stream.py) and cuts streams at its graceful timeout
without their last chunk; this uses the two classes under it, which are internal: Hypercorn is pinned to its minor."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Protocol

import trio
from attrs import define, field, frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from router.ingress.asgi_types import ASGIApp
from router.ingress.client_link import STATE_KEY, ClientLink
from router.ingress.drain import Drain
from router.ports import Observer
from supervisors.client_server import ClientServer
from supervisors.client_stream import ClientStream

FAREWELL_S = 1.0  # after the drain deadline: the handlers' error events and the last bytes (supervision.md 21.11, step 3)
IDLE_CONNECTION_S = 120.0  # longer than the clients keep theirs (5 s httpx, 90 s reqwest and Go), so that it is they who close:
# a request that crosses our close of its connection dies, and not every client repeats a POST
HEADER_BYTES = 64 * 1024  # wire.md 19.2
ACCEPTS_PER_TURN = 256  # the others wait one turn, so that a flood of connections does not stop the streams
ACCEPT_PAUSE_S = 0.1  # without descriptors to accept with: some streams end meanwhile
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
# what Linux may say of one client in the place of accepting it (accept(2)): it left, its network is down, a filter refused it
_NOT_OURS = frozenset(
    number
    for name in (
        *("EPERM", "ECONNABORTED", "ECONNRESET", "EPROTO", "ETIMEDOUT", "ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "ENOSR", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT"),
    )
    if (number := getattr(errno, name, None)) is not None
)
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # `localhost` is ::1 as well, on a machine without IPv6, too


@frozen(kw_only=True)
class IngressOptions:
    """Where to listen (`port` 0: any free one), and the limits of `[server]`.

    `inherited` are sockets that listen already and stay the caller's; with any, host and port are not used."""

    host: str
    port: int
    write_timeout_s: float = 60.0
    drain_timeout_s: float = 20.0
    idle_connection_s: float = IDLE_CONNECTION_S
    inherited: tuple[socket.socket, ...] = ()


@frozen(kw_only=True)
class BoundAddress:
    """One address that the daemon listens on."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a base URL."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


class CannotBindError(Exception):
    """The address cannot be listened on: exit code 69. The text names it and the reason."""


class Door(Protocol):
    """Where clients come in: `SocketDoor`, or a simulated world's, with the ClientStream that fits its streams."""

    client_stream: type[ClientStream]

    async def open(self, options: IngressOptions) -> tuple[BoundAddress, ...]:
        """Listen, and return where. Raises CannotBindError."""

    async def accept(self, ingress: Ingress, connections: trio.Nursery) -> None:
        """Have `ingress.serve_client` serve every client, each in a task of `connections`; closes the door when cancelled."""


async def run(
    app: ASGIApp,
    options: IngressOptions,
    *,
    drain: Drain,
    observer: Observer,
    door: Door | None = None,
    task_status: trio.TaskStatus[tuple[BoundAddress, ...]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `drain` has begun and is through; returns with every connection closed.

    Started with the bound addresses. Raises CannotBindError. While draining it goes on to accept, so that new requests get
    their 503 from the front and `/readyz` tells; it leaves as soon as no request is in answer. At `drain_timeout_s` the
    handlers are cancelled and get FAREWELL_S to end their streams in grammar, then connections are reset."""
    door = door or SocketDoor()
    task_status.started(await door.open(options))
    wrapped = ASGIWrapper(app)  # type: ignore[arg-type]  # ASGI messages as mappings, not as Hypercorn's TypedDicts
    ingress = Ingress(
        app=wrapped, config=server_config(options), options=options, observer=observer, client_stream=door.client_stream
    )
    async with trio.open_nursery() as connections:
        try:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(door.accept, ingress, connections, name="accept")
                await drain.wait_started()
                await ingress.close_idle()
                with trio.move_on_after(options.drain_timeout_s):
                    await drain.wait_quiet()
                drain.expire()
                accepting.cancel_scope.cancel()
            await ingress.close_idle()
            with trio.move_on_after(FAREWELL_S):
                await ingress.wait_empty()
        finally:
            ingress.abort_all()  # also where a crash elsewhere ends us: a send that nobody reads is shielded
            connections.cancel_scope.cancel()


@define(eq=False, kw_only=True)
class Ingress:
    """The open connections of one listener group; its writers are the connections' own tasks."""

    app: ASGIWrapper
    config: Config
    options: IngressOptions
    observer: Observer
    client_stream: type[ClientStream] = ClientStream
    _context: WorkerContext = field(factory=lambda: WorkerContext(None))
    _open: set[ClientStream] = field(factory=set)
    _emptied: trio.Event = field(factory=trio.Event)

    async def accept(self, listeners: list[trio.SocketListener], connections: trio.Nursery) -> None:
        """Serve every client that comes, each in a task of `connections`; closes the listeners when cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept_from, listener, connections, name="accept")

    async def _accept_from(self, listener: trio.SocketListener, connections: trio.Nursery) -> None:
        """Take all who wait in one turn: where one turn takes one client, as trio's own loop does, it waits for every stream.

        200 streams that begin at once beside each other took 2 s to begin so."""
        async with listener:
            with socket.socket(fileno=os.dup(listener.socket.fileno())) as waiting:
                waiting.settimeout(0)
                while True:
                    await trio.lowlevel.wait_readable(waiting)
                    try:
                        for client in _all_who_wait(waiting):
                            stream = trio.SocketStream(trio.socket.from_stdlib_socket(client))
                            connections.start_soon(self.serve_client, stream, name="connection")
                    except OSError as error:
                        if error.errno not in _NO_ROOM:
                            raise
                        self.observer.event("accept-paused", {"reason": os.strerror(error.errno)})
                        await trio.sleep(ACCEPT_PAUSE_S)

    async def serve_client(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end. Never raises: a fault in one is not the others' end."""
        link = ClientLink()
        client = self.client_stream(stream=stream, link=link, write_timeout_s=self.options.write_timeout_s)
        self._open.add(client)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.read_ahead, name="read-ahead")
                await self._server(client).run()  # its `__await__` would hide from a walk of the tree where it waits
                nursery.cancel_scope.cancel()
        except* Exception as group:  # noqa: BLE001 - the ingress's last resort: told, and only this connection ends
            client.abort()  # the server, where it was cancelled, has left it open
            self.observer.event("connection-crashed", {"exc_info": group})
        finally:
            self._open.discard(client)
            if not self._open:
                self._emptied.set()

    def _server(self, client: ClientStream) -> ClientServer:
        return ClientServer(self.app, self.config, self._context, ConnectionState({STATE_KEY: client.link}), client)

    async def close_idle(self) -> None:
        """Close the connections without a request now, the others after their answer; new ones get a context of their own."""
        old, self._context = self._context, WorkerContext(None)
        await old.terminated.set()

    async def wait_empty(self) -> None:
        """Return as soon as no connection is open."""
        while self._open:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def abort_all(self) -> None:
        """Reset every connection."""
        for client in tuple(self._open):
            client.abort()


@define(eq=False)
class SocketDoor:
    """TCP listeners."""

    client_stream: type[ClientStream] = ClientStream
    _listeners: list[trio.SocketListener] = field(factory=list)

    async def open(self, options: IngressOptions) -> tuple[BoundAddress, ...]:
        """Listen on every address that the host names. Raises CannotBindError."""
        self._listeners = await open_listeners(options)
        return tuple(bound_address(listener) for listener in self._listeners)

    async def accept(self, ingress: Ingress, connections: trio.Nursery) -> None:
        """Serve every client that comes, each in a task of `connections`; closes the listeners when cancelled."""
        await ingress.accept(self._listeners, connections)


async def open_listeners(options: IngressOptions) -> list[trio.SocketListener]:
    """Listen on every address of this machine that the host names, all on one port. Raises CannotBindError.

    Of inherited sockets come duplicates, so that a listener that is started anew finds them open."""
    if options.inherited:
        return [trio.SocketListener(trio.socket.from_stdlib_socket(one.dup())) for one in options.inherited]
    listeners: list[trio.SocketListener] = []
    failure = OSError("the host name has no address")
    port = options.port
    try:
        for host in await resolve(options.host):
            try:
                listeners += await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                failure = error
            else:
                port = bound_address(listeners[0]).port
        if not listeners:
            raise failure
    except OSError as error:
        for listener in listeners:
            await listener.aclose()
        raise CannotBindError(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}") from error
    return listeners


def _all_who_wait(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that are there, up to ACCEPTS_PER_TURN. Raises OSError where none can be taken."""
    for _ in range(ACCEPTS_PER_TURN):
        try:
            yield listening.accept()[0]
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise


async def resolve(host: str) -> tuple[str, ...]:
    """Return the addresses that a host names, each once: `localhost` is two. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def bound_address(listener: trio.SocketListener) -> BoundAddress:
    """Return where a listener listens."""
    host, port, *_ = listener.socket.getsockname()
    return BoundAddress(host=host, port=port)


def server_config(options: IngressOptions) -> Config:
    """Return Hypercorn's settings; those not named here are its defaults, or are of no meaning without its `serve`."""
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")  # the log set-up renders it; no access log: `request-complete` is ours
    config.include_server_header = False
    config.keep_alive_timeout = options.idle_connection_s
    config.keep_alive_max_requests = sys.maxsize  # the default of 1000 closes connections under agents for nothing
    config.h11_max_incomplete_size = HEADER_BYTES
    return config
