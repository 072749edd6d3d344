"""The HTTP client of one provider, on httpx: connections, time limits, and the map from its exceptions to ours.

This is the only import of httpx. A connection is one httpx transport (ours, over `h1.py`), and the idle ones are a
stack: the lease costs the same after a burst of 200 streams as before it, and whether a connection was used before is
known. The `AsyncClient` above the transport (cookies, auth flow, redirects, URL merging) is left out: it does nothing
for us (docs/providers.md has the figures)."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import httpx
import trio
from attrs import define, field

from router.errors import FailureReason, ProviderFailed
from router.providers import h1
from router.providers.transport import CANNOT_CONNECT, HttpAnswer, HttpRequest

KEEP_ALIVE_S = 3.0  # below the 5 s after which llama.cpp's server, among others, closes an idle connection
MAX_IDLE = 64  # as many short calls side by side go without a new connection; what a burst leaves above it is closed
LINGER_S = 0.005  # after `[DONE]` the end of the body is one read away, and the connection can be kept
NO_NAME = f"{CANNOT_CONNECT}: the host name cannot be looked up"
CLOSE_S = 1.0  # routing.md 11.8; closing never waits for the other side, so this is only a belt


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the one TLS context of all providers. Made at the first https:// connection: it costs 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


@define(kw_only=True)
class HttpxClient:
    """The connections to one provider. Several tasks may open answers; each step on the idle stack is synchronous."""

    provider: str
    keep_alive_s: float = KEEP_ALIVE_S
    dial: h1.Dial = trio.open_tcp_stream
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

    async def reach(self, url: str, *, connect_s: float) -> None:
        """Connect to the URL's host, and leave. Raises ProviderFailed(connection | timeout)."""
        try:
            connection = await _connect(_url(url), connect_s, self.dial)
        except httpx.TransportError as error:
            raise self._failed(*_meaning(error)) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise self._failed(FailureReason.CONNECTION, NO_NAME) from error
        await connection.aclose()

    async def aclose(self) -> None:
        """Close the idle connections; those in use close with their answers."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().aclose()

    async def close_expired(self) -> None:
        """Close the connections that have been idle for `keep_alive_s`."""
        oldest = trio.current_time() - self.keep_alive_s
        while self._idle and self._idle[0].idle_since <= oldest:
            await self._idle.popleft().aclose()

    async def _send(self, request: HttpRequest) -> _Answer:
        timeouts = {"connect": request.timeouts.connect_s, "read": request.timeouts.idle_s}
        try:
            sent = httpx.Request(
                request.method,
                _url(request.url),
                headers=request.headers,
                content=request.content,
                extensions={"timeout": timeouts, "on_send": request.on_send},
            )
            connection, response = await self._ask(sent)
        except httpx.TransportError as error:
            raise self._failed(*_meaning(error)) from error
        except (httpx.InvalidURL, UnicodeError) as error:  # no IDNA, or a label longer than DNS has
            raise self._failed(FailureReason.CONNECTION, NO_NAME) from error
        return _Answer(client=self, connection=connection, response=response)

    async def _ask(self, request: httpx.Request) -> tuple[_Connection, httpx.Response]:
        """Send on a kept connection, else on a new one; and on a new one when the kept one turned out to be dead."""
        if (kept := await self._kept_connection()) is not None:
            try:
                return kept, await kept.handle_async_request(request)
            except httpx.TransportError as error:
                if not _ended_unanswered(error):
                    raise
        new = _Connection(self.dial)
        return new, await new.handle_async_request(request)

    async def _kept_connection(self) -> _Connection | None:
        """Return the connection that was used last, None when no living one is left."""
        await self.close_expired()
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
        answer.connection.idle_since = trio.current_time()
        self._idle.append(answer.connection)
        return True

    async def _end(self, answer: _Answer, linger_s: float) -> None:
        await answer.finish(linger_s)
        if not self._keep(answer):
            await answer.connection.aclose()

    def _failed(self, reason: FailureReason, message: str) -> ProviderFailed:
        return ProviderFailed(provider=self.provider, reason=reason, message=message)


@define(eq=False)
class _Connection(httpx.AsyncBaseTransport):
    """One connection to one origin as an httpx transport: opened by its first request."""

    dial: h1.Dial
    idle_since: float = 0.0
    _h1: h1.Connection | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions["timeout"]
        if self._h1 is None:
            self._h1 = await _connect(request.url, timeouts["connect"], self.dial)
        if (on_send := request.extensions["on_send"]) is not None:
            on_send()
        try:
            head = await self._h1.ask(request.method.encode(), request.url.raw_path, request.headers.raw, request.content)
        except h1.UpstreamBroken as error:
            await self.aclose()
            kind = httpx.ReadError if error.is_unanswered else httpx.RemoteProtocolError
            raise kind(str(error)) from error
        except h1.Unsendable as error:
            await self.aclose()
            raise httpx.LocalProtocolError("") from error
        except BaseException:
            await self.aclose()
            raise
        return httpx.Response(head.status, headers=head.headers, stream=_BodyStream(self._h1, timeouts))

    @property
    def is_reusable(self) -> bool:
        return self._h1 is not None and self._h1.is_reusable

    def is_alive(self) -> bool:
        return self._h1 is not None and self._h1.is_alive()

    async def aclose(self) -> None:
        if self._h1 is not None:
            with trio.CancelScope(shield=True):  # waits for nothing: TLS says no farewell
                await self._h1.aclose()


@define
class _BodyStream(httpx.AsyncByteStream):
    """The body of an answer, one network read a piece; no generator, so that leaving it in the middle needs no care."""

    connection: h1.Connection
    timeouts: Mapping[str, float]

    def __aiter__(self) -> _BodyStream:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = self.connection.read_now()
            if data is None:
                data = await self._wait()
            else:
                await trio.lowlevel.checkpoint()  # a stream that is always ready must let others in
        except h1.UpstreamBroken as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        if not data:
            raise StopAsyncIteration
        return data

    async def _wait(self) -> bytes:
        with trio.CancelScope(deadline=trio.current_time() + self.timeouts["read"]):
            return await self.connection.read()
        raise httpx.ReadTimeout("")


@define(kw_only=True)
class _Answer:
    """An answer of httpx. `_is_open` is False from the end, a fault or a cancellation on."""

    client: HttpxClient
    connection: _Connection
    response: httpx.Response
    _chunks: AsyncIterator[bytes] = field(init=False)
    _is_open: bool = field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = aiter(cast("httpx.AsyncByteStream", self.response.stream))

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.response.headers.raw]

    @property
    def is_whole(self) -> bool:
        return self.connection.is_reusable

    async def read(self) -> bytes:
        if not self._is_open:
            return b""
        self._is_open = False  # stays so when the read is cancelled: what was read then is lost
        try:
            chunk = await anext(self._chunks, b"")
        except httpx.TransportError as error:
            reason, message = _meaning(error)
            raise ProviderFailed(provider=self.client.provider, reason=reason, message=message) from error
        self._is_open = bool(chunk)
        return chunk

    async def finish(self, linger_s: float) -> None:
        """Read an open body on for `linger_s`: its end may be one read away."""
        with trio.CancelScope(deadline=trio.current_time() + linger_s, shield=True):
            while self._is_open and await self._rest():
                pass

    async def _rest(self) -> bool:
        try:
            return bool(await self.read())
        except ProviderFailed:
            return False


async def _connect(url: httpx.URL, limit_s: float, dial: h1.Dial) -> h1.Connection:
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    try:
        with trio.fail_after(limit_s):
            return await h1.connect(url.host, port, tls_context() if is_tls else None, dial)
    except trio.TooSlowError as error:
        raise httpx.ConnectTimeout("") from error
    except (OSError, trio.BrokenResourceError) as error:
        raise httpx.ConnectError("") from error


@functools.lru_cache(maxsize=256)  # a handful per provider
def _url(url: str) -> httpx.URL:
    return httpx.URL(url)


def _ended_unanswered(error: httpx.TransportError) -> bool:
    """Tell whether the connection ended without an answer, as one does that the server had given up meanwhile."""
    return isinstance(error, httpx.ReadError)


_MEANINGS: tuple[tuple[type[httpx.TransportError], FailureReason, str], ...] = (
    (httpx.ConnectTimeout, FailureReason.TIMEOUT, "could not connect in time"),
    (httpx.ReadTimeout, FailureReason.TIMEOUT, "the upstream stopped sending"),
    (httpx.TimeoutException, FailureReason.TIMEOUT, "the upstream was too slow"),
    (httpx.ConnectError, FailureReason.CONNECTION, CANNOT_CONNECT),
    (httpx.ReadError, FailureReason.CONNECTION, "the connection broke"),
    (httpx.WriteError, FailureReason.CONNECTION, "the connection broke"),
    (httpx.RemoteProtocolError, FailureReason.CONNECTION, "the connection ended too soon or was not HTTP"),
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
