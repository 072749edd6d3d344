"""Server-sent events: an incremental framer, and the encoder's two forms (wire.md 18)."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Frame:
    """One event as it came: `raw` is its own bytes with its blank line, `data` the joined data lines, `event` its name or None."""

    raw: bytes
    data: bytes
    event: bytes | None = None
