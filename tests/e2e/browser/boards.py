"""Dashboards to look at: the scripted one on a real front, and that of a whole router under traffic."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from attrs import define

from router.ingress.exchange import Exchange
from tests.e2e.browser.scripted import ScriptedControl, ScriptedFacts, ScriptedLive, fill
from tests.e2e.daemon import ROOT, Running, free_port, open_program, open_router, provider, router_config
from tests.e2e.front_harness import Served, open_front


@asynccontextmanager
async def open_scripted(*, tick_s: float = 1.0, port: int = 0, tokens: tuple[str, ...] = ()) -> AsyncIterator[Served]:
    """Serve the scripted hour."""

    async def no_model(exchange: Exchange) -> None:
        await exchange.respond(500, [])

    async with open_front(
        no_model, facts=ScriptedFacts(), operators=ScriptedControl(), tick_s=tick_s, port=port, tokens=tokens, live=ScriptedLive()
    ) as served:
        fill(served.hub.views.series, served.hub.views.latest)
        yield served


@define(eq=False, kw_only=True)
class Busy:
    """A router under traffic: `alpha`, whose answers take 4 s and cost nothing, then `beta`, whose are short and paid."""

    router: Running
    alpha: Running

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return f"{self.router.url}/dashboard"


@asynccontextmanager
async def open_busy() -> AsyncIterator[Busy]:
    """Run a router, two upstreams and clients that ask without a pause, all as processes but the clients."""
    with TemporaryDirectory() as scratch:
        async with AsyncExitStack() as stack:
            alpha, beta = [await stack.enter_async_context(_upstream(Path(scratch))) for _ in range(2)]
            providers = [
                provider("alpha", alpha.port, kind="openai_compat") | {"model": "paced"},
                provider("beta", beta.port, cost={"output_tokens_per_million": 20_000.0}) | {"model": "slow-head"},
            ]
            config = router_config(
                free_port(),
                providers=providers,
                profiles={"solo": ["alpha"], "pair": ["alpha", "beta"]},
                server={"state_dir": str(Path(scratch) / "state")},
                profile_keys={"backend_health_action": "exclude", "backend_health_threshold": 2},
            )
            router = await stack.enter_async_context(open_router(config, directory=Path(scratch)))
            await stack.enter_async_context(_traffic(router.url))
            yield Busy(router=router, alpha=alpha)


def _upstream(directory: Path) -> AbstractAsyncContextManager[Running]:
    port = free_port()
    return open_program(("-m", "tests.fakes.upstream", "--port", str(port)), port=port, directory=directory, ready_path="/health")


@asynccontextmanager
async def _traffic(url: str) -> AsyncIterator[None]:
    argv = [sys.executable, "-m", "tests.e2e.browser.traffic", url]
    process = await trio.lowlevel.open_process(argv, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
