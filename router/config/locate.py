"""Which place of a TOML text says what: a scanner that knows keys and brackets, and nothing of the values.

tomlkit keeps comments but hands out no line numbers. The text has been parsed before it comes here, or the parser's
complaint is what a line is wanted for: at anything unexpected the scan ends and what was found stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from itertools import accumulate

from attrs import define, field, frozen

KeyPath = tuple[str | int, ...]  # ("providers", 0, "timeout_s")

_BLANK = re.compile(r"[ \t\r\n]+|#[^\n]*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[^\s=.\[\]{}\"'#,]+")
_STRING = re.compile(
    r"""
      \"{3} (?: \\. | [^\\] )*? \"{3,5}   # up to two quotes may stand before the closing three
    | '{3} .*? '{3,5}
    | " (?: \\. | [^"\\\n] )* "
    | ' [^'\n]* '
    """,
    re.DOTALL | re.VERBOSE,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_SHORT_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


@frozen(kw_only=True)
class Part:
    """A header, or a key with all of its value, from offset `start` to `end`; `value` is where that begins, None for a header."""

    path: KeyPath
    start: int
    value: int | None
    end: int


@frozen(kw_only=True)
class Lines:
    """1-based line of every table header, key and array element; `repeated` holds the lines of keys said twice.

    `parts` are the headers and keys that stand in lines of their own, in the order of the text."""

    of_path: dict[KeyPath, int]
    repeated: tuple[int, ...]
    parts: tuple[Part, ...] = ()

    def line_of(self, path: KeyPath) -> int:
        """Return the line of `path`, or of the nearest table around it; 1 for the file as a whole."""
        while path and path not in self.of_path:
            path = path[:-1]
        return self.of_path.get(path, 1)


def locate(source: str) -> Lines:
    """Return the lines of everything in a TOML text."""
    scanner = _Scanner(source=source)
    with suppress(_UnexpectedText):  # the parser has said it better
        scanner.document()
    return Lines(of_path=scanner.found, repeated=tuple(scanner.repeated), parts=tuple(scanner.parts))


class _UnexpectedText(Exception):
    """The scan has come to something that is no TOML."""


@define(kw_only=True)
class _Scanner:
    """One pass over one text; `at` is the offset of the next character."""

    source: str
    at: int = 0
    found: dict[KeyPath, int] = field(factory=dict)
    repeated: list[int] = field(factory=list)
    parts: list[Part] = field(factory=list)
    _tables: dict[KeyPath, int] = field(factory=dict)  # array of tables -> how many so far
    _said: set[KeyPath] = field(factory=set)  # headers and keys with a value
    _starts: list[int] = field(factory=list)

    def document(self) -> None:
        """Read every header and every key of the text."""
        self._starts = [0, *accumulate(len(line) for line in self.source.splitlines(keepends=True))]
        table: KeyPath = ()
        while self._skip_blank():
            start = self.at
            if self.source.startswith("[[", start):
                table = self._array_header()
            elif self.source[start] == "[":
                table = self._header()
            else:
                self.parts.append(self._entry(table))
                continue
            self.parts.append(Part(path=table, start=start, value=None, end=self.at))

    def _header(self) -> KeyPath:
        start = self.at
        self._expect("[")
        path = self._resolve(self._key())
        self._expect("]")
        self._mark(path, start, is_said=True)
        return path

    def _array_header(self) -> KeyPath:
        start = self.at
        self._expect("[[")
        *parents, last = self._key()
        array = (*self._resolve(tuple(parents)), last)
        self._expect("]]")
        index = self._tables.get(array, 0)
        self._tables[array] = index + 1
        self._mark(array, start)
        self._mark((*array, index), start)
        return (*array, index)

    def _entry(self, table: KeyPath) -> Part:
        start = self.at
        path = (*table, *self._key())
        self._expect("=")
        self._mark(path, start, is_said=True)
        _ = self._match(_SPACE)
        value = self.at
        self._value(path)
        end = value + len(self.source[value : self.at].rstrip())  # a bare value is read up to its comment
        return Part(path=path, start=start, value=value, end=end)

    def _value(self, path: KeyPath) -> None:
        _ = self._match(_SPACE)
        if self.source.startswith("[", self.at):
            self._array(path)
        elif self.source.startswith("{", self.at):
            self._inline_table(path)
        elif not self._match(_STRING) and not self._match(_SCALAR):
            raise _UnexpectedText

    def _array(self, path: KeyPath) -> None:
        self._expect("[")
        index = 0
        while self._next_char() != "]":
            self._mark((*path, index), self.at)
            self._value((*path, index))
            index += 1
            if self._next_char() == ",":
                self._expect(",")
        self._expect("]")

    def _inline_table(self, path: KeyPath) -> None:
        self._expect("{")
        while self._next_char() != "}":
            self._entry(path)
            if self._next_char() == ",":
                self._expect(",")
        self._expect("}")

    def _key(self) -> tuple[str, ...]:
        parts = [self._key_part()]
        while self.source.startswith(".", self.at):
            self._expect(".")
            parts.append(self._key_part())
        return tuple(parts)

    def _key_part(self) -> str:
        _ = self._match(_SPACE)
        quoted = self._match(_STRING)
        part = _unquoted(quoted) if quoted else self._match(_BARE_KEY)
        if not quoted and not part:
            raise _UnexpectedText
        _ = self._match(_SPACE)
        return part

    def _resolve(self, parts: tuple[str, ...]) -> KeyPath:
        """Return the path of a header: the name of an array of tables means its newest one."""
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
        return path

    def _mark(self, path: KeyPath, offset: int, *, is_said: bool = False) -> None:
        line = bisect_right(self._starts, offset)
        if is_said:
            if path in self._said:
                self.repeated.append(line)
            self._said.add(path)
        for length in range(1, len(path) + 1):  # a dotted key or header opens the tables above it
            self.found.setdefault(path[:length], line)

    def _skip_blank(self) -> bool:
        while self._match(_BLANK):
            pass
        return self.at < len(self.source)

    def _next_char(self) -> str:
        if not self._skip_blank():
            raise _UnexpectedText
        return self.source[self.at]

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.source, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _expect(self, text: str) -> None:
        if not self.source.startswith(text, self.at):
            raise _UnexpectedText
        self.at += len(text)


def _unquoted(quoted: str) -> str:
    if quoted.startswith("'"):
        return quoted[1:-1]
    return _ESCAPE.sub(_unescaped, quoted[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    short, long, char = match.groups()
    if short or long:
        return chr(int(short or long, 16))
    return _SHORT_ESCAPES.get(char, char)
