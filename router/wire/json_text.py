"""JSON as it stands in frames: one object in, one line out."""

from __future__ import annotations

import re
from typing import Any

import orjson

from router.wire.intake import MAX_DEPTH, is_too_deep

_DEEP_BYTES = 2 * MAX_DEPTH  # what brackets alone need to nest so deep
_ESCAPE = re.compile(
    r"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def json_line(value: object) -> bytes:
    """Return compact JSON, unicode kept, no NaN; U+2028 and U+2029 escaped, since some readers end a line there."""
    text = orjson.dumps(value)
    if b"\xe2\x80" in text:
        return text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return text


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object of one frame, None for anything else, and for one that is too deep to be written again.

    Invalid UTF-8 and lone surrogate escapes (servers that cut a text in UTF-16
    units send them) read as U+FFFD."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _parse_mended(data)
    if not isinstance(value, dict) or (_may_be_deep(data) and is_too_deep(value)):
        return None
    return value


def parse_whole(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a whole body, None as `parse_object` does, and for bytes that would have to be mended.

    They go out as they are where client and upstream speak the same dialect, so they have to be right."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and not (_may_be_deep(data) and is_too_deep(value)) else None


def _may_be_deep(data: bytes) -> bool:
    """Tell whether there are brackets enough; the walk through a document costs more than its parsing."""
    return len(data) > _DEEP_BYTES and data.count(b"{") + data.count(b"[") > MAX_DEPTH


def _parse_mended(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    mended = _ESCAPE.sub(lambda found: "\\ufffd" if found["lone"] else found[0], text).encode()
    if mended == data:
        return None
    try:
        return orjson.loads(mended)
    except orjson.JSONDecodeError:
        return None
