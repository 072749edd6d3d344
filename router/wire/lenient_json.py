"""JSON as models write it: strict first, then with the slips that leave no doubt about what was meant (wire.md 14.3).

Accepted: single-quoted and typographically quoted strings, bare keys, trailing commas, `True False None`, raw line
breaks in strings, escapes that JSON does not know, a byte order mark, and objects whose braces are all doubled.
Refused: bare values, comments, missing commas, duplicate keys with different values. Nothing is ever evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
from attrs import define

from router.wire.intake import MAX_DEPTH, is_too_deep

# by the opening quote, those that close it: plain, single, then “ ”, „ “, ‟ ”, single typographic ones, « »
STRING_ENDS = {
    '"': '"',
    "'": "'",
    "\u201c": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u201f": "\u201d",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
}
# what stands behind an opening quote, up to one that closes it or to where the text breaks off
STRING_BODIES = {opener: re.compile(rf"(?:[^\\{re.escape(ends)}]++|\\.)*+", re.DOTALL) for opener, ends in STRING_ENDS.items()}
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_CLOSED_BODIES = {
    opener: re.compile(rf"{body.pattern}(?=[{re.escape(STRING_ENDS[opener])}])", re.DOTALL)
    for opener, body in STRING_BODIES.items()
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD = re.compile(r"(?:true|True|false|False|null|None)(?![\w-])")
_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*+")
_BYTE_ORDER_MARK = "\ufeff"


def parse(text: str, *, missing_closers: int = 0) -> Any:
    """Return the one JSON value that the whole text is.

    Up to `missing_closers` brackets may be missing at its end. Raises ValueError for everything that stays in doubt."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):  # the latter: a lone surrogate in the text
        parser = _Parser(text=text.removeprefix(_BYTE_ORDER_MARK), missing_closers=missing_closers)
        return parser.document()


def arguments_object(text: str) -> dict[str, Any]:
    """Return the arguments of a call: an object by strict or lenient parse, {} for no text, else `{"_raw": text}` (wire.md 6)."""
    if not text or text.isspace():
        return {}
    try:
        value = parse(text)
    except ValueError:
        return {"_raw": text}
    return value if isinstance(value, dict) and not is_too_deep(value) else {"_raw": text}


@define
class _Parser:
    """One pass over one text; `position` only grows."""

    text: str
    missing_closers: int
    position: int = 0
    depth: int = 0
    objects: int = 0  # that are open
    is_doubled: bool = False  # every brace of the outermost object stands twice

    def document(self) -> Any:
        self._skip_spaces()
        value = self._value()
        self._skip_spaces()
        if self.position != len(self.text):
            raise self._doubt("more text after the value")
        return value

    def _value(self) -> Any:
        head = self.text[self.position : self.position + 1]
        if head == "{":
            return self._nested(self._object)
        if head == "[":
            return self._nested(self._array)
        if head in STRING_ENDS:
            return self._string(head)
        return self._word_or_number()

    def _nested(self, read: Callable[[], Any]) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._doubt("nested too deeply")
        value = read()
        self.depth -= 1
        return value

    def _object(self) -> dict[str, Any]:
        if not self.objects:
            self.is_doubled = self.text.startswith("{{", self.position)
        opener, closer = ("{{", "}}") if self.is_doubled else ("{", "}")
        self._expect(opener)
        self.objects += 1
        members: dict[str, Any] = {}
        while not self._closes(closer):
            key = self._key()
            self._skip_spaces()
            self._expect(":")
            self._skip_spaces()
            value = self._value()
            if key in members and members[key] != value:
                raise self._doubt(f"two values for the key {key!r}")
            members[key] = value
            if self._is_last(closer):
                break
        self.objects -= 1
        return members

    def _array(self) -> list[Any]:
        self._expect("[")
        items: list[Any] = []
        while not self._closes("]"):
            items.append(self._value())
            if self._is_last("]"):
                break
        return items

    def _key(self) -> str:
        head = self.text[self.position : self.position + 1]
        if head in STRING_ENDS:
            return self._string(head)
        return self._take(_BARE_KEY, "a key")

    def _string(self, opener: str) -> str:
        self.position += 1
        body = self._take(_CLOSED_BODIES[opener], "the end of a string")
        self.position += 1
        return _without_surrogates(_ESCAPE.sub(_unescaped, body))

    def _word_or_number(self) -> Any:
        if found := _WORD.match(self.text, self.position):
            self.position = found.end()
            return _WORDS[found[0]]
        # orjson reads numbers beyond 64 bits as floats, so that what is parsed here can be dumped again
        return orjson.loads(self._take(_NUMBER, "a value"))

    def _is_last(self, closer: str) -> bool:
        """Read the comma or the closer behind a member or an item; tell whether it was the closer."""
        if self._closes(closer):
            return True
        self._expect(",")
        return False

    def _closes(self, closer: str) -> bool:
        self._skip_spaces()
        if self.text.startswith(closer, self.position):
            self.position += len(closer)
            return True
        if self.position == len(self.text) and self.missing_closers:
            self.missing_closers -= 1
            return True
        return False

    def _skip_spaces(self) -> None:
        self.position = _SPACES.match(self.text, self.position).end()  # type: ignore[union-attr] # matches everywhere

    def _expect(self, token: str) -> None:
        if not self.text.startswith(token, self.position):
            raise self._doubt(f"{token!r} expected")
        self.position += len(token)

    def _take(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self.text, self.position)
        if found is None:
            raise self._doubt(f"{what} expected")
        self.position = found.end()
        return found[0]

    def _doubt(self, why: str) -> ValueError:
        return ValueError(f"{why} at character {self.position}")


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _ESCAPED.get(found[2], found[0])


def _without_surrogates(text: str) -> str:
    """Join the two halves of a character that was escaped in UTF-16; a half alone reads as U+FFFD."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
