"""The body of an HTTP/1.1 answer, incrementally: by chunks, by length, or until the connection ends (RFC 9112, 6 and 7).

What is behind a whole body (some servers send a line break) costs the connection, not the answer: `is_overrun`.
h11 reads the head; the body is read here because h11 makes an event of every chunk, and an upstream sends a chunk per
delta: this decoder takes a whole network read at once."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

MAX_LINE = 16 * 1024  # of a chunk's size line with its extensions, and of one trailer
MAX_DIGITS = 15  # of a chunk's size: below 2**60
_HEX = frozenset(b"0123456789abcdefABCDEF")


class BodyError(Exception):
    """The bytes are no body in the framing that the head promised."""


@define
class LengthBody:
    """A body of `left` bytes."""

    left: int
    is_overrun: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the whole body was seen."""
        return self.left == 0

    def feed(self, data: bytes) -> bytes:
        """Return the body's bytes in `data`; what is behind its end is dropped."""
        if len(data) > self.left:
            self.is_overrun = True
            data = data[: self.left]
        self.left -= len(data)
        return data

    def end(self) -> bytes:
        """Say that the connection has ended; nothing more comes. Raises BodyError where the body has not."""
        if self.left:
            raise BodyError("the body is shorter than its declared length")
        return b""


@define
class EndlessBody:
    """A body that ends with the connection."""

    is_done: bool = False
    is_overrun: bool = False

    def feed(self, data: bytes) -> bytes:
        """Return `data`."""
        return data

    def end(self) -> bytes:
        """Say that the connection has ended: so has the body."""
        self.is_done = True
        return b""


@define
class ChunkedBody:
    """A body in chunks; extensions and trailers are read over."""

    is_done: bool = False
    is_overrun: bool = False
    _rest: bytes = b""  # an unfinished size line, chunk end or trailer
    _left: int = 0  # of the chunk that is being read
    _needs_end: bool = False  # the CRLF behind a chunk
    _in_trailers: bool = False
    _out: list[bytes] = field(factory=list)

    def feed(self, data: bytes) -> bytes:
        """Return the content of the chunks in `data`; what is behind the last is dropped. Raises BodyError for no chunk."""
        data = self._rest + data if self._rest else data
        position = 0
        while position < len(data) and not self.is_done:
            reached = self._take(data, position)
            if reached < 0:
                break
            position = reached
        if self.is_done and position < len(data):
            self.is_overrun = True
            position = len(data)
        self._rest = data[position:] if position else data
        if len(self._rest) > MAX_LINE:
            raise BodyError("a chunk's size line is too long")
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def end(self) -> bytes:
        """Say that the connection has ended; nothing more comes. Raises BodyError where the body has not."""
        if not self.is_done:
            raise BodyError("the body ends before its last chunk")
        return b""

    def _take(self, data: bytes, position: int) -> int:
        """Take one piece at `position`; return where the next begins, -1 where this one is not whole yet."""
        if self._left:
            piece = data[position : position + self._left]
            self._out.append(piece)
            self._left -= len(piece)
            self._needs_end = not self._left
            return position + len(piece)
        end = data.find(b"\r\n", position)
        if end < 0:
            return -1
        if self._needs_end:
            if end != position:
                raise BodyError("a chunk is longer than its declared size")
            self._needs_end = False
        elif self._in_trailers:
            self.is_done = end == position
        else:
            self._left = _size(data[position:end])
            self._in_trailers = not self._left
        return end + 2


Body = LengthBody | EndlessBody | ChunkedBody


def body_of(status: int, headers: Sequence[tuple[bytes, bytes]]) -> Body:
    """Return the decoder for an answer to a POST or GET; header names in lower case. Raises BodyError for a bad framing."""
    if status in {204, 304}:
        return LengthBody(0)
    by_name = dict(headers)
    coding = by_name.get(b"transfer-encoding", b"").strip().lower()
    if coding == b"chunked":
        return ChunkedBody()
    if coding:
        raise BodyError("a transfer coding that was not requested")
    length = by_name.get(b"content-length")
    if length is None:
        return EndlessBody()
    if not length.isdigit():
        raise BodyError("a content length that is not a number")
    return LengthBody(int(length))


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > MAX_DIGITS or not _HEX.issuperset(digits):
        raise BodyError("a chunk without a size")
    return int(digits, 16)
