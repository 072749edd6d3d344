"""What can be read of a JSON object that broke off: all that had come of it, without a key or word that is not whole.

A text that broke off counts as far as it came: it is what a model had said."""

from __future__ import annotations

import re
from typing import Any

from router.wire.json_text import parse_object

MAX_READ_BYTES = 1024 * 1024  # a quarter of a million tokens of text; scanned in some 50 ms
# a string with its end, if that has come; an escape that is not whole is no part of it
_PIECE = re.compile(r'"(?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\[^u])*+("?)|[{}\[\],:]|[^"{}\[\],:\s]++', re.DOTALL)
_CLOSERS = {"{": "}", "[": "]"}


def begun_object(data: bytes) -> dict[str, Any] | None:
    """Return the object that `data` begins, None where it begins none; of a whole one that object."""
    text = data[:MAX_READ_BYTES].decode("utf-8", "ignore")
    closers: list[str] = []
    end, is_value = 0, False  # what stands before `end` is whole but for the closers
    for piece in _PIECE.finditer(text):
        mark = piece[0][0]
        if mark in _CLOSERS:
            closers.append(_CLOSERS[mark])
            end, is_value = piece.end(), mark == "["
        elif mark in "}]":
            if not closers or closers.pop() != mark:
                return None
            end = piece.end()
        elif mark == ",":
            end, is_value = piece.start(), closers[-1:] == ["]"]
        elif mark == ":":
            is_value = True
        elif mark == '"' and is_value:
            end = piece.end()
            if not piece[1]:
                closers.append('"')
                break
    return parse_object((text[:end] + "".join(reversed(closers))).encode())
