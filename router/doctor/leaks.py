"""What in the text of answers an output filter is there for (wire.md 15). Pure; linear in the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from router.guards.filters import BYTE_FALLBACK, MARKERS, STOP_MARKERS, THINKING, THINKING_PREFILLED

_OPEN, _CLOSE = re.compile(r"<think(?:ing)?>"), re.compile(r"</think(?:ing)?>")
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def filters_for(texts: Sequence[str]) -> dict[str, str]:
    """Return the output filters that these answers need, each with what it would take out."""
    found: dict[str, str] = {}
    for text in texts:
        opens, closes = _OPEN.search(text), _CLOSE.search(text)
        if closes is not None and (opens is None or opens.start() > closes.start()):
            found.setdefault(THINKING_PREFILLED, f"{closes[0]} without its opening tag")
        elif opens is not None:
            found.setdefault(THINKING, opens[0])
        if marker := next((marker for marker in STOP_MARKERS if marker in text), None):
            found.setdefault(MARKERS, marker)
        if byte := _BYTE.search(text):
            found.setdefault(BYTE_FALLBACK, byte[0])
    return found
