"""The smallest useful request to one provider, by the adapter's own rules for addresses, headers, bodies and errors.

Success is 2xx, no redirect, and a body that is what was asked for (D27). The caller's scope bounds the whole of it, so
that a server that trickles does not last (D28). COMPLETE goes the way of a request: a slot, a lease that starts a
managed server, the rectified repeat. The other classes start nothing and cost nothing. Source: supervision.md 21.7."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import orjson
import trio
from attrs import frozen

from router.config.redact import cut_word
from router.config.schema import ProviderConfig, RouterConfig
from router.domain.health_events import ProbeVerdict
from router.domain.probe import MESSAGE_CHARS, ProbeClass, ProbePlan, ProbeResult, ladder_of, verdict_of
from router.errors import FailureReason, ProviderFailed
from router.ports import UpstreamCall
from router.providers.adapter import HttpProvider
from router.providers.http import CLOSE_S, HttpxClient
from router.providers.reply import read_error
from router.providers.transport import HttpAnswer, HttpClient, HttpRequest, HttpTimeouts, is_good
from router.wire.ending import bad_response
from router.wire.error_words import server_state
from router.wire.probe_reply import ProbeReader, check_model_list, read_whole

MAX_LIST_BYTES = 8 * 1024 * 1024  # of memory for one probe; far above any honest list of models

_NO_LIST = frozenset({404, 405, 501})  # the server answers, but has no list of models: chat alone is promised
_ASKS_FOR_A_KEY = frozenset({401, 403})  # a health URL gets none: it may belong to anybody


@frozen
class Answered:
    """What a good answer told: its status, None for a mere connection, and its model, "" for none."""

    status: int | None = None
    model: str = ""


def _new_client(provider: str) -> HttpClient:
    return HttpxClient(provider=provider)


@frozen(kw_only=True)
class HttpProber:
    """Asks the providers of the current configuration; `provider_of` gives None for one that it does not have.

    `new_client` gives the connection to a health URL: it may be on another host than the provider."""

    config: Callable[[], RouterConfig]
    provider_of: Callable[[str], HttpProvider | None]
    new_client: Callable[[str], HttpClient] = _new_client

    def plan(self, provider: str) -> ProbePlan | None:
        """Return how the provider may be probed, None for one that is not configured."""
        found = self.provider_of(provider)
        return None if found is None else probe_plan(found.config, self.config())

    async def probe(self, provider: str, cls: ProbeClass) -> ProbeResult:
        """Return what one probe showed. Never raises for anything that the provider does; the caller bounds the time."""
        began = trio.current_time()
        found = self.provider_of(provider)
        if found is None:
            failure = ProviderFailed(provider=provider, reason=FailureReason.CANCELLED, message="is no longer configured")
            return _failed(failure, cls, began)
        if cls is ProbeClass.COMPLETE and probe_plan(found.config, self.config()).top is not cls:
            cls = ProbeClass.MODELS  # D16: the one place where money is decided about
        try:
            answered = await self._ask(found, cls)
        except ProviderFailed as failure:
            failure.message = found.redactor.redact(failure.message)
            return _failed(failure, cls, began)
        return ProbeResult(
            provider=provider,
            cls=cls,
            verdict=ProbeVerdict.OK,
            started_at=began,
            latency_ms=_since_ms(began),
            status=answered.status,
            model=cut_word(answered.model, found.redactor.redact),
        )

    async def _ask(self, provider: HttpProvider, cls: ProbeClass) -> Answered:
        match cls:
            case ProbeClass.TCP:
                await provider.client.reach(provider.urls.complete, connect_s=provider.config.connect_timeout_s)
                return Answered()
            case ProbeClass.READY:
                return await self._ask_ready(provider)
            case ProbeClass.MODELS:
                async with provider.backends.lease(provider.name):  # a paid one behind a managed server is started by it
                    return await _list_models(provider)
            case ProbeClass.COMPLETE:
                return await _complete(provider)
        assert_never(cls)

    async def _ask_ready(self, provider: HttpProvider) -> Answered:
        url = _ready_url(provider.config)
        if url is None:
            raise ProviderFailed(provider=provider.name, reason=FailureReason.CLIENT_ERROR, message="has no ready_url")
        client = self.new_client(provider.name)
        try:
            async with client.open(_get(url, (), provider.config.connect_timeout_s)) as answer:
                if is_good(answer.status) or answer.status in _ASKS_FOR_A_KEY:
                    return Answered(answer.status)
                raise provider.failure(await read_error(answer))
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await client.aclose()


def probe_plan(provider: ProviderConfig, config: RouterConfig) -> ProbePlan:
    """Return how the configuration lets a provider be probed."""
    is_gated = provider.paid and not config.routing.allow_paid
    may_complete = not provider.paid or (config.probe.paid and not is_gated)
    return ProbePlan(
        ladder=ladder_of(has_ready_url=_ready_url(provider) is not None, may_complete=may_complete),
        model=provider.model,
        is_paid=provider.paid,
        is_enabled=provider.enabled,
        is_gated=is_gated,
        spares_model=provider.kind == "ollama",
    )


async def _complete(provider: HttpProvider) -> Answered:
    dialect, stream = provider.bodies.dialect, provider.config.capabilities.streaming
    call = UpstreamCall(
        neutral=None,
        same_dialect_body=orjson.dumps(dialect.probe_body(provider.config.model, stream=stream)),
        client_headers={},
        stream=stream,
        append_system_prompt="",
        is_unhurried=True,
    )
    async with provider.open(call) as reply:
        if not reply.info.is_event_stream:
            return Answered(reply.info.status, read_whole(dialect, provider.name, await reply.read_body()))
        reader = ProbeReader(dialect, provider.name)
        while frames := await reply.receive():
            if any(map(reader.feed, frames)):
                return Answered(reply.info.status, reader.model)
        reader.close()
        return Answered(reply.info.status, reader.model)


async def _list_models(provider: HttpProvider) -> Answered:
    request = _get(provider.urls.models, provider.aside_headers({}), provider.config.connect_timeout_s)
    async with provider.client.open(request) as answer:
        if not is_good(answer.status):
            return await _without_a_list(provider, answer)
        check_model_list(provider.name, await _read_body(provider.name, answer))
        return Answered(answer.status)


async def _without_a_list(provider: HttpProvider, answer: HttpAnswer) -> Answered:
    """Return the answer of a server that offers no list. Raises ProviderFailed for any other refusal."""
    error = await read_error(answer)
    if error.status in _NO_LIST and server_state(error.status, error.text()) is None:
        return Answered(error.status)
    raise provider.failure(error)


async def _read_body(provider: str, answer: HttpAnswer) -> bytes:
    body = b""
    while chunk := await answer.read():
        body += chunk
        if len(body) > MAX_LIST_BYTES:
            raise bad_response(provider, f"the list of models is larger than {MAX_LIST_BYTES} bytes")
    return body


def _get(url: str, headers: tuple[tuple[bytes, bytes], ...], connect_s: float) -> HttpRequest:
    timeouts = HttpTimeouts(connect_s=connect_s, head_s=math.inf, idle_s=math.inf)
    return HttpRequest(url=url, headers=headers, timeouts=timeouts, method="GET")


def _failed(failure: ProviderFailed, cls: ProbeClass, began: float) -> ProbeResult:
    return ProbeResult(
        provider=failure.provider,
        cls=cls,
        verdict=verdict_of(failure.reason),
        started_at=began,
        latency_ms=_since_ms(began),
        reason=failure.reason,
        status=failure.status,
        message=failure.message[:MESSAGE_CHARS],
        retry_after_s=failure.retry_after_s,
    )


def _ready_url(config: ProviderConfig) -> str | None:
    return None if config.restart is None else config.restart.ready_url


def _since_ms(began: float) -> float:
    return (trio.current_time() - began) * 1000
