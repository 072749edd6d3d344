"""Neutral events to chat chunks (wire.md 9)."""

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
from router.wire.errors import ErrorShape, error_fields
from router.wire.json_text import json_line
from router.wire.openai_chat.stream import CALL_PREFIX, DONE, FINISH, ID_PREFIX, client_id, encode_usage
from router.wire.sse import encode_data

_DELTA_END = b',"finish_reason":null}]}\n\n'


class ChatEncoder:
    """One client stream: the role first, then deltas, one finish reason, usage where it was asked for, `[DONE]`."""

    follow = None

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._head: dict[str, Any] = {}  # what all chunks have in common
        self._delta_start = b""
        self._usage = Usage()
        self._is_running = False  # between the role and the finish reason
        self._is_in_call = False

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the whole SSE frames for one event, b"" for none."""
        match event:
            case TextDelta(text):
                out = self._delta(b'{"content":%b}' % json_line(text))
            case ToolDelta(slot, json_text):
                function = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}'
                out = self._delta(function % (slot, json_line(json_text)))
            case ThinkingDelta(text):
                out = self._thinking(text)
            case ToolStarted():
                out = self._call(event)
            case Started():
                out = self._start(event)
            case UsageSeen(usage):
                self._usage = usage
                out = b""
            case Stopped():
                out = self._stop(event)
            case ToolDone():
                self._is_in_call = False
                out = b""
            case ThinkingSigned() | ThinkingRedacted():
                out = b""
            case _:
                assert_never(event)
        return out

    def failed(self, error: RouterError) -> bytes:
        """Return the error frame and the end: nothing follows (wire.md 17.3)."""
        self._is_running = False
        return encode_data({"error": error_fields(error, ErrorShape.OPENAI)}) + DONE

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: a client would run half a call (wire.md 16.2)."""
        return self._is_running and not self._is_in_call

    def cut(self, partial: Partial) -> bytes:
        """Return a finish chunk that says `length`, the usage where it was asked for, and the end.

        A chunk has no place for the rest that is known of the break; `stop` would call the answer whole."""
        self._usage = partial.usage
        return self._stop(Stopped(reason=StopReason.LENGTH))

    def progress(self) -> bytes:
        """Return nothing: comments are enough for this dialect's clients."""
        return b""

    def _thinking(self, text: str) -> bytes:
        if self._options.thinking != "pass":  # this dialect has no reasoning of its own (wire.md 13)
            return b""
        return self._delta(b'{"reasoning_content":%b}' % json_line(text))

    def _start(self, event: Started) -> bytes:
        self._is_running = True
        self._usage = event.usage or self._usage
        self._head = {
            "id": client_id(event.id) or self._minting.new_id(ID_PREFIX),
            "object": "chat.completion.chunk",
            "created": event.created,
            "model": event.model,
        }
        self._delta_start = b'data: %b,"choices":[{"index":0,"delta":' % json_line(self._head)[:-1]
        return self._delta(b'{"role":"assistant","content":""}')

    def _call(self, event: ToolStarted) -> bytes:
        self._is_in_call = True
        call = {
            "index": event.slot,
            "id": event.id or self._minting.new_id(CALL_PREFIX),
            "type": "function",
            "function": {"name": event.name, "arguments": ""},
        }
        return self._delta(json_line({"tool_calls": [call]}))

    def _stop(self, event: Stopped) -> bytes:
        self._is_running = False
        finish = {"index": 0, "delta": {}, "finish_reason": FINISH[event.reason]}
        frames = encode_data({**self._head, "choices": [finish]})
        if self._options.include_usage:
            frames += encode_data({**self._head, "choices": [], "usage": encode_usage(self._usage)})
        return frames + DONE

    def _delta(self, delta: bytes) -> bytes:
        return b"".join((self._delta_start, delta, _DELTA_END))


def keepalive(*, started: bool) -> bytes:
    """Return a comment, which every reader of this dialect skips."""
    del started
    return b": keep-alive\n\n"
