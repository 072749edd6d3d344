"""One raw event of an upstream stream."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Frame:
    """`raw` is the event's own bytes with its blank line, `data` the joined data lines, `event` its name or None."""

    raw: bytes
    data: bytes
    event: bytes | None = None
