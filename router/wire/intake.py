"""A client's body before any dialect reads it: media type, encoding, one JSON object, the keys that are ours (wire.md 3)."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
from attrs import define, field, frozen

from router.errors import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMediaType

MAX_DEPTH = 128  # of nested arrays and objects; whoever walks a document may recurse that deep
_WRITTEN_DEPTH = 254  # of what orjson writes; a test holds it to that
ROUTER_KEYS = ("profile", "mode", "router")  # top-level keys of a body that no upstream may see; `router` is reserved

_GZIP = 16 + zlib.MAX_WBITS  # zlib's own way to ask for the gzip wrapper, with its checksum


@frozen(kw_only=True)
class RouterKeys:
    """What a body says to the router itself; None means that it said nothing."""

    profile: str | None = None
    mode: str | None = None


@define
class BoundedGunzip:
    """Decode one gzip body piece by piece, at most `max_bytes` of it, so that a bomb stops at the limit.

    A body may consist of several gzip members, one after the other."""

    max_bytes: int
    _left: int = field(init=False)
    _member: Any = field(init=False, factory=lambda: zlib.decompressobj(_GZIP))

    def __attrs_post_init__(self) -> None:
        self._left = self.max_bytes

    def feed(self, data: bytes) -> bytes:
        """Return what `data` decodes to. Raises BodyTooLarge past the limit, InvalidJson for bytes that are no gzip."""
        decoded = []
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                piece = self._member.decompress(data, self._left + 1)  # one byte more tells a full body from a longer one
            except zlib.error as error:
                raise InvalidJson(message="the body is not valid gzip") from error
            self._left -= len(piece)
            if self._left < 0:
                raise BodyTooLarge(message=f"the request body is larger than the limit of {self.max_bytes} bytes")
            decoded.append(piece)
            data = self._member.unconsumed_tail or self._member.unused_data
        return b"".join(decoded)

    def close(self) -> None:
        """Say that the body has ended. Raises InvalidJson if the gzip stream has not."""
        if not self._member.eof:
            raise InvalidJson(message="the gzip body ends early")


def check_content_type(value: str | None) -> None:
    """Let JSON through, and a body without a type. Raises UnsupportedMediaType."""
    media_type = (value or "").partition(";")[0].strip().lower()
    if media_type not in ("", "application/json") and not media_type.endswith("+json"):
        raise UnsupportedMediaType(message=f"content-type {media_type!r} is not supported; send application/json")


def read_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds; of duplicate keys the last wins.

    Raises InvalidJson for anything else: no JSON, NaN or Infinity, no object, nested deeper than MAX_DEPTH."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        why = f"the body is not valid JSON: {error}" if body.strip() else "the body is empty"
        raise InvalidJson(message=why) from error
    if not isinstance(document, dict):
        raise InvalidJson(message="the body must be a JSON object")
    if is_too_deep(document):
        raise InvalidJson(message=f"the body is nested deeper than {MAX_DEPTH} levels")
    return document


def take_router_keys(document: dict[str, Any]) -> RouterKeys:
    """Return the keys that are meant for the router and remove them from the document.

    Raises InvalidRequest where one has the wrong type; null means absent. `router` is ignored, whatever it holds."""
    profile, mode, _ = (document.pop(key, None) for key in ROUTER_KEYS)
    for key, value in (("profile", profile), ("mode", mode)):
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(message="must be a string", param=key)
    return RouterKeys(profile=profile, mode=mode)


def is_too_deep(document: dict[str, Any]) -> bool:
    """Tell whether a document is nested deeper than MAX_DEPTH, which is less than orjson writes."""
    # Its writer counts levels in a third of the time of a walk: wrapped in the rest of what it writes, only a deep one fails.
    wrapped: object = document
    for _ in range(_WRITTEN_DEPTH - MAX_DEPTH):
        wrapped = [wrapped]
    try:
        orjson.dumps(wrapped)
    except orjson.JSONEncodeError:
        return True
    return False
