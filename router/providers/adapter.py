"""The provider adapter: one configured upstream, whatever its dialect.

An attempt takes a slot, waits for the managed server, sends, and yields the open answer, or raises what the answer was.
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

from router.config.redact import Redactor
from router.config.schema import ProviderConfig
from router.config.secret import Secrets
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.ports import Backends, Observer, OpenInfo, UpstreamCall
from router.providers.body import BodyPlan, UpstreamBody, plan_body
from router.providers.failures import ErrorAnswer, read_failure
from router.providers.h1 import Dial
from router.providers.headers import HeaderPlan, plan_headers
from router.providers.http import HttpxClient
from router.providers.remedies import REFUSALS, DropThinking, Refused, Remedy, find_remedy
from router.providers.reply import CountedAnswer, HttpReply, read_error
from router.providers.transport import HttpAnswer, HttpClient, HttpRequest, HttpTimeouts
from router.providers.urls import ProviderUrls, provider_urls
from router.wire.registry import DIALECTS

DISTRIBUTION = "nursery-router"
COUNT_TOKENS_S = 3.0  # wire.md 20.2: then the local estimate answers
DIALECT_OF_KIND: Mapping[str, DialectName] = {
    "openai_compat": DialectName.OPENAI_CHAT,
    "anthropic": DialectName.ANTHROPIC,
}

_EVENT_STREAM = "text/event-stream"
_UNTYPED = ("", "text/plain", "application/octet-stream")  # what servers call a stream that they do not type
_NOT_COUNTED = frozenset({404, 405, 501})


@frozen(kw_only=True)
class Limits:
    """Seconds of one attempt. `total_s` is infinite without a limit."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


@define(kw_only=True)
class HttpProvider:
    """A Provider over HTTP. Attempts run side by side; the only state is what the upstream has refused by name."""

    config: ProviderConfig
    urls: ProviderUrls
    headers: HeaderPlan
    bodies: BodyPlan
    client: HttpClient
    backends: Backends
    observer: Observer
    redactor: Redactor
    unix_now: Callable[[], float] = time.time
    _refused: Refused = field(factory=Refused, init=False)
    _slots: trio.CapacityLimiter | None = field(init=False)
    _counts_tokens: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        most = self.config.max_concurrency
        self._slots = None if most is None else trio.CapacityLimiter(most)
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
        async with self._slot(), self.backends.lease(self.name):
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

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold one of `max_concurrency` slots. Raises ProviderFailed(busy) when none is free in `queue_timeout_s`."""
        if self._slots is None:
            yield
            return
        ticket = object()  # one task may hold several slots
        if not _has_taken(self._slots, ticket):
            with trio.move_on_after(self.config.queue_timeout_s) as waiting:
                await self._slots.acquire_on_behalf_of(ticket)
            if waiting.cancelled_caught:
                message = f"all {self.config.max_concurrency} slots are in use"
                raise ProviderFailed(provider=self.name, reason=FailureReason.BUSY, message=message)
        try:
            yield
        finally:
            self._slots.release_on_behalf_of(ticket)

    @asynccontextmanager
    async def _ask(self, call: UpstreamCall) -> AsyncIterator[HttpReply]:
        """Send once, and once more without what the upstream refused by name."""
        limits = self._limits(call)
        ends_by = trio.current_time() + limits.total_s
        without_thinking = False
        for is_last in (False, True):
            body = self.bodies.encode(call, self._refused, without_thinking=without_thinking)
            request, first_by = self._request(body, call, limits, ends_by)
            async with self.client.open(request) as answer:
                if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                    yield self._reply(answer, body, call, first_by, ends_by)
                    return
                error = await read_error(answer)
            remedy = None if is_last else self._remedy(error, body, call)
            if remedy is None:
                raise read_failure(error, provider=self.name, now=self.unix_now(), redactor=self.redactor)
            without_thinking = isinstance(remedy, DropThinking)
            self._remember(remedy)

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

    def _request(self, body: UpstreamBody, call: UpstreamCall, limits: Limits, ends_by: float) -> tuple[HttpRequest, float]:
        """Return the request to send now, and until when its first event must be there."""
        now = trio.current_time()
        first_by = min(now + limits.first_byte_s, ends_by)
        request = HttpRequest(
            url=self.urls.complete,
            headers=self.headers.headers(call.client_headers, self._refused.betas),
            content=body.content,
            timeouts=HttpTimeouts(connect_s=limits.connect_s, head_s=first_by - now, idle_s=limits.idle_s),
        )
        return request, first_by

    def _reply(self, answer: HttpAnswer, body: UpstreamBody, call: UpstreamCall, first_by: float, ends_by: float) -> HttpReply:
        headers = answer.headers
        by_name = dict(headers)
        encoding = by_name.get("content-encoding", "identity")
        if encoding != "identity":
            raise ProviderFailed(
                provider=self.name,
                reason=FailureReason.BAD_RESPONSE,
                message=f"the answer is encoded as {encoding}, which was not asked for",
                status=answer.status,
            )
        media_type = by_name.get("content-type", "").partition(";")[0].strip().lower()
        is_event_stream = media_type == _EVENT_STREAM or (call.stream and media_type in _UNTYPED)
        return HttpReply(
            provider=self.name,
            info=OpenInfo(
                status=answer.status,
                headers=headers,
                is_event_stream=is_event_stream,
                notes=body.notes,
                tool_names=body.tool_names,
            ),
            answer=answer if call.reads_on is None else CountedAnswer(answer=answer, reads_on=call.reads_on),
            first_by=first_by,
            ends_by=ends_by,
        )

    def _remedy(self, error: ErrorAnswer, body: UpstreamBody, call: UpstreamCall) -> Remedy | None:
        if error.status not in REFUSALS or (call.reads_on is not None and call.reads_on.has_begun):
            return None
        remedy = find_remedy(
            error.status,
            error.text(),
            fields=orjson.loads(body.content).keys(),
            betas=self.headers.sent_betas(call.client_headers, self._refused.betas),
        )
        if isinstance(remedy, DropThinking):
            without = self.bodies.encode(call, self._refused, without_thinking=True)
            return remedy if without.content != body.content else None
        return remedy

    def _remember(self, remedy: Remedy) -> None:
        if dropped := self._refused.remember(remedy):
            fields = {"provider": self.name, "dropped": list(dropped), "reason": "refused-by-upstream"}
            self.observer.event("capability-degraded", fields)

    async def _count(self, url: str, content: bytes, client_headers: Mapping[str, str]) -> int | None:
        request = HttpRequest(
            url=url,
            headers=self.headers.headers(client_headers, self._refused.betas),
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
) -> HttpProvider:
    """Return the provider that a configuration describes; opens no connection, and later ones by `dial`."""
    return HttpProvider(
        config=config,
        urls=provider_urls(config),
        headers=plan_headers(
            config,
            credential=secrets.credentials.get(config.name),
            static=secrets.headers.get(config.name, {}),
            user_agent=f"router/{own_version()}",
        ),
        bodies=plan_body(config, DIALECTS[DIALECT_OF_KIND[config.kind]]),
        client=HttpxClient(provider=config.name, dial=dial),
        backends=backends,
        observer=observer,
        redactor=Redactor.of(secrets.sensitive),
        unix_now=unix_now,
    )


def _has_taken(slots: trio.CapacityLimiter, ticket: object) -> bool:
    try:
        slots.acquire_on_behalf_of_nowait(ticket)
    except trio.WouldBlock:
        return False
    return True


def _counted(told: ErrorAnswer) -> int | None:
    if told.status != HTTPStatus.OK:
        return None
    try:
        document = orjson.loads(told.body)
    except orjson.JSONDecodeError:
        return None
    count = document.get("input_tokens") if isinstance(document, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None
