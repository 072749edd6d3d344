"""Edits of JSON documents in the client's own bytes: only what is set or removed changes (wire.md 21).

The spans of an object's members and of an array's items are found by compiled
patterns that skip strings and nested values in C. The text must be JSON that a
parser has accepted: nothing is validated here, and at most _MOST_DEPTH deep."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson
from attrs import define, field, frozen

from router.wire.intake import MAX_DEPTH

# A string runs to the next quote; a quote behind a backslash does not end it. That is exact where no backslash is itself
# escaped, so `_searchable` blanks the pairs. `[^"]` alone is matched three times as fast as a set that holds the backslash.
_STRING = rb'"[^"]*+(?:(?<=\\)"[^"]*+)*+"'
_FLAT = rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+'
_USUAL_DEPTH = 32
_MOST_DEPTH = MAX_DEPTH + 32  # a client's body may hold MAX_DEPTH, an encoder may put that much into a turn's block


def _nested(depth: int) -> bytes:
    pattern = rb"[{\[]" + _FLAT + rb"[}\]]"
    for _ in range(depth):
        pattern = rb"[{\[]" + _FLAT + rb"(?:" + pattern + _FLAT + rb")*+[}\]]"
    return pattern


_SPACE = rb"[ \t\r\n]*+"
_SCALAR = rb'[^\s,}\]"{\[]++'
_SPACES = re.compile(_SPACE)
_KEY = re.compile(_SPACE + rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE)
_VALUE = re.compile(_STRING + rb"|" + _nested(_USUAL_DEPTH) + rb"|" + _SCALAR)
_AFTER = re.compile(_SPACE + rb"([,}\]])")
_START = re.compile(_SPACE + rb"[{\[]" + _SPACE)
_ESCAPED_BACKSLASH = re.compile(rb"\\\\")
_CLOSE_OBJECT, _CLOSE_ARRAY = b"}"[0], b"]"[0]


@frozen
class Member:
    """One member of an object: its key, where its key begins, and the span of its value."""

    key: str
    start: int
    value_start: int
    end: int


def scan_members(document: bytes) -> list[Member]:
    """Return the members of the JSON object that `document` is, in their order, duplicates included."""
    text = _searchable(document)
    members: list[Member] = []
    position = _start_of(text)
    while text[position] != _CLOSE_OBJECT:
        key = _match(_KEY, text, position)
        end = _end_of_value(text, key.end())
        members.append(Member(_decoded_key(document, *key.span(1)), key.start(1), key.end(), end))
        position = _behind_comma(text, end)
    return members


def split_items(array: bytes) -> list[bytes]:
    """Return the JSON texts of the items of the array that `array` is."""
    text = _searchable(array)
    items: list[bytes] = []
    position = _start_of(text)
    while text[position] != _CLOSE_ARRAY:
        end = _end_of_value(text, position)
        items.append(array[position:end])
        position = _behind_comma(text, end)
    return items


def joined(items: Iterable[bytes]) -> bytes:
    """Return the JSON array of these items."""
    return b"[" + b",".join(items) + b"]"


@define
class Splicer:
    """Edits on the top-level members of one JSON object; `result` puts them together.

    Of duplicate keys the last counts for `raw`; `set` and `remove` reach them all. A missing key is appended."""

    document: bytes
    _members: list[Member] = field(init=False)
    _edits: dict[str, bytes | None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._members = scan_members(self.document)

    def keys(self) -> Collection[str]:
        """Return the keys that the object has now, edits included, in their order."""
        keys = dict.fromkeys([*(member.key for member in self._members), *self._edits])
        return [key for key in keys if self._edits.get(key, b"") is not None]

    def raw(self, key: str) -> bytes | None:
        """Return the JSON text that the key has now, edits included; None without it."""
        if key in self._edits:
            return self._edits[key]
        last = next((member for member in reversed(self._members) if member.key == key), None)
        return None if last is None else self.document[last.value_start : last.end]

    def get(self, key: str) -> Any:
        """Return the value that the key has now, None without it."""
        raw = self.raw(key)
        return None if raw is None else orjson.loads(raw)

    def set(self, key: str, value: object) -> Splicer:
        """Give the key a new value."""
        return self.set_raw(key, orjson.dumps(value))

    def set_raw(self, key: str, text: bytes) -> Splicer:
        """Give the key a new value by its JSON text."""
        self._edits[key] = text
        return self

    def remove(self, key: str) -> Splicer:
        """Take the key out; one that is not there stays so."""
        self._edits[key] = None
        return self

    def rename(self, key: str, new: str) -> Splicer:
        """Give the value of a key that is there to the key `new`, its bytes unchanged."""
        raw = self.raw(key)
        return self if raw is None else self.set_raw(new, raw).remove(key)

    def set_item(self, key: str, index: int, value: object) -> Splicer:
        """Replace one item of an array; its other items keep their bytes."""
        return self.set_items(key, {index: value})

    def set_items(self, key: str, values: Mapping[int, object]) -> Splicer:
        """Replace items of an array, by their index; its other items keep their bytes."""
        items = self._items(key)
        for index, value in values.items():
            items[index] = orjson.dumps(value)
        return self.set_raw(key, joined(items))

    def insert_item(self, key: str, index: int, value: object) -> Splicer:
        """Put an item into an array, before the one at `index`; the other items keep their bytes."""
        items = self._items(key)
        items.insert(index, orjson.dumps(value))
        return self.set_raw(key, joined(items))

    def result(self) -> bytes:
        """Return the edited document; the document itself when nothing was edited."""
        if not self._edits:
            return self.document
        document, edits = self.document, self._edits
        kept: list[bytes] = []
        for member in self._members:
            if member.key not in edits:
                kept.append(document[member.start : member.end])
            elif (text := edits[member.key]) is not None:
                kept.append(document[member.start : member.value_start] + text)
        present = {member.key for member in self._members}
        kept += [orjson.dumps(key) + b":" + text for key, text in edits.items() if text is not None and key not in present]
        return b"{" + b",".join(kept) + b"}"

    def _items(self, key: str) -> list[bytes]:
        return split_items(self.raw(key) or b"[]")


def _searchable(document: bytes) -> bytes:
    """Return text of the same length in which every backslash before a quote escapes it."""
    # a pattern finds the pair twice as fast as `in`, and `replace` is only worth its copy where there is one
    return document.replace(b"\\\\", b"__") if _ESCAPED_BACKSLASH.search(document) else document


def _start_of(text: bytes) -> int:
    return _match(_START, text, 0).end()


def _end_of_value(text: bytes, start: int) -> int:
    found = _VALUE.match(text, start)
    return found.end() if found is not None else _match(_deep_value(), text, start).end()


@functools.cache
def _deep_value() -> re.Pattern[bytes]:
    """Return the pattern of a value at any depth; most processes never need it, and it takes 30 ms to compile."""
    return re.compile(_nested(_MOST_DEPTH))


def _behind_comma(text: bytes, position: int) -> int:
    """Return where the next member or item begins, or the closing bracket."""
    after = _match(_AFTER, text, position)
    if after[1] != b",":
        return after.start(1)
    return _match(_SPACES, text, after.end()).end()


def _match(pattern: re.Pattern[bytes], text: bytes, position: int) -> re.Match[bytes]:
    found = pattern.match(text, position)
    if found is None:
        raise ValueError(f"not JSON at byte {position}")
    return found


def _decoded_key(document: bytes, start: int, end: int) -> str:
    key = document[start + 1 : end - 1]
    if b"\\" in key:
        decoded: str = orjson.loads(document[start:end])
        return decoded
    return key.decode()
