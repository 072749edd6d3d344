"""Ask a managed server whether it is ready: one small HTTP GET over a trio socket.

httpx belongs to `router/providers/http.py` alone; a status line needs none of it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, quote, urlsplit

import trio

from router.providers.h1 import Dial

Probe = Callable[[str], Awaitable[int | None]]
_AS_THEY_ARE = "/?&=%:@!$'()*+,;~"  # in the target of a request
MAX_STATUS_LINE = 1024  # bytes; "HTTP/1.1 503 Service Unavailable" is 32


async def http_status(url: str, dial: Dial = trio.open_tcp_stream) -> int | None:
    """Return the status that a GET of the URL is answered with, None when nobody answers in HTTP.

    The caller bounds the time. With https the certificate has to be good."""
    parts = urlsplit(url)
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_THEY_ARE)
    request = f"GET {target} HTTP/1.1\r\nHost: {_host(parts)}\r\nConnection: close\r\n\r\n"
    try:
        stream = await _open(parts, dial)
        async with stream:
            await stream.send_all(request.encode("ascii"))
            return _status(await _first_line(stream))
    except (OSError, trio.BrokenResourceError):
        return None


async def _open(parts: SplitResult, dial: Dial) -> trio.abc.Stream:
    host, is_https = parts.hostname or "", parts.scheme == "https"
    stream = await dial(host, parts.port or (443 if is_https else 80))
    if not is_https:
        return stream
    return trio.SSLStream(stream, ssl.create_default_context(), server_hostname=host, https_compatible=True)


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
