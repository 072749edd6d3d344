"""Neutral events to Ollama's lines (wire.md 12.1)."""

from __future__ import annotations

from typing import Any, assert_never

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.errors import RouterError
from router.wire.dialect import Minting, Partial, ReplyOptions
from router.wire.errors import ErrorShape, error_document
from router.wire.json_text import json_line
from router.wire.ndjson import encode_line
from router.wire.ollama.stream import CALL_PREFIX, encode_call, encode_end, time_stamp
from router.wire.reasoning import is_shown

_LINE_END = b'},"done":false}\n'


class OllamaEncoder:
    """One client stream: lines of text, calls whole in a line each, and one last line with the counts."""

    follow = None

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._minting = minting
        self._shows_thinking = is_shown(options.thinking)
        self._head: dict[str, Any] = {}  # what all lines have in common
        self._line_start = b""
        self._usage = Usage()
        self._call: ToolStarted | None = None  # the open one
        self._arguments: list[str] = []
        self._is_running = False  # between the start and the last line

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the lines for one event, b"" for none."""
        out = b""
        match event:
            case TextDelta(text):
                out = self._line(json_line(text))
            case ToolDelta(_, json_text):
                self._arguments.append(json_text)
            case ThinkingDelta(text):
                out = self._line(b'"","thinking":' + json_line(text)) if self._shows_thinking else b""
            case ToolStarted():
                self._call, self._arguments = event, []
            case ToolDone():
                out = self._whole_call()
            case Started():
                self._start(event)
            case UsageSeen(usage):
                self._usage = usage
            case Stopped():
                out = self._stop(event.reason)
            case ThinkingSigned() | ThinkingRedacted():
                pass
            case _:
                assert_never(event)
        return out

    def failed(self, error: RouterError) -> bytes:
        """Return the error as the last line: nothing follows (wire.md 12.1)."""
        self._is_running = False
        return encode_line(error_document(error, ErrorShape.OLLAMA))

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: the client has not read a call that is open, and would miss it."""
        return self._is_running and self._call is None

    def cut(self, partial: Partial) -> bytes:
        """Return a last line that says `length`: `stop` would call the answer whole, and there is no place for the rest."""
        self._usage = partial.usage
        return self._stop(StopReason.LENGTH)

    def progress(self) -> bytes:
        """Return nothing: every line is read as a part of the answer."""
        return b""

    def _start(self, event: Started) -> None:
        self._is_running = True
        self._usage = event.usage or self._usage
        self._head = {"model": event.model, "created_at": time_stamp(event.created, self._minting.now())}
        self._line_start = json_line(self._head)[:-1] + b',"message":{"role":"assistant","content":'

    def _whole_call(self) -> bytes:
        call, self._call = self._call, None
        if call is None:
            return b""
        told = encode_call(call.id or self._minting.new_id(CALL_PREFIX), call.name, "".join(self._arguments))
        return self._line(b'"","tool_calls":' + json_line([told]))

    def _stop(self, reason: StopReason) -> bytes:
        self._is_running = False
        message = {"role": "assistant", "content": ""}
        return encode_line({**self._head, "message": message, **encode_end(reason, self._usage)})

    def _line(self, content: bytes) -> bytes:
        return b"".join((self._line_start, content, _LINE_END))


def keepalive(*, started: bool) -> bytes:
    """Return nothing: every line is read as JSON (wire.md 18)."""
    del started
    return b""
