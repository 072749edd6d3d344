"""Upstream streams of this dialect, built event by event, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from router.domain.events import NeutralEvent
from router.domain.frame import Frame
from router.wire.dialect import ReplyOptions
from router.wire.openai_responses.decode_stream import ResponsesDecoder
from router.wire.openai_responses.encode_stream import ResponsesEncoder
from tests.router.wire.drive import RESPONSES, client_events, minting

OPTIONS = ReplyOptions(model="configured", provider="up", thinking="pass")
HEAD = {"id": "resp_1", "model": "m", "created_at": 7}
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 3,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 13,
}
CREATED = {"type": "response.created", "response": HEAD}

Event = dict[str, Any]


def added(index: int, **item: object) -> Event:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, **item: object) -> Event:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, item_id: str, index: int, piece: str, **place: object) -> Event:
    return {"type": f"response.{kind}.delta", "item_id": item_id, "output_index": index, "delta": piece, **place}


def ended(*output: Event, status: str = "completed", **facts: object) -> Event:
    return {"type": f"response.{status}", "response": {**HEAD, "status": status, "output": list(output), "usage": USAGE, **facts}}


def message(text: str, item_id: str = "msg_1") -> Event:
    return {"type": "message", "id": item_id, "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def function(arguments: str, item_id: str = "fc_1", **members: object) -> Event:
    return {"type": "function_call", "id": item_id, "call_id": "call_1", "name": "X", "arguments": arguments, **members}


def frame(event: Event | bytes) -> Frame:
    if isinstance(event, bytes):
        return Frame(raw=event, data=event)
    data = orjson.dumps(event)
    return Frame(raw=data, data=data, event=str(event.get("type", "")).encode())


def decoded(events: Iterable[Event | bytes], options: ReplyOptions = OPTIONS) -> list[NeutralEvent]:
    """Return what a whole upstream stream says."""
    decoder = ResponsesDecoder(options, minting())
    told = [neutral for event in events for neutral in decoder.feed(frame(event))]
    return [*told, *decoder.close()]


def encoded(events: Sequence[NeutralEvent], options: ReplyOptions = OPTIONS) -> bytes:
    """Return the bytes that a client reads."""
    encoder = ResponsesEncoder(options, minting())
    return b"".join(encoder.encode(event) for event in events)


def read(events: Sequence[NeutralEvent], options: ReplyOptions = OPTIONS) -> list[Any]:
    """Return the events that a client reads."""
    return client_events(encoded(events, options), RESPONSES)
