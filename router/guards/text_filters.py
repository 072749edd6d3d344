"""Text filters that work piece by piece: what may still become something that they look for is held, all else goes on.

Each reads one run of text after another; however a run is cut, the joined output is the same. Source: wire.md 15."""

from __future__ import annotations

import re
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Protocol

from attrs import define, field

_BYTE_RUN = re.compile(r"(?:<0x[0-9A-Fa-f]{2}>)+")
_CUT_BYTE = re.compile(r"<(?:0(?:x[0-9A-Fa-f]{0,2})?)?")
_CUT_BYTE_CHARS = len("<0xNN")
_NO_CHARACTER = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a byte that is part of none

_CASELESS = re.IGNORECASE | re.ASCII  # beyond ASCII, other letters fold to these: the Kelvin sign to a k


class TextFilter(Protocol):
    """One filter. `is_changed` is set by its first change and stays."""

    is_changed: bool

    @property
    def is_holding(self) -> bool:
        """Whether something came that has not gone on."""

    def feed(self, text: str) -> str:
        """Return what goes on, maybe nothing."""

    def end(self) -> str:
        """Return what is held: the run is over, the next one starts afresh."""


def _utf8() -> IncrementalDecoder:
    return getincrementaldecoder("utf-8")("surrogateescape")


@define
class ByteFallback:
    """Runs of `<0xNN>` become the characters whose UTF-8 they are; bytes of no character come back as `<0xNN>` in upper case."""

    is_changed: bool = False
    _cut: str = ""  # the beginning of a token
    _decoder: IncrementalDecoder = field(init=False, factory=_utf8)  # holds the bytes of an unfinished character

    @property
    def is_holding(self) -> bool:
        """Whether a token or a character is unfinished."""
        return bool(self._cut or self._decoder.getstate()[0])

    def feed(self, text: str) -> str:
        """Return what goes on, maybe nothing."""
        text = self._cut + text
        at = text.rfind("<", max(0, len(text) - _CUT_BYTE_CHARS))
        end = at if at >= 0 and _CUT_BYTE.fullmatch(text, at) else len(text)
        out: list[str] = []
        position = 0
        for run in _BYTE_RUN.finditer(text):
            out += (self._plain(text[position : run.start()]), self._characters(run[0]))
            position = run.end()
        out.append(self._plain(text[position:end]))
        self._cut = text[end:]
        return "".join(out)

    def end(self) -> str:
        """Return what is held: the run is over, the next one starts afresh."""
        rest, self._cut = self._cut, ""
        return self._unfinished() + rest

    def _plain(self, text: str) -> str:
        return self._unfinished() + text if text else ""

    def _characters(self, run: str) -> str:
        decoded = self._decoder.decode(bytes.fromhex(run.replace("<0x", "").replace(">", "")))
        told = _as_tokens(decoded)
        self.is_changed = self.is_changed or _NO_CHARACTER.sub("", decoded) != ""
        return told

    def _unfinished(self) -> str:
        return _as_tokens(self._decoder.decode(b"", final=True))


@define
class Markers:
    """The markers are taken out, the longest first where one begins like another. Case counts: they are tokens, no words."""

    markers: Sequence[str]
    is_changed: bool = False
    _pattern: re.Pattern[str] = field(init=False)
    _beginnings: frozenset[str] = field(init=False)
    _longest: int = field(init=False)
    _held: str = ""

    def __attrs_post_init__(self) -> None:
        self._pattern = re.compile("|".join(map(re.escape, sorted(self.markers, key=len, reverse=True))))
        self._beginnings = _beginnings(self.markers)
        self._longest = max(map(len, self._beginnings), default=0)

    @property
    def is_holding(self) -> bool:
        """Whether the text so far ends like the beginning of a marker."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """Return what goes on, maybe nothing."""
        text = self._held + text
        out: list[str] = []
        position, cut = 0, self._cut_from(text, 0)
        for marker in self._pattern.finditer(text):
            if marker.start() >= cut:
                break
            out.append(text[position : marker.start()])
            position = marker.end()
            if position > cut:
                cut = self._cut_from(text, position)
        out.append(text[position:cut])
        self._held = text[cut:]
        self.is_changed = self.is_changed or position > 0
        return "".join(out)

    def end(self) -> str:
        """Return what is held: the run is over, the next one starts afresh."""
        rest = self._pattern.sub("", self._held)
        self.is_changed = self.is_changed or rest != self._held
        self._held = ""
        return rest

    def _cut_from(self, text: str, start: int) -> int:
        """Return where the text must be cut for its end may become a marker, its length where it cannot."""
        first = max(start, len(text) - self._longest)
        return next((at for at in range(first, len(text)) if text[at:] in self._beginnings), len(text))


class Part(Enum):
    """What a piece of text is to a pair of tags."""

    OUTSIDE = auto()
    INSIDE = auto()
    OPENED = auto()
    CLOSED = auto()  # also by a closing tag that nothing opened


@define
class TagScan:
    """Text in pieces as what stands outside and inside of `<name>` ... `</name>`, the tags themselves as parts without text.

    No nesting; any of the closing tags closes. Case does not count."""

    names: Sequence[str]
    is_inside: bool = False
    is_changed: bool = False
    _held: str = ""
    _any: re.Pattern[str] = field(init=False)
    _closing: re.Pattern[str] = field(init=False)
    _beginnings: frozenset[str] = field(init=False)
    _longest: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        names = "|".join(self.names)
        self._any = re.compile(f"</?(?:{names})>", _CASELESS)
        self._closing = re.compile(f"</(?:{names})>", _CASELESS)
        self._beginnings = _beginnings([f"<{slash}{name}>" for name in self.names for slash in ("", "/")])
        self._longest = max(map(len, self._beginnings))

    @property
    def is_busy(self) -> bool:
        """Whether a block is open, or the text so far ends like the beginning of a tag."""
        return self.is_inside or bool(self._held)

    def feed(self, text: str) -> list[tuple[Part, str]]:
        """Return the parts that are certain, in order; texts are never empty."""
        text = self._held + text
        parts: list[tuple[Part, str]] = []
        position = 0
        while (tag := (self._closing if self.is_inside else self._any).search(text, position)) is not None:
            self._tell(text[position : tag.start()], parts)
            self.is_inside = tag[0][1] != "/"
            self.is_changed = True
            parts.append((Part.OPENED if self.is_inside else Part.CLOSED, ""))
            position = tag.end()
        end = self._cut_from(text, position)
        self._tell(text[position:end], parts)
        self._held = text[end:]
        return parts

    def end(self) -> list[tuple[Part, str]]:
        """Return the part that is held: the run is over, the next one starts outside."""
        parts: list[tuple[Part, str]] = []
        self._tell(self._held, parts)
        self._held = ""
        self.is_inside = False
        return parts

    def _tell(self, text: str, parts: list[tuple[Part, str]]) -> None:
        if text:
            parts.append((Part.INSIDE if self.is_inside else Part.OUTSIDE, text))

    def _cut_from(self, text: str, start: int) -> int:
        at = text.rfind("<", max(start, len(text) - self._longest))
        return at if at >= 0 and text[at:].lower() in self._beginnings else len(text)


def _beginnings(texts: Iterable[str]) -> frozenset[str]:
    """Return everything that one of the texts goes on from."""
    return frozenset(text[:size] for text in texts for size in range(1, len(text)))


def _as_tokens(decoded: str) -> str:
    return _NO_CHARACTER.sub(lambda found: f"<0x{ord(found[0]) - 0xDC00:02X}>", decoded)
