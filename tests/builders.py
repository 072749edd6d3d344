"""Small values and stand-ins: providers that play a script, a sink and an observer that remember."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import orjson
import trio
from attrs import define, evolve, field, frozen

from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig
from router.domain.events import Usage
from router.domain.frame import Frame
from router.domain.request import DialectName, Note
from router.errors import ProviderFailed
from router.ports import OpenInfo, ReadsOn, UpstreamCall
from router.wire.dialect import Framer
from router.wire.registry import DIALECTS

CHAT = DialectName.OPENAI_CHAT
ANTHROPIC = DialectName.ANTHROPIC
PLAIN = (ANTHROPIC, CHAT)  # whose bodies rules read as they are: what is special to the others has tests of its own


Step = bytes | float | ProviderFailed


@frozen(kw_only=True)
class Script:
    """One answer of a ScriptedProvider.

    `send_after_s` is a wait for a turn, `waits_again_s` one after a refusal, `open_after_s` one for the head. `refusal` is
    raised instead of opening. Else `chunks` are the body's reads: bytes, a pause in seconds, or a failure."""

    chunks: Sequence[Step] = ()
    refusal: ProviderFailed | None = None
    send_after_s: float = 0.0
    waits_again_s: float = 0.0
    open_after_s: float = 0.0
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    is_event_stream: bool = True
    notes: tuple[Note, ...] = ()


@define(kw_only=True)
class ScriptedReply:
    """An open answer that plays its script."""

    script: Script
    info: OpenInfo
    reads_on: ReadsOn | None = None
    settled: Usage | None = None
    dialect: DialectName = CHAT
    _framer: Framer = field(init=False)
    _next: int = 0

    def __attrs_post_init__(self) -> None:
        self._framer = DIALECTS[self.dialect].framer()

    async def receive(self) -> tuple[Frame, ...]:
        while (chunk := await self._chunk()) is not None:
            if frames := tuple(self._framer.feed(chunk)):
                return frames
        return tuple(self._framer.close())

    async def read_body(self, on_part: Callable[[bytes], None] = lambda _part: None) -> bytes:
        body = b""
        while (chunk := await self._chunk()) is not None:
            body += chunk
            on_part(chunk)
        return body

    def settle(self, usage: Usage) -> None:
        self.settled = usage

    async def _chunk(self) -> bytes | None:
        while self._next < len(self.script.chunks):
            step = self.script.chunks[self._next]
            self._next += 1
            if isinstance(step, bytes):
                if self.reads_on is not None:
                    self.reads_on.took(len(step))
                await trio.lowlevel.checkpoint()
                return step
            if isinstance(step, ProviderFailed):
                raise evolve(step)  # a test's own one would keep its traceback, and with it the request
            await trio.sleep(step)
        return None


@define(kw_only=True)
class ScriptedProvider:
    """A Provider that plays its scripts one after the other; the last one again and again."""

    name: str
    dialect: DialectName = CHAT
    scripts: Sequence[Script] = ()
    calls: list[UpstreamCall] = field(factory=list)
    open_now: int = 0
    tokens: int | None = None  # what it counts

    @asynccontextmanager
    async def open(self, call: UpstreamCall) -> AsyncIterator[ScriptedReply]:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(evolve(call, on_send=None, on_refused=None))  # who is told would keep the whole request
        with nullcontext() if call.reads_on is None else call.reads_on.working():
            await trio.sleep(script.send_after_s)
            if call.on_send is not None:
                call.on_send()
            if script.waits_again_s and call.on_refused is not None:
                call.on_refused()
                await trio.sleep(script.waits_again_s)
            await trio.sleep(script.open_after_s)
            if script.refusal is not None:
                raise evolve(script.refusal)  # as below
            self.open_now += 1
            try:
                info = OpenInfo(
                    status=script.status,
                    headers=tuple(script.headers),
                    is_event_stream=script.is_event_stream,
                    notes=script.notes,
                )
                yield ScriptedReply(script=script, info=info, reads_on=call.reads_on, dialect=self.dialect)
            finally:
                self.open_now -= 1

    async def count_tokens(self, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        del body, client_headers
        return self.tokens


@define
class RememberingObserver:
    """Keeps every event as (name, fields)."""

    events: list[tuple[str, Mapping[str, object]]] = field(factory=list)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, fields))

    def named(self, name: str) -> list[Mapping[str, object]]:
        return [fields for seen, fields in self.events if seen == name]


@define
class RememberedAttempt:
    """One attempt as the sink saw it: `ok`, the failure, or neither (abandoned)."""

    provider: str
    is_first: bool = True
    is_ok: bool = False
    failure: ProviderFailed | None = None

    def ok(self) -> None:
        self.is_ok = True

    def failed(self, failure: ProviderFailed) -> None:
        self.failure = failure


@define
class RememberingSink:
    """Keeps every attempt, and every drift as (provider, seconds, whether a reload is wanted)."""

    attempts: list[RememberedAttempt] = field(factory=list)
    drifts: list[tuple[str, float, bool]] = field(factory=list)

    @contextmanager
    def begin(self, provider: str, *, memory_cooldown_s: float | None = None) -> Iterator[RememberedAttempt]:
        del memory_cooldown_s  # the board's own tests look at it
        has_answered = any(attempt.is_ok for attempt in self.attempts if attempt.provider == provider)
        attempt = RememberedAttempt(provider, is_first=not has_answered)
        self.attempts.append(attempt)
        yield attempt

    def drifted(self, provider: str, *, for_s: float, wants_reload: bool) -> None:
        self.drifts.append((provider, for_s, wants_reload))


def chat_chunk(delta: dict[str, Any], *, finish: str | None = None, **more: object) -> bytes:
    """Return one chat stream frame."""
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def chat_stream(*texts: str) -> list[bytes]:
    """Return a whole chat stream, one read a delta."""
    deltas = [chat_chunk({"content": text}) for text in texts]
    return [chat_chunk({"role": "assistant", "content": ""}), *deltas, chat_chunk({}, finish="stop"), b"data: [DONE]\n\n"]


def chat_reply(text: str) -> bytes:
    """Return a whole chat reply."""
    return orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )


def anthropic_message(*blocks: dict[str, Any], stop_reason: str | None = None, output_tokens: int) -> dict[str, Any]:
    """Return a message of Messages: a whole reply, or the empty one that begins a stream."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": blocks,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": output_tokens},
    }


def anthropic_stream(*texts: str) -> list[bytes]:
    """Return a whole Messages stream, one read an event."""
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": anthropic_message(output_tokens=1),
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    return [b"event: " + e["type"].encode() + b"\ndata: " + orjson.dumps(e) + b"\n\n" for e in events]


def anthropic_reply(text: str) -> bytes:
    """Return a whole Messages reply."""
    return orjson.dumps(anthropic_message({"type": "text", "text": text}, stop_reason="end_turn", output_tokens=2))


def a_provider(name: str = "p", **keys: object) -> ProviderConfig:
    """Return a provider's configuration; `keys` are its TOML keys."""
    return ProviderConfig(**{"name": name, "base_url": "http://127.0.0.1:1", "model": f"model-of-{name}", **keys})  # type: ignore[arg-type]  # keys by name


def a_profile(*providers: str, name: str = "default", **keys: object) -> ProfileConfig:
    """Return a profile over the named providers."""
    return ProfileConfig(name=name, providers=providers, **keys)  # type: ignore[arg-type]  # keys by name


def a_config(*providers: ProviderConfig, profiles: Sequence[ProfileConfig] = (), **tables: object) -> RouterConfig:
    """Return a configuration; without profiles one named `default` lists every provider."""
    chain = profiles or (a_profile(*(provider.name for provider in providers)),)
    return RouterConfig(providers=providers, profiles=tuple(chain), **tables)  # type: ignore[arg-type]  # tables by name
