"""How a client's answer ended, judged from nothing but its bytes: the referee of the broken-stream tests.

Written from the vendors' formats, independent of the router's own grammar monitor."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import httpx

from tests.e2e.clients import Api, Event


class Ending(StrEnum):
    """The two good ends of an answer."""

    COMPLETE = "complete"
    ERROR = "the dialect's error"


class BadEndingError(AssertionError):
    """The answer ended in neither way; the message says what is wrong with it."""


def ending_of_stream(api: Api, events: list[Event]) -> Ending:
    """Return how the stream ended. Raises BadEndingError."""
    return _messages_ending(events) if api is Api.MESSAGES else _chat_ending(events)


def ending_of_body(api: Api, reply: httpx.Response) -> Ending:
    """Return how a whole answer ended. Raises BadEndingError for a body that its status does not fit."""
    try:
        body = reply.json()
    except ValueError as error:
        raise BadEndingError(f"{reply.status_code} with a body that is no JSON: {reply.text[:200]!r}") from error
    if reply.is_success:
        wanted = "content" if api is Api.MESSAGES else "choices"
        _require(isinstance(body.get(wanted), list), f"200 without {wanted}: {reply.text[:200]}")
        return Ending.COMPLETE
    _require_error(api, body)
    return Ending.ERROR


def _messages_ending(events: list[Event]) -> Ending:
    kinds = [str(event.json().get("type")) for event in events]
    _require(bool(kinds), "a stream without events")
    if kinds[-1] == "error":
        _require_error(Api.MESSAGES, events[-1].json())
        return Ending.ERROR
    _require(kinds[0] == "message_start", f"the first event is {kinds[0]}")
    _require(kinds[-1] == "message_stop", f"the last event is {kinds[-1]}")
    _require(kinds.count("message_start") == kinds.count("message_stop") == 1, f"not one message: {kinds}")
    _require("error" not in kinds, f"events after an error: {kinds}")
    _require(kinds[-2] == "message_delta", f"no stop reason before the end: {kinds}")
    open_block: int | None = None
    for event, kind in zip(events, kinds, strict=True):
        if kind == "content_block_start":
            _require(open_block is None, "a block starts inside a block")
            open_block = event.json()["index"]
        elif kind in {"content_block_delta", "content_block_stop"}:
            _require(event.json()["index"] == open_block, f"{kind} of a block that is not open")
            open_block = None if kind == "content_block_stop" else open_block
    _require(open_block is None, "a block was left open")
    return Ending.COMPLETE


def _chat_ending(events: list[Event]) -> Ending:
    _require(bool(events), "a stream without events")
    _require(events[-1].data == "[DONE]", f"the last event is {events[-1].data[:200]}")
    chunks = [event.json() for event in events[:-1]]
    if chunks and "error" in chunks[-1]:
        _require_error(Api.CHAT, chunks[-1])
        return Ending.ERROR
    _require(not any("error" in chunk for chunk in chunks), "chunks after an error")
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice.get("finish_reason")]
    _require(len(finishes) == 1, f"finish reasons: {finishes}")
    return Ending.COMPLETE


def _require_error(api: Api, body: dict[str, Any]) -> None:
    error = body.get("error")
    is_error = isinstance(error, dict) and bool(error.get("message")) and bool(error.get("type"))
    _require(is_error, f"no error object: {json.dumps(body)[:200]}")
    _require(api is Api.CHAT or body.get("type") == "error", f"no Messages error: {json.dumps(body)[:200]}")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - it is an assert with a text
    if not condition:
        raise BadEndingError(message)
