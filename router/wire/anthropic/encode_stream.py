"""Neutral events to Messages events: blocks opened and closed in turn, indices without gaps (wire.md 8.3, 22)."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, assert_never

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
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
from router.wire.anthropic.stream import CALL_PREFIX, ID_PREFIX, STOP_REASONS, client_id, encode_usage
from router.wire.dialect import Minting, Partial, ReplyOptions
from router.wire.errors import ErrorShape, error_fields, scrubbed
from router.wire.json_text import json_line
from router.wire.reasoning import router_signature
from router.wire.sse import encode_event

_DELTA_START = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_DELTA_END = b"}}\n\n"
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_MAX_ERROR_CHARS = 200  # of a provider's own words beside a partial answer (wire.md 16.1)


class _Block(Enum):
    NONE = auto()
    TEXT = auto()
    THINKING = auto()
    TOOL = auto()


_DELTA_KEYS = {
    _Block.NONE: b"",
    _Block.TEXT: b'"text_delta","text":',
    _Block.THINKING: b'"thinking_delta","thinking":',
    _Block.TOOL: b'"input_json_delta","partial_json":',
}
_EMPTY: dict[_Block, dict[str, Any]] = {
    _Block.TEXT: {"type": "text", "text": ""},
    _Block.THINKING: {"type": "thinking", "thinking": "", "signature": ""},
}


class MessagesEncoder:
    """One client stream: `message_start`, blocks, `message_delta`, `message_stop`."""

    follow = None

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._block = _Block.NONE
        self._index = -1
        self._delta_start = b""  # of the open block
        self._usage = Usage()
        self._is_running = False  # between `message_start` and `message_stop`

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the whole SSE frames for one event, b"" for none."""
        match event:
            case TextDelta(text):
                out = self._grow(_Block.TEXT, text)
            case ToolDelta(_, json_text):
                out = self._delta(json_text)
            case ThinkingDelta(text):
                out = self._grow(_Block.THINKING, text)
            case ThinkingSigned(signature):
                delta = {"type": "signature_delta", "signature": signature}
                out = self._event("content_block_delta", index=self._index, delta=delta) + self._close()
            case ThinkingRedacted(data):
                block = {"type": "redacted_thinking", "data": data}
                out = self._open(_Block.THINKING, block) + self._close()
            case ToolStarted():
                call_id = event.id or self._minting.new_id(CALL_PREFIX)
                out = self._open(_Block.TOOL, {"type": "tool_use", "id": call_id, "name": event.name, "input": {}})
            case ToolDone():
                out = self._close()
            case Started():
                out = self._start(event)
            case UsageSeen(usage):
                self._usage = usage
                out = b""
            case Stopped():
                out = self._stop(event)
            case _:
                assert_never(event)
        return out

    def failed(self, error: RouterError) -> bytes:
        """Return the error event: nothing follows (wire.md 17.3)."""
        self._is_running = False
        return self._event("error", error=error_fields(error, ErrorShape.ANTHROPIC))

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: the JSON of an open call cannot be completed (wire.md 16.2)."""
        return self._is_running and self._block is not _Block.TOOL

    def cut(self, partial: Partial) -> bytes:
        """Return the end of the open block, what is told of the break, and the end of the message.

        SDKs skip the event in the middle by its name; behind `message_stop` nobody reads."""
        signed = b""
        if self._block is _Block.THINKING:  # one without a signature could never be sent back
            delta = {"type": "signature_delta", "signature": router_signature(partial.provider, "")}
            signed = self._event("content_block_delta", index=self._index, delta=delta)
        self._usage = partial.usage
        told = self._event(
            "coderouter_partial",
            partial_content=[{"type": "text", "text": text} for text in partial.texts],
            provider=partial.provider,
            reason=partial.reason,
            original_error=scrubbed(partial.original_error)[:_MAX_ERROR_CHARS],
        )
        return b"".join((signed, self._close(), told, self._stop(Stopped(reason=partial.stop))))

    def progress(self) -> bytes:
        """Return nothing: pings count as events for this dialect's clients."""
        return b""

    def _start(self, event: Started) -> bytes:
        self._is_running = True
        self._usage = event.usage or self._usage
        message: dict[str, Any] = {
            "id": client_id(event.id) or self._minting.new_id(ID_PREFIX),
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(self._usage),
        }
        return self._event("message_start", message=message)

    def _stop(self, event: Stopped) -> bytes:
        usage = self._usage
        self._is_running = False
        # an estimate knows nothing of the input: the count of `message_start` stands
        counts = {"output_tokens": usage.output} if usage.estimated else encode_usage(usage)
        delta = {"stop_reason": STOP_REASONS[event.reason], "stop_sequence": event.stop_sequence}
        return self._close() + self._event("message_delta", delta=delta, usage=counts) + self._event("message_stop")

    def _grow(self, block: _Block, text: str) -> bytes:
        if self._block is block:
            return self._delta(text)
        return self._open(block, _EMPTY[block]) + self._delta(text)

    def _delta(self, text: str) -> bytes:
        return b"".join((self._delta_start, json_line(text), _DELTA_END))

    def _open(self, block: _Block, content: dict[str, Any]) -> bytes:
        closed = self._close()
        self._block = block
        self._index += 1
        self._delta_start = _DELTA_START % self._index + _DELTA_KEYS[block]
        return closed + self._event("content_block_start", index=self._index, content_block=content)

    def _close(self) -> bytes:
        if self._block is _Block.NONE:
            return b""
        self._block = _Block.NONE
        return self._event("content_block_stop", index=self._index)

    def _event(self, kind: str, **fields: object) -> bytes:
        return encode_event(kind.encode(), {"type": kind, **fields})


def keepalive(*, started: bool) -> bytes:
    """Return a ping, or a comment before the first event: the SDKs want `message_start` first (wire.md 18)."""
    return _PING if started else b": keep-alive\n\n"
