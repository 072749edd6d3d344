"""What one raw Responses event means, for the gate and the raw relay (wire.md 21, routing.md 11.4).

Each frame is parsed: less than a microsecond for a usual delta, and right for every spelling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.inband import inband_error
from router.wire.json_text import parse_object
from router.wire.openai_responses.stream import decode_usage, stop_of

_ENDS = (b"response.completed", b"response.incomplete", b"response.failed")
_FAILED = ("response.failed", "response.cancelled")
_TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_CALL_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_THOUGHT_DELTAS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


class ResponsesFrameReader:
    """One stream's. `has_ended` turns True with the last event."""

    def __init__(self) -> None:
        self.has_ended = False
        self.stop: StopReason | None = None
        self._has_content = False
        self._judged: Frame | None = None
        self._event: dict[str, Any] | None = None

    def verdict(self, frame: Frame) -> Verdict:
        """Return what the frame means."""
        event = self._parsed(frame)
        if event is None:
            return Verdict.NEUTRAL if _says_nothing(frame.data) else Verdict.MALFORMED
        if event_error(event) is not None:
            return Verdict.ERROR
        verdict = self._judge(event)
        self._has_content = self._has_content or verdict is Verdict.CONTENT
        return verdict

    def is_last(self, frame: Frame) -> bool:
        """Tell whether the frame ends the response. Of a stream that is decoded elsewhere hardly a frame is parsed for it."""
        if not any(word in frame.data or frame.event == word for word in _ENDS):
            return False
        event = self._parsed(frame)
        return event is not None and event["type"].encode() in _ENDS

    def error(self, frame: Frame) -> InbandError:
        """Return the classified error of a frame whose verdict was ERROR."""
        error = event_error(self._parsed(frame) or {"type": ""})
        return error or InbandError(reason=FailureReason.BAD_RESPONSE, message="no error in the frame")

    def chars(self, frame: Frame) -> int:
        """Return how many characters of content the frame brings: text, reasoning, arguments."""
        delta = (self._parsed(frame) or {}).get("delta")
        return len(delta) if isinstance(delta, str) else 0

    def usage(self, frame: Frame) -> Usage | None:
        """Return the usage that the frame carries: the last one's."""
        response = (self._parsed(frame) or {}).get("response")
        return decode_usage(response) if isinstance(response, dict) else None

    def _judge(self, event: Mapping[str, Any]) -> Verdict:
        kind = event["type"]
        if kind in _TEXT_DELTAS:
            return _judge_text(event.get("delta"))
        if kind in _CALL_DELTAS:
            return Verdict.CONTENT if event.get("delta") else Verdict.NEUTRAL
        if kind in _THOUGHT_DELTAS:
            return Verdict.THINKING if event.get("delta") else Verdict.NEUTRAL
        if kind in ("response.output_item.added", "response.output_item.done"):
            item = event.get("item")
            return judge_item(item) if isinstance(item, dict) else Verdict.NEUTRAL
        if kind.encode() in _ENDS:
            return self._judge_end(kind, event.get("response"))
        return Verdict.NEUTRAL

    def _judge_end(self, kind: str, response: object) -> Verdict:
        """Judge the last event, which holds the whole answer again: content only where nothing was said before."""
        self.has_ended = True
        told = response if isinstance(response, dict) else {}
        self.stop = stop_of({**told, "status": told.get("status") or kind.removeprefix("response.")})
        is_content = not self._has_content and judge_output(told.get("output")) is Verdict.CONTENT
        return Verdict.CONTENT if is_content else Verdict.TERMINAL

    def _parsed(self, frame: Frame) -> dict[str, Any] | None:
        if frame is not self._judged:
            self._judged, self._event = frame, parse_event(frame)
        return self._event


def parse_event(frame: Frame) -> dict[str, Any] | None:
    """Return the event with its `type`, which the `event:` line gives where the data does not; None for no JSON object."""
    event = parse_object(frame.data)
    if event is not None and not (isinstance(event.get("type"), str) and event["type"]):
        event["type"] = (frame.event or b"").decode("utf-8", "replace")
    return event


def event_error(event: Mapping[str, Any]) -> InbandError | None:
    """Return the error that an event tells, classified; None for one that tells none."""
    if event["type"] not in _FAILED:
        return inband_error(event)
    response = event.get("response")
    return response_error({**response, "status": "failed"} if isinstance(response, dict) else {"status": "failed"})


def response_error(response: Mapping[str, Any]) -> InbandError | None:
    """Return the error of a whole response, None for one that has not failed."""
    if response.get("status") in ("failed", "cancelled") and not response.get("error"):
        return inband_error({"error": {"message": f"the response is {response['status']}", "code": "server_error"}})
    return inband_error(response)


def judge_output(output: object) -> Verdict:
    """Return what the items of a whole answer come to."""
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    verdicts = set(map(judge_item, items))
    return next((verdict for verdict in (Verdict.CONTENT, Verdict.THINKING) if verdict in verdicts), Verdict.NEUTRAL)


def judge_item(item: Mapping[str, Any]) -> Verdict:
    """Return CONTENT for calls, for text that is not blank and for the vendor's own items, THINKING for reasoning.

    Blank text alone is nothing that a client can act on: the decoder holds it back, too (wire.md 8.3)."""
    match item.get("type"):
        case "message":
            return _judge_message(item.get("content"))
        case "reasoning":
            is_told = any(item.get(key) for key in ("summary", "content", "encrypted_content"))
            return Verdict.THINKING if is_told else Verdict.NEUTRAL
        case str():
            return Verdict.CONTENT
        case _:
            return Verdict.NEUTRAL


def _judge_message(content: object) -> Verdict:
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    verdicts = [_judge_text(part.get(key)) for part in parts for key in ("text", "refusal")]
    return Verdict.CONTENT if Verdict.CONTENT in verdicts else Verdict.NEUTRAL


def _judge_text(text: object) -> Verdict:
    is_said = isinstance(text, str) and bool(text) and not text.isspace()
    return Verdict.CONTENT if is_said else Verdict.NEUTRAL


def _says_nothing(data: bytes) -> bool:
    """Tell a comment, and the `[DONE]` that some servers add."""
    return not data or data.lstrip().startswith(b"[DONE]")
