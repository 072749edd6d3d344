"""What stands between a client and its model: the tap, the router as it is run, and the model's end of the line."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import platformdirs
import tomlkit

from tests.clients.tap import Tap, open_tap
from tests.clients.upstream.server import KINDS, SPEAKERS, Death
from tests.e2e.daemon import ROOT, free_port, open_program, open_router, router_config

EMBEDDED = "embedded"  # the column of the real model
DEFAULTS = ROOT / "conf" / "router.toml"


@asynccontextmanager
async def open_direct(kind: str, directory: Path) -> AsyncIterator[Tap]:
    """Open a line without the router."""
    async with AsyncExitStack() as stack:
        port = await _start_upstream(stack, kind, directory, number=0, death=None)
        yield await stack.enter_async_context(open_tap(port))


@asynccontextmanager
async def open_scripted(kinds: Sequence[str], directory: Path, *, death: Death | None = None) -> AsyncIterator[Tap]:
    """Open a line with the router and a chain of scripted upstreams of these kinds; the first one may die."""
    async with AsyncExitStack() as stack:
        providers: list[dict[str, Any]] = []
        for number, kind in enumerate(kinds):
            port = await _start_upstream(stack, kind, directory, number=number, death=None if number else death)
            providers.append(provider_of(kind, port, name=f"{kind}-{number}"))
        config = router_config(free_port(), providers=providers)
        router = await stack.enter_async_context(open_router(config, directory=directory))
        yield await stack.enter_async_context(open_tap(router.port))


@asynccontextmanager
async def open_embedded(directory: Path) -> AsyncIterator[Tap]:
    """Open a line to the model of conf/router.toml; it is started by the first request and stopped with the router."""
    config = embedded_config(DEFAULTS.read_text(), port=free_port(), model_port=free_port())
    # the joined model lies in the user's cache: 1.1 GB that need not be joined anew
    env = {"XDG_CACHE_HOME": str(platformdirs.user_cache_path())}
    async with open_router(config, directory=directory, env=env) as router, open_tap(router.port) as tap:
        yield tap


def provider_of(kind: str, port: int, *, name: str) -> dict[str, Any]:
    """Return the `[[providers]]` table of a scripted upstream."""
    base_url = f"http://127.0.0.1:{port}{SPEAKERS[kind].base_path}"
    return {"name": name, "kind": kind, "base_url": base_url, "model": "scripted"}


def embedded_config(defaults: str, *, port: int, model_port: int) -> str:
    """Return a configuration of the embedded provider alone: as it is in the default one, but for its port."""
    provider = next(entry for entry in tomllib.loads(defaults)["providers"] if entry["name"] == EMBEDDED)
    text = tomlkit.dumps(provider).replace("8089", str(model_port))
    return router_config(port, providers=[tomllib.loads(text)])


def next_kind(kind: str) -> str:
    """Return the API of the provider that takes over: another one than the first provider's."""
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]


async def _start_upstream(stack: AsyncExitStack, kind: str, directory: Path, *, number: int, death: Death | None) -> int:
    port = free_port()
    argv = ["-m", "tests.clients.upstream", "--kind", kind, "--port", str(port)]
    argv += ["--record", str(directory / f"upstream-{number}.jsonl")]
    argv += ["--death", death] if death is not None else []
    await stack.enter_async_context(open_program(argv, port=port, directory=directory, ready_path="/health"))
    return port
