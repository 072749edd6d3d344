"""What a server tells of the model of one provider, beside all requests: is it in memory, and how much does it read? Pure."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class ServerState:
    """None: not told. Windows are in tokens.

    `loaded_window` is what the model was last loaded with, `default_window` what its own settings ask for where a request
    asks for nothing, `largest_window` what it was trained for. `expires_at` is the server's own RFC 3339 text."""

    is_loaded: bool | None = None
    loaded_window: int | None = None
    default_window: int | None = None
    largest_window: int | None = None
    size_bytes: int | None = None
    vram_bytes: int | None = None
    expires_at: str | None = None


UNKNOWN = ServerState()
