"""Ask a managed server whether it is ready: one small HTTP GET over a trio socket.

httpx belongs to `router/providers/http.py` alone; a status line needs none of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, quote, urlsplit

import trio
from attrs import define

from router.providers.h1 import Dial
from router.providers.http import tls_context

Probe = Callable[[str], Awaitable[int | None]]
_AS_THEY_ARE = "/?&=%:@!$'()*+,;~"  # in the target of a request
MAX_STATUS_LINE = 1024  # bytes; "HTTP/1.1 503 Service Unavailable" is 32


@define(kw_only=True, eq=False)
class HttpProbe:
    """The Probe over a connection that `dial` opens; trusts with https whom the providers trust."""

    dial: Dial = trio.open_tcp_stream

    async def __call__(self, url: str) -> int | None:
        """Return the status that a GET of the URL is answered with, None when nobody answers in HTTP.

        The caller bounds the time. With https the certificate has to be good."""
        parts = urlsplit(url)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_THEY_ARE)
        request = f"GET {target} HTTP/1.1\r\nHost: {_host(parts)}\r\nConnection: close\r\n\r\n"
        try:
            stream = await self._open(parts)
            async with stream:
                await stream.send_all(request.encode("ascii"))
                return _status(await _first_line(stream))
        except (OSError, trio.BrokenResourceError):
            return None

    async def _open(self, parts: SplitResult) -> trio.abc.Stream:
        host = parts.hostname or ""
        if parts.scheme != "https":
            return await self.dial(host, parts.port or 80)
        tls = await trio.to_thread.run_sync(tls_context)  # reads every certificate the first time: not on the loop
        stream = await self.dial(host, parts.port or 443)
        return trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)


def _host(parts: SplitResult) -> str:
    host = parts.netloc
    return host if host.isascii() else host.encode("idna").decode("ascii")


async def _first_line(stream: trio.abc.ReceiveStream) -> bytes:
    received = b""
    while b"\n" not in received and len(received) < MAX_STATUS_LINE:
        chunk = await stream.receive_some(MAX_STATUS_LINE)
        if not chunk:
            break
        received += chunk
    return received.partition(b"\n")[0]


def _status(line: bytes) -> int | None:
    version, _, rest = line.partition(b" ")
    code = rest.strip()[:3]
    return int(code) if version.startswith(b"HTTP/") and code.isdigit() else None
