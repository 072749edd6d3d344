"""SIGTERM lets open streams end, cuts what takes too long in the dialect's own words, and exits 0."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.e2e.clients import Api, Event, open_client, read_events, request_body, text_of
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.e2e.endings import Ending, ending_of_body
from tests.fakes.plans import Plan
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

STREAMS = 20
DELTAS = 75
EVERY_S = 0.02
DRAIN_S = 1.0


async def collect(running: Running, api: Api, streams: list[list[Event]]) -> None:
    """Read one stream to its end."""
    body = request_body(api, stream=True)
    async with open_client(running) as client, client.stream("POST", api, json=body) as reply:
        streams.append(await read_events(reply))


async def terminate_amid_streams(running: Running, upstream: Upstream, streams: list[list[Event]]) -> float:
    """Open the streams, half in each dialect, send SIGTERM when all of them flow; return the seconds until the exit."""
    async with trio.open_nursery() as nursery:
        for number in range(STREAMS):
            nursery.start_soon(collect, running, list(Api)[number % 2], streams)
        await upstream.wait_until(lambda: sum(exchange.deltas_sent > 1 for exchange in upstream.exchanges) == STREAMS)
        running.process.send_signal(signal.SIGTERM)
        told_at = time.monotonic()
        await running.process.wait()
        ended_at = time.monotonic()
    return ended_at - told_at


async def test_open_streams_end_whole_and_the_exit_code_is_0(
    upstream: Upstream, tell: Callable[[str], None], tmp_path: Path
) -> None:
    upstream.default = Plan(deltas=DELTAS, every_s=EVERY_S)
    config = router_config(free_port(), providers=[provider("only", upstream.port)])
    streams: list[list[Event]] = []

    async with open_router(config, directory=tmp_path) as running:
        took_s = await terminate_amid_streams(running, upstream, streams)
        exit_code = await running.stop()

    tell(f"{STREAMS} open streams drained in {took_s:.2f} s")
    assert exit_code == 0
    assert took_s < DELTAS * EVERY_S + 2
    assert len(streams) == STREAMS
    assert all(sum(bool(text_of(_api(events), event)) for event in events) == DELTAS for events in streams)


async def test_what_outlasts_the_limit_ends_in_the_dialects_error(
    upstream: Upstream, tell: Callable[[str], None], tmp_path: Path
) -> None:
    upstream.default = Plan(deltas=10_000, every_s=EVERY_S)
    server = {"drain_timeout_s": DRAIN_S}
    config = router_config(free_port(), providers=[provider("only", upstream.port)], server=server)
    streams: list[list[Event]] = []

    async with open_router(config, directory=tmp_path) as running:
        took_s = await terminate_amid_streams(running, upstream, streams)
        exit_code = await running.stop()

    tell(f"{STREAMS} endless streams cut after {took_s:.2f} s")
    assert exit_code == 0
    assert DRAIN_S * 0.9 < took_s < DRAIN_S + 2
    assert len(streams) == STREAMS
    for events in streams:
        if _api(events) is Api.MESSAGES:
            assert events[-1].json()["type"] == "error"
        else:
            assert "error" in events[-2].json()
            assert events[-1].data == "[DONE]"


@pytest.mark.parametrize("api", Api)
async def test_who_comes_during_the_drain_is_sent_away_in_its_own_words(upstream: Upstream, tmp_path: Path, api: Api) -> None:
    upstream.default = Plan(deltas=DELTAS, every_s=EVERY_S)
    config = router_config(free_port(), providers=[provider("only", upstream.port)])
    streams: list[list[Event]] = []

    async with open_router(config, directory=tmp_path) as running, trio.open_nursery() as nursery:
        nursery.start_soon(collect, running, Api.MESSAGES, streams)
        await upstream.wait_until(lambda: bool(upstream.exchanges) and upstream.exchanges[0].deltas_sent > 1)
        running.process.send_signal(signal.SIGTERM)
        await trio.sleep(0.2)
        async with open_client(running) as client:
            refused = await client.post(api, json=request_body(api, stream=True))
            ready = await client.get("/readyz")

    assert refused.status_code == ready.status_code == 503
    assert refused.headers["retry-after"] == "5"
    assert ending_of_body(api, refused) is Ending.ERROR
    assert len(streams) == 1


def _api(events: list[Event]) -> Api:
    return Api.CHAT if '"chat.completion.chunk"' in events[0].data else Api.MESSAGES
