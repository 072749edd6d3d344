"""Patterns that the user writes and that meet a client's text: RE2's, whose time grows with the text and no faster.

The only importer of RE2 (docs/decisions/031). A pattern of Python's `re` may need ages for one line, and whatever runs on
the event loop stops every request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import re2  # type: ignore[import-untyped]  # google-re2 has no types
from attrs import field, frozen

# The worst text asks for each of RE2's steps at every character: 64 K of text take a second then. `\pL` alone has 1200.
MAX_STEPS = 3000

_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")
_BACK_REFERENCE = (*(f"\\{digit}" for digit in "123456789"), "(?P=")
_NO_BOUND = "its running time cannot be bounded"


class NotAPattern(ValueError):
    """What RE2 does not know, and why."""


class _Compiled(Protocol):
    """What is used of RE2's compiled expression."""

    @property
    def programsize(self) -> int: ...
    def search(self, text: bytes) -> object | None: ...
    def fullmatch(self, text: bytes) -> object | None: ...


class _CompiledSet(Protocol):
    """What is used of a set of RE2's."""

    def Match(self, text: bytes) -> Sequence[int] | None: ...  # noqa: N802 - RE2's own name


@frozen(kw_only=True)
class Pattern:
    r"""A compiled pattern. `\d`, `\w`, `\b` mean ASCII, `$` the very end; `(?i)`, `(?s)`, `(?m)` stand at the start."""

    text: str
    _compiled: _Compiled = field(repr=False, eq=False)

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Compile a pattern. Raises NotAPattern."""
        try:
            compiled: _Compiled = re2.compile(text, _options())
        except re2.error as error:
            raise NotAPattern(_reason(text, error)) from error
        except UnicodeEncodeError as error:
            raise NotAPattern("it holds half of a surrogate pair") from error
        if compiled.programsize > MAX_STEPS:
            raise NotAPattern(f"it is too large: {compiled.programsize} steps, {MAX_STEPS} at most")
        return cls(text=text, compiled=compiled)

    def is_in(self, text: str) -> bool:
        """Tell whether it matches somewhere in a text."""
        return self._compiled.search(_in_utf8(text)) is not None

    def is_all_of(self, text: str) -> bool:
        """Tell whether it matches a text from its first character to its last."""
        return self._compiled.fullmatch(_in_utf8(text)) is not None


@frozen(repr=False, eq=False)
class Needles:
    """Our own patterns, all of them looked for in one pass over a text: a microsecond for a line of the log."""

    _set: _CompiledSet

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Needles:
        """Compile them. Raises ValueError for one that RE2 does not know."""
        compiled = re2.Set.SearchSet(_options())
        for pattern in patterns:
            compiled.Add(pattern)
        compiled.Compile()
        return cls(compiled)

    def found(self, text: str) -> Sequence[int]:
        """Return the places of the patterns that are in a text, in their order."""
        return sorted(self._set.Match(_in_utf8(text)) or ())


def literal(text: str) -> str:
    """Return the pattern of a text, up to what cannot be written, half a character."""
    whole = text.encode(errors="ignore").decode()
    written = next((index for index, (one, other) in enumerate(zip(text, whole, strict=False)) if one != other), len(whole))
    return str(re2.escape(whole[:written]))


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # RE2 writes to stderr by itself
    options.never_capture = True  # whether it matches is all that is asked
    return options


def _in_utf8(text: str) -> bytes:
    """Return a text for RE2; what cannot be written, half a character, becomes a question mark."""
    return text.encode(errors="replace")


def _reason(text: str, error: Exception) -> str:
    """Return why a pattern is refused, in words for who writes it."""
    told = error.args[0]
    words = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    what = words.rpartition(": ")[2]
    if "invalid perl operator" in words and what in {*_LOOK_AROUND, "(?<"}:
        return f"{what} is a lookaround, which is not supported here: {_NO_BOUND}"
    if what in _BACK_REFERENCE or ("invalid perl operator" in words and "(?P=" in text):
        return f"a back-reference is not supported here: {_NO_BOUND}"
    return f"{words} (RE2's syntax: https://github.com/google/re2/wiki/Syntax)"
