"""Where this machine reaches a daemon, by its configuration."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from router.config.schema_server import ServerConfig

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the daemon may be bound to


def address_of(server: ServerConfig) -> str:
    """Return the base URL at which this machine reaches a daemon of that configuration."""
    host = _EVERY_ADDRESS.get(server.host, server.host)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def is_own_host(name: str, *, bind_host: str, allowed_hosts: Collection[str]) -> bool:
    """Tell whether a daemon answers to a host at its own port, as far as names and addresses tell without a look-up.

    Bound to every address it has those of this machine's network as well, which nobody here knows."""
    name, bind = name.strip("[]").rstrip(".").lower(), bind_host.strip("[]").lower()
    if name in {bind, *(host.lower() for host in allowed_hosts)}:
        return True
    if not _is_here(name) or bind in _EVERY_ADDRESS:
        return _is_here(name)
    is_whichever = "localhost" in {name, bind} or name in _EVERY_ADDRESS  # 127.0.0.2 is none of 127.0.0.1's
    return is_whichever and _is_here(bind)


def _is_here(host: str) -> bool:
    """Tell whether a connection to a host ends on this machine, whichever it is: to no address is to loopback."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
