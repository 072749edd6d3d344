"""The processes of one bench: the mock upstream beside the load generator on one core, the proxies on the other."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from attrs import frozen

from tests.bench.load import Target
from tests.e2e.daemon import Running, free_port, open_program, router_config

DIRECT = "direct"
BARE = "bare proxy"
ROUTER = "router"
TRANSLATED = "router, translated"


@frozen(kw_only=True)
class Measured:
    """One target of the table and the process behind it; None for going direct."""

    target: Target
    process: Running | None


@frozen(kw_only=True)
class Stage:
    """Everything that runs."""

    mock_port: int
    measured: tuple[Measured, ...]


@asynccontextmanager
async def open_stage(directory: Path, *, with_router: bool) -> AsyncIterator[Stage]:
    """Start mock, bare proxy and router, pinned; this process joins the mock's core."""
    load_core, proxy_core = split_cores()
    os.sched_setaffinity(0, load_core)
    async with AsyncExitStack() as stack:
        mock_port = await stack.enter_async_context(open_mock(directory, load_core))
        measured = [Measured(target=Target(name=DIRECT, port=mock_port), process=None)]
        bare = await stack.enter_async_context(open_bare_proxy(mock_port, directory, proxy_core))
        measured.append(Measured(target=Target(name=BARE, port=bare.port), process=bare))
        if with_router:
            router = await stack.enter_async_context(open_measured_router(mock_port, directory, proxy_core))
            measured.append(Measured(target=Target(name=ROUTER, port=router.port), process=router))
            chat = (("x-router-profile", "translated"),)
            translated = Target(name=TRANSLATED, port=router.port, headers=chat)
            measured.append(Measured(target=translated, process=router))
        yield Stage(mock_port=mock_port, measured=tuple(measured))


@asynccontextmanager
async def open_mock(directory: Path, cores: frozenset[int]) -> AsyncIterator[int]:
    """Start the mock upstream and yield its port."""
    port = free_port()
    async with open_program(
        ("-m", "tests.bench.mock_upstream", "--port", str(port)), port=port, directory=directory, cores=cores
    ):
        yield port


@asynccontextmanager
async def open_bare_proxy(mock_port: int, directory: Path, cores: frozenset[int]) -> AsyncIterator[Running]:
    """Start the bare proxy in front of the mock."""
    port = free_port()
    argv = ("-m", "tests.bench.bare_proxy", "--port", str(port), "--upstream", f"http://127.0.0.1:{mock_port}")
    async with open_program(argv, port=port, directory=directory, cores=cores) as running:
        yield running


@asynccontextmanager
async def open_measured_router(mock_port: int, directory: Path, cores: frozenset[int]) -> AsyncIterator[Running]:
    """Start the router in front of the mock: one profile relays Messages, the other translates to chat."""
    port = free_port()
    url = f"http://127.0.0.1:{mock_port}"
    native = {"name": "native", "kind": "anthropic", "base_url": url, "model": "bench", "timeout_s": 60}
    chat = {"name": "chat", "kind": "openai_compat", "base_url": f"{url}/v1", "model": "bench", "timeout_s": 60}
    profiles = {"native": ["native"], "translated": ["chat"]}
    # clients that ask anew at once meet their last answer's clean-up; the bare proxy has no limit at all
    server = {"max_in_flight": 1024, "state_dir": str(directory / f"state-{port}")}  # two of them may run
    config = router_config(port, providers=[native, chat], profiles=profiles, server=server)
    path = directory / f"router-{port}.toml"
    path.write_text(config)
    argv = ("-m", "router", "serve", "--config", str(path))
    async with open_program(argv, port=port, directory=directory, cores=cores) as running:
        yield running


def split_cores() -> tuple[frozenset[int], frozenset[int]]:
    """Return the core of load and mock, and the core of the measured process; the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return frozenset(cores[:1]), frozenset(cores[-1:])
