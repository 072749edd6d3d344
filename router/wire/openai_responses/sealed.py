"""Reasoning that travels through a client who cannot read it, and comes back as what it was (wire.md 13, R-73).

A Responses client returns `encrypted_content` as it got it, so that holds what other vendors sign, text and all. The
other way round a client of another dialect returns a thinking block's signature, and that holds what OpenAI encrypts.
Both begin with the router's own mark, by which every other upstream is kept from reading them."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from router.domain.messages import Thinking, ThinkingOrigin
from router.wire.reasoning import SIGNATURE_PREFIX, is_router_signature

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of one block, unpacked: what is more was not made here

_OPENAI = f"{SIGNATURE_PREFIX}{ThinkingOrigin.OPENAI}."
_VENDOR = f"{SIGNATURE_PREFIX}vendor."  # no digest of ours: those have 12 characters
_CALL = f"{SIGNATURE_PREFIX}call."  # nor this


def openai_signature(encrypted: str) -> str:
    """Return the signature under which other clients keep what OpenAI encrypted."""
    return _OPENAI + encrypted


def openai_content(signature: str | None) -> str | None:
    """Return what OpenAI encrypted, None for a signature that holds nothing of theirs."""
    if signature is None or not signature.startswith(_OPENAI):
        return None
    return signature.removeprefix(_OPENAI)


def seal(*, text: str, signature: str, redacted: str | None = None) -> str:
    """Return the `encrypted_content` that gives the block back to whoever signed it."""
    if redacted is None and is_router_signature(signature):
        return f"{signature}.{_packed(text.encode('utf-8', 'replace'))}"
    held = {"redacted": redacted} if redacted is not None else {"text": text, "signature": signature}
    return _VENDOR + _packed(orjson.dumps(held))


def unseal(content: str, path: str) -> Thinking | None:
    """Return the block that `seal` put in, None for anything else. Never raises."""
    if not is_router_signature(content):
        return None
    signature, _, packed = content.rpartition(".")
    data = _unpacked(packed)
    if data is None:
        return None
    if signature + "." == _VENDOR:
        return _vendors(data, path)
    text = data.decode("utf-8", "replace")
    return Thinking(text=text, signature=signature, origin=ThinkingOrigin.ROUTER, path=path)


def seal_call(call_id: str, signature: str) -> str:
    """Return the `encrypted_content` that gives a call its vendor's signature back: a call's own item has no place for it."""
    return _CALL + _packed(orjson.dumps({"id": call_id, "signature": signature}))


def unseal_call(content: str) -> tuple[str, str] | None:
    """Return (id, signature) of the call that `seal_call` held, None for anything else. Never raises."""
    data = _unpacked(content.removeprefix(_CALL)) if content.startswith(_CALL) else None
    held = _object(data) if data is not None else {}
    call_id, signature = _string(held, "id"), _string(held, "signature")
    return (call_id, signature) if call_id and signature else None


def _vendors(data: bytes, path: str) -> Thinking | None:
    held = _object(data)
    if redacted := _string(held, "redacted"):
        return Thinking(redacted=redacted, path=path)
    signature = _string(held, "signature")
    return Thinking(text=_string(held, "text"), signature=signature, path=path) if signature else None


def _object(data: bytes) -> dict[str, Any]:
    try:
        held: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return held if isinstance(held, dict) else {}


def _packed(data: bytes) -> str:
    return urlsafe_b64encode(zlib.compress(data)).rstrip(b"=").decode()


def _unpacked(packed: str) -> bytes | None:
    try:
        data = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(data, MAX_TEXT_BYTES)
    except (ValueError, zlib.error):
        return None
    return text if unpacking.eof else None


def _string(held: Mapping[str, Any], key: str) -> str:
    value = held.get(key)
    return value if isinstance(value, str) else ""
