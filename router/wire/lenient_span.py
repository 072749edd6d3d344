"""The end of a JSON value as models write it, in a text that still grows: by brackets, strings respected."""

from __future__ import annotations

import re

from attrs import define

from router.wire.lenient_json import STRING_BODIES, STRING_ENDS

# `<` outside a string is in no JSON: there a tag begins, and what was open stays open
_OUTSIDE = re.compile(r"[{}\[\]<" + "".join(STRING_ENDS) + "]")
_BEFORE_A_STRING = frozenset("{[,:")


@define
class LenientSpan:
    """Follows the value that begins with a bracket at `start`; each character is looked at once, however it arrives.

    `at` is the offset behind the value, or of the `<` that broke it off; it counts once `advance` has said True."""

    start: int
    at: int
    is_whole: bool = False
    _depth: int = 0
    _quote: str = ""  # that opened the string which is open

    @classmethod
    def of(cls, start: int) -> LenientSpan:
        """Return the follower of a value whose opening bracket stands at `start`."""
        return cls(start=start, at=start)

    def advance(self, text: str) -> bool:
        """Read on in `text`, which has only grown since; True when the value has come to its end."""
        while True:
            if self._quote:
                self.at = STRING_BODIES[self._quote].match(text, self.at).end()  # type: ignore[union-attr] # matches everywhere
                if self.at >= len(text) or text[self.at] == "\\":
                    return False
                self.at += 1
                self._quote = ""
            found = _OUTSIDE.search(text, self.at)
            if found is None:
                self.at = len(text)
                return False
            self.at = found.start()
            if self._take(found[0], text):
                return True

    def _take(self, mark: str, text: str) -> bool:
        if mark == "<":
            return True
        self.at += 1
        if mark in "{[":
            self._depth += 1
        elif mark in "}]":
            self._depth -= 1
            self.is_whole = self._depth == 0
            return self.is_whole
        elif self._last_before(text, self.at - 2) in _BEFORE_A_STRING:
            self._quote = mark
        return False

    def _last_before(self, text: str, at: int) -> str:
        while at > self.start and text[at].isspace():
            at -= 1
        return text[at]
