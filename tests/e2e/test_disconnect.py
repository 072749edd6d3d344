"""A client that leaves takes its upstream call with it: at once, in every phase, in every dialect.

The upstream's own socket says so, with the time at which it saw the close (demand R-01 to R-09, R-12)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from statistics import median

import pytest
import trio
from attrs import frozen

from router.domain.request import DialectName
from router.wire.registry import DIALECTS
from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.conftest import Size
from tests.e2e.daemon import Running
from tests.fakes.plans import BEFORE_HEAD, Break, How, Plan
from tests.fakes.upstream import Exchange, Upstream
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SEEN_WITHIN_S = 5.0  # no close may be missed; how fast it is seen is a figure
P99_BOUND_S = 0.25  # 50 ms on a quiet machine, as ROUTER_E2E_FULL=1 prints; room for a busy one here


@frozen(kw_only=True)
class Phase:
    """What the upstream has sent when the client leaves; the client of a stream has read as much."""

    name: str
    after: int
    awaited: bytes  # what a streaming client reads before it leaves


BEFORE_FIRST_BYTE = Phase(name="before the first byte", after=BEFORE_HEAD, awaited=b"")
AFTER_FIRST_BYTE = Phase(name="after the first byte", after=2, awaited=b"word1")
PHASES = (BEFORE_FIRST_BYTE, AFTER_FIRST_BYTE)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_upstream_sees_every_client_that_leaves(
    router: Running,
    upstream: Upstream,
    size: Size,
    tell: Callable[[str], None],
    *,
    dialect: DialectName,
    phase: Phase,
    stream: bool,
) -> None:
    delays = await departures(router, upstream, size, dialect, phase, stream=stream)

    p99 = delays[int(len(delays) * 0.99)]
    tell(f"{dialect} {'stream' if stream else 'whole'}, {phase.name}: p50 {median(delays) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
    assert p99 < P99_BOUND_S


async def test_departed_clients_leave_nothing_behind(
    router: Running, upstream: Upstream, size: Size, tell: Callable[[str], None]
) -> None:
    for stream, phase, dialect in product([True, False], PHASES, DIALECTS):
        await departures(router, upstream, size, dialect, phase, stream=stream)

    statuses: list[int] = []
    async with trio.open_nursery() as nursery:
        for _ in range(size.clients):
            nursery.start_soon(ask, router, Api.MESSAGES, statuses)

    assert statuses == [200] * size.clients, "a departed client keeps a place of its provider"
    async with open_client(router) as client:
        assert (await client.get("/status")).json()["in_flight"] == 0
    after = await router.settled_descriptors()
    gone = 4 * len(DIALECTS) * size.clients
    tell(f"descriptors at the start and after {gone} departures: {router.descriptors_at_start}, {after}")
    assert after <= router.descriptors_at_start


async def departures(
    router: Running, upstream: Upstream, size: Size, dialect: DialectName, phase: Phase, *, stream: bool
) -> list[float]:
    """Have the clients leave, one after the other; return when the upstream saw it, in seconds, in order of size."""
    upstream.exchanges.clear()
    aborts_before = upstream.aborts
    upstream.script(*[Plan(fault=Break(how=How.STALL, after=phase.after))] * size.clients)
    left_at: dict[str, float] = {}
    async with trio.open_nursery() as nursery:
        for number in range(size.clients):
            nursery.start_soon(partial(leave, router, dialect, number, left_at, stream=stream, phase=phase))
    with trio.move_on_after(SEEN_WITHIN_S):
        await upstream.wait_until(lambda: upstream.aborts - aborts_before == size.clients)
    assert upstream.aborts - aborts_before == size.clients, "a client left and its upstream call went on"
    return sorted(seen_after(exchange, left_at) for exchange in upstream.exchanges)


async def leave(
    running: Running, dialect: DialectName, number: int, left_at: dict[str, float], *, stream: bool, phase: Phase
) -> None:
    """Send one request, leave in the phase, and note when."""
    text = f"client {number}."
    path, body = SPEAKERS[dialect].ask(Ask(text=text), stream=stream)
    async with open_raw_request(running, path, body) as connection:
        received = b""
        while stream and phase.awaited not in received:
            received += await connection.receive_some(65_536)
        await trio.sleep(0.2 + number * 0.01)  # one after the other, when all of them wait
        left_at[text] = time.monotonic()


def seen_after(exchange: Exchange, left_at: dict[str, float]) -> float:
    """Return the seconds from the client's close to the upstream's sight of it."""
    assert exchange.client_gone_at is not None
    return exchange.client_gone_at - next(at for text, at in left_at.items() if text.encode() in exchange.body)


async def ask(running: Running, api: Api, statuses: list[int]) -> None:
    """Note the status of an ordinary request."""
    async with open_client(running) as client:
        statuses.append((await client.post(api, json=request_body(api, stream=False))).status_code)
