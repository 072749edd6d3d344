"""Anthropic's Messages. Source: platform.claude.com, API reference, Messages and streaming."""

from __future__ import annotations

from tests.clients.upstream.script import Asked, Call, Result, Say, Tool
from tests.clients.upstream.speaker import (
    INPUT_TOKENS,
    Json,
    Speaker,
    argument_pieces,
    dicts,
    output_tokens,
    schema_in,
    sse,
    text_in,
)
from tests.fakes.pieces import Piece

CALL_ID = "toolu_01Scripted"


def read(body: Json, target: str) -> Asked:
    """Return what a Messages request says."""
    messages = dicts(body.get("messages"))
    blocks = [block for message in messages for block in dicts(message.get("content"))]
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    return Asked(
        model=str(body.get("model")),
        stream=bool(body.get("stream")),
        texts=tuple(text_in(message.get("content")) for message in messages if message.get("role") == "user"),
        tools=tuple(
            Tool(name=tool["name"], properties=tool["input_schema"].get("properties", {}))
            for tool in dicts(body.get("tools"))
            if "input_schema" in tool
        ),
        call_ids=tuple(str(block.get("id")) for block in calls),
        results=tuple(
            Result(call_id=str(block.get("tool_use_id")), text=text_in(block.get("content")))
            for block in blocks
            if block.get("type") == "tool_result"
        ),
        schema=schema_in((body.get("output_config") or {}).get("format"), "schema"),
        problem=_problem(body, messages, calls),
    )


def _problem(body: Json, messages: list[Json], calls: list[Json]) -> str:
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    if not messages or messages[0].get("role") != "user":
        return "messages: first message must use the user role"
    if any(not isinstance(call.get("input"), dict) for call in calls):
        return "messages.content.tool_use.input: Input should be a valid dictionary"
    for number, message in enumerate(messages):
        made = {block["id"] for block in dicts(message.get("content")) if block.get("type") == "tool_use"}
        following = dicts(messages[number + 1].get("content")) if number + 1 < len(messages) else []
        missing = made - {block.get("tool_use_id") for block in following}
        if missing:
            return f"messages.{number}: `tool_use` ids without `tool_result` blocks immediately after: {', '.join(missing)}"
    return ""


def stream(move: Say | Call, asked: Asked) -> list[Piece]:
    """Return the events of an answer."""
    message = _message(move, asked) | {"content": [], "stop_reason": None}
    message["usage"] = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    block: Json = {"type": "text", "text": ""}
    deltas: list[Json] = []
    if isinstance(move, Say):
        deltas = [{"type": "text_delta", "text": text} for text in move.pieces]
    else:
        block = {"type": "tool_use", "id": CALL_ID, "name": move.name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": text} for text in argument_pieces(move)]
    ending = {"stop_reason": _stop(move), "stop_sequence": None}
    return [
        _event({"type": "message_start", "message": message}),
        _event({"type": "content_block_start", "index": 0, "content_block": block}),
        _event({"type": "ping"}),
        *(_event({"type": "content_block_delta", "index": 0, "delta": delta}, is_delta=True) for delta in deltas),
        _event({"type": "content_block_stop", "index": 0}, is_closing=True),
        _event({"type": "message_delta", "delta": ending, "usage": {"output_tokens": output_tokens(move)}}, is_closing=True),
        _event({"type": "message_stop"}, is_closing=True),
    ]


def whole(move: Say | Call, asked: Asked) -> Json:
    """Return an answer in one piece."""
    return _message(move, asked)


def refusal(reason: str) -> Json:
    """Return the body of a 400."""
    return {"type": "error", "error": {"type": "invalid_request_error", "message": reason}, "request_id": "req_scripted"}


def _message(move: Say | Call, asked: Asked) -> Json:
    if isinstance(move, Say):
        content: Json = {"type": "text", "text": move.text}
    else:
        content = {"type": "tool_use", "id": CALL_ID, "name": move.name, "input": dict(move.arguments)}
    return {
        "id": "msg_01Scripted",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [content],
        "stop_reason": _stop(move),
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": output_tokens(move)},
    }


def _stop(move: Say | Call) -> str:
    return "end_turn" if isinstance(move, Say) else "tool_use"


def _event(data: Json, *, is_delta: bool = False, is_closing: bool = False) -> Piece:
    return sse(data, event=str(data["type"]), is_delta=is_delta, is_closing=is_closing)


SPEAKER = Speaker(
    kind="anthropic",
    is_route=lambda path: path == "/v1/messages",
    read=read,
    stream=stream,
    whole=whole,
    refusal=refusal,
    facts={
        "/v1/messages/count_tokens": {"input_tokens": INPUT_TOKENS},
        "/v1/models": {
            "data": [{"id": "scripted", "type": "model", "display_name": "Scripted", "created_at": "2026-01-01T00:00:00Z"}],
            "has_more": False,
            "first_id": "scripted",
            "last_id": "scripted",
        },
    },
)
