"""Streams that are wrong in one place, as (dialect, rule, what is wrong, how a good stream is changed)."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.conformance.frames import Frame
from tests.conformance.shape import Json, Step

Frames = list[Frame]
Mutate = Callable[[Frames], Frames]


def put(number: int, value: object, *path: Step) -> Mutate:
    """Return the change that writes a value at a path of a frame's data."""

    def mutate(frames: Frames) -> Frames:
        data: Json = json.loads(frames[number].data)
        inner = data
        for step in path[:-1]:
            inner = inner[step]  # type: ignore[index]  # a path leads through lists, too
        inner[path[-1]] = value  # type: ignore[index]  # same
        return _replaced(frames, number, Frame(event=frames[number].event, data=json.dumps(data)))

    return mutate


def cut(number: int, *path: Step) -> Mutate:
    """Return the change that takes a member out of a frame's data."""

    def mutate(frames: Frames) -> Frames:
        data: Json = json.loads(frames[number].data)
        inner = data
        for step in path[:-1]:
            inner = inner[step]  # type: ignore[index]  # a path leads through lists, too
        del inner[path[-1]]  # type: ignore[arg-type]  # same
        return _replaced(frames, number, Frame(event=frames[number].event, data=json.dumps(data)))

    return mutate


def drop(*numbers: int) -> Mutate:
    """Return the change that leaves frames out."""
    return lambda frames: [
        frame for number, frame in enumerate(frames) if number - len(frames) not in numbers and number not in numbers
    ]


def twice(number: int) -> Mutate:
    """Return the change that says a frame twice."""
    return lambda frames: [
        frame for at, one in enumerate(frames) for frame in ((one, one) if at == number % len(frames) else (one,))
    ]


def swap(one: int, other: int) -> Mutate:
    """Return the change that exchanges two frames."""

    def mutate(frames: Frames) -> Frames:
        frames[one], frames[other] = frames[other], frames[one]
        return frames

    return mutate


def frame(number: int, new: Frame) -> Mutate:
    """Return the change that puts another frame in a place."""
    return lambda frames: _replaced(frames, number, new)


def name(number: int, event: str | None) -> Mutate:
    """Return the change that gives a frame another event line."""
    return lambda frames: _replaced(frames, number, Frame(event=event, data=frames[number].data))


def more(data: str, event: str | None = None) -> Mutate:
    """Return the change that adds a frame at the end."""
    return lambda frames: [*frames, Frame(event=event, data=data)]


def _replaced(frames: Frames, number: int, new: Frame) -> Frames:
    frames[number] = new
    return frames


MUTANTS: tuple[tuple[str, str, str, Mutate], ...] = (
    ("messages", "event-lines", "no event line", name(2, None)),
    ("messages", "event-lines", "another event line", name(2, "content_block_stop")),
    ("messages", "event-lines", "no JSON", frame(2, Frame(event="content_block_delta", data="{"))),
    ("messages", "start-first", "no start", drop(0)),
    ("messages", "start-first", "two starts", twice(0)),
    ("messages", "start-first", "a block first", swap(0, 1)),
    ("messages", "start-first", "no role", cut(0, "message", "role")),
    ("messages", "start-first", "content already", put(0, [{"type": "text"}], "message", "content")),
    ("messages", "one-block-open", "a delta before its block", swap(1, 2)),
    ("messages", "one-block-open", "a delta of another block", put(2, 1, "index")),
    ("messages", "one-block-open", "a block never stopped", drop(4)),
    ("messages", "one-block-open", "a block stopped twice", twice(4)),
    ("messages", "one-block-open", "the last block never stopped", drop(8)),
    ("messages", "indices-contiguous", "a gap", put(5, 2, "index")),
    ("messages", "indices-contiguous", "from 1", put(1, 1, "index")),
    ("messages", "deltas-fit-block", "thinking in text", put(2, {"type": "thinking_delta", "thinking": "x"}, "delta")),
    ("messages", "deltas-fit-block", "text in a tool", put(6, {"type": "text_delta", "text": "x"}, "delta")),
    ("messages", "tool-input-json", "a fragment is missing", drop(7)),
    ("messages", "tool-input-json", "a fragment twice", twice(7)),
    ("messages", "tool-input-json", "no id", put(5, "", "content_block", "id")),
    ("messages", "tool-input-json", "no name", cut(5, "content_block", "name")),
    ("messages", "ends-with-stop", "no stop", drop(-1)),
    ("messages", "ends-with-stop", "two stops", twice(-1)),
    ("messages", "ends-with-stop", "no message_delta", drop(-2)),
    ("messages", "ends-with-stop", "an event after the stop", more('{"type":"later"}', "later")),
    ("messages", "stop-told", "null", put(-2, None, "delta", "stop_reason")),
    ("messages", "stop-told", "chat's word", put(-2, "tool_calls", "delta", "stop_reason")),
    ("messages", "stop-told", "end_turn beside a call", put(-2, "end_turn", "delta", "stop_reason")),
    ("messages", "stop-told", "tool_use without a call", drop(5, 6, 7, 8)),
    ("messages", "usage-told", "none at the start", cut(0, "message", "usage", "input_tokens")),
    ("messages", "usage-told", "none at the end", cut(-2, "usage")),
    ("messages", "usage-told", "a fraction", put(-2, 1.5, "usage", "output_tokens")),
    ("chat", "data-only", "an event line", name(1, "message")),
    ("chat", "data-only", "no JSON", frame(1, Frame(data="hello"))),
    ("chat", "done-last", "no DONE", drop(-1)),
    ("chat", "done-last", "two DONEs", twice(-1)),
    ("chat", "done-last", "a chunk after DONE", swap(-1, -2)),
    ("chat", "same-head", "another id", put(2, "chatcmpl-2", "id")),
    ("chat", "same-head", "another created", put(2, 2, "created")),
    ("chat", "same-head", "no model", cut(2, "model")),
    ("chat", "same-head", "the object of a whole answer", put(2, "chat.completion", "object")),
    ("chat", "choices-shape", "no index", cut(1, "choices", 0, "index")),
    ("chat", "choices-shape", "no finish_reason", cut(1, "choices", 0, "finish_reason")),
    ("chat", "choices-shape", "a null delta", put(1, None, "choices", 0, "delta")),
    ("chat", "choices-shape", "no choices", put(1, [], "choices")),
    ("chat", "role-first", "no role", cut(0, "choices", 0, "delta", "role")),
    ("chat", "role-first", "the first chunk is missing", drop(0)),
    ("chat", "finish-once", "no finish", drop(-3)),
    ("chat", "finish-once", "two finishes", twice(-3)),
    ("chat", "finish-once", "Anthropic's word", put(-3, "tool_use", "choices", 0, "finish_reason")),
    ("chat", "finish-once", "content after it", swap(-3, 2)),
    ("chat", "finish-fits", "stop beside a call", put(-3, "stop", "choices", 0, "finish_reason")),
    ("chat", "finish-fits", "tool_calls without a call", drop(3, 4, 5)),
    ("chat", "tool-calls-whole", "no index", cut(3, "choices", 0, "delta", "tool_calls", 0, "index")),
    ("chat", "tool-calls-whole", "no id", cut(3, "choices", 0, "delta", "tool_calls", 0, "id")),
    ("chat", "tool-calls-whole", "no type", cut(3, "choices", 0, "delta", "tool_calls", 0, "type")),
    ("chat", "tool-calls-whole", "the beginning is missing", drop(3)),
    ("chat", "tool-calls-whole", "a fragment is missing", drop(5)),
    ("chat", "usage-last", "a wrong sum", put(-2, 9, "usage", "total_tokens")),
    ("chat", "usage-last", "before the finish", swap(-2, -3)),
    ("chat", "usage-last", "beside choices", put(-3, {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, "usage")),
    ("responses", "event-lines", "no event line", name(4, None)),
    ("responses", "event-lines", "no type in the data", cut(4, "type")),
    ("responses", "event-lines", "no JSON", frame(4, Frame(event="response.output_text.delta", data="x"))),
    ("responses", "sequence-contiguous", "a gap", put(5, 50, "sequence_number")),
    ("responses", "sequence-contiguous", "none", cut(5, "sequence_number")),
    ("responses", "sequence-contiguous", "a frame is missing", drop(5)),
    ("responses", "sequence-contiguous", "two exchanged", swap(4, 5)),
    ("responses", "created-first", "none", drop(0)),
    ("responses", "created-first", "second", swap(0, 1)),
    ("responses", "created-first", "twice", twice(0)),
    ("responses", "created-first", "without id", put(0, "", "response", "id")),
    ("responses", "created-first", "already completed", put(0, "completed", "response", "status")),
    ("responses", "items-indexed", "the first is 1", put(2, 1, "output_index")),
    ("responses", "items-indexed", "the second is 0 again", put(9, 0, "output_index")),
    ("responses", "items-indexed", "one is never done", drop(13)),
    ("responses", "items-indexed", "one is done twice", twice(8)),
    ("responses", "items-indexed", "one was not added", drop(9)),
    ("responses", "items-open-before-deltas", "added too late", swap(9, 10)),
    ("responses", "items-open-before-deltas", "not added", drop(9)),
    ("responses", "items-open-before-deltas", "another id", put(10, "fc_2", "item_id")),
    ("responses", "items-open-before-deltas", "after done", swap(12, 13)),
    ("responses", "items-open-before-deltas", "no output_index", cut(4, "output_index")),
    ("responses", "parts-open-before-deltas", "no part", drop(3)),
    ("responses", "parts-open-before-deltas", "a part twice", twice(3)),
    ("responses", "parts-open-before-deltas", "never done", drop(7)),
    ("responses", "parts-open-before-deltas", "no content_index", cut(7, "content_index")),
    ("responses", "done-equals-deltas", "a delta is missing", drop(5)),
    ("responses", "done-equals-deltas", "other text", put(6, "Hello", "text")),
    ("responses", "done-equals-deltas", "other arguments", put(12, "{}", "arguments")),
    ("responses", "items-full", "an empty message", put(8, [], "item", "content")),
    ("responses", "items-full", "no call_id", cut(13, "item", "call_id")),
    ("responses", "items-full", "no name", cut(13, "item", "name")),
    ("responses", "items-full", "no arguments", put(13, "", "item", "arguments")),
    ("responses", "items-full", "another id", put(13, "fc_2", "item", "id")),
    ("responses", "ends-once", "no end", drop(-1)),
    ("responses", "ends-once", "two ends", twice(-1)),
    ("responses", "ends-once", "an event after it", swap(-1, -2)),
    ("responses", "ends-once", "another status", put(-1, "in_progress", "response", "status")),
    ("responses", "ends-once", "no model", cut(-1, "response", "model")),
    ("responses", "output-repeats-items", "no output", put(-1, [], "response", "output")),
    ("responses", "output-repeats-items", "one is missing", cut(-1, "response", "output", 0)),
    ("responses", "output-repeats-items", "another id", put(-1, "resp_2", "response", "id")),
    ("responses", "usage-complete", "none", put(-1, None, "response", "usage")),
    ("responses", "usage-complete", "no details", cut(-1, "response", "usage", "input_tokens_details")),
    (
        "responses",
        "usage-complete",
        "null reasoning",
        put(-1, {"reasoning_tokens": None}, "response", "usage", "output_tokens_details"),
    ),
    ("responses", "usage-complete", "a wrong sum", put(-1, 9, "response", "usage", "total_tokens")),
    ("gemini", "data-only", "an event line", name(1, "message")),
    ("gemini", "data-only", "a terminator", more("[DONE]")),
    ("gemini", "candidate-shape", "no role", cut(1, "candidates", 0, "content", "role")),
    ("gemini", "candidate-shape", "OpenAI's role", put(1, "assistant", "candidates", 0, "content", "role")),
    ("gemini", "candidate-shape", "no index", cut(1, "candidates", 0, "index")),
    ("gemini", "parts-never-empty", "empty", put(-1, [], "candidates", 0, "content", "parts")),
    ("gemini", "parts-never-empty", "none", cut(-1, "candidates", 0, "content", "parts")),
    ("gemini", "finish-last", "no finish", drop(-1)),
    ("gemini", "finish-last", "an early one", put(0, "STOP", "candidates", 0, "finishReason")),
    ("gemini", "finish-last", "OpenAI's word", put(-1, "stop", "candidates", 0, "finishReason")),
    ("gemini", "finish-last", "a candidate after it", swap(-1, -2)),
    ("gemini", "usage-last", "none", cut(-1, "usageMetadata")),
    ("gemini", "usage-last", "a wrong sum", put(-1, 9, "usageMetadata", "totalTokenCount")),
    ("gemini", "calls-whole", "args as text", put(2, "{}", "candidates", 0, "content", "parts", 0, "functionCall", "args")),
    ("gemini", "calls-whole", "no name", cut(2, "candidates", 0, "content", "parts", 0, "functionCall", "name")),
    ("gemini", "same-head", "another id", put(1, "r2", "responseId")),
    ("gemini", "same-head", "no modelVersion", cut(1, "modelVersion")),
    ("ollama", "lines-json", "no JSON", frame(1, Frame(data="data: {}"))),
    ("ollama", "lines-json", "a list", frame(1, Frame(data="[]"))),
    ("ollama", "line-head", "no model", cut(1, "model")),
    ("ollama", "line-head", "a number for the time", put(1, 1735689600, "created_at")),
    ("ollama", "line-head", "no done", cut(1, "done")),
    ("ollama", "message-shape", "no role", cut(1, "message", "role")),
    ("ollama", "message-shape", "null content", put(2, None, "message", "content")),
    ("ollama", "done-last", "never done", drop(-1)),
    ("ollama", "done-last", "done twice", twice(-1)),
    ("ollama", "done-last", "done early", swap(0, -1)),
    ("ollama", "done-last", "no reason", cut(-1, "done_reason")),
    ("ollama", "counts", "no eval_count", cut(-1, "eval_count")),
    ("ollama", "counts", "a duration in seconds", put(-1, 0.5, "eval_duration")),
    ("ollama", "calls-whole", "arguments as text", put(2, "{}", "message", "tool_calls", 0, "function", "arguments")),
    ("ollama", "calls-whole", "no name", cut(2, "message", "tool_calls", 0, "function", "name")),
)
