"""`on_disconnect = "drain"` on real sockets: the upstream finishes for a client that has left, within the budget."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.fakes.plans import Plan
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DELTAS, EVERY_S = 40, 0.02
PATIENCE_S = 10.0
PAIRS = [(Api.MESSAGES, "anthropic"), (Api.MESSAGES, "openai_compat"), (Api.CHAT, "anthropic"), (Api.CHAT, "openai_compat")]


@asynccontextmanager
async def reading_on(upstream: Upstream, directory: Path, kind: str = "anthropic", **keys: float) -> AsyncIterator[Running]:
    entry = provider("only", upstream.port, kind=kind, on_disconnect="drain", max_concurrency=1, queue_timeout_s=0, **keys)
    config = router_config(free_port(), providers=[entry], server={"log_format": "json"})
    async with open_router(config, directory=directory) as running:
        yield running


async def leave(running: Running, api: Api, *, stream: bool = True) -> None:
    """Ask, and leave: a stream at its first word, a whole answer before its head."""
    async with open_raw_request(running, api, request_body(api, stream=stream)) as connection:
        received = b""
        while stream and b"word1" not in received:
            received += await connection.receive_some(65_536)
        if not stream:
            await trio.sleep(0.3)


async def lines_of(running: Running) -> list[dict[str, Any]]:
    """Return the `request-complete` lines as soon as there is one."""
    with trio.fail_after(PATIENCE_S):
        while "request-complete" not in running.log:  # noqa: ASYNC110 - another process's log: there is no event to wait for
            await trio.sleep(0.02)
    lines = (json.loads(line) for line in running.log.splitlines() if "request-complete" in line)
    return [line for line in lines if line["event"] == "request-complete"]


@pytest.mark.parametrize(("api", "kind"), PAIRS)
async def test_the_upstream_finishes_and_its_usage_is_known(upstream: Upstream, tmp_path: Path, api: Api, kind: str) -> None:
    upstream.default = Plan(deltas=DELTAS, every_s=EVERY_S)

    async with reading_on(upstream, tmp_path, kind) as running:
        await leave(running, api)
        (line,) = await lines_of(running)
        descriptors = await running.settled_descriptors()

    (exchange,) = upstream.exchanges
    assert (exchange.client_gone_at, exchange.deltas_sent) == (None, DELTAS)
    assert (line["outcome"], line["drained"], line["estimated"]) == ("cancelled-midstream", "whole", False)
    assert line["input_tokens"] == upstream.default.input_tokens
    assert line["drained_bytes"] > 0
    assert descriptors <= running.descriptors_at_start


@pytest.mark.parametrize("api", Api)
async def test_a_whole_answer_is_finished_too(upstream: Upstream, tmp_path: Path, api: Api) -> None:
    upstream.default = Plan(head_after_s=1.0)

    async with reading_on(upstream, tmp_path) as running:
        await leave(running, api, stream=False)
        (line,) = await lines_of(running)

    assert upstream.exchanges[0].client_gone_at is None
    assert (line["outcome"], line["drained"], line["status"]) == ("cancelled-before-head", "whole", None)


async def test_its_place_is_held_until_then_and_free_afterwards(upstream: Upstream, tmp_path: Path) -> None:
    upstream.default = Plan(deltas=DELTAS, every_s=EVERY_S)

    async with reading_on(upstream, tmp_path) as running, open_client(running) as client:
        await leave(running, Api.CHAT)
        meanwhile = (await client.get("/status")).json()
        refused = await client.post(Api.CHAT, json=request_body(Api.CHAT, stream=False))
        with trio.fail_after(PATIENCE_S):
            await upstream.wait_until(lambda: upstream.exchanges[0].finished_at is not None)
        await lines_of(running)
        answered = await client.post(Api.CHAT, json=request_body(Api.CHAT, stream=False))

    assert (meanwhile["in_flight"], meanwhile["providers"][0]["in_flight"]) == (1, 1)
    assert refused.status_code == 503
    assert answered.status_code == 200


@pytest.mark.parametrize("keys", [{"drain_max_s": 0.3}, {"drain_max_bytes": 2000}], ids=["seconds", "bytes"])
async def test_past_its_budget_the_upstream_is_left(upstream: Upstream, tmp_path: Path, keys: dict[str, float]) -> None:
    upstream.default = Plan(deltas=10_000, every_s=EVERY_S)

    async with reading_on(upstream, tmp_path, "anthropic", **keys) as running:
        await leave(running, Api.MESSAGES)
        with trio.fail_after(PATIENCE_S):
            await upstream.wait_until(lambda: upstream.aborts == 1)
        (line,) = await lines_of(running)
        async with open_client(running) as client:
            status = (await client.get("/status")).json()

    assert (line["drained"], line["chain"], line["estimated"]) == ("cut", ["only:cut"], True)
    assert status["providers"][0]["state"] == "configured"


async def test_a_stop_does_not_wait_for_it(upstream: Upstream, tmp_path: Path) -> None:
    upstream.default = Plan(deltas=10_000, every_s=EVERY_S)

    async with reading_on(upstream, tmp_path) as running:
        await leave(running, Api.MESSAGES)
        await trio.sleep(0.2)
        told_at = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        exit_code = await running.process.wait()
        took_s = time.monotonic() - told_at
        (line,) = await lines_of(running)

    assert exit_code == 0
    assert took_s < PATIENCE_S / 2
    assert upstream.aborts == 1
    assert line["drained"] == "cut"
