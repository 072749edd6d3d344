"""Width and height of an image, from the first bytes of its file; nothing is unpacked."""

from __future__ import annotations

import binascii
from base64 import b64decode

_HEAD_CHARS = 65_536  # base64 text of the first 48 KiB: past the metadata that cameras put before a JPEG's size

_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start-of-frame markers
_JPEG_BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})  # markers without a length

Size = tuple[int, int]


def image_size(data: str) -> Size | None:
    """Return (width, height) in pixels of a base64 PNG, JPEG, GIF or WebP; None for any other or a broken one."""
    head = data[:_HEAD_CHARS]
    try:
        raw = b64decode(head[: len(head) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    size = _size(raw)
    return size if size is not None and min(size) > 0 else None


def _size(raw: bytes) -> Size | None:
    """Return what the file says; a size that is cut off reads as 0."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return _big(raw, 16, 4), _big(raw, 20, 4)
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return _little(raw, 6, 2), _little(raw, 8, 2)
    if raw.startswith(b"\xff\xd8"):
        return _jpeg_size(raw)
    if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
        return _webp_size(raw)
    return None


def _jpeg_size(raw: bytes) -> Size | None:
    """Walk from marker to marker until a start of frame."""
    position = 2
    while raw[position : position + 1] == b"\xff" and position + 1 < len(raw):
        marker = raw[position + 1]
        if marker in _JPEG_FRAMES:
            return _big(raw, position + 7, 2), _big(raw, position + 5, 2)
        position += 1 if marker in _JPEG_BARE else 2 + _big(raw, position + 2, 2)
    return None


def _webp_size(raw: bytes) -> Size | None:
    match raw[12:16]:
        case b"VP8 ":  # lossy: 14 bits each, the upper two are a scale
            return _little(raw, 26, 2) & 0x3FFF, _little(raw, 28, 2) & 0x3FFF
        case b"VP8L":  # lossless: 14 bits each, less one, one after the other
            bits = _little(raw, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":  # extended: 24 bits each, less one
            return _little(raw, 24, 3) + 1, _little(raw, 27, 3) + 1
    return None


def _big(raw: bytes, start: int, length: int) -> int:
    return int.from_bytes(raw[start : start + length], "big")


def _little(raw: bytes, start: int, length: int) -> int:
    return int.from_bytes(raw[start : start + length], "little")
