"""One question at one provider, by its own adapter: its addresses, headers, lists of fields and time limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import orjson
import trio
from attrs import define, field

from router.config.redact import Redactor
from router.config.schema import ProviderConfig
from router.config.secret import Secrets
from router.doctor.heard import Heard, Times, Trouble, heard_in
from router.doctor.questions import Question
from router.domain.events import NeutralEvent, TextDelta, ToolDone
from router.errors import FailureReason, InvalidRequest, ProviderFailed
from router.ingress.dry_run import NoServers
from router.ports import OpenReply, UpstreamCall
from router.providers.adapter import HttpProvider, build_provider
from router.providers.http import CLOSE_S
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import bad_response
from router.wire.json_text import parse_object

QUESTION_S = 300.0  # for all of one answer: what a slow machine needs for 1024 tokens

_MINTING = Minting(new_id=lambda prefix: prefix, now=lambda: 0)  # nobody reads what is minted


@define
class Dropped:
    """An Observer that keeps what the adapter left out because the upstream had refused it by name."""

    names: list[str] = field(factory=list)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Take note of one event."""
        dropped = fields.get("dropped")
        if name == "capability-degraded" and isinstance(dropped, list):
            self.names += map(str, dropped)


@define(kw_only=True)
class Asker:
    """One provider, and the way to it; `provider` may be asked aside, too."""

    provider: HttpProvider
    redactor: Redactor
    _dropped: Dropped

    async def ask(self, question: Question, *, is_unhurried: bool = False) -> Heard:
        """Return what came, also where nothing did. Never raises for anything that the provider does."""
        hearing = _Hearing(began=trio.current_time(), question=question)
        trouble = None
        with trio.move_on_after(QUESTION_S) as scope:
            try:
                await self._read(question, hearing, is_unhurried=is_unhurried)
            except ProviderFailed as failure:
                message = self.redactor.redact(failure.message)
                trouble = Trouble(reason=failure.reason, message=message, status=failure.status)
            except InvalidRequest as error:
                trouble = Trouble(reason=FailureReason.CLIENT_ERROR, message=error.line)
        if scope.cancelled_caught:
            trouble = Trouble(reason=FailureReason.TIMEOUT, message=f"no complete answer within {QUESTION_S:g} s")
        names, self._dropped.names = tuple(self._dropped.names), []
        times = Times(first_s=hearing.first_s, gap_s=hearing.gap_s, total_s=trio.current_time() - hearing.began)
        return heard_in(hearing.events, times, is_stream=hearing.is_stream, trouble=trouble, dropped=names)

    async def _read(self, question: Question, hearing: _Hearing, *, is_unhurried: bool) -> None:
        async with self.provider.open(_call(question, is_unhurried=is_unhurried)) as reply:
            hearing.is_stream = reply.info.is_event_stream
            options = ReplyOptions(model=self.provider.config.model, provider=self.provider.name)
            if reply.info.is_event_stream:
                await self._read_stream(reply, hearing, options)
                return
            body = parse_object(await reply.read_body())
            if body is None:
                raise bad_response(self.provider.name, "the answer is not a JSON object")
            hearing.take(self.provider.bodies.dialect.decode_reply(body, options, _MINTING))

    async def _read_stream(self, reply: OpenReply, hearing: _Hearing, options: ReplyOptions) -> None:
        decoder = self.provider.bodies.dialect.decoder(options, _MINTING)
        while frames := await reply.receive():
            for frame in frames:
                hearing.take(decoder.feed(frame))
            if hearing.has_enough:
                return
        hearing.take(decoder.close())


@asynccontextmanager
async def open_asker(config: ProviderConfig, secrets: Secrets) -> AsyncIterator[Asker]:
    """Yield the way to a provider; its connections close when the context is left."""
    dropped = Dropped()
    provider = build_provider(config, secrets, NoServers(), dropped)  # what does not run is a finding
    try:
        yield Asker(provider=provider, redactor=provider.redactor, dropped=dropped)
    finally:
        with trio.move_on_after(CLOSE_S, shield=True):
            await provider.aclose()


@define(kw_only=True)
class _Hearing:
    """One answer while it comes."""

    began: float
    question: Question
    events: list[NeutralEvent] = field(factory=list)
    is_stream: bool = False
    first_s: float | None = None
    gap_s: float = 0.0
    _text: str = ""
    _has_call: bool = False
    _last: float | None = None

    def take(self, new: Sequence[NeutralEvent]) -> None:
        """Add the events of one read."""
        self.events += new
        if not new:
            return
        now = trio.current_time()
        self._text += "".join(event.text for event in new if isinstance(event, TextDelta))
        self._has_call = self._has_call or any(isinstance(event, ToolDone) for event in new)
        if self.first_s is None:
            self.first_s = now - self.began
        elif self._last is not None:
            self.gap_s = max(self.gap_s, now - self._last)
        self._last = now

    @property
    def has_enough(self) -> bool:
        """Whether the rest need not be read."""
        return self.question.is_enough(self._text, self._has_call)


def _call(question: Question, *, is_unhurried: bool) -> UpstreamCall:
    body = question.body
    stream = question.stream
    return UpstreamCall(
        neutral=question.neutral,
        same_dialect_body=None if body is None else orjson.dumps({**body, "model": "", "stream": stream}),
        client_headers={},
        stream=stream,
        append_system_prompt="",
        is_unhurried=is_unhurried,
    )
