"""Neutral events to Gemini chunks (wire.md 11): frames of server-sent events, or the elements of one JSON array."""

from __future__ import annotations

from collections.abc import Callable
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
from router.domain.frame import Frame
from router.errors import RouterError
from router.wire.dialect import Minting, Partial, ReplyOptions
from router.wire.errors import ErrorShape, error_fields
from router.wire.gemini.decode_parts import SIGNATURE
from router.wire.gemini.stream import CALL_PREFIX, FINISH, ID_PREFIX, encode_usage
from router.wire.json_text import json_line, parse_object
from router.wire.lenient_json import arguments_object

_JSON = "application/json"
_EVENT_STREAM = "text/event-stream; charset=utf-8"
_FAULTY = "MALFORMED_FUNCTION_CALL"  # which gemini-cli asks again about, whatever came before
_PART_START = b'{"candidates":[{"content":{"role":"model","parts":['
_PART_END = b']},"index":0}],'


class GeminiEncoder:
    """One client stream: parts as they come, calls whole, and a last chunk with the finish reason and the usage."""

    closing = b"]\n"

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._minting = minting
        self._is_array = options.is_array
        self._has_sent = False
        self._facts: dict[str, Any] = {}  # what all chunks have in common
        self._chunk_end = b""
        self._usage = Usage()
        self._is_running = False  # between the start and the finish reason
        self._call: ToolStarted | None = None
        self._arguments: list[str] = []

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the whole frames for one event, b"" for none."""
        out = b""
        match event:
            case TextDelta(text):
                out = self._part(b'{"text":%b}' % json_line(text))
            case ThinkingDelta(text):
                out = self._part(b'{"text":%b,"thought":true}' % json_line(text))
            case ToolDelta(_, json_text):
                self._arguments.append(json_text)
            case ToolStarted():
                self._call = event
            case ToolDone():
                out = self._whole_call()
            case Started():
                self._start(event)
            case UsageSeen(usage):
                self._usage = usage
            case Stopped():
                out = self._stop(event.reason)
            case ThinkingSigned() | ThinkingRedacted():
                pass  # another vendor's, which Gemini would refuse; its own stand on calls
            case _:
                assert_never(event)
        return out

    @property
    def reframe(self) -> Callable[[Frame], bytes] | None:
        """Makes elements of an array of an upstream's frames, where the client asked for one."""
        return self._element if self._is_array else None

    def follow(self, frame: Frame) -> None:
        """Remember whose answer passes, for the end of one that breaks."""
        if self._is_running or (chunk := parse_object(frame.data)) is None:
            return
        told = {key: chunk.get(key) for key in ("modelVersion", "responseId")}
        if all(isinstance(fact, str) for fact in told.values()):
            self._is_running, self._facts = True, told

    def failed(self, error: RouterError) -> bytes:
        """Return the error: nothing follows (wire.md 17.3).

        In front of it an answer that has begun is called faulty: behind the result of a tool gemini-cli takes an error alone
        for the end of the answer, prints what has come, and ends well (docs/decisions/034)."""
        faulty = self._chunk(json_line(self._last_chunk(_FAULTY))) if self._is_running else b""
        self._is_running = False
        return faulty + self._chunk(json_line({"error": error_fields(error, ErrorShape.GEMINI)})) + self._end()

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: an answer without the call that it was about to make is none."""
        return self._is_running and self._call is None

    def cut(self, partial: Partial) -> bytes:
        """Return a last chunk that says `OTHER`: `STOP` would call the answer whole (wire.md 16.2)."""
        self._usage = partial.usage
        return self._stop(StopReason.UNKNOWN)

    def progress(self) -> bytes:
        """Return nothing: this dialect has no sign of life (wire.md 18)."""
        return b""

    def _start(self, event: Started) -> None:
        self._is_running = True
        self._usage = event.usage or self._usage
        self._facts = {"modelVersion": event.model, "responseId": event.id or self._minting.new_id(ID_PREFIX)}
        self._chunk_end = _PART_END + json_line(self._facts)[1:]

    def _whole_call(self) -> bytes:
        call, self._call = self._call, None
        arguments = arguments_object("".join(self._arguments))
        self._arguments.clear()
        if call is None:
            return b""
        part = call_part(call.id or self._minting.new_id(CALL_PREFIX), call.name, arguments, call.signature)
        return self._part(json_line(part))

    def _stop(self, reason: StopReason) -> bytes:
        self._is_running = False
        return self._chunk(json_line(self._last_chunk(FINISH[reason]))) + self._end()

    def _last_chunk(self, finish: str) -> dict[str, Any]:
        candidates = [last_candidate([{"text": ""}], finish)]
        return {"candidates": candidates, "usageMetadata": encode_usage(self._usage), **self._facts}

    def _part(self, part: bytes) -> bytes:
        return self._chunk(b"".join((_PART_START, part, self._chunk_end)))

    def _element(self, frame: Frame) -> bytes:
        return self._chunk(frame.data) if frame.data else b""

    def _chunk(self, chunk: bytes) -> bytes:
        if not self._is_array:
            return b"data: %b\n\n" % chunk
        head = b",\n" if self._has_sent else b"["
        self._has_sent = True
        return head + chunk

    def _end(self) -> bytes:
        return self.closing if self._is_array else b""


def call_part(call_id: str, name: str, arguments: dict[str, Any], signature: str) -> dict[str, Any]:
    """Return a call as a part, with its vendor's signature beside it."""
    part: dict[str, Any] = {"functionCall": {"id": call_id, "name": name, "args": arguments}}
    return part | ({SIGNATURE: signature} if signature else {})


def last_candidate(parts: list[dict[str, Any]], finish: str) -> dict[str, Any]:
    """Return a candidate that has come to its end. Clients never keep a content without parts."""
    return {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}


def keepalive(*, started: bool) -> bytes:
    """Return a chunk that says nothing: gemini-cli gives up after 300 s without a byte, and asks again after a comment.

    One without candidates it reads over (docs/decisions/035)."""
    del started
    return b'data: {"usageMetadata":{}}\n\n'


def stream_type(options: ReplyOptions) -> str:
    """Return the type of the client's stream: one JSON array, unless it asked for server-sent events."""
    return _JSON if options.is_array else _EVENT_STREAM
