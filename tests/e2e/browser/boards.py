"""Dashboards to look at: the scripted one on a real front."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.browser.scripted import ScriptedControl, ScriptedFacts, ScriptedLive, fill
from tests.e2e.front_harness import Served, open_front
from router.ingress.exchange import Exchange


@asynccontextmanager
async def open_scripted(*, tick_s: float = 1.0, admin_token: str | None = None) -> AsyncIterator[Served]:
    """Serve the scripted hour."""

    async def no_model(exchange: Exchange) -> None:
        await exchange.respond(500, [])

    async with open_front(
        no_model, facts=ScriptedFacts(), operators=ScriptedControl(), tick_s=tick_s, admin_token=admin_token, live=ScriptedLive()
    ) as served:
        fill(served.hub.series, served.hub.latest)
        yield served
