"""A daemon to look at: six providers, each in a state of its own, behind upstreams that keep to a script, and traffic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import frozen

from router.__main__ import main as commands
from tests.e2e.clients import Api, request_body
from tests.e2e.daemon import NO_TLS, Running, open_router, provider, router_config
from tests.e2e.healing import status_of
from tests.fakes.plans import Plan, failing
from tests.fakes.upstream import open_upstream

LONG = "workstation/qwen3-coder-30b-a3b-instruct-q4_k_m"
LIMITED, LOADING, WELL, DEAR, KEYLESS, SPARE = "free-tier", "big-one", "laptop", "vendor", "cloud", "spare"
PACE_S = 0.12  # between two requests
_SETTLED_S = 30.0
_LIMIT = failing(429, ("retry-after", "1500"))
_COST = {"input_tokens_per_million": 300.0, "output_tokens_per_million": 1500.0, "monthly_budget_usd": 20.0}


@frozen(kw_only=True)
class Ports:
    """Where the demo listens: the daemon and its upstreams. `nobody` stays closed."""

    daemon: int
    well: int
    dear: int
    loading: int
    limited: int
    nobody: int


@frozen
class Demo:
    """The running daemon with its configuration file."""

    running: Running
    config: Path

    async def ask_on(self) -> None:
        """Make requests one after the other, for ever: streams and whole answers, at both profiles."""
        async with httpx.AsyncClient(base_url=self.running.url, trust_env=False, verify=NO_TLS, timeout=30) as client:
            number = 0
            while True:
                number += 1
                await self._ask(client, number)
                await trio.sleep(PACE_S)

    async def settle(self) -> None:
        """Make requests until each provider is in the state that it is here for."""
        wanted = {LONG: "excluded", LIMITED: "cooldown", LOADING: "loading", KEYLESS: "unconfigured", WELL: "healthy"}
        async with httpx.AsyncClient(base_url=self.running.url, trust_env=False, verify=NO_TLS, timeout=30) as client:
            with trio.fail_after(_SETTLED_S):
                number = 0
                while not wanted.items() <= (await self._words()).items():
                    number += 1
                    await self._ask(client, number)
                    await trio.sleep(2 * PACE_S)

    async def _words(self) -> dict[str, str]:
        return {one["name"]: one["word"] for one in (await status_of(self.running))["providers"]}

    async def _ask(self, client: httpx.AsyncClient, number: int) -> None:
        profile = "writing" if number % 4 == 0 else "coding"
        api = Api.MESSAGES if number % 2 else Api.CHAT
        await client.post(api, json=request_body(api, stream=number % 3 == 0), headers={"x-router-profile": profile})


@asynccontextmanager
async def open_demo(ports: Ports, directory: Path) -> AsyncIterator[Demo]:
    """Run the daemon and its upstreams until the context is left."""
    async with (
        open_upstream(port=ports.well, default=Plan(deltas=6, every_s=0.02)),
        open_upstream(port=ports.dear, default=Plan(deltas=20, input_tokens=900)),
        open_upstream(port=ports.loading) as loading,
        open_upstream(port=ports.limited, default=_LIMIT),
    ):
        loading.is_loading = True
        config = router_config(
            ports.daemon,
            providers=_providers(ports),
            profiles={"coding": [LONG, LIMITED, LOADING, WELL, KEYLESS, SPARE], "writing": [LIMITED, DEAR, SPARE]},
            profile_keys={"backend_health_action": "exclude", "backend_health_threshold": 2, "recovery_probe_initial_s": 60},
        )
        if "audit" in commands.commands:
            config += "\n[audit]\nenabled = true\n"
        config = config.replace("[routing]\n", "[budget]\nmonthly_usd = 50.0\n\n[routing]\nallow_paid = true\n")
        async with open_router(config, directory=directory, env={"XDG_CONFIG_HOME": str(directory)}) as running:
            yield Demo(running, directory / "router.toml")


def _providers(ports: Ports) -> list[dict[str, Any]]:
    restart = {"mode": "oneshot", "argv": ["true"], "cooldown_s": 0}
    return [
        provider(LONG, ports.nobody, kind="openai_compat", restart=restart),
        provider(LIMITED, ports.limited, kind="openai_compat"),
        provider(LOADING, ports.loading, kind="openai_compat"),
        provider(WELL, ports.well, kind="openai_compat"),
        provider(DEAR, ports.dear, kind="anthropic", paid=True, cost=_COST),
        provider(KEYLESS, ports.dear, kind="anthropic", api_key_env="CLOUD_API_KEY"),
        provider(SPARE, ports.well, kind="openai_compat"),
    ]
