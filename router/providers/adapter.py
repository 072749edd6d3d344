"""The provider adapter: one configured upstream, whatever its dialect.

An attempt takes a slot, waits for the managed server and for a key's turn, sends, and yields the open answer, or raises
what the answer was.
Limits, most to least inner: each read (`idle_timeout_s`), connect, the head, the first event (`first_byte_timeout_s`
from the sending), the whole attempt. A refused request is repeated once without what the upstream named."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from importlib.metadata import version
from typing import Self

import orjson
import trio
from attrs import define, field, frozen

from router.config.redact import Redactor, cut_word
from router.config.schema import ProviderConfig
from router.config.secret import Secrets
from router.domain.events import Usage
from router.domain.request import DialectName
from router.domain.trace_context import HEADER as TRACEPARENT
from router.errors import FailureReason, ProviderFailed
from router.ports import Backends, Observer, OpenInfo, UpstreamCall
from router.providers.body import BodyPlan, UpstreamBody, plan_body
from router.providers.failures import ErrorAnswer, read_failure
from router.providers.fair_slots import FairSlots
from router.providers.h1 import Dial
from router.providers.headers import HeaderPlan, RawHeaders, plan_headers
from router.providers.http import HttpxClient
from router.providers.key_pool import KeyPool, KeyTurn
from router.providers.remedies import REFUSALS, DropThinking, RefusedFeatures, Remedy, find_remedy
from router.providers.reply import CountedAnswer, HttpReply, read_error
from router.providers.told_limits import read_limits
from router.providers.transport import HttpAnswer, HttpClient, HttpRequest, HttpTimeouts, is_good
from router.providers.turns import Turns
from router.providers.urls import ProviderUrls, provider_urls
from router.providers.waiting_room import RoomRules
from router.wire.registry import DIALECTS

DISTRIBUTION = "nursery-router"
COUNT_TOKENS_S = 3.0  # wire.md 20.2: then the local estimate answers
DIALECT_OF_KIND: Mapping[str, DialectName] = {
    "openai_compat": DialectName.OPENAI_CHAT,
    "anthropic": DialectName.ANTHROPIC,
    "openai_responses": DialectName.OPENAI_RESPONSES,
    "gemini": DialectName.GEMINI,
    "ollama": DialectName.OLLAMA,
}

_STREAMS = ("text/event-stream", "application/x-ndjson")
_UNTYPED = ("", "text/plain", "application/octet-stream")  # what servers call a stream that they do not type
_BYTES_PER_TOKEN = 4  # of a body whose tokens nobody has counted
_NOT_COUNTED = frozenset({404, 405, 501})


@frozen(kw_only=True)
class Limits:
    """Seconds of one attempt. `total_s` is infinite without a limit."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


@frozen(kw_only=True)
class Until:
    """When the first event of an answer must be there, and when all of it: trio's clock."""

    first_by: float
    ends_by: float


@define(kw_only=True)
class HttpProvider:
    """A Provider over HTTP. Attempts run side by side; its state is in its slots, its keys and what the upstream has refused.

    `headers` are one plan per key; `slots` may be those of the provider before it, with who holds one."""

    config: ProviderConfig
    urls: ProviderUrls
    headers: tuple[HeaderPlan, ...]
    bodies: BodyPlan
    client: HttpClient
    backends: Backends
    observer: Observer
    redactor: Redactor
    unix_now: Callable[[], float] = time.time
    keys: KeyPool = field(factory=lambda: KeyPool.of(()))
    slots: FairSlots | None = None  # None as well where there is no limit
    _refused: RefusedFeatures = field(factory=RefusedFeatures, init=False)
    _counts_tokens: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        most = self.config.max_concurrency
        if most is None:
            self.slots = None
        elif self.slots is None:
            self.slots = FairSlots.of(RoomRules(places=most))
        else:
            self.slots.change(RoomRules(places=most))
        self._counts_tokens = self.urls.count_tokens is not None

    @property
    def name(self) -> str:
        """The configured name."""
        return self.config.name

    @property
    def dialect(self) -> DialectName:
        """What the upstream speaks."""
        return self.bodies.dialect.name

    @asynccontextmanager
    async def open(self, call: UpstreamCall) -> AsyncIterator[HttpReply]:
        """Send the request and yield the open answer; leaving the context closes it at once.

        Raises ProviderFailed, classified, for every answer that is no success, and InvalidRequest where the upstream's
        dialect cannot say the request."""
        async with self._slot(call), self.backends.lease(self.name):
            with nullcontext() if call.reads_on is None else call.reads_on.working():
                async with self._ask(call) as reply:
                    yield reply

    async def count_tokens(self, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        """Return the upstream's count of a Messages body; None where it cannot, or not in time. Never raises.

        An upstream that has no such endpoint is not asked again."""
        if self.urls.count_tokens is None or not self._counts_tokens:
            return None
        with trio.move_on_after(COUNT_TOKENS_S):
            try:
                return await self._count(self.urls.count_tokens, self.bodies.encode_count(body, self._refused), client_headers)
            except ProviderFailed:
                return None
        return None

    def knowing(self, secrets: Secrets) -> Self:
        """Return this very provider, from now on with all of these secrets kept out of what it tells."""
        self.redactor = Redactor.of(secrets.sensitive)
        return self

    async def close_expired(self) -> None:
        """Close the connections that have been idle for too long: the upstream gives them up soon, too."""
        await self.client.close_expired()

    async def aclose(self) -> None:
        """Close the idle connections to the upstream."""
        await self.client.aclose()

    def failure(self, error: ErrorAnswer) -> ProviderFailed:
        """Return what an answer says that is no success, in words without a secret."""
        return read_failure(error, provider=self.name, now=self.unix_now(), redactor=self.redactor)

    def aside_headers(self, client_headers: Mapping[str, str]) -> RawHeaders:
        """Return the headers for what is no request of a model's, with a key that does not rest where there is one."""
        plan = self.headers[self.keys.aside(trio.current_time()).index]
        return plan.headers(client_headers, self._refused.betas)

    @asynccontextmanager
    async def _slot(self, call: UpstreamCall) -> AsyncIterator[None]:
        """Hold one of `max_concurrency` slots. Raises ProviderFailed(busy) when none is free in `queue_timeout_s`."""
        if self.slots is None:
            yield
            return
        wait_s = self.config.queue_timeout_s
        async with self.slots.place(call.session, call.request_class, wait_s=wait_s) as place:
            if not place.is_mine:
                message = f"all {self.config.max_concurrency} slots are in use"
                raise ProviderFailed(provider=self.name, reason=FailureReason.BUSY, message=message)
            yield

    @asynccontextmanager
    async def _ask(self, call: UpstreamCall) -> AsyncIterator[HttpReply]:
        """Send once, once more without what the upstream refused by name, and with each further key while keys are refused."""
        limits = self._limits(call)
        ends_by = trio.current_time() + limits.total_s
        turns = Turns(provider=self.name, pool=self.keys, observer=self.observer)
        without_thinking = False
        may_mend = True
        while True:
            body = self.bodies.encode(call, self._refused, without_thinking=without_thinking)
            turn = await self._turn(turns, call, body, ends_by)
            request, until = self._request(body, call, turn, limits, ends_by)
            async with self._send(request, turn) as answer:
                if is_good(answer.status):
                    yield self._reply(answer, body, call, turn, until)
                    return
                error = await read_error(answer)
            if call.on_refused is not None:
                call.on_refused()
            remedy = self._remedy(error, body, call) if may_mend else None
            if remedy is not None:
                may_mend = False
                without_thinking = isinstance(remedy, DropThinking)
                self._remember(remedy)
                continue
            failure = self.failure(error)
            if not turns.refused(turn, failure) or _has_left(call):
                raise failure

    @asynccontextmanager
    async def _send(self, request: HttpRequest, turn: KeyTurn) -> AsyncIterator[HttpAnswer]:
        """Send with a key, and take what the head of the answer says of that key's limits."""
        try:
            async with self.client.open(request) as answer:
                told = read_limits(answer.headers, self.unix_now())
                self.keys.answered(turn, told, trio.current_time(), is_good=is_good(answer.status))
                yield answer
        finally:
            turn.key.pace.lost(turn.booking)

    async def _turn(self, turns: Turns, call: UpstreamCall, body: UpstreamBody, ends_by: float) -> KeyTurn:
        """Wait for a key's turn. Raises ProviderFailed, also where the client has left by then: nothing is sent for it."""
        turn = await turns.take(len(body.content) / _BYTES_PER_TOKEN if call.tokens is None else call.tokens, ends_by)
        if turns.has_waited and _has_left(call):
            turn.key.pace.cancel(turn.booking)
            raise ProviderFailed(provider=self.name, reason=FailureReason.BUSY, message="the client left before its turn came")
        return turn

    def _limits(self, call: UpstreamCall) -> Limits:
        config = self.config
        if call.is_unhurried:
            return Limits(connect_s=config.connect_timeout_s, first_byte_s=math.inf, idle_s=math.inf, total_s=math.inf)
        timeout_s = config.timeout_s if call.timeout_s is None else call.timeout_s
        return Limits(
            connect_s=config.connect_timeout_s,
            first_byte_s=timeout_s if config.first_byte_timeout_s is None else config.first_byte_timeout_s,
            idle_s=timeout_s if config.idle_timeout_s is None else config.idle_timeout_s,
            total_s=math.inf if config.total_timeout_s is None else config.total_timeout_s,
        )

    def _request(
        self, body: UpstreamBody, call: UpstreamCall, turn: KeyTurn, limits: Limits, ends_by: float
    ) -> tuple[HttpRequest, Until]:
        """Return the request to send now, and the moments that its answer must keep."""
        now = trio.current_time()
        first_by = min(now + limits.first_byte_s, ends_by)
        request = HttpRequest(
            url=self.urls.complete_for(is_stream=call.stream),
            headers=(*self.headers[turn.key.index].headers(call.client_headers, self._refused.betas), *_place_in_trace(call)),
            content=body.content,
            timeouts=HttpTimeouts(connect_s=limits.connect_s, head_s=first_by - now, idle_s=limits.idle_s),
            on_send=call.on_send,
        )
        return request, Until(first_by=first_by, ends_by=ends_by)

    def _reply(self, answer: HttpAnswer, body: UpstreamBody, call: UpstreamCall, turn: KeyTurn, until: Until) -> HttpReply:
        headers = answer.headers
        by_name = dict(headers)
        encoding = by_name.get("content-encoding", "identity")
        if encoding != "identity":
            raise ProviderFailed(
                provider=self.name,
                reason=FailureReason.BAD_RESPONSE,
                message=f"the answer is encoded as {encoding}, which was not requested",
                status=answer.status,
            )
        media_type = by_name.get("content-type", "").partition(";")[0].strip().lower()
        is_event_stream = media_type in _STREAMS or (call.stream and media_type in _UNTYPED)
        return HttpReply(
            provider=self.name,
            info=OpenInfo(
                status=answer.status,
                headers=headers,
                is_event_stream=is_event_stream,
                notes=body.notes,
                tool_names=body.tool_names,
            ),
            framer=self.bodies.dialect.framer(self.name),
            answer=answer if call.reads_on is None else CountedAnswer(answer=answer, reads_on=call.reads_on),
            first_by=until.first_by,
            ends_by=until.ends_by,
            on_settle=functools.partial(self._settle, turn),
        )

    def _settle(self, turn: KeyTurn, usage: Usage) -> None:
        """Book what an answer has used; what was read from a cache does not count at Anthropic."""
        cached = 0 if self.config.kind == "anthropic" else usage.cache_read or 0
        turn.key.pace.settle(turn.booking, usage.input + usage.output + (usage.cache_write or 0) + cached)

    def _remedy(self, error: ErrorAnswer, body: UpstreamBody, call: UpstreamCall) -> Remedy | None:
        if error.status not in REFUSALS or _has_left(call):
            return None
        remedy = find_remedy(
            error.status,
            error.text(),
            fields=orjson.loads(body.content).keys(),
            betas=self.headers[0].sent_betas(call.client_headers, self._refused.betas),
        )
        if isinstance(remedy, DropThinking):
            without = self.bodies.encode(call, self._refused, without_thinking=True)
            return remedy if without.content != body.content else None
        return remedy

    def _remember(self, remedy: Remedy) -> None:
        if dropped := self._refused.remember(remedy):
            fields = {
                "provider": self.name,
                "dropped": [cut_word(one, self.redactor.redact) for one in dropped],
                "reason": "refused-by-upstream",
            }
            self.observer.event("capability-degraded", fields)

    async def _count(self, url: str, content: bytes, client_headers: Mapping[str, str]) -> int | None:
        request = HttpRequest(
            url=url,
            headers=self.aside_headers(client_headers),
            content=content,
            timeouts=HttpTimeouts(connect_s=self.config.connect_timeout_s, head_s=COUNT_TOKENS_S, idle_s=COUNT_TOKENS_S),
        )
        async with self.client.open(request) as answer:
            told = await read_error(answer)  # as short as an error
        if told.status in _NOT_COUNTED:
            self._counts_tokens = False
        return _counted(told)


@functools.cache
def own_version() -> str:
    """Return the version that is installed; looked up once, in the files of the environment."""
    return version(DISTRIBUTION)


def build_provider(
    config: ProviderConfig,
    secrets: Secrets,
    backends: Backends,
    observer: Observer,
    *,
    dial: Dial = trio.open_tcp_stream,
    unix_now: Callable[[], float] = time.time,
    auth_cooldown_s: float = 60.0,
    keys_before: KeyPool | None = None,
    slots_before: FairSlots | None = None,
    hop: str | None = None,
) -> HttpProvider:
    """Return the provider that a configuration describes; opens no connection, and later ones by `dial`.

    What `keys_before` knows of a key that is still there, its rest and its pace, goes on; and who holds one of
    `slots_before` is still counted, under the number of slots that holds from now on. `hop` is what `domain/hops.py` adds."""
    keys = KeyPool.of(secrets.keys_of(config.name), config.limits, auth_cooldown_s=auth_cooldown_s, before=keys_before)
    static, user_agent = secrets.headers.get(config.name, {}), f"router/{own_version()}"
    return HttpProvider(
        config=config,
        urls=provider_urls(config),
        headers=tuple(
            plan_headers(config, credential=key.credential, static=static, user_agent=user_agent, hop=hop) for key in keys.keys
        ),
        keys=keys,
        slots=slots_before,
        bodies=plan_body(config, DIALECTS[DIALECT_OF_KIND[config.kind]]),
        client=HttpxClient(provider=config.name, dial=dial),
        backends=backends,
        observer=observer,
        redactor=Redactor.of(secrets.sensitive),
        unix_now=unix_now,
    )


def _has_left(call: UpstreamCall) -> bool:
    return call.reads_on is not None and call.reads_on.has_begun


def _counted(told: ErrorAnswer) -> int | None:
    if told.status != HTTPStatus.OK:
        return None
    try:
        document = orjson.loads(told.body)
    except orjson.JSONDecodeError:
        return None
    count = document.get("input_tokens") if isinstance(document, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _place_in_trace(call: UpstreamCall) -> RawHeaders:
    """Return the header that says where in its client's trace a request belongs, () where the provider is not told."""
    return () if call.traceparent is None else ((TRACEPARENT.encode(), call.traceparent.encode()),)
