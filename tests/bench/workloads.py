"""What the bench sends and what the mock upstream answers: request bodies, and prebuilt answers in both dialects.

The client always speaks Messages, so the same bytes go to every target. How the mock answers stands in the user's text
(`[[deltas=200 every_ms=20]]`), the one place that survives every proxy and every translation."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

PATH = "/v1/messages"
STAMP_MARK = b"@"
STAMP = re.compile(rb"@(\d{20})")  # time.monotonic_ns() of the sending, inside each delta
ORDER = re.compile(rb"\[\[deltas=(\d+) every_ms=(\d+)\]\]")
STALL = 999_999  # a pause that outlasts the bench: the stream stays open until its client leaves

LARGE_BODY_BYTES = 60_000
TOOLS = 20


@frozen(kw_only=True)
class Order:
    """What the mock sends: `deltas` text deltas with `every_ms` between them; no delta at all means a whole answer."""

    deltas: int = 0
    every_ms: int = 0

    @property
    def is_stream(self) -> bool:
        """True if the client asks for a stream."""
        return self.deltas > 0


def request_body(order: Order, *, large: bool = False) -> bytes:
    """Return a Messages request; a large one has about 60 KB with 20 tools, as an agent's first turn has."""
    text = f"Say something. [[deltas={order.deltas} every_ms={order.every_ms}]]"
    request: dict[str, Any] = {
        "model": "bench",
        "max_tokens": 512,
        "stream": order.is_stream,
        "messages": [{"role": "user", "content": text}],
    }
    if large:
        request["tools"] = [_tool(number) for number in range(TOOLS)]
        request["system"] = "You are a coding agent. " * ((LARGE_BODY_BYTES - len(json.dumps(request))) // 24)
    return json.dumps(request).encode()


def _tool(number: int) -> dict[str, Any]:
    properties = {
        f"argument_{n}": {"type": "string", "description": f"What argument {n} means to this tool. " * 4} for n in range(6)
    }
    return {
        "name": f"tool_{number}",
        "description": f"Tool {number} reads, changes or runs something in the workspace. " * 6,
        "input_schema": {"type": "object", "properties": properties, "required": ["argument_0"]},
    }


@frozen(kw_only=True)
class Answers:
    """One dialect's bytes, HTTP framing included; a delta is `before_stamp`, 20 digits, `after_stamp`."""

    whole: bytes
    opening: bytes
    before_stamp: bytes
    after_stamp: bytes
    closing: bytes

    def delta(self, stamp_ns: int) -> bytes:
        """Return one delta as an HTTP chunk."""
        return b"%b%020d%b" % (self.before_stamp, stamp_ns, self.after_stamp)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _frame(data: dict[str, Any], *, event: bool) -> bytes:
    head = f"event: {data['type']}\n" if event else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _answers(reply: dict[str, Any], opening: list[bytes], delta: bytes, closing: list[bytes]) -> Answers:
    body = json.dumps(reply).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    before, _, after = _chunk(delta).partition(b"0" * 20)
    return Answers(
        whole=head + body,
        opening=_STREAM_HEAD + b"".join(map(_chunk, opening)),
        before_stamp=before,
        after_stamp=after,
        closing=b"".join(map(_chunk, closing)) + b"0\r\n\r\n",
    )


def anthropic_answers() -> Answers:
    """Return the Messages bytes."""
    usage = {"input_tokens": 12, "output_tokens": 1}
    base: dict[str, Any] = {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench"}
    reply = base | {
        "content": [{"type": "text", "text": "Something."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    start = base | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    text_delta = {"type": "text_delta", "text": f"@{'0' * 20} word"}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return _answers(
        reply,
        [
            _frame({"type": "message_start", "message": start}, event=True),
            _frame({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, event=True),
        ],
        _frame({"type": "content_block_delta", "index": 0, "delta": text_delta}, event=True),
        [
            _frame({"type": "content_block_stop", "index": 0}, event=True),
            _frame({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 200}}, event=True),
            _frame({"type": "message_stop"}, event=True),
        ],
    )


def chat_answers() -> Answers:
    """Return the chat bytes."""
    base = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench"}
    usage = {"prompt_tokens": 12, "completion_tokens": 200, "total_tokens": 212}
    message = {"role": "assistant", "content": "Something."}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _frame(base | {"choices": [choice]}, event=False)

    reply_choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _answers(
        base | {"object": "chat.completion", "choices": [reply_choice], "usage": usage},
        [chunk({"role": "assistant", "content": ""})],
        chunk({"content": f"@{'0' * 20} word"}),
        [chunk({}, "stop"), _frame(base | {"choices": [], "usage": usage}, event=False), b"data: [DONE]\n\n"],
    )
