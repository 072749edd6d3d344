"""Newline-delimited JSON: an incremental framer, and the form that our encoder writes (wire.md 12, 18).

One line is one frame: `raw` with its line end, `data` without, and the `raw` of all frames joined is the stream (with the
last line end, should the server have forgotten it). Lines end with LF or CRLF; CR alone ends one too, since no JSON text
holds one that matters. A blank line is a frame with empty `data`: there is nothing to read in it, but it passes."""

from __future__ import annotations

import re

from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.json_text import json_line
from router.wire.sse import MAX_LINE_BYTES

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")


class LineFramer:
    """Cuts one stream into lines, whatever the chunks; one per stream, `provider` names it in failures."""

    def __init__(self, provider: str = "") -> None:
        self._provider = provider
        self._held: list[bytes] = []  # chunks of the line that has no end yet
        self._held_bytes = 0
        self._is_start = True

    def feed(self, chunk: bytes) -> tuple[Frame, ...]:
        """Return the lines that end in this chunk. Raises ProviderFailed(bad-response) for one over 16 MiB."""
        if b"\n" not in chunk and b"\r" not in chunk and not (self._held and self._held[-1].endswith(b"\r")):
            self._hold(chunk)
            return ()
        if self._held:
            chunk = b"".join((*self._held, chunk))
            self._held, self._held_bytes = [], 0
        lines, rest = _split(chunk)
        if rest:
            self._hold(rest)
        return self._frames(lines)

    def close(self) -> tuple[Frame, ...]:
        """Return what the body ended with: a line without its end counts, and its `raw` gets one."""
        rest = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        if not rest:
            return ()
        return self._frames([rest if rest.endswith(b"\r") else rest + b"\n"])

    def _hold(self, chunk: bytes) -> None:
        self._held_bytes += len(chunk)
        if self._held_bytes > MAX_LINE_BYTES:
            raise ProviderFailed(
                provider=self._provider,
                reason=FailureReason.BAD_RESPONSE,
                message="a line of the stream is larger than the router accepts",
            )
        if chunk:
            self._held.append(chunk)

    def _frames(self, lines: list[bytes]) -> tuple[Frame, ...]:
        if self._is_start and lines:
            self._is_start = False
            if lines[0].startswith(_BOM):
                first = Frame(raw=lines[0], data=lines[0].removeprefix(_BOM).rstrip(b"\r\n"))
                return (first, *[_frame(line) for line in lines[1:]])
        return tuple([_frame(line) for line in lines])


def encode_line(document: object) -> bytes:
    """Return one line of compact JSON with its end."""
    return json_line(document) + b"\n"


def _split(text: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole lines with their ends, and what follows. A CR at the very end waits for the LF that may follow."""
    if b"\r" not in text:
        *lines, rest = text.split(b"\n")
        return [line + b"\n" for line in lines], rest
    lines, start = [], 0
    for end in _LINE_END.finditer(text):
        if end.end() == len(text) and end[0] == b"\r":
            break
        lines.append(text[start : end.end()])
        start = end.end()
    return lines, text[start:]


def _frame(line: bytes) -> Frame:
    return Frame(raw=line, data=line.rstrip(b"\r\n"))
