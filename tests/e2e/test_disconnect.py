"""A client that leaves takes its upstream call with it: at once, in every phase, in every dialect.

The upstream's own socket says so, with the time at which it saw the close (demand R-01 to R-09, R-12)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import trio
from attrs import frozen

from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.conftest import Size
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.fakes.plans import BEFORE_HEAD, Break, How, Plan
from tests.fakes.upstream import Exchange, Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEEN_WITHIN_S = 5.0  # no close may be missed; how fast it is seen is a figure
P99_BOUND_S = 0.25  # 50 ms on a quiet machine, as ROUTER_E2E_FULL=1 prints; room for a busy one here
BACK_WITHIN_S = 8.0  # idle connections on both sides have gone by then
KINDS = ("anthropic", "openai_compat")


@frozen(kw_only=True)
class Phase:
    """What the upstream has sent when the client leaves; the client of a stream has read as much."""

    name: str
    after: int
    awaited: bytes  # what a streaming client reads before it leaves


BEFORE_FIRST_BYTE = Phase(name="before the first byte", after=BEFORE_HEAD, awaited=b"")
AFTER_FIRST_BYTE = Phase(name="after the first byte", after=2, awaited=b"word1")


@pytest.fixture(params=KINDS)
async def router(request: pytest.FixtureRequest, upstream: Upstream, size: Size, tmp_path: Path) -> AsyncIterator[Running]:
    """Run a router whose provider has exactly as many places as a cell has clients: one that leaks is missed later."""
    entry = provider("only", upstream, kind=request.param, timeout_s=60, max_concurrency=size.clients)
    async with open_router(router_config(free_port(), providers=[entry]), directory=tmp_path) as running:
        await ask(running, Api.MESSAGES)
        yield running


async def ask(running: Running, api: Api) -> int:
    """Return the status of an ordinary request."""
    async with open_client(running) as client:
        return (await client.post(api, json=request_body(api, stream=False))).status_code


async def leave(running: Running, api: Api, number: int, left_at: dict[str, float], *, stream: bool, phase: Phase) -> None:
    """Send one request, leave in the phase, and note when."""
    text = f"client {number}."
    async with open_raw_request(running, api, request_body(api, stream=stream, text=text)) as connection:
        received = b""
        while stream and phase.awaited not in received:
            received += await connection.receive_some(65_536)
        await trio.sleep(0.2 + number * 0.01)  # one after the other, when all of them wait
        left_at[text] = time.monotonic()


def seen_after(exchange: Exchange, left_at: dict[str, float]) -> float:
    """Return the seconds from the client's close to the upstream's sight of it."""
    assert exchange.client_gone_at is not None
    return exchange.client_gone_at - next(at for text, at in left_at.items() if text.encode() in exchange.body)


@pytest.mark.parametrize("api", Api)
@pytest.mark.parametrize("phase", [BEFORE_FIRST_BYTE, AFTER_FIRST_BYTE], ids=lambda phase: phase.name)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_upstream_sees_every_client_that_leaves(
    router: Running, upstream: Upstream, size: Size, tell: Callable[[str], None], *, api: Api, phase: Phase, stream: bool
) -> None:
    descriptors = router.descriptors()
    upstream.exchanges.clear()
    upstream.script(*[Plan(fault=Break(how=How.STALL, after=phase.after))] * size.clients)
    left_at: dict[str, float] = {}

    async with trio.open_nursery() as nursery:
        for number in range(size.clients):
            nursery.start_soon(partial(leave, router, api, number, left_at, stream=stream, phase=phase))
    with trio.move_on_after(SEEN_WITHIN_S):
        await upstream.wait_until(lambda: upstream.aborts == size.clients)

    assert upstream.aborts == size.clients, "a client left and its upstream call went on"
    delays = sorted(seen_after(exchange, left_at) for exchange in upstream.exchanges)
    p99 = delays[int(len(delays) * 0.99)]
    tell(f"{api} {'stream' if stream else 'whole'} {phase.name}: p50 {median(delays) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
    assert p99 < P99_BOUND_S
    await assert_all_is_given_back(router, size, api, descriptors)


async def assert_all_is_given_back(router: Running, size: Size, api: Api, descriptors: int) -> None:
    """Check that the provider has all its places again, nothing is in flight and the sockets are gone."""
    statuses: list[int] = []

    async def one() -> None:
        statuses.append(await ask(router, api))

    async with trio.open_nursery() as nursery:
        for _ in range(size.clients):
            nursery.start_soon(one)

    assert statuses == [200] * size.clients
    async with open_client(router) as client:
        assert (await client.get("/status")).json()["in_flight"] == 0
    with trio.move_on_after(BACK_WITHIN_S):
        await router.wait_descriptors(descriptors)
    assert router.descriptors() <= descriptors
