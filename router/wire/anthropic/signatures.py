"""The signatures of thinking blocks as they go by (R-37): who made one is remembered, so that nobody else is sent it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.frame import Frame
from router.wire.json_text import parse_object

_DELTA = b"signature_delta"


def signature_of_frame(frame: Frame) -> str | None:
    """Return the signature that a frame carries, None for nearly all."""
    if _DELTA not in frame.data:
        return None
    delta = (parse_object(frame.data) or {}).get("delta")
    signature = delta.get("signature") if isinstance(delta, dict) else None
    return signature if isinstance(signature, str) and signature else None


def signatures_of_reply(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the signatures of a whole reply."""
    content = body.get("content")
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and isinstance(signature := block.get("signature"), str) and signature:
            yield signature
