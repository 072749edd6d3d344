"""Ollama's own API. Source: docs.ollama.com, API reference, /api/chat; its Go types for what is refused."""

from __future__ import annotations

import json

from tests.clients.upstream.script import Asked, Call, Result, Say, Tool
from tests.clients.upstream.speaker import INPUT_TOKENS, Json, Speaker, dicts, output_tokens
from tests.fakes.pieces import Piece

CREATED_AT = "2026-01-01T00:00:00.000000Z"


def read(body: Json, target: str) -> Asked:
    """Return what a chat request says; without `stream` it asks for one. A result belongs to the call of the same tool."""
    messages = dicts(body.get("messages"))
    calls = [call for message in messages for call in dicts(message.get("tool_calls"))]
    functions = [tool["function"] for tool in dicts(body.get("tools")) if "function" in tool]
    return Asked(
        model=str(body.get("model")),
        stream=bool(body.get("stream", True)),
        texts=tuple(str(message.get("content")) for message in messages if message.get("role") == "user"),
        tools=tuple(Tool(name=f["name"], properties=f.get("parameters", {}).get("properties", {})) for f in functions),
        call_ids=tuple(str(call.get("function", {}).get("name")) for call in calls),
        results=tuple(
            Result(call_id=str(message.get("tool_name")), text=str(message.get("content")))
            for message in messages
            if message.get("role") == "tool"
        ),
        schema=body["format"] if isinstance(body.get("format"), dict) else {} if body.get("format") else None,
        problem=_problem(messages, calls),
    )


def _problem(messages: list[Json], calls: list[Json]) -> str:
    known = {"system", "user", "assistant", "tool"}
    for message in messages:
        if message.get("role") not in known:
            return f"invalid role {message.get('role')!r}"
        if not isinstance(message.get("content", ""), str):
            return "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"
    if any(not isinstance(call.get("function", {}).get("arguments"), dict) for call in calls):
        return (
            "json: cannot unmarshal string into Go struct field ToolCallFunction.arguments of type api.ToolCallFunctionArguments"
        )
    return ""


def stream(move: Say | Call, asked: Asked) -> list[Piece]:
    """Return the lines of an answer; a call is whole in one."""
    if isinstance(move, Say):
        lines = [_line(asked, {"role": "assistant", "content": text}) for text in move.pieces]
    else:
        lines = [_line(asked, _call_message(move))]
    pieces = [Piece(_bytes(line), is_delta=True) for line in lines]
    return [*pieces, Piece(_bytes(_line(asked, {"role": "assistant", "content": ""}, move)), is_closing=True)]


def whole(move: Say | Call, asked: Asked) -> Json:
    """Return an answer in one piece."""
    message = {"role": "assistant", "content": move.text} if isinstance(move, Say) else _call_message(move)
    return _line(asked, message, move)


def refusal(reason: str) -> Json:
    """Return the body of a 400."""
    return {"error": reason}


def _call_message(move: Call) -> Json:
    function = {"index": 0, "name": move.name, "arguments": dict(move.arguments)}
    return {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}


def _line(asked: Asked, message: Json, ended: Say | Call | None = None) -> Json:
    line: Json = {"model": asked.model, "created_at": CREATED_AT, "message": message, "done": ended is not None}
    if ended is None:
        return line
    durations = {"total_duration": 5_000_000_000, "load_duration": 1_000_000, "prompt_eval_duration": 2_000_000_000}
    counts = {"prompt_eval_count": INPUT_TOKENS, "eval_count": output_tokens(ended), "eval_duration": 3_000_000_000}
    return line | {"done_reason": "stop"} | durations | counts


def _bytes(line: Json) -> bytes:
    return json.dumps(line).encode() + b"\n"


_DETAILS = {"family": "scripted", "parameter_size": "1B", "quantization_level": "Q4_K_M", "format": "gguf"}
_ENTRY = {"name": "scripted", "model": "scripted", "size": 1_000_000_000, "digest": "0" * 64, "details": _DETAILS}
SPEAKER = Speaker(
    kind="ollama",
    is_route=lambda path: path == "/api/chat",
    read=read,
    stream=stream,
    whole=whole,
    refusal=refusal,
    stream_type="application/x-ndjson",
    facts={
        "/api/version": {"version": "0.12.0"},
        "/api/tags": {"models": [_ENTRY | {"modified_at": CREATED_AT}]},
        "/api/ps": {
            "models": [_ENTRY | {"expires_at": "2126-01-01T00:00:00Z", "size_vram": 1_000_000_000, "context_length": 131_072}]
        },
        "/api/show": {
            "capabilities": ["completion", "tools"],
            "details": _DETAILS,
            "model_info": {"general.architecture": "scripted", "scripted.context_length": 131_072},
        },
    },
)
