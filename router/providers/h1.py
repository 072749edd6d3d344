"""One HTTP/1.1 connection to an upstream, on a trio stream: h11 for the heads, our own decoder for the bodies.

What httpx's own transport does between socket and caller (a pool walk, a scope and several generators per read, an event
per chunk) costs more than all of the router; docs/providers.md has the figures. Errors are trio's and OSError's, and
UpstreamBroken for what is no HTTP; `http.py` translates them."""

from __future__ import annotations

import os
import select
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence

import h11
import trio
from attrs import define, field, frozen

from router.providers.h1_body import Body, BodyError, body_of

READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 64 * 1024
SWITCHING = 101

RawHeaders = Sequence[tuple[bytes, bytes]]


class Line(trio.abc.Stream):
    """A connection that is no socket of the kernel's."""

    @abstractmethod
    def is_alive(self) -> bool:
        """Tell whether an idle connection can be used again: the other side has neither closed it nor said anything."""


Dial = Callable[[str, int], Awaitable[trio.SocketStream | Line]]
"""Connects to a host and port. Raises OSError."""


class UpstreamBroken(Exception):
    """The connection ended too soon, or what came is no HTTP. `is_unanswered`: before the first byte of an answer."""

    def __init__(self, message: str, *, is_unanswered: bool = False) -> None:
        super().__init__(message)
        self.is_unanswered = is_unanswered


class Unsendable(Exception):
    """The request is none that HTTP can carry; nothing was sent. Without words: they would hold a header's value."""


@frozen
class Head:
    """The head of an answer; header names in lower case, in the upstream's order."""

    status: int
    headers: RawHeaders


@define(eq=False)
class Connection:
    """One connection; one exchange at a time, by one task."""

    stream: trio.abc.Stream
    _line: trio.SocketStream | Line  # what `stream` runs on, itself without TLS
    _plain: trio.SocketStream | None = field(init=False)  # read past trio
    _body: Body | None = field(default=None, init=False)
    _early: bytes = field(default=b"", init=False)  # of the body, read with the head
    _may_be_kept: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._plain = self._line if self._line is self.stream and isinstance(self._line, trio.SocketStream) else None

    async def ask(self, method: bytes, target: bytes, headers: RawHeaders, content: bytes) -> Head:
        """Send a request and return the head of its answer.

        Raises Unsendable, UpstreamBroken, OSError, trio.BrokenResourceError."""
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            head = http.send(h11.Request(method=method, target=target, headers=list(headers)))
        except h11.LocalProtocolError as error:
            raise Unsendable from error
        self._may_be_kept = False
        try:
            await self.stream.send_all((head or b"") + content)
        except trio.BrokenResourceError as error:
            raise UpstreamBroken("the connection broke while sending", is_unanswered=True) from error
        response = await self._receive_head(http)
        self._early, _ = http.trailing_data
        told = response.headers.raw_items()
        lowered = [(name.lower(), value) for name, value in told]
        self._body = _body_of(response.status_code, lowered)
        self._may_be_kept = _may_be_kept(response, lowered)
        return Head(status=response.status_code, headers=lowered)

    async def read(self) -> bytes:
        """Return the body's bytes of one network read, b"" at its end. Raises UpstreamBroken for a body cut short."""
        content = self._take_early()
        while content is None:
            content = self._content_of(await self._receive())
        return content

    def read_now(self) -> bytes | None:
        """Return what `read` would, where the bytes are here already; None where they have to be waited for.

        The kernel is asked past trio: that costs 1 us, a wait 15 us, and under load the bytes mostly are here."""
        content = self._take_early()
        if content is not None or self._plain is None:
            return content
        data = _received(self._plain)
        return None if data is None else self._content_of(data)

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange is over and the next one may begin here."""
        body = self._body
        return self._may_be_kept and body is not None and body.is_done and not body.is_overrun and not self._early

    def is_alive(self) -> bool:
        """Return False when the upstream has closed: an idle connection has nothing to be read but its end."""
        line = self._line
        if not isinstance(line, trio.SocketStream):
            return line.is_alive()
        if line.socket.fileno() < 0:
            return False
        poller = select.poll()
        poller.register(line.socket.fileno(), select.POLLIN)
        return not poller.poll(0)

    async def aclose(self) -> None:
        """Close at once; says no farewell."""
        await trio.aclose_forcefully(self.stream)

    def _take_early(self) -> bytes | None:
        """Return what came of the body with the head, b"" for one that is over, None for neither."""
        early, self._early = self._early, b""
        if early:
            return self._content_of(early)
        return b"" if self._body is not None and self._body.is_done else None

    def _content_of(self, data: bytes) -> bytes | None:
        """Return the body's content in one network read, b"" at its end, None when more has to come."""
        body = self._body
        assert body is not None  # noqa: S101 - `ask` comes first
        try:
            content = body.feed(data) if data else body.end()
        except BodyError as error:
            self._may_be_kept = False
            raise UpstreamBroken(str(error)) from error
        return content if content or body.is_done else None

    async def _receive_head(self, http: h11.Connection) -> h11.Response:
        is_unanswered = True
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as error:
                raise UpstreamBroken(f"the answer is not HTTP: {error}") from error
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                data = await self._receive(is_unanswered=is_unanswered)
                if not data:
                    raise UpstreamBroken("the connection ended without an answer", is_unanswered=is_unanswered)
                is_unanswered = False
                http.receive_data(data)
            elif not isinstance(event, h11.InformationalResponse) or event.status_code == SWITCHING:
                raise UpstreamBroken("the answer has no head")

    async def _receive(self, *, is_unanswered: bool = False) -> bytes:
        try:
            if self._plain is None:
                return bytes(await self.stream.receive_some(READ_BYTES))
            while (data := _received(self._plain, is_unanswered=is_unanswered)) is None:
                await trio.lowlevel.wait_readable(self._plain.socket)
        except trio.BrokenResourceError as error:
            raise UpstreamBroken("the connection broke", is_unanswered=is_unanswered) from error
        return data


def _received(plain: trio.SocketStream, *, is_unanswered: bool = False) -> bytes | None:
    """Return what the kernel holds of a plain connection, b"" at its end, None for nothing yet."""
    try:
        return os.read(plain.socket.fileno(), READ_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        raise UpstreamBroken("the connection broke", is_unanswered=is_unanswered) from error


async def connect(host: str, port: int, tls: ssl.SSLContext | None, dial: Dial = trio.open_tcp_stream) -> Connection:
    """Return a new connection. Raises OSError (refused, unknown name), trio.BrokenResourceError (TLS); waits without limit."""
    line = await dial(host, port)
    if tls is None:
        return Connection(line, line)
    stream = trio.SSLStream(line, tls, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(line)
        raise
    return Connection(stream, line)


def _body_of(status: int, headers: RawHeaders) -> Body:
    try:
        return body_of(status, headers)
    except BodyError as error:
        raise UpstreamBroken(f"the answer is not HTTP: {error}") from error


def _may_be_kept(response: h11.Response, headers: RawHeaders) -> bool:
    options = b",".join(value.lower() for name, value in headers if name == b"connection")
    return response.http_version == b"1.1" and b"close" not in options
