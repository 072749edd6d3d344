"""Two real routers that ask each other: a request goes round once and is told; in a row they are no loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.daemon import NO_TLS, Running, free_port, open_router, provider, router_config
from tests.fakes.upstream import Upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ASKED = {"model": "any", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello."}]}


@asynccontextmanager
async def two_routers(upstream: Upstream, directory: Path) -> AsyncIterator[tuple[Running, Running]]:
    """Yield a first one that asks the second, and a second whose profile `round` asks the first, and `on` the upstream."""
    ports = free_port(), free_port()
    chains = {"on": ["upstream"], "round": ["back", "upstream"]}
    entries = [provider("upstream", upstream.port), provider("back", ports[0], headers={"x-router-profile": "round"})]
    second = router_config(ports[1], providers=entries, profiles=chains)
    chains = {"on": ["row"], "round": ["circle"]}
    entries = [
        provider(name, ports[1], headers={"x-router-profile": there}) for name, there in (("row", "on"), ("circle", "round"))
    ]
    first = router_config(ports[0], providers=entries, profiles=chains)
    for name, text in (("first", first), ("second", second)):
        (directory / name).mkdir()
        (directory / name / "router.toml").write_text(text)
    async with (
        open_router(first, directory=directory / "first") as one,
        open_router(second, directory=directory / "second") as two,
    ):
        yield one, two


async def ask(router: Running, profile: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=router.url, trust_env=False, verify=NO_TLS) as client:
        return await client.post("/v1/messages", json=ASKED, headers={"x-router-profile": profile})


def refusals(router: Running) -> list[str]:
    return [told["kind"] for line in router.log.splitlines() if (told := json.loads(line))["event"] == "request-refused"]


async def test_a_request_goes_round_once_and_two_routers_in_a_row_are_no_loop(upstream: Upstream, tmp_path: Path) -> None:
    async with two_routers(upstream, tmp_path) as (one, two):
        row, circle = await ask(one, "on"), await ask(one, "round")

    assert (row.status_code, circle.status_code) == (200, 200)  # the second has somebody else to ask
    assert (refusals(one), refusals(two)) == (["loop_detected"], [])
    assert len(upstream.exchanges) == 2
