"""Read a request's body: at most so many decoded bytes, as JSON text only (wire.md 2.1, 3, 19.2)."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from router.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType
from router.ingress.asgi_types import Message, Receive
from router.wire.intake import BoundedGunzip, check_content_type

GZIP_EXTRA_BYTES = 1024  # what gzip adds to a body that it cannot shrink; whoever sends more sends members that unfold to nothing
BODY_SILENCE_S = 60.0  # a client that announces a body and falls silent holds a place of max_in_flight


class ClientGone(Exception):
    """The client left before its request was whole; nobody is there to be answered."""


async def read_body(receive: Receive, headers: Mapping[str, str], max_bytes: int, *, is_typed: bool = True) -> bytes:
    """Return the whole decoded body; with `is_typed` it has to say that it is JSON, or nothing.

    Raises UnsupportedMediaType, BodyTooLarge, InvalidJson (broken gzip), InvalidRequest (BODY_SILENCE_S without a byte),
    ClientGone. A declared length over the limit is refused before anything is read; chunked and gzipped bodies are counted
    as they come, so a small body that unfolds into a big one stops at the limit, too."""
    if is_typed:
        check_content_type(headers.get("content-type"))
    gunzip = choose_decoder(headers.get("content-encoding", ""), max_bytes)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    chunks: list[bytes] = []
    size = raw_size = 0
    more = True
    while more:
        message = await _next_part(receive)
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        chunk = message.get("body", b"")
        raw_size += len(chunk)
        if gunzip is not None:
            chunk = gunzip.feed(chunk)
        size += len(chunk)
        if size > max_bytes or raw_size > max_bytes + GZIP_EXTRA_BYTES:
            raise too_large(max_bytes)
        if chunk:
            chunks.append(chunk)
    if gunzip is not None:
        gunzip.close()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _next_part(receive: Receive) -> Message:
    with trio.move_on_after(BODY_SILENCE_S):
        return await receive()
    raise InvalidRequest(message=f"no part of the request body arrived for {BODY_SILENCE_S:g} s")


def choose_decoder(content_encoding: str, max_bytes: int) -> BoundedGunzip | None:
    """Return what unfolds the body, None for a plain one. Raises UnsupportedMediaType."""
    encoding = content_encoding.strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding == "gzip":
        return BoundedGunzip(max_bytes=max_bytes)
    raise UnsupportedMediaType(message=f"content-encoding {encoding!r} is not supported; send identity or gzip")


def too_large(max_bytes: int) -> BodyTooLarge:
    """Return the refusal that names the limit."""
    return BodyTooLarge(message=f"the request body is larger than the limit of {max_bytes} bytes")
