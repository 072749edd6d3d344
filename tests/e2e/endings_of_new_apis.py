"""How an answer of Responses, Gemini or Ollama ended, judged from nothing but its bytes; see endings.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from router.domain.request import DialectName
from tests.e2e.endings import BadEndingError, Ending
from tests.replay.speech.common import sse

_TERMINAL = {"response.completed": Ending.COMPLETE, "response.incomplete": Ending.COMPLETE, "response.failed": Ending.ERROR}


def responses_ending(body: bytes) -> Ending:
    """Return how a stream of Responses ended. Raises BadEndingError."""
    events = [event for _, event in sse(body)]
    kinds = [event["type"] for event in events]
    _require([event["sequence_number"] for event in events] == list(range(len(events))), f"numbers with gaps: {kinds}")
    _require(kinds[:1] == ["response.created"], f"the first event is {kinds[:1]}")
    _require([kind in _TERMINAL for kind in kinds] == [False] * (len(kinds) - 1) + [True], f"not one end: {kinds}")
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["output_index"] for event in events if event["type"] == "response.output_item.done"]
    ending = _TERMINAL[kinds[-1]]
    if ending is Ending.ERROR:
        error = events[-1]["response"]["error"]
        _require(bool(error["code"]) and bool(error["message"]), f"no error: {error}")
    else:
        _require(added == done == list(range(len(added))), f"items added {added} and done {done}")
        _require(len(events[-1]["response"]["output"]) == len(done), "the last event does not repeat the items")
    return ending


def gemini_ending(body: bytes) -> Ending:
    """Return how a stream of Gemini ended. Raises BadEndingError."""
    _require(b"\n:" not in body and not body.startswith(b":"), "a comment, which gemini-cli trips over")
    frames = [frame for _, frame in sse(body)]
    _require(bool(frames), "a stream without frames")
    *others, last = frames
    if "error" in last:  # a begun answer is called faulty first, or gemini-cli would take it for whole
        *others, faulty = [{}, *others]
        is_begun = any("candidates" in frame for frame in others)
        reasons = [candidate.get("finishReason") for candidate in faulty.get("candidates", ())]
        _require(reasons == ["MALFORMED_FUNCTION_CALL"] or not is_begun, f"a broken answer that looks whole: {faulty}")
    _require(not any(_is_end(frame) for frame in others), "frames behind the end")
    if "error" in last:
        _require({"code", "message", "status"} <= last["error"].keys(), f"no error: {last}")
        return Ending.ERROR
    _require(_is_end(last) and "usageMetadata" in last, f"no end: {last}")
    return Ending.COMPLETE


def ollama_ending(body: bytes) -> Ending:
    """Return how a stream of Ollama ended. Raises BadEndingError."""
    lines = [json.loads(line) for line in body.splitlines()]
    _require(bool(lines), "a stream without lines")
    *others, last = lines
    _require(not any("error" in line or line["done"] for line in others), "lines behind the end")
    if "error" in last:
        _require(isinstance(last["error"], str) and bool(last["error"]), f"no error: {last}")
        return Ending.ERROR
    _require(last["done"] is True and bool(last["done_reason"]), f"no end: {last}")
    return Ending.COMPLETE


ENDINGS: Mapping[DialectName, Callable[[bytes], Ending]] = {
    DialectName.OPENAI_RESPONSES: responses_ending,
    DialectName.GEMINI: gemini_ending,
    DialectName.OLLAMA: ollama_ending,
}


def error_of_body(dialect: DialectName, body: bytes) -> Ending:
    """Return that a body is the error of its dialect. Raises BadEndingError."""
    error = json.loads(body).get("error")
    if dialect is DialectName.OLLAMA:
        _require(isinstance(error, str) and bool(error), f"no error: {body[:200]!r}")
    else:
        wanted = {"code", "message", "status"} if dialect is DialectName.GEMINI else {"code", "message", "type"}
        _require(isinstance(error, dict) and wanted <= error.keys(), f"no error: {body[:200]!r}")
    return Ending.ERROR


def _is_end(frame: Mapping[str, Any]) -> bool:
    return "error" in frame or any(candidate.get("finishReason") for candidate in frame.get("candidates", ()))


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - it is an assert with a text
    if not condition:
        raise BadEndingError(message)
