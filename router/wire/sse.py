"""Server-sent events: an incremental framer, and the two forms that our encoders write (wire.md 18).

The framer keeps every byte: the `raw` of all frames joined is the stream (with
the last blank line, should the server have forgotten it), so a raw relay needs
nothing else. Lines end with LF, CRLF or CR, and only with
these. A block without a data line (a comment, a stray `event:`) is a frame with
empty `data` and no `event`: there is nothing to read in it, but it passes."""

from __future__ import annotations

import re

from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.json_text import json_line

MAX_LINE_BYTES = 16 * 1024 * 1024  # wire.md 18: far above any honest event
MAX_EVENT_BYTES = 32 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BLANK_LINE = re.compile(rb"(?>\r\n?|\n){2}")  # atomic: CRLF is never read as two line ends
_LONGEST_BLANK_LINE = 4

_EVENT = b"event: "
_DATA = b"data: "


class SseFramer:
    """Cuts one stream into frames, whatever the chunks; one per stream, `provider` names it in failures."""

    def __init__(self, provider: str = "") -> None:
        self._provider = provider
        self._held: list[bytes] = []  # chunks of the block that has no blank line yet
        self._held_bytes = 0
        self._line_bytes = 0  # of the unfinished last line in what is held
        self._has_cr = False  # in what is held
        self._is_start = True

    def feed(self, chunk: bytes) -> tuple[Frame, ...]:
        """Return the frames that end in this chunk.

        Raises ProviderFailed(bad-response) for a line over 16 MiB or an event over 32 MiB."""
        has_cr = self._has_cr or b"\r" in chunk
        if self._held:
            if not self._ends_block(chunk, has_cr=has_cr):
                self._hold(chunk, has_cr=has_cr)
                return ()
            chunk = b"".join((*self._held, chunk))
        blocks, rest = _split_mixed(chunk) if has_cr else _split_lf(chunk)
        self._release()
        if rest:
            self._hold(rest, has_cr=b"\r" in rest)
        return self._frames(blocks)

    def close(self) -> tuple[Frame, ...]:
        """Return what the body ended with: a block without its blank line counts, since servers forget it.

        Its `raw` gets the blank line, so that whatever is written behind it is a frame of its own."""
        rest = b"".join(self._held)
        self._release()
        if not rest:
            return ()
        blocks, tail = _split_mixed(rest, is_end=True)
        return self._frames([*blocks, tail + b"\n\n"] if tail else blocks)

    def _ends_block(self, chunk: bytes, *, has_cr: bool) -> bool:
        """Tell whether a blank line may end in this chunk, looking no further back than one can reach."""
        seam = self._held[-1][1 - _LONGEST_BLANK_LINE :]
        if len(seam) < _LONGEST_BLANK_LINE - 1 and len(self._held) > 1:  # single bytes are drip-fed
            seam = b"".join(self._held[1 - _LONGEST_BLANK_LINE :])[1 - _LONGEST_BLANK_LINE :]
        if has_cr:
            return _BLANK_LINE.search(seam + chunk) is not None
        return b"\n\n" in chunk or (seam.endswith(b"\n") and chunk.startswith(b"\n"))

    def _hold(self, chunk: bytes, *, has_cr: bool) -> None:
        line_end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._line_bytes = len(chunk) - line_end - 1 + (self._line_bytes if line_end < 0 else 0)
        self._held_bytes += len(chunk)
        if self._line_bytes > MAX_LINE_BYTES or self._held_bytes > MAX_EVENT_BYTES:
            raise ProviderFailed(
                provider=self._provider,
                reason=FailureReason.BAD_RESPONSE,
                message="an event of the stream is larger than the router accepts",
            )
        self._held.append(chunk)
        self._has_cr = has_cr

    def _release(self) -> None:
        self._held, self._held_bytes, self._line_bytes, self._has_cr = [], 0, 0, False

    def _frames(self, blocks: list[bytes]) -> tuple[Frame, ...]:
        if self._is_start and blocks:
            self._is_start = False
            if blocks[0].startswith(_BOM):
                first = _frame(blocks[0], blocks[0].removeprefix(_BOM))
                return (first, *[_frame(block, block) for block in blocks[1:]])
        return tuple([_frame(block, block) for block in blocks])


def encode_event(name: bytes, data: object) -> bytes:
    """Return one named event; `data` is written as one line of compact JSON."""
    return b"event: %b\ndata: %b\n\n" % (name, json_line(data))


def encode_data(data: object) -> bytes:
    """Return one unnamed event; `data` is written as one line of compact JSON."""
    return b"data: %b\n\n" % json_line(data)


def _split_lf(text: bytes) -> tuple[list[bytes], bytes]:
    """Split where lines end with LF only: the blocks with their blank line, and what follows the last one."""
    *blocks, rest = text.split(b"\n\n")
    return [block + b"\n\n" for block in blocks], rest


def _split_mixed(text: bytes, *, is_end: bool = False) -> tuple[list[bytes], bytes]:
    """Split where CR may end lines. A CR at the very end waits for the LF that may follow, unless the body has ended."""
    blocks: list[bytes] = []
    start = 0
    for blank in _BLANK_LINE.finditer(text):
        if blank.end() == len(text) and text.endswith(b"\r") and not is_end:
            break
        blocks.append(text[start : blank.end()])
        start = blank.end()
    return blocks, text[start:]


def _frame(raw: bytes, block: bytes) -> Frame:
    """Read the fields of one block. The two forms that servers write are read by their ends, all others by line."""
    if b"\r" not in block and block.endswith(b"\n\n"):
        if block.startswith(_DATA):
            if block.find(b"\n") == len(block) - 2:
                return Frame(raw=raw, data=block[6:-2])
        elif block.startswith(_EVENT):
            name_end = block.find(b"\n")
            if block.startswith(_DATA, name_end + 1) and block.find(b"\n", name_end + 1) == len(block) - 2:
                return Frame(raw=raw, data=block[name_end + 7 : -2], event=block[7:name_end] or None)
    return _frame_by_lines(raw, block)


def _frame_by_lines(raw: bytes, block: bytes) -> Frame:
    data: list[bytes] = []
    event = b""
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            event = value
    if not data:
        return Frame(raw=raw, data=b"")
    return Frame(raw=raw, data=b"\n".join(data), event=event or None)
