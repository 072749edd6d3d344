"""A provider inside the process: it says the last message back, over no network and for no money.

It is behind the canary (docs/service.md) and in no profile of a configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import define, frozen

from router.domain.events import Usage
from router.domain.frame import Frame
from router.domain.request import DialectName
from router.ports import OpenInfo, UpstreamCall
from router.wire.sse import SseFramer, encode_data

_ID, _MODEL, _CREATED = "chatcmpl-builtin", "builtin", 0


@define(kw_only=True)
class EchoReply:
    """One open answer: two reads, as from a network, then the end of the body."""

    info: OpenInfo
    _reads: list[tuple[Frame, ...]]

    async def receive(self) -> tuple[Frame, ...]:
        """Return the next frames, () at the end."""
        await trio.lowlevel.checkpoint()
        return self._reads.pop(0) if self._reads else ()

    async def read_body(self, on_part: Callable[[bytes], None] = lambda _part: None) -> bytes:
        """Return the frames as one body."""
        await trio.lowlevel.checkpoint()
        body = b"".join(frame.raw for read in self._reads for frame in read)
        on_part(body)
        return body

    def settle(self, usage: Usage) -> None:
        """Count nothing."""


@frozen(kw_only=True)
class EchoProvider:
    """A Provider of the chat dialect that always answers with a stream, and with the text of the last message."""

    name: str
    dialect: DialectName = DialectName.OPENAI_CHAT

    @asynccontextmanager
    async def open(self, call: UpstreamCall) -> AsyncIterator[EchoReply]:
        """Yield the answer; never fails."""
        await trio.lowlevel.checkpoint()
        text = _last_text(call.same_dialect_body or b"{}")
        head = {"content-type": "text/event-stream"}
        info = OpenInfo(status=200, headers=tuple(head.items()), is_event_stream=True)
        opening = _chunk({"role": "assistant", "content": text})
        ending = _chunk({}, finish_reason="stop") + b"data: [DONE]\n\n"
        yield EchoReply(info=info, reads=[SseFramer().feed(opening), SseFramer().feed(ending)])

    async def count_tokens(self, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        """Count nothing."""
        del body, client_headers
        await trio.lowlevel.checkpoint()
        return None


def _last_text(body: bytes) -> str:
    """Return the text of the last message of a chat body, "" where it has none that is a plain text."""
    messages = orjson.loads(body).get("messages") or [{}]
    text = messages[-1].get("content")
    return text if isinstance(text, str) else ""


def _chunk(delta: dict[str, str], *, finish_reason: str | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return encode_data({"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": _MODEL, "choices": [choice]})
