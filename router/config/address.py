"""Where this machine reaches a daemon, by its configuration."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from router.config.schema_server import ServerConfig

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a server is bound to is not where it is asked
_NEAR = (".local", ".lan", ".internal")  # the suffixes of home and office networks, which no vendor's name has


def address_of(server: ServerConfig) -> str:
    """Return the base URL at which this machine reaches a daemon of that configuration."""
    host = asked_host(server.host)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def asked_host(bound: str) -> str:
    """Return the host at which this machine reaches what is bound to one: what listens on every address is at loopback, too."""
    return _EVERY_ADDRESS.get(bound, bound)


def is_near_host(host: str) -> bool:
    """Tell whether a host is this machine or one of its network, by its address or its name; no name is looked up."""
    host = _plain(host)
    address = _address(host)
    return "." not in host or host.endswith(_NEAR) if address is None else address.is_private


def port_of(url: str) -> int | None:
    """Return the port that a URL leads to, None for what is no URL of HTTP."""
    try:
        parts = urlsplit(url)
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def is_own_host(name: str, *, bind_host: str) -> bool:
    """Tell whether at its own port a daemon is who answers to a host, for certain: no name but `localhost` is looked up.

    `localhost` is 127.0.0.1 first. Bound to every address a daemon has those of the network as well, which nobody here knows."""
    name, bind = _plain(name), _plain(bind_host)
    if name == bind:
        return True
    if name == "localhost":
        return bind in ("127.0.0.1", "0.0.0.0")  # noqa: S104 - what the daemon may be bound to
    asked, bound = _address(asked_host(name)), _address(bind)
    if asked is None or bound is None:
        return bind == "localhost" and str(asked) in _EVERY_ADDRESS.values()
    return asked == bound or (bound.is_unspecified and asked.is_loopback and asked.version == bound.version)


def may_be_own_host(name: str, *, bind_host: str, allowed_hosts: Collection[str]) -> bool:
    """Tell whether at its own port a daemon may answer to a host: by a name of this machine, or one that clients may use.

    A socket passed by systemd may take what comes to 127.0.0.1 at `::` as well."""
    name, bind = _plain(name), _plain(bind_host)
    if name in {_plain(host) for host in allowed_hosts}:
        return True
    return _is_here(name) and _is_here(bind) and (name == "localhost" or bind == "::")


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_here(host: str) -> bool:
    """Tell whether a connection to a host ends on this machine, whichever it is: to no address is to loopback."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback or address.is_unspecified
