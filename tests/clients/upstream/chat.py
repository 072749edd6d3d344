"""OpenAI's chat completions. Source: platform.openai.com, API reference, Chat."""

from __future__ import annotations

from tests.clients.upstream.script import Asked, Call, Result, Say, Tool
from tests.clients.upstream.speaker import (
    CREATED_AT,
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

CALL_ID = "call_Scripted0001"


def read(body: Json, target: str) -> Asked:
    """Return what a chat request says."""
    messages = dicts(body.get("messages"))
    calls = [call for message in messages for call in dicts(message.get("tool_calls"))]
    functions = [tool["function"] for tool in dicts(body.get("tools")) if tool.get("type") == "function"]
    return Asked(
        model=str(body.get("model")),
        stream=bool(body.get("stream")),
        texts=tuple(text_in(message.get("content")) for message in messages if message.get("role") == "user"),
        tools=tuple(Tool(name=f["name"], properties=f.get("parameters", {}).get("properties", {})) for f in functions),
        call_ids=tuple(str(call.get("id")) for call in calls),
        results=tuple(
            Result(call_id=str(message.get("tool_call_id")), text=text_in(message.get("content")))
            for message in messages
            if message.get("role") == "tool"
        ),
        wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        schema=schema_in(body.get("response_format"), "json_schema", "schema"),
        problem=_problem(messages, calls),
    )


def _problem(messages: list[Json], calls: list[Json]) -> str:
    if not messages:
        return "Missing required parameter: 'messages'."
    known = {"system", "developer", "user", "assistant", "tool"}
    for number, message in enumerate(messages):
        if message.get("role") not in known:
            return f"Invalid value: {message.get('role')!r}. Supported values are: {sorted(known)}. (messages[{number}].role)"
    if any(not isinstance(call.get("function", {}).get("arguments"), str) for call in calls):
        return "Invalid type for 'messages[].tool_calls[].function.arguments': expected a string."
    return ""


def stream(move: Say | Call, asked: Asked) -> list[Piece]:
    """Return the chunks of an answer."""
    pieces = [_chunk(asked, {"role": "assistant", "content": "" if isinstance(move, Say) else None})]
    if isinstance(move, Say):
        pieces += [_chunk(asked, {"content": text}, is_delta=True) for text in move.pieces]
    else:
        opening = {"index": 0, "id": CALL_ID, "type": "function", "function": {"name": move.name, "arguments": ""}}
        pieces.append(_chunk(asked, {"tool_calls": [opening]}, is_delta=True))
        for text in argument_pieces(move):
            pieces.append(_chunk(asked, {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}, is_delta=True))
    pieces.append(_chunk(asked, {}, finish=_finish(move), is_closing=True))
    if asked.wants_usage:
        pieces.append(sse(_head(asked, "chat.completion.chunk") | {"choices": [], "usage": _usage(move)}, is_closing=True))
    pieces.append(Piece(b"data: [DONE]\n\n", is_closing=True))
    return pieces


def whole(move: Say | Call, asked: Asked) -> Json:
    """Return an answer in one piece."""
    message: Json = {"role": "assistant", "content": move.text if isinstance(move, Say) else None, "refusal": None}
    if isinstance(move, Call):
        function = {"name": move.name, "arguments": "".join(argument_pieces(move))}
        message["tool_calls"] = [{"id": CALL_ID, "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(move)}
    return _head(asked, "chat.completion") | {"choices": [choice], "usage": _usage(move)}


def refusal(reason: str) -> Json:
    """Return the body of a 400."""
    return {"error": {"message": reason, "type": "invalid_request_error", "param": None, "code": None}}


def _chunk(asked: Asked, delta: Json, *, finish: str | None = None, is_delta: bool = False, is_closing: bool = False) -> Piece:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    data = _head(asked, "chat.completion.chunk") | {"choices": [choice]}
    return sse(data, is_delta=is_delta, is_closing=is_closing)


def _head(asked: Asked, form: str) -> Json:
    return {"id": "chatcmpl-Scripted", "object": form, "created": CREATED_AT, "model": asked.model}


def _finish(move: Say | Call) -> str:
    return "stop" if isinstance(move, Say) else "tool_calls"


def _usage(move: Say | Call) -> Json:
    count = output_tokens(move)
    return {"prompt_tokens": INPUT_TOKENS, "completion_tokens": count, "total_tokens": INPUT_TOKENS + count}


SPEAKER = Speaker(
    kind="openai_compat",
    is_route=lambda path: path == "/v1/chat/completions",
    read=read,
    stream=stream,
    whole=whole,
    refusal=refusal,
    base_path="/v1",
    facts={"/v1/models": {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "script"}]}},
)
