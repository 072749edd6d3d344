"""Clients of the end-to-end tests: requests in both dialects, streams read event by event, and how a stream ended."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

import httpx
import trio
from attrs import frozen

from tests.e2e.daemon import NO_TLS, Running

FRAME_END = re.compile(rb"\r?\n\r?\n")


class Api(StrEnum):
    """The dialect that a client speaks; the value is its route."""

    MESSAGES = "/v1/messages"
    CHAT = "/v1/chat/completions"


@frozen
class Event:
    """One SSE event and the `time.monotonic()` at which its last byte was read."""

    data: str
    at: float

    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.data)
        return decoded


def request_body(api: Api, *, stream: bool, model: str = "any", text: str = "Say something.", tools: int = 0) -> dict[str, Any]:
    """Return a request with so many tools declared."""
    body: dict[str, Any] = {"model": model, "max_tokens": 256, "stream": stream}
    body["messages"] = [{"role": "user", "content": text}]
    if tools:
        body["tools"] = [tool(api, f"tool_{number}") for number in range(tools)]
    return body


def tool(api: Api, name: str) -> dict[str, Any]:
    """Return one declared tool."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    if api is Api.MESSAGES:
        return {"name": name, "description": f"What {name} does.", "input_schema": schema}
    return {"type": "function", "function": {"name": name, "description": f"What {name} does.", "parameters": schema}}


@asynccontextmanager
async def open_client(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the router that has no limit of its own but 30 s."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=running.url, timeout=30, limits=limits, verify=NO_TLS, trust_env=False) as client:
        yield client


async def read_events(reply: httpx.Response) -> list[Event]:
    """Return all events of a stream; comments are left out."""
    events: list[Event] = []
    rest = b""
    async for chunk in reply.aiter_raw():
        now = time.monotonic()
        *frames, rest = FRAME_END.split(rest + chunk)
        events.extend(Event(data, now) for frame in frames if (data := _data_of(frame)))
    assert not rest.strip(), f"bytes after the last event: {rest!r}"
    return events


def _data_of(frame: bytes) -> str:
    lines = [line for line in frame.decode().splitlines() if line.startswith("data:")]
    return "\n".join(line.removeprefix("data:").strip() for line in lines)


def text_of(api: Api, event: Event) -> str:
    """Return the text that an event carries, "" for any other event."""
    if event.data == "[DONE]":
        return ""
    data = event.json()
    if api is Api.MESSAGES:
        return str(data.get("delta", {}).get("text", ""))
    choices = data.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def arguments_of(api: Api, event: Event) -> str:
    """Return the piece of tool arguments that an event carries, "" for any other event."""
    if event.data == "[DONE]":
        return ""
    data = event.json()
    if api is Api.MESSAGES:
        return str(data.get("delta", {}).get("partial_json", ""))
    choices = data.get("choices") or [{}]
    calls = choices[0].get("delta", {}).get("tool_calls") or []
    return "".join(str(call["function"].get("arguments", "")) for call in calls)


@asynccontextmanager
async def open_raw_request(
    running: Running, path: str, body: dict[str, Any], *, token: str = ""
) -> AsyncIterator[trio.SocketStream]:
    """Yield a bare connection on which the request was sent: the test decides when it closes, and sees every byte."""
    payload = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n{f'Authorization: Bearer {token}' if token else 'Accept: */*'}\r\n\r\n"
    )
    connection = await trio.open_tcp_stream("127.0.0.1", running.port)
    async with connection:
        await connection.send_all(head.encode() + payload)
        yield connection
