"""The adapter, its HTTP client and a failing upstream on real sockets: every refusal has its reason, nothing stays open."""

from __future__ import annotations

import pytest
import trio

from router.config.secret import Secrets
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.ports import UpstreamCall
from router.providers.adapter import HttpProvider, build_provider
from router.providers.http import HttpxClient
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, a_provider
from tests.fakes.plans import CATALOGUE, How, Plan
from tests.fakes.upstream import Upstream, open_upstream
from tests.router.providers.rig import Leases, same_dialect

pytestmark = pytest.mark.e2e

R = FailureReason
REFUSALS = {
    "status-400": R.CLIENT_ERROR,
    "status-401": R.AUTH,
    "status-404": R.MODEL_MISSING,
    "status-429": R.RATE_LIMIT,
    "status-500": R.UPSTREAM_5XX,
    "status-503": R.UPSTREAM_5XX,
    "status-529": R.OVERLOADED,
    "html-502": R.UPSTREAM_5XX,
    "redirect": R.REDIRECT,
    "not-http": R.CONNECTION,
    "stall-before-head": R.TIMEOUT,
    "reset-before-head": R.CONNECTION,
    "close-before-head": R.CONNECTION,
    "stall-after-head": R.TIMEOUT,
    "reset-after-head": R.CONNECTION,
    "close-after-head": R.CONNECTION,
}
BODIES = {
    ANTHROPIC: b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"stream":%b}',
    CHAT: b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":%b}',
}


def a_provider_of(upstream: Upstream, dialect: DialectName, **keys: object) -> HttpProvider:
    kind, url = ("anthropic", upstream.anthropic_url) if dialect is ANTHROPIC else ("openai_compat", upstream.chat_url)
    config = a_provider("p", kind=kind, base_url=url, **keys)
    return build_provider(config, Secrets(), Leases(), RememberingObserver())


def a_call(dialect: DialectName, *, stream: bool) -> UpstreamCall:
    return same_dialect(BODIES[dialect] % (b"true" if stream else b"false"), dialect, stream=stream)


async def read_all(provider: HttpProvider, call: UpstreamCall) -> bytes:
    async with provider.open(call) as reply:
        if not reply.info.is_event_stream:
            return await reply.read_body()
        raw = b""
        while frames := await reply.receive():
            raw += b"".join(frame.raw for frame in frames)
        return raw


def connections(provider: HttpProvider) -> tuple[int, int]:
    assert isinstance(provider.client, HttpxClient)
    return provider.client.connections


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
@pytest.mark.parametrize("plan", REFUSALS)
async def test_every_refusal_has_its_reason_and_leaves_nothing_open(
    plan: str,
    dialect: DialectName,
    stream: bool,  # noqa: FBT001 - a column
) -> None:
    async with open_upstream(default=CATALOGUE[plan]) as upstream:
        provider = a_provider_of(upstream, dialect, first_byte_timeout_s=0.1 if "stall" in plan else 10)

        with pytest.raises(ProviderFailed) as caught:
            await read_all(provider, a_call(dialect, stream=stream))

        assert caught.value.reason is REFUSALS[plan]
        assert connections(provider)[0] == 0
        await provider.aclose()
        with trio.fail_after(5):
            await upstream.wait_until(lambda: upstream.connections_open == 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
async def test_an_answer_comes_whole_and_its_connection_is_kept(
    dialect: DialectName,
    stream: bool,  # noqa: FBT001 - a column
) -> None:
    async with open_upstream() as upstream:
        provider = a_provider_of(upstream, dialect)

        for _ in range(2):
            assert b"word1" in await read_all(provider, a_call(dialect, stream=stream))

        assert connections(provider) == (0, 1)
        assert upstream.connections_total == 1
        await provider.aclose()


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_refused_request_keeps_its_connection(status: int) -> None:
    async with open_upstream(default=Plan(status=status)) as upstream:
        provider = a_provider_of(upstream, CHAT)
        for _ in range(3):
            with pytest.raises(ProviderFailed):
                await read_all(provider, a_call(CHAT, stream=True))

        assert upstream.connections_total == 1
        await provider.aclose()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", [How.STALL, How.END])
async def test_an_idle_limit_is_a_timeout_and_an_early_end_is_left_to_the_reader(
    how: How,
    stream: bool,  # noqa: FBT001 - a column
) -> None:
    async with open_upstream(default=Plan().broken(how, 1)) as upstream:
        provider = a_provider_of(upstream, CHAT, idle_timeout_s=0.1)

        if how is How.STALL:
            with pytest.raises(ProviderFailed) as caught:
                await read_all(provider, a_call(CHAT, stream=stream))
            assert caught.value.reason is FailureReason.TIMEOUT
        else:
            assert b"[DONE]" not in await read_all(provider, a_call(CHAT, stream=stream))
        await provider.aclose()
