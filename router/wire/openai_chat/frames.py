"""What one raw chat frame means, for the gate and the raw relay (wire.md 21, routing.md 11.4).

Each frame is parsed: 0.6 us for a usual chunk, half of what a handful of byte
searches costs, and right for every spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.inband import inband_error
from router.wire.json_text import parse_object
from router.wire.openai_chat.stream import decode_usage, delta_of, first_choice, reasoning_of, stop_of, text_of

_DONE = b"[DONE]"


class ChatFrameReader:
    """One stream's. `has_ended` turns True with the first stop reason or `[DONE]`, also on a frame that holds content."""

    def __init__(self) -> None:
        self.has_ended = False
        self.stop: StopReason | None = None
        self._judged: Frame | None = None
        self._chunk: dict[str, Any] | None = None

    def verdict(self, frame: Frame) -> Verdict:
        """Return what the frame means."""
        if not frame.data:
            return Verdict.NEUTRAL
        if self.is_last(frame):
            self.has_ended = True
            return Verdict.TERMINAL
        chunk = self._parsed(frame)
        if chunk is None:
            return Verdict.MALFORMED
        if inband_error(chunk) is not None:
            return Verdict.ERROR
        choice = first_choice(chunk)
        if choice is None:
            return Verdict.NEUTRAL
        is_end = bool(choice.get("finish_reason"))
        if is_end:
            self.has_ended, self.stop = True, stop_of(choice)
        said = judge_said(delta_of(choice))
        return Verdict.TERMINAL if is_end and said is Verdict.NEUTRAL else said

    def is_last(self, frame: Frame) -> bool:
        """Tell whether the frame is `[DONE]`."""
        return frame.data.lstrip().startswith(_DONE)

    def error(self, frame: Frame) -> InbandError:
        """Return the classified error of a frame whose verdict was ERROR."""
        error = inband_error(self._parsed(frame) or {})
        return error or InbandError(reason=FailureReason.BAD_RESPONSE, message="no error in the frame")

    def chars(self, frame: Frame) -> int:
        """Return how many characters of content the frame brings: text, reasoning, arguments."""
        choice = first_choice(self._parsed(frame) or {})
        if choice is None:
            return 0
        said = delta_of(choice)
        return len(text_of(said.get("content"))) + len(reasoning_of(said)) + sum(map(_argument_chars, _entries(said)))

    def usage(self, frame: Frame) -> Usage | None:
        """Return the usage that the frame carries, None for most frames."""
        return decode_usage(self._parsed(frame) or {})

    def _parsed(self, frame: Frame) -> dict[str, Any] | None:
        if frame is not self._judged:
            self._judged, self._chunk = frame, parse_object(frame.data)
        return self._chunk


def judge_said(said: Mapping[str, Any]) -> Verdict:
    """Return CONTENT for text that is not blank and for calls, THINKING for reasoning, else NEUTRAL.

    Blank text alone is nothing that a client can act on: the decoder holds it back, too (wire.md 8.3)."""
    texts = (text_of(said.get("content")), text_of(said.get("refusal")))
    if any(text and not text.isspace() for text in texts) or _has_call(said):
        return Verdict.CONTENT
    return Verdict.THINKING if reasoning_of(said) else Verdict.NEUTRAL


def _entries(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = said.get("tool_calls")
    return [entry for entry in calls if isinstance(entry, dict)] if isinstance(calls, list) else []


def _argument_chars(entry: Mapping[str, Any]) -> int:
    function = entry.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return len(arguments) if isinstance(arguments, str) else 0


def _has_call(said: Mapping[str, Any]) -> bool:
    told = [entry.get(kind) for entry in _entries(said) for kind in ("function", "custom")]
    return any(isinstance(call, dict) and any(call.values()) for call in (*told, said.get("function_call")))
