"""Money at real sockets: a cap holds against many at once, who leaves is booked, neither a stop nor a kill loses the month."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.fakes.plans import Plan
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MAX_TOKENS = 256  # of every request of `request_body`
USD_PER_TOKEN = 0.01
RESERVED_USD = MAX_TOKENS * USD_PER_TOKEN
AT_ONCE, WORTH = 20, 5
KEEPS_S = 1.0  # what is spent is on disk half a second after it
LIMIT_S = 60.0


def a_config(directory: Path, upstream: Upstream, cap_usd: float | None, *, kind: str = "openai_compat") -> str:
    """Return a router whose provider costs by the token of its answers."""
    cost = {"output_tokens_per_million": USD_PER_TOKEN * 1_000_000}
    if cap_usd is not None:
        cost["monthly_budget_usd"] = cap_usd
    priced = provider("priced", upstream.port, kind=kind, cost=cost)
    return router_config(free_port(), providers=[priced], server={"state_dir": str(directory / "state")})


async def ask(client: httpx.AsyncClient, api: Api, statuses: list[int], *, stream: bool = False) -> None:
    reply = await client.post(api, json=request_body(api, stream=stream))
    statuses.append(reply.status_code)


async def spend(running: Running) -> dict[str, Any]:
    """Return what the router says of its month."""
    async with open_client(running) as client:
        monthly: dict[str, Any] = (await client.get("/status")).json()["spend"]["monthly"]
        return monthly


async def settled(running: Running) -> float:
    """Return what is spent, as soon as nothing is reserved any more."""
    while (monthly := await spend(running))["reserved_usd"]:  # noqa: ASYNC110 - another process: there is no event to wait for
        await trio.sleep(0.02)
    return float(monthly["spent_usd"])


@pytest.mark.parametrize("kind", ["anthropic", "openai_compat"])
@pytest.mark.parametrize("api", Api)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_twenty_at_once_against_a_cap_worth_five_start_five_at_most(
    tmp_path: Path, tell: Callable[[str], None], api: Api, kind: str, *, stream: bool
) -> None:
    statuses: list[int] = []
    with trio.fail_after(LIMIT_S):
        async with (
            open_upstream(default=Plan(head_after_s=1.0)) as upstream,
            open_router(a_config(tmp_path, upstream, WORTH * RESERVED_USD, kind=kind), directory=tmp_path) as running,
        ):
            async with open_client(running) as client, trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(partial(ask, client, api, statuses, stream=stream))
            spent = await settled(running)

    counted = Counter(statuses)
    form = "stream" if stream else "whole"
    tell(f"{api} over {kind}, {form}: {len(upstream.exchanges)} of {AT_ONCE} began, answered {dict(counted)}")
    assert len(upstream.exchanges) == WORTH
    assert counted == {200: WORTH, 429: AT_ONCE - WORTH}  # of what is only reserved most comes free again
    assert spent == pytest.approx(WORTH * 3 * USD_PER_TOKEN)  # what they were: three tokens each


@pytest.mark.parametrize("kind", ["anthropic", "openai_compat"])
@pytest.mark.parametrize("api", Api)
async def test_a_client_that_leaves_its_stream_is_booked(
    tmp_path: Path, tell: Callable[[str], None], api: Api, kind: str
) -> None:
    with trio.fail_after(LIMIT_S):
        async with (
            open_upstream(default=Plan(deltas=1000, every_s=0.02)) as upstream,
            open_router(a_config(tmp_path, upstream, None, kind=kind), directory=tmp_path) as running,
        ):
            async with open_raw_request(running, api, request_body(api, stream=True)) as connection:
                seen = b""
                while b"word9 " not in seen:
                    seen += await connection.receive_some()
            await upstream.wait_until(lambda: upstream.aborts == 1)
            spent = await settled(running)

    tell(f"{api} over {kind}: {spent:.2f} USD booked for a stream that was left after 10 deltas of {USD_PER_TOKEN} USD")
    assert 10 * USD_PER_TOKEN <= spent < 30 * USD_PER_TOKEN


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
async def test_a_new_start_keeps_the_month(tmp_path: Path, ending: signal.Signals) -> None:
    statuses: list[int] = []
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream:
            config = a_config(tmp_path, upstream, 2 * 3 * USD_PER_TOKEN)
            async with open_router(config, directory=tmp_path) as running, open_client(running) as client:
                for _ in range(2):
                    await ask(client, Api.CHAT, statuses)
                before = await spend(running)
                if ending is signal.SIGKILL:
                    await trio.sleep(KEEPS_S)
                running.process.send_signal(ending)
                await running.process.wait()
            async with open_router(config, directory=tmp_path) as running, open_client(running) as client:
                after = await spend(running)
                await ask(client, Api.CHAT, statuses)

    assert before["spent_usd"] == pytest.approx(2 * 3 * USD_PER_TOKEN)
    assert after == before
    assert statuses == [200, 200, 402]
    assert len(upstream.exchanges) == 2
