"""The end of a JSON value that arrives in pieces."""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class JsonScan:
    """Follows one growing JSON text by its brackets and strings only; whether it is valid JSON is not looked at.

    A number or a word at the top level has no end that could be seen."""

    def __init__(self) -> None:
        self.is_complete = False
        self._depth = 0
        self._in_string = False
        self._is_escaped = False  # the last piece ended in a backslash

    def feed(self, piece: str, start: int = 0) -> int | None:
        """Return the offset in `piece` just behind the value's end, None while it is open. Not to be fed after that.

        What stands before `start` is not the value's."""
        is_empty = start >= len(piece)
        at = start + 1 if self._is_escaped and not is_empty else start
        self._is_escaped = self._is_escaped and is_empty
        while (found := (_INSIDE if self._in_string else _OUTSIDE).search(piece, at)) is not None:
            at = found.end()
            mark = found[0]
            if mark == "\\":
                if at == len(piece):
                    self._is_escaped = True
                at += 1
            elif self._is_end(mark):
                self.is_complete = True
                return at
        return None

    def _is_end(self, mark: str) -> bool:
        if mark == '"':
            self._in_string = not self._in_string
            return not self._in_string and self._depth == 0
        if mark in "{[":
            self._depth += 1
            return False
        if self._depth == 0:
            return False  # a stray bracket ends nothing
        self._depth -= 1
        return self._depth == 0
