"""A text that arrives in pieces, and the steps by which recognisers read it.

A recogniser is a generator: it reads as far as the text goes and yields when it needs more, so that one piece of code
reads a whole text and any cut of it alike, and no character twice. What it returns depends on the text only, never on
where it was cut: a step that meets the end of what is there asks for more before it says no."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TypeVar

from attrs import define, field, frozen

from router.guards.repair_tools import RepairedCall
from router.wire.lenient_json import STRING_BODIES, STRING_ENDS, parse
from router.wire.lenient_span import LenientSpan

_Result = TypeVar("_Result")
Steps = Generator[None, None, _Result]

_SPACE = re.compile(r"\s*+")
_INDENT = re.compile(r"[ \t]*+")
_BLANK_ENDS = re.compile(r"(?<![^\S\n])[^\S\n]++(?=\n)")
_MANY_LINES = re.compile(r"\n{3,}")

MAX_HELD = 65_536  # characters of one candidate, and of what waits behind it (wire.md 14.2, 14.10)

MISSING_CLOSERS = 3  # brackets that a tagged value may lack at its end (wire.md 14.3)

_RECENT = 800  # characters of kept text that guards may look back on
_DECIDED = 8_192  # characters of decided text after which it is let go


class HeldTooMuch(Exception):
    """A candidate is longer than any call may be: repair is over for this answer."""


@frozen
class Outcome:
    """What a recogniser says of the text up to `end`: calls, or, without any, text.

    `is_open`: it ran to the end of the text, and what it began with may hide a candidate further on."""

    end: int
    calls: tuple[RepairedCall, ...] = ()
    is_open: bool = False


@define
class Reading:
    """One text. What stands before `at` is decided: kept in `out` as text, or taken away as a call."""

    text: str = ""
    at: int = 0
    is_over: bool = False  # nothing follows
    is_cut: bool = False  # and that was not the model's own end: what is open may not be taken for whole
    recent: str = ""
    out: list[str | RepairedCall] = field(factory=list)
    blanks: list[str] = field(factory=list)  # kept white space that no text has followed yet
    is_after_call: bool = False  # the last thing in `out` is a call
    words: int = 0  # pieces of kept text that were not blank
    has_calls: bool = False

    def keep(self, to: int) -> None:
        """Decide that the text up to `to` is text."""
        if to <= self.at:
            return
        piece = self.text[self.at : to]
        self.at = to
        self._let_go()
        self.recent = (self.recent + piece[-_RECENT:])[-2 * _RECENT :]
        body = piece.strip()
        if not body:
            self.blanks.append(piece)
            return
        end = piece.rfind(body[-1]) + 1
        start = len(piece) - len(piece.lstrip())
        self.blanks.append(piece[:start])
        self._flush_blanks()
        self.out.append(piece[start:end])
        self.blanks = [piece[end:]] if end < len(piece) else []
        self.words += 1

    def take(self, to: int, calls: tuple[RepairedCall, ...]) -> None:
        """Decide that the text up to `to` is calls and their markup."""
        self.at = to
        self.out += calls
        self.is_after_call = self.has_calls = True
        self._let_go()

    def pass_on(self, piece: str) -> None:
        """Note text that was decided elsewhere, where all text before it is decided, too."""
        self.recent = (self.recent + piece)[-2 * _RECENT :]
        self.words += 1

    def drain(self) -> list[str | RepairedCall]:
        """Return what has been decided since the last time."""
        decided, self.out = self.out, []
        return decided

    def end(self) -> None:
        """Decide what the white space at the end is: text, unless a call was taken."""
        if not self.has_calls:
            self._flush_blanks()

    def held(self) -> str:
        """Return what is not decided, and the white space before it."""
        return "".join(self.blanks) + self.text[self.at :]

    def more(self) -> Steps[bool]:
        """Wait for more text; False when there is none. Raises HeldTooMuch."""
        if len(self.text) - self.at > MAX_HELD:
            raise HeldTooMuch
        if self.is_over:
            return False
        yield
        return True

    def rest(self) -> Steps[None]:
        """Wait for the end of the text."""
        while (yield from self.more()):
            pass

    def skip(self, at: int, *, in_line: bool = False) -> Steps[int]:
        """Return where the white space that begins at `at` ends."""
        while True:
            at = (_INDENT if in_line else _SPACE).match(self.text, at).end()  # type: ignore[union-attr] # matches everywhere
            if at < len(self.text) or not (yield from self.more()):
                return at

    def starts(self, at: int, *options: str) -> Steps[str | None]:
        """Return the option that stands at `at`, in whatever case; no option may be the beginning of another."""
        longest = max(map(len, options))
        while True:
            rest = self.text[at : at + longest].lower()
            for option in options:
                if rest.startswith(option):
                    return option
            if at + longest <= len(self.text) or not any(option.startswith(rest) for option in options):
                return None
            if not (yield from self.more()):
                return None

    def find(self, pattern: re.Pattern[str], at: int, *, longest: int, within: int | None = None) -> Steps[re.Match[str] | None]:
        """Return the first match from `at` on, or of the `within` characters from there.

        `longest` is a length that no match exceeds: what is shorter may still become one."""
        limit = None if within is None else at + within
        while True:
            found = pattern.search(self.text, at) if limit is None else pattern.search(self.text, at, limit)
            if found is not None:
                return found
            if limit is not None and len(self.text) >= limit:
                return None
            at = max(at, len(self.text) - longest)
            if not (yield from self.more()):
                return None

    def head(self, pattern: re.Pattern[str], at: int, *, last: str, longest: int) -> Steps[re.Match[str] | None]:
        """Return the match that begins at `at` and ends with the first `last`, none longer than `longest`."""
        while True:
            end = self.text.find(last, at, at + longest)
            if end >= 0:
                return pattern.fullmatch(self.text, at, end + len(last))
            if len(self.text) >= at + longest or not (yield from self.more()):
                return None

    def word(self, pattern: re.Pattern[str], at: int) -> Steps[int]:
        """Return the end of the run of characters that `pattern`, a possessive repetition, matches at `at`."""
        while True:
            end = pattern.match(self.text, at).end()  # type: ignore[union-attr] # a repetition matches everywhere
            if end < len(self.text) or not (yield from self.more()):
                return end

    def string_end(self, at: int) -> Steps[int | None]:
        """Return the end of the string whose opening quote stands at `at`, None if it stays open."""
        opener = self.text[at]
        at += 1
        while True:
            at = STRING_BODIES[opener].match(self.text, at).end()  # type: ignore[union-attr] # matches everywhere
            if at < len(self.text) and self.text[at] in STRING_ENDS[opener]:
                return at + 1
            if not (yield from self.more()):
                return None

    def value(self, at: int) -> Steps[LenientSpan]:
        """Return the span of the JSON value whose opening bracket stands at `at`; not whole if it breaks off."""
        span = LenientSpan.of(at)
        while not span.advance(self.text):
            if not (yield from self.more()):
                break
        return span

    def parsed(self, span: LenientSpan, *, missing_closers: int = 0) -> object:
        """Return the JSON value of a span, None if it is none; brackets may be missing only if the model ended by itself."""
        if not span.is_whole and (not missing_closers or (self.is_cut and span.at == len(self.text))):
            return None
        try:
            return parse(self.text[span.start : span.at], missing_closers=0 if span.is_whole else missing_closers)
        except ValueError:
            return None

    def stays_open(self, span: LenientSpan) -> bool:
        """Tell whether the span ran to the end of the text."""
        return not span.is_whole and span.at == len(self.text)

    def _let_go(self) -> None:
        if self.at > _DECIDED and 2 * self.at > len(self.text):
            self.text = self.text[self.at :]
            self.at = 0

    def _flush_blanks(self) -> None:
        blanks = "".join(self.blanks)
        if self.is_after_call:
            blanks = _joint(blanks) if self.words else ""
        self.is_after_call = False
        self.blanks = []
        if blanks:
            self.out.append(blanks)


def finish(steps: Steps[_Result]) -> _Result:
    """Return what the steps return on a reading that is over."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        result: _Result = stop.value
        return result


def _joint(blanks: str) -> str:
    """Return the white space that stays where a call stood."""
    if "\n" in blanks:
        return _MANY_LINES.sub("\n\n", _BLANK_ENDS.sub("", blanks))
    return blanks[:1]
