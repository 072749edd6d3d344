"""The sockets that a service manager listens on for us (socket activation): looked at before anything is started."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator

from router.config.rules import is_loopback
from router.errors import ConfigError, Mistake

SOURCE = "LISTEN_FDS"
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def listening_sockets(descriptors: Iterable[int], *, has_token: bool) -> tuple[socket.socket, ...]:
    """Return the passed sockets; the caller owns them.

    Raises ConfigError, with all of them closed, for one that is no TCP socket that listens, or that other machines reach
    while no client token is asked for (founding decision 21)."""
    sockets: list[socket.socket] = []
    mistakes: list[Mistake] = []
    for descriptor in descriptors:
        try:
            sockets.append(socket.socket(fileno=descriptor))
        except OSError as error:
            mistakes.append(_mistake(descriptor, f"is not a socket ({os.strerror(error.errno or 0)})"))
            continue
        mistakes += (_mistake(descriptor, complaint) for complaint in _complaints(sockets[-1], has_token=has_token))
    if mistakes:
        for one in sockets:
            one.close()
        raise ConfigError(source=SOURCE, mistakes=tuple(mistakes))
    return tuple(sockets)


def require_token(sockets: Iterable[socket.socket], *, has_token: bool) -> None:
    """Raise ConfigError where other machines reach one of the sockets and no client token is asked for (founding decision 21)."""
    if not has_token and (hosts := exposed(sockets)):
        message = f"is needed: the router listens on {hosts[0]}, which can be reached from other machines"
        raise ConfigError(source=SOURCE, mistakes=(Mistake(path="server.client_token_env", message=message),))


def exposed(sockets: Iterable[socket.socket]) -> tuple[str, ...]:
    """Return the addresses among them that other machines reach: a configuration without a client token does not fit these."""
    hosts = (str(one.getsockname()[0]) for one in sockets)
    return tuple(host for host in hosts if not is_loopback(host))


def _complaints(one: socket.socket, *, has_token: bool) -> Iterator[str]:
    if one.family not in _FAMILIES or one.type != socket.SOCK_STREAM:
        yield "is not a TCP socket: the socket unit needs ListenStream with an address and a port"
    elif not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        yield "does not listen: the socket unit needs Accept=no"
    elif not has_token and (hosts := exposed((one,))):
        yield f"listens on {hosts[0]}, which can be reached from other machines: set [server].client_token_env"


def _mistake(descriptor: int, complaint: str) -> Mistake:
    return Mistake(path=SOURCE, message=f"descriptor {descriptor} {complaint}")
