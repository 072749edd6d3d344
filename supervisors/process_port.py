"""Who owns a managed server's port among the routers of one machine: the first, for as long as its server runs.

A look at the port is not enough: of two that start at the same moment, the second would find the first one's server
answering, and take it for its own. The claim is a Linux abstract socket: its names belong to the network namespace, as
ports do, it needs no file, and it ends with its process, however that ends. Elsewhere nothing is claimed."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)


class PortTaken(Exception):
    """Another router runs a managed server at this port. `owner` is its pid, None where it cannot be told."""

    def __init__(self, port: int, owner: int | None) -> None:
        """Keep what is known."""
        super().__init__(port, owner)
        self.port = port
        self.owner = owner


@contextmanager
def hold_port(port: int) -> Iterator[None]:
    """Own the port among all routers of this machine inside. Raises PortTaken. Never waits."""
    if not sys.platform.startswith("linux"):
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:  # not inherited by jobs
        try:
            claim.bind(_name(port))
        except OSError as error:
            raise PortTaken(port, _owner(port)) from error
        claim.listen()  # whoever is refused asks it for our pid; nobody is ever accepted
        yield


def _name(port: int) -> str:
    return f"\0nursery-router/port/{port}"


def _owner(port: int) -> int | None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(0)
            asking.connect(_name(port))
            pid: int = _CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    except OSError:  # it has gone meanwhile
        return None
    return pid or None  # 0: of another pid namespace
