"""`python -m tests.e2e.browser.traffic URL`: clients that ask a router without a pause until they are ended.

A process of its own, as the tests count the descriptors of theirs."""

from __future__ import annotations

import sys
from contextlib import suppress

import httpx
import trio

from tests.e2e.clients import Api, request_body
from tests.e2e.daemon import NO_TLS

CLIENTS = 4
APART_S = 0.7  # so that their answers end at different times


async def main(url: str) -> None:
    """Ask until cancelled."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=30, verify=NO_TLS, trust_env=False) as client,
        trio.open_nursery() as nursery,
    ):
        for number in range(CLIENTS):
            nursery.start_soon(_ask_on, client, number * APART_S)


async def _ask_on(client: httpx.AsyncClient, first_after_s: float) -> None:
    """Ask again and again; how it ends is the dashboard's to show."""
    await trio.sleep(first_after_s)
    while True:
        with suppress(httpx.TransportError):
            await client.post(Api.MESSAGES, json=request_body(Api.MESSAGES, stream=True), headers={"x-router-profile": "pair"})
        await trio.sleep(0.1)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(main, sys.argv[1])
