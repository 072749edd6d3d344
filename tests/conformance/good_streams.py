"""One good stream per dialect for the tests of the grammars: the words "Hello, Paris", then the call look_up(city="Paris")."""

from __future__ import annotations

import json

from tests.conformance.frames import Frame
from tests.conformance.shape import Json

ARGUMENTS = '{"city":"Paris"}'


def _named(data: Json) -> Frame:
    return Frame(event=data["type"], data=json.dumps(data))


def _plain(data: Json) -> Frame:
    return Frame(data=json.dumps(data))


def _block(index: int, start: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _messages() -> list[Frame]:
    message: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    usage = {"input_tokens": 5, "output_tokens": 1}
    events: list[Json] = [
        {"type": "message_start", "message": message | {"stop_sequence": None, "usage": usage}},
        *_block(0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": word} for word in ("Hello, ", "Paris"))),
        *_block(
            1,
            {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}},
            {"type": "input_json_delta", "partial_json": ARGUMENTS[:6]},
            {"type": "input_json_delta", "partial_json": ARGUMENTS[6:]},
        ),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]
    return [_named(event) for event in events]


def _chat() -> list[Frame]:
    begin = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": ""}}
    deltas: list[Json] = [
        {"role": "assistant", "content": ""},
        {"content": "Hello, "},
        {"content": "Paris"},
        {"tool_calls": [begin]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[:6]}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[6:]}}]},
        {},
    ]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [
        head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "tool_calls"}]} for delta in deltas
    ]
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return [*map(_plain, chunks), _plain(head | {"choices": [], "usage": usage}), Frame(data="[DONE]")]


def _response(status: str, output: list[Json], usage: Json | None) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "m",
        "output": output,
        "error": None,
        "incomplete_details": None,
        "tools": [],
        "usage": usage,
    }


def _responses() -> list[Frame]:
    part = {"type": "output_text", "text": "Hello, Paris", "annotations": []}
    message: Json = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    call: Json = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look_up", "status": "completed"}
    call |= {"arguments": ARGUMENTS}
    of_message: Json = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    of_call: Json = {"output_index": 1, "item_id": "fc_1"}
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 8,
    }
    text, arguments = "response.output_text", "response.function_call_arguments"
    events: list[Json] = [
        {"type": "response.created", "response": _response("in_progress", [], None)},
        {"type": "response.in_progress", "response": _response("in_progress", [], None)},
        {"type": "response.output_item.added", "output_index": 0, "item": message | {"content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", **of_message, "part": part | {"text": ""}},
        {"type": f"{text}.delta", **of_message, "delta": "Hello, ", "logprobs": []},
        {"type": f"{text}.delta", **of_message, "delta": "Paris", "logprobs": []},
        {"type": f"{text}.done", **of_message, "text": "Hello, Paris", "logprobs": []},
        {"type": "response.content_part.done", **of_message, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.output_item.added", "output_index": 1, "item": call | {"arguments": "", "status": "in_progress"}},
        {"type": f"{arguments}.delta", **of_call, "delta": ARGUMENTS[:6]},
        {"type": f"{arguments}.delta", **of_call, "delta": ARGUMENTS[6:]},
        {"type": f"{arguments}.done", **of_call, "name": "look_up", "arguments": ARGUMENTS},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": _response("completed", [message, call], usage)},
    ]
    return [_named({**event, "sequence_number": number}) for number, event in enumerate(events)]


def _gemini() -> list[Frame]:
    head = {"responseId": "r1", "modelVersion": "m"}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}
    parts: list[Json] = [
        {"text": "Hello, "},
        {"text": "Paris"},
        {"functionCall": {"id": "call_1", "name": "look_up", "args": {"city": "Paris"}}},
    ]
    frames = [head | {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]} for part in parts]
    last = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
    return [*map(_plain, frames), _plain(head | {"candidates": [last], "usageMetadata": usage})]


def _ollama() -> list[Frame]:
    head = {"model": "m", "created_at": "2025-01-01T00:00:00.5Z"}
    call = {"function": {"name": "look_up", "arguments": {"city": "Paris"}}}
    messages: list[Json] = [{"content": "Hello, "}, {"content": "Paris"}, {"content": "", "tool_calls": [call]}]
    lines = [head | {"message": {"role": "assistant"} | message, "done": False} for message in messages]
    counts = {"total_duration": 9, "load_duration": 1, "prompt_eval_duration": 4, "eval_duration": 4}
    counts |= {"prompt_eval_count": 5, "eval_count": 3}
    last = head | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"} | counts
    return [*map(_plain, lines), _plain(last)]


GOOD = {"messages": _messages(), "chat": _chat(), "responses": _responses(), "gemini": _gemini(), "ollama": _ollama()}
