"""Ask a managed server whether it is ready: one small HTTP GET over a trio socket.

httpx belongs to `router/providers/http.py` alone; a status line on loopback needs none of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import trio

from router.providers.h1 import Dial, Line

Probe = Callable[[str], Awaitable[int | None]]
MAX_STATUS_LINE = 1024  # bytes; "HTTP/1.1 503 Service Unavailable" is 32


async def http_status(url: str, dial: Dial = trio.open_tcp_stream) -> int | None:
    """Return the status that a GET of a plain http URL is answered with, None when nobody answers in HTTP.

    The caller bounds the time."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        stream = await dial(parts.hostname or "", parts.port or 80)
        async with stream:
            await stream.send_all(request.encode("ascii"))
            return _status(await _first_line(stream))
    except (OSError, trio.BrokenResourceError):
        return None


async def _first_line(stream: trio.SocketStream | Line) -> bytes:
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
