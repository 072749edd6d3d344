"""Where this machine reaches a daemon, by its configuration."""

from __future__ import annotations

from router.config.schema import ServerConfig

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the daemon may be bound to


def address_of(server: ServerConfig) -> str:
    """Return the base URL at which this machine reaches a daemon of that configuration."""
    host = _EVERY_ADDRESS.get(server.host, server.host)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
