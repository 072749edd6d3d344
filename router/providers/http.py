"""The HTTP client of one provider, on httpx: connections, time limits, and the map from its exceptions to ours.

This is the only import of httpx. A connection is one `httpx.AsyncHTTPTransport` that may hold one connection, and the
idle ones are a stack: the lease costs the same after a burst of 200 streams as before it, and whether a connection was
used before is known. The `AsyncClient` above the transport (cookies, auth flow, redirects, URL merging) is left out:
it does nothing for us and costs as much again as the transport (docs/providers.md has the figures)."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import trio
from attrs import define, field, frozen

from router.errors import FailureReason, ProviderFailed
from router.providers.transport import HttpAnswer, HttpRequest

KEEP_ALIVE_S = 3.0  # below the 5 s after which llama.cpp's server, among others, closes an idle connection
MAX_IDLE = 64  # as many short calls side by side go without a new connection; what a burst leaves above it is closed
LINGER_S = 0.005  # after `[DONE]` the end of the body is one read away, and the connection can be kept
CLOSE_S = 1.0  # routing.md 11.8; closing never waits for the other side, so this is only a belt

_ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # what an http:// transport gets: it never looks at it
_NO_ANSWER = "Server disconnected without sending a response."  # httpcore's words for an end before the response head


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the one TLS context of all providers. Made at the first https:// connection: it costs 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


@define(kw_only=True)
class HttpxClient:
    """The connections to one provider. Several tasks may open answers; each step on the idle stack is synchronous."""

    provider: str
    _idle: deque[_Connection] = field(factory=deque, init=False)  # longest idle first
    _is_closed: bool = field(default=False, init=False)
    _in_use: int = field(default=0, init=False)

    @property
    def connections(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many are idle."""
        return self._in_use, len(self._idle)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpAnswer]:
        """Send the request and yield its answer; leaving the context frees the connection.

        Raises ProviderFailed(connection | timeout) when no head came."""
        self._in_use += 1
        linger_s = 0.0
        answer = None
        try:
            with trio.move_on_after(request.timeouts.head_s):
                answer = await self._send(request)
            if answer is None:
                raise self._failed(FailureReason.TIMEOUT, f"no answer within {request.timeouts.head_s:g} s")
            yield answer
            linger_s = LINGER_S
        finally:
            self._in_use -= 1
            if answer is not None and not self._keep(answer):
                with trio.move_on_after(CLOSE_S, shield=True):
                    await self._end(answer, linger_s)

    async def aclose(self) -> None:
        """Close the idle connections; those in use close with their answers."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().aclose()

    async def _send(self, request: HttpRequest) -> _Answer:
        timeouts = {"connect": request.timeouts.connect_s}
        sent = httpx.Request(
            request.method,
            _url(request.url),
            headers=[(b"Host", _host(request.url)), *request.headers, (b"Content-Length", b"%d" % len(request.content))],
            stream=_Content(request.content),
            extensions={"timeout": timeouts},
        )
        try:
            connection, response = await self._ask(sent)
        except httpx.TransportError as error:
            raise self._failed(*_meaning(error)) from error
        timeouts["read"] = request.timeouts.idle_s  # from now on: the head had a limit of its own
        return _Answer(client=self, connection=connection, response=response)

    async def _ask(self, request: httpx.Request) -> tuple[_Connection, httpx.Response]:
        """Send on a kept connection, else on a new one; and on a new one when the kept one turned out to be dead."""
        if (kept := await self._kept_connection()) is not None:
            try:
                return kept, await kept.transport.handle_async_request(request)
            except httpx.TransportError as error:
                if not _ended_unanswered(error):
                    raise
        is_tls = request.url.scheme == "https"
        new = _Connection(transport=_transport(is_tls=is_tls))
        return new, await (_ask_over_new_tls(new, request) if is_tls else new.transport.handle_async_request(request))

    async def _kept_connection(self) -> _Connection | None:
        """Return the connection that was used last, None when no living one is left."""
        now = trio.current_time()
        while self._idle and self._idle[0].is_expired(now):
            await self._idle.popleft().aclose()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive():
                return connection
            await connection.aclose()
        return None

    def _keep(self, answer: _Answer) -> bool:
        """Put the connection of an answer that was read to its end on the stack; False when it has to be closed."""
        if not answer.is_whole or self._is_closed or len(self._idle) >= MAX_IDLE:
            return False
        answer.connection.kept(answer.response, trio.current_time())
        self._idle.append(answer.connection)
        return True

    async def _end(self, answer: _Answer, linger_s: float) -> None:
        await answer.finish(linger_s)
        if not self._keep(answer):
            await answer.connection.aclose()

    def _failed(self, reason: FailureReason, message: str) -> ProviderFailed:
        return ProviderFailed(provider=self.provider, reason=reason, message=message)


@frozen
class _Content(httpx.AsyncByteStream):
    """A request's body in one piece. httpx's own is a generator, and a cancelled write would leave it unfinished."""

    content: bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces([self.content] if self.content else [])


@define
class _Pieces:
    left: list[bytes]

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


@define(kw_only=True)
class _Connection:
    """One httpx transport that holds at most one connection. `stream` is that of its last answer."""

    transport: httpx.AsyncHTTPTransport
    idle_since: float = 0.0
    stream: Any = None

    def kept(self, response: httpx.Response, now: float) -> None:
        self.stream = response.extensions["network_stream"]
        self.idle_since = now

    def is_expired(self, now: float) -> bool:
        return now - self.idle_since >= KEEP_ALIVE_S

    def is_alive(self) -> bool:
        """Return False when the server has closed: an idle connection has nothing to be read but its end.

        httpcore would open a new connection by itself then, and a fault of that one must not pass for a stale one."""
        if self.stream.get_extra_info("socket").fileno() < 0:
            return False
        return not self.stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        with trio.CancelScope(shield=True):  # waits for nothing: TLS says no farewell (https_compatible)
            await self.transport.aclose()


@define(kw_only=True)
class _Answer:
    """An answer of httpx, read through its raw stream. `_is_open` is False from the end, a fault or a cancellation on."""

    client: HttpxClient
    connection: _Connection
    response: httpx.Response
    _stream: httpx.AsyncByteStream = field(init=False)
    _chunks: AsyncIterator[bytes] = field(init=False)
    _is_open: bool = field(default=True, init=False)
    is_whole: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._stream = cast("httpx.AsyncByteStream", self.response.stream)  # of an async transport it is one
        self._chunks = aiter(self._stream)

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in self.response.headers.raw]

    async def read(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False  # stays so when the read is cancelled: httpx's generators end with it
        try:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                await self._stream.aclose()  # the transport holds its connection until told
        except httpx.TransportError as error:
            reason, message = _meaning(error)
            raise ProviderFailed(provider=self.client.provider, reason=reason, message=message) from error
        self._is_open = bool(chunk)
        self.is_whole = not chunk
        return chunk

    async def finish(self, linger_s: float) -> None:
        """Read an open body on for `linger_s`, then cancel the read.

        That is also what ends httpx's nested generators in order: left alone they would be finalised by the garbage
        collector, with a warning of trio."""
        with trio.CancelScope(deadline=trio.current_time() + linger_s, shield=True):
            while self._is_open and await self._rest():
                pass

    async def _rest(self) -> bool:
        try:
            return bool(await self.read())
        except ProviderFailed:
            return False


@define
class _Handshake:
    """Holds the TCP stream of a new connection while TLS is being agreed on over it."""

    stream: Any = None

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Take note of httpcore's progress (httpx's extension `trace`)."""
        if name == "connection.connect_tcp.complete":
            self.stream = info["return_value"]
        elif name == "connection.start_tls.complete":
            self.stream = None


async def _ask_over_new_tls(connection: _Connection, request: httpx.Request) -> httpx.Response:
    """Send on a new connection, and close it when that is cancelled in the handshake: httpcore leaves it open."""
    handshake = _Handshake()
    request.extensions["trace"] = handshake.trace
    try:
        return await connection.transport.handle_async_request(request)
    finally:
        if handshake.stream is not None:
            with trio.CancelScope(shield=True):
                await handshake.stream.aclose()


def _transport(*, is_tls: bool) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=tls_context() if is_tls else _NO_TLS, trust_env=False, http2=False, limits=_ONE_CONNECTION
    )


@functools.lru_cache(maxsize=256)  # a handful per provider
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


@functools.lru_cache(maxsize=256)
def _host(url: str) -> bytes:
    return _url(url).netloc


def _ended_unanswered(error: httpx.TransportError) -> bool:
    """Tell whether the connection ended without an answer, as one does that the server had given up meanwhile.

    A head that was cut short cannot be told from none at this level."""
    if isinstance(error, httpx.ReadError | httpx.WriteError):
        return True
    return isinstance(error, httpx.RemoteProtocolError) and str(error) == _NO_ANSWER


_MEANINGS: tuple[tuple[type[httpx.TransportError], FailureReason, str], ...] = (
    (httpx.ConnectTimeout, FailureReason.TIMEOUT, "no connection in time"),
    (httpx.ReadTimeout, FailureReason.TIMEOUT, "the upstream fell silent"),
    (httpx.TimeoutException, FailureReason.TIMEOUT, "the upstream does not keep up"),
    (httpx.ConnectError, FailureReason.CONNECTION, "cannot connect"),
    (httpx.ReadError, FailureReason.CONNECTION, "the connection broke"),
    (httpx.WriteError, FailureReason.CONNECTION, "the connection broke"),
    (httpx.RemoteProtocolError, FailureReason.CONNECTION, "the connection ended too soon or not in HTTP"),
    (httpx.TransportError, FailureReason.CONNECTION, "the request cannot be sent"),
)


def _meaning(error: httpx.TransportError) -> tuple[FailureReason, str]:
    """Return our reason for an exception of httpx, and words without addresses."""
    reason, words = next((reason, words) for kind, reason, words in _MEANINGS if isinstance(error, kind))
    cause = _cause(error)
    return reason, f"{words}: {cause}" if cause else words


def _cause(error: BaseException) -> str:
    """Return what the operating system, the resolver or TLS said, "" when none of them did."""
    pending: deque[BaseException | None] = deque([error])
    seen: set[int] = set()
    while pending:
        if (found := pending.popleft()) is None or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"certificate refused, {found.verify_message}"
        if isinstance(found, ssl.SSLError):
            return f"TLS failed, {found.reason}"
        if isinstance(found, socket.gaierror):
            return "the host name is not known"
        if isinstance(found, OSError) and found.errno is not None:
            return os.strerror(found.errno)  # its own text may name the address
        pending.extend((found.__cause__, found.__context__))
        pending.extend(found.exceptions if isinstance(found, BaseExceptionGroup) else ())
    return ""
