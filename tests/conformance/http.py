"""One HTTP/1.1 exchange on a socket of its own: what a client library hides is what is looked at here.

No redirect is followed, no connection is used twice, nothing is retried. Times are seconds since the request began to be
sent. Every read has a limit, so that a server that falls silent is a finding and no hang."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from itertools import pairwise
from urllib.parse import urlsplit

import h11
import trio
from attrs import define, field, frozen

READ_BYTES = 65_536
WRITE_BYTES = 262_144  # a refusal that comes in the middle of an upload is read between two of these
CONNECT_S = 10.0

Headers = tuple[tuple[str, str], ...]


class NoAnswer(Exception):
    """There was no response head: nothing listens, the connection broke, no HTTP was spoken, or the limit passed."""


class End(StrEnum):
    """How a body ended."""

    WHOLE = "whole"  # as its framing promised
    CUT = "cut"  # the connection closed or broke before that
    SILENT = "silent"  # no byte came within the limit


@frozen(kw_only=True)
class Target:
    """The server under test; `prefix` is the path of its base URL, without a slash at the end."""

    host: str
    port: int
    prefix: str = ""
    is_tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Target:
        """Return the target of a base URL. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an http(s) base URL: {url!r}")
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        return cls(host=parts.hostname, port=port, prefix=parts.path.rstrip("/"), is_tls=is_tls)


@frozen(kw_only=True)
class Ask:
    """One request. `body` None sends none."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes | None = None


@frozen(kw_only=True)
class Limits:
    """How long one read may take, and one exchange, in seconds."""

    silence_s: float = 60.0
    total_s: float = 180.0


@frozen(kw_only=True)
class Answer:
    """One response, whole or broken off; `arrivals` says when how many bytes of the body came."""

    status: int
    headers: Headers
    body: bytes
    end: End
    head_after_s: float
    arrivals: tuple[tuple[float, int], ...] = ()

    def header(self, name: str) -> str | None:
        """Return a header's value, the first of several; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def is_type(self, content_type: str) -> bool:
        """Tell whether the body says it is of that type, parameters left out."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower() == content_type

    def json(self) -> object:
        """Return the body as a JSON value, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def longest_silence_s(self) -> float:
        """Return the longest wait for a byte, the head included."""
        times = [0.0, self.head_after_s, *(at for at, _ in self.arrivals)]
        return max(later - earlier for earlier, later in pairwise(times))


@define(kw_only=True)
class Live:
    """A response whose head is there; leaving its context closes the socket."""

    status: int
    headers: Headers
    head_after_s: float
    _wire: _Wire = field(alias="wire")

    async def receive(self, silence_s: float) -> bytes | End:
        """Return the next bytes of the body, or how it ended."""
        with trio.move_on_after(silence_s):
            return await self._wire.next_data()
        return End.SILENT

    def elapsed_s(self) -> float:
        """Return the seconds since the request began to be sent."""
        return trio.current_time() - self._wire.began_at


@define(kw_only=True)
class _Wire:
    stream: trio.abc.Stream
    conn: h11.Connection
    began_at: float

    async def write(self, ask: Ask, headers: Sequence[tuple[str, str]]) -> None:
        body = ask.body or b""
        parts = [self.conn.send(h11.Request(method=ask.method, target=ask.path, headers=list(headers)))]
        parts += [self.conn.send(h11.Data(data=body[at : at + WRITE_BYTES])) for at in range(0, len(body), WRITE_BYTES)]
        parts.append(self.conn.send(h11.EndOfMessage()))
        for part in parts:
            try:
                await self.stream.send_all(part or b"")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # refused in the middle of the upload; the answer may still be there to be read

    async def head(self) -> tuple[int, Headers]:
        while True:
            event = await self._next()
            if isinstance(event, h11.Response) or (isinstance(event, h11.InformationalResponse) and event.status_code == 101):
                decoded = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in event.headers]
                return event.status_code, tuple(decoded)
            if not isinstance(event, h11.InformationalResponse):
                raise NoAnswer("the connection ended before a response head")

    async def next_data(self) -> bytes | End:
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        return End.WHOLE if isinstance(event, h11.EndOfMessage) else End.CUT

    async def _next(self) -> object:
        """Return the next event, None where the connection broke or spoke no HTTP."""
        try:
            while (event := self.conn.next_event()) is h11.NEED_DATA:
                self.conn.receive_data(bytes(await self.stream.receive_some(READ_BYTES)))
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return None
        return event


@asynccontextmanager
async def open_live(target: Target, ask: Ask, *, head_within_s: float) -> AsyncIterator[Live]:
    """Send a request and yield its response once the head is there. Raises NoAnswer."""
    stream = await _connect(target)
    async with stream:
        wire = _Wire(stream=stream, conn=h11.Connection(h11.CLIENT), began_at=trio.current_time())
        host = target.host if target.port in {80, 443} else f"{target.host}:{target.port}"
        headers = [("host", host), ("user-agent", "conformance"), ("accept", "*/*"), *ask.headers]
        if ask.body is not None:
            headers.append(("content-length", str(len(ask.body))))
        sent = Ask(method=ask.method, path=target.prefix + ask.path, headers=ask.headers, body=ask.body)
        status, got = await _send_and_wait(wire, sent, headers, head_within_s)
        yield Live(status=status, headers=got, head_after_s=trio.current_time() - wire.began_at, wire=wire)


async def fetch(target: Target, ask: Ask, limits: Limits | None = None) -> Answer:
    """Return the whole answer, or as much as came. Raises NoAnswer."""
    limits = limits or Limits()
    body = bytearray()
    arrivals: list[tuple[float, int]] = []
    async with open_live(target, ask, head_within_s=limits.silence_s) as live:
        end: End = End.SILENT
        while live.elapsed_s() < limits.total_s:
            got = await live.receive(limits.silence_s)
            if isinstance(got, End):
                end = got
                break
            body += got
            arrivals.append((live.elapsed_s(), len(got)))
        return Answer(
            status=live.status,
            headers=live.headers,
            body=bytes(body),
            end=end,
            head_after_s=live.head_after_s,
            arrivals=tuple(arrivals),
        )


async def _send_and_wait(wire: _Wire, ask: Ask, headers: Sequence[tuple[str, str]], within_s: float) -> tuple[int, Headers]:
    """Send while waiting, since a refusal may come before the whole body went out."""
    found: tuple[int, Headers] | NoAnswer = NoAnswer(f"no response head within {within_s:g} s")
    with trio.move_on_after(within_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.write, ask, headers)
            try:
                found = await wire.head()
            except NoAnswer as error:
                found = error
            nursery.cancel_scope.cancel()
    if isinstance(found, NoAnswer):
        raise found
    return found


async def _connect(target: Target) -> trio.abc.Stream:
    try:
        with trio.fail_after(CONNECT_S):
            stream = await trio.open_tcp_stream(target.host, target.port)
    except (OSError, trio.TooSlowError) as error:
        raise NoAnswer(f"no connection to {target.host}:{target.port}: {error}") from error
    if not target.is_tls:
        return stream
    return trio.SSLStream(stream, ssl.create_default_context(), server_hostname=target.host, https_compatible=True)
