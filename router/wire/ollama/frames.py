"""What one raw line of Ollama's means, for the gate and the raw relay (wire.md 21, routing.md 11.4).

Each line is parsed once: that costs less than the byte searches that would be right for every spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.inband import inband_error
from router.wire.json_text import json_line, parse_object
from router.wire.ollama.stream import calls_of, decode_usage, message_of, stop_of, text_of


class OllamaFrameReader:
    """One stream's. `has_ended` turns True with `done: true`, also on a line that holds content."""

    def __init__(self) -> None:
        self.has_ended = False
        self.stop: StopReason | None = None
        self._judged: Frame | None = None
        self._chunk: dict[str, Any] | None = None

    def verdict(self, frame: Frame) -> Verdict:
        """Return what the line means."""
        if not frame.data or frame.data.isspace():
            return Verdict.NEUTRAL
        chunk = self._parsed(frame)
        if chunk is None:
            return Verdict.MALFORMED
        if inband_error(chunk) is not None:
            return Verdict.ERROR
        stop = stop_of(chunk)
        if stop is not None:
            self.has_ended, self.stop = True, stop
        said = judge_said(message_of(chunk))
        return Verdict.TERMINAL if stop is not None and said is Verdict.NEUTRAL else said

    def is_last(self, frame: Frame) -> bool:
        """Tell whether the line says `done`."""
        return (self._parsed(frame) or {}).get("done") is True

    def error(self, frame: Frame) -> InbandError:
        """Return the classified error of a line whose verdict was ERROR."""
        error = inband_error(self._parsed(frame) or {})
        return error or InbandError(reason=FailureReason.BAD_RESPONSE, message="no error in the line")

    def chars(self, frame: Frame) -> int:
        """Return how many characters of content the line brings: text, reasoning, arguments."""
        said = message_of(self._parsed(frame) or {})
        told = len(text_of(said, "content")) + len(text_of(said, "thinking"))
        return told + sum(map(_argument_chars, calls_of(said)))

    def usage(self, frame: Frame) -> Usage | None:
        """Return the usage that the line carries, None for all but the last."""
        return decode_usage(self._parsed(frame) or {})

    def _parsed(self, frame: Frame) -> dict[str, Any] | None:
        if frame is not self._judged:
            self._judged, self._chunk = frame, parse_object(frame.data)
        return self._chunk


def judge_said(message: Mapping[str, Any]) -> Verdict:
    """Return CONTENT for text that is not blank and for calls, THINKING for reasoning, else NEUTRAL."""
    text = text_of(message, "content")
    if (text and not text.isspace()) or any(text_of(call["function"], "name") for call in calls_of(message)):
        return Verdict.CONTENT
    return Verdict.THINKING if text_of(message, "thinking") else Verdict.NEUTRAL


def _argument_chars(call: Mapping[str, Any]) -> int:
    arguments = call["function"].get("arguments")
    return len(arguments if isinstance(arguments, str) else json_line(arguments)) if arguments else 0
