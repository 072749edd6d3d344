"""What one raw Gemini frame means, for the gate and the raw relay (wire.md 11.1, 21, routing.md 11.4).

Each frame is parsed, as with the other dialects: cheaper than a handful of byte searches, and right for every spelling."""

from __future__ import annotations

from typing import Any

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.gemini.stream import (
    call_of,
    decode_usage,
    fault_of,
    finish_of,
    first_candidate,
    judge_parts,
    parts_of,
    stop_of,
    text_of,
)
from router.wire.inband import inband_error
from router.wire.json_text import json_line, parse_object


class GeminiFrameReader:
    """One stream's. `has_ended` turns True with a finish reason, also on a frame that holds content, or for a refused prompt."""

    def __init__(self) -> None:
        self.has_ended = False
        self.stop: StopReason | None = None
        self._has_said = False
        self._fault: InbandError | None = None
        self._judged: Frame | None = None
        self._chunk: dict[str, Any] | None = None

    def verdict(self, frame: Frame) -> Verdict:
        """Return what the frame means. An answer that says nothing and ends with a fault of its server is an error."""
        if not frame.data or frame.data.lstrip().startswith(b"[DONE]"):
            return Verdict.NEUTRAL
        chunk = self._parsed(frame)
        if chunk is None:
            return Verdict.MALFORMED
        if inband_error(chunk) is not None:
            return Verdict.ERROR
        candidate = first_candidate(chunk)
        said = Verdict.NEUTRAL if candidate is None else judge_parts(parts_of(candidate))
        self._has_said = self._has_said or said is Verdict.CONTENT
        finish = finish_of(chunk, candidate)
        if finish is None:
            return said
        self._fault = None if self._has_said else fault_of(finish)
        if self._fault is not None:
            return Verdict.ERROR
        self.has_ended, self.stop = True, stop_of(finish)
        return Verdict.TERMINAL if said is Verdict.NEUTRAL else said

    def is_last(self, frame: Frame) -> bool:
        """Return False: no frame says that none follows it."""
        del frame
        return False

    def error(self, frame: Frame) -> InbandError:
        """Return the classified error of a frame whose verdict was ERROR."""
        error = inband_error(self._parsed(frame) or {}) or self._fault
        return error or InbandError(reason=FailureReason.BAD_RESPONSE, message="no error in the frame")

    def chars(self, frame: Frame) -> int:
        """Return how many characters of content the frame brings: text, thoughts, arguments."""
        candidate = first_candidate(self._parsed(frame) or {})
        return sum(map(_chars, parts_of(candidate))) if candidate is not None else 0

    def usage(self, frame: Frame) -> Usage | None:
        """Return the usage that the frame carries, None where it carries none."""
        return decode_usage(self._parsed(frame) or {})

    def _parsed(self, frame: Frame) -> dict[str, Any] | None:
        if frame is not self._judged:
            self._judged, self._chunk = frame, parse_object(frame.data)
        return self._chunk


def _chars(part: dict[str, Any]) -> int:
    call = call_of(part)
    if call is None:
        return len(text_of(part))
    arguments = call.get("args")
    return len(json_line(arguments)) if isinstance(arguments, dict) else 0
