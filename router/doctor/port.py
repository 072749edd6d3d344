"""Whose is the port that the daemon listens on: nobody's, this router's, or another program's, by name where Linux tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import trio

from router.config.address import address_of
from router.config.document import at
from router.config.schema import ServerConfig
from router.doctor.findings import Finding, Verdict
from router.errors import ProviderFailed
from router.providers.http import CLOSE_S, HttpxClient
from router.providers.transport import CANNOT_CONNECT, HttpRequest, HttpTimeouts

PORT = "port"
LOOK_S = 3.0  # it is this machine
MAX_PAGE_BYTES = 65_536
_LISTEN = "0A"  # of /proc/net/tcp
_PROC = Path("/proc")


async def check_port(server: ServerConfig) -> Finding:
    """Return who is at the address of the configuration."""
    if server.port == 0:
        return _finding(Verdict.SKIP, "port 0: the router uses any free port")
    url = address_of(server)
    page = await _first_page(url)
    if page is None:
        return _finding(Verdict.OK, f"{url} is free: no router runs there")
    if at(page, ("service",)) == "router":
        version = at(page, ("version",))
        return _finding(Verdict.OK, f"{url} is in use by this router{f', version {version}' if isinstance(version, str) else ''}")
    owner = next(owners(server.port), None)
    seen = f"{url} is taken{f' by {owner}' if owner else ''}, which is not a router"
    return _finding(Verdict.ERROR, seen, "a free port", "stop that program, or give the router another [server].port")


def owners(port: int, proc: Path = _PROC) -> Iterator[str]:
    """Yield `name (process N)` of who listens on a port, as far as this user may see it."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    for entry in sorted(proc.glob("[0-9]*")):
        try:
            is_owner = any(str(descriptor.readlink()) in wanted for descriptor in (entry / "fd").iterdir())
            name = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # gone by now, or another user's
            continue
        if is_owner:
            yield f"{name} (process {entry.name})"


def _listening(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / table).read_text(encoding="ascii", errors="replace").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if len(fields) > 9 and fields[3] == _LISTEN and fields[1].rpartition(":")[2] == f"{port:04X}":  # noqa: PLR2004 - the inode
                yield fields[9]


async def _first_page(url: str) -> object | None:
    """Return what `/` answers with as JSON, "" for anything else, None where nobody listens."""
    client = HttpxClient(provider=urlsplit(url).netloc)
    timeouts = HttpTimeouts(connect_s=LOOK_S, head_s=LOOK_S, idle_s=LOOK_S)
    body = bytearray()
    try:
        async with client.open(HttpRequest(url=f"{url}/", headers=(), timeouts=timeouts, method="GET")) as answer:
            while (chunk := await answer.read()) and len(body) <= MAX_PAGE_BYTES:
                body += chunk
        return orjson.loads(body) or ""
    except ProviderFailed as failure:
        return None if failure.message.startswith(CANNOT_CONNECT) else ""
    except orjson.JSONDecodeError:
        return ""
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await client.aclose()


def _finding(verdict: Verdict, seen: str, expected: str = "", advice: str = "") -> Finding:
    return Finding(check=PORT, verdict=verdict, seen=seen, expected=expected, advice=advice)
