"""What the fake upstream writes, as a list of pieces per dialect: SSE frames of a stream, quarters of a whole body."""

from __future__ import annotations

import json
from enum import StrEnum
from itertools import pairwise
from typing import Any

from attrs import frozen

from tests.fakes.plans import Plan, ToolCall

Json = dict[str, Any]


class Wire(StrEnum):
    """The dialect that the request's path names."""

    ANTHROPIC = "anthropic"
    CHAT = "openai"


@frozen
class Piece:
    """Bytes of one write; `is_delta` where a break counts it, `is_closing` from the first closing event on."""

    data: bytes
    is_delta: bool = False
    is_closing: bool = False


@frozen(kw_only=True)
class Asked:
    """What the answer depends on in the request."""

    wire: Wire
    model: str
    stream: bool
    include_usage: bool = False


_PINGS = {Wire.ANTHROPIC: b'event: ping\ndata: {"type": "ping"}\n\n', Wire.CHAT: b": ping\n\n"}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def stream_pieces(plan: Plan, asked: Asked) -> list[Piece]:
    """Return the frames of the whole stream, noise, CRLF and all, faults left out."""
    if plan.events is not None:
        return [Piece(event) for event in plan.events]
    pieces = _anthropic_stream(plan, asked) if asked.wire is Wire.ANTHROPIC else _chat_stream(plan, asked)
    if noise := plan.noise + (_PINGS[asked.wire] if plan.pings else b""):
        pieces = [p for piece in pieces for p in ((Piece(noise), piece) if piece.is_delta else (piece,))]
    if plan.crlf:
        pieces = [Piece(p.data.replace(b"\n", b"\r\n"), p.is_delta, p.is_closing) for p in pieces]
    return pieces


def whole_pieces(plan: Plan, asked: Asked) -> list[Piece]:
    """Return the whole answer's body in four parts; one part for a body or an error that the plan names."""
    if plan.body is not None:
        return [Piece(plan.body, is_delta=True)]
    if plan.status != 200:
        kind = ERROR_TYPES.get(plan.status, "api_error")
        return [Piece(error_body(asked.wire, kind, f"the fake upstream answers {plan.status}"), is_delta=True)]
    reply = _anthropic_reply(plan, asked) if asked.wire is Wire.ANTHROPIC else _chat_reply(plan, asked)
    body = json.dumps(reply).encode()
    quarter = len(body) // 4
    cuts = [0, quarter, 2 * quarter, 3 * quarter, len(body)]
    return [Piece(body[a:b], is_delta=True) for a, b in pairwise(cuts)]


def error_body(wire: Wire, kind: str, message: str) -> bytes:
    """Return the dialect's error object."""
    if wire is Wire.ANTHROPIC:
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": kind}}).encode()


def error_event(wire: Wire, kind: str, message: str) -> bytes:
    """Return the dialect's error as a frame of its stream."""
    prefix = b"event: error\n" if wire is Wire.ANTHROPIC else b""
    return prefix + b"data: " + error_body(wire, kind, message) + b"\n\n"


def malformed_piece(wire: Wire, *, stream: bool) -> bytes:
    """Return a frame, or a piece of a body, that is not JSON."""
    if not stream:
        return b"\xff\xfe{not json"
    prefix = b"event: content_block_delta\n" if wire is Wire.ANTHROPIC else b""
    return prefix + b'data: {"choices": [{"delta": {"content": "bro\n\n'


def _frame(data: Json, *, event: bool) -> bytes:
    prefix = f"event: {data['type']}\n" if event else ""
    return f"{prefix}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _fragments(call: ToolCall) -> list[str]:
    size = max(1, -(-len(call.arguments) // call.fragments))
    return [call.arguments[i : i + size] for i in range(0, len(call.arguments), size)]


def _texts(plan: Plan) -> list[str]:
    return [plan.text.replace("{n}", str(n)) for n in range(plan.deltas)] if plan.texts is None else list(plan.texts)


def _stop(plan: Plan, called: str, ended: str) -> str:
    return plan.stop or (called if plan.tools else ended)


def _thoughts(plan: Plan) -> list[str]:
    return [f"thought{n} " for n in range(plan.reasoning)]


def _anthropic_stream(plan: Plan, asked: Asked) -> list[Piece]:
    start = _anthropic_reply(plan, asked) | {"content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": plan.input_tokens, "output_tokens": 1}
    pieces = [_event({"type": "message_start", "message": start})]
    blocks: list[tuple[Json, list[Json]]] = []
    if plan.reasoning:
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": t} for t in _thoughts(plan)]
        deltas.append({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if texts := _texts(plan):
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in texts]))
    for number, call in enumerate(plan.tools):
        block = {"type": "tool_use", "id": f"toolu_fake{number}", "name": call.name, "input": {}}
        blocks.append((block, [{"type": "input_json_delta", "partial_json": part} for part in _fragments(call)]))
    for index, (block, deltas) in enumerate(blocks):
        pieces.append(_event({"type": "content_block_start", "index": index, "content_block": block}))
        if not index:
            pieces.append(_event({"type": "ping"}))
        pieces.extend(_event({"type": "content_block_delta", "index": index, "delta": d}, is_delta=True) for d in deltas)
        last = index == len(blocks) - 1
        pieces.append(_event({"type": "content_block_stop", "index": index}, is_closing=last))
    stop = {"stop_reason": _stop(plan, "tool_use", "end_turn"), "stop_sequence": None}
    usage = {"output_tokens": _output_tokens(plan)}
    pieces.append(_event({"type": "message_delta", "delta": stop, "usage": usage}, is_closing=True))
    pieces.append(_event({"type": "message_stop"}, is_closing=True))
    return pieces


def _event(data: Json, *, is_delta: bool = False, is_closing: bool = False) -> Piece:
    return Piece(_frame(data, event=True), is_delta, is_closing)


def _anthropic_reply(plan: Plan, asked: Asked) -> Json:
    content: list[Json] = []
    if plan.reasoning:
        content.append({"type": "thinking", "thinking": "".join(_thoughts(plan)), "signature": "c2lnbmF0dXJl"})
    if texts := _texts(plan):
        content.append({"type": "text", "text": "".join(texts)})
    for number, call in enumerate(plan.tools):
        arguments = json.loads(call.arguments)
        content.append({"type": "tool_use", "id": f"toolu_fake{number}", "name": call.name, "input": arguments})
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": _stop(plan, "tool_use", "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": plan.input_tokens, "output_tokens": _output_tokens(plan)},
    }


def _chat_stream(plan: Plan, asked: Asked) -> list[Piece]:
    pieces = [_chunk(asked, {"role": "assistant", "content": ""})]
    pieces.extend(_chunk(asked, {"reasoning_content": t}, is_delta=True) for t in _thoughts(plan))
    pieces.extend(_chunk(asked, {"content": t}, is_delta=True) for t in _texts(plan))
    for index, call in enumerate(plan.tools):
        opening = {"index": index, "id": f"call_fake{index}", "type": "function"}
        opening["function"] = {"name": call.name, "arguments": ""}
        pieces.append(_chunk(asked, {"tool_calls": [opening]}, is_delta=True))
        for part in _fragments(call):
            delta = {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
            pieces.append(_chunk(asked, delta, is_delta=True))
    pieces.append(_chunk(asked, {}, finish=_stop(plan, "tool_calls", "stop"), is_closing=True))
    if asked.include_usage:
        usage = _chunk_body(asked) | {"choices": [], "usage": _chat_usage(plan)}
        pieces.append(Piece(_frame(usage, event=False), is_closing=True))
    pieces.append(Piece(b"data: [DONE]\n\n", is_closing=True))
    return pieces


def _chunk(asked: Asked, delta: Json, *, finish: str | None = None, is_delta: bool = False, is_closing: bool = False) -> Piece:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return Piece(_frame(_chunk_body(asked) | {"choices": [choice]}, event=False), is_delta, is_closing)


def _chunk_body(asked: Asked) -> Json:
    return {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": asked.model}


def _chat_reply(plan: Plan, asked: Asked) -> Json:
    message: Json = {"role": "assistant", "content": "".join(_texts(plan)) or None}
    if plan.reasoning:
        message["reasoning_content"] = "".join(_thoughts(plan))
    if plan.tools:
        message["tool_calls"] = [
            {"id": f"call_fake{n}", "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for n, c in enumerate(plan.tools)
        ]
    finish = _stop(plan, "tool_calls", "stop")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    head = _chunk_body(asked) | {"object": "chat.completion"}
    return head | {"choices": [choice], "usage": _chat_usage(plan)}


def _chat_usage(plan: Plan) -> Json:
    output = _output_tokens(plan)
    return {"prompt_tokens": plan.input_tokens, "completion_tokens": output, "total_tokens": plan.input_tokens + output}


def _output_tokens(plan: Plan) -> int:
    return max(1, len(_texts(plan)) + plan.reasoning + sum(call.fragments for call in plan.tools))
