"""Fixtures of the end-to-end tests: real sockets, real processes, no virtual clock.

`ROUTER_E2E_FULL=1` runs them at the size of the acceptance lines (40 clients a cell, 1,000 broken streams). What they
measured is told in a section of its own after the run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import pytest
from attrs import frozen

from tests.e2e.daemon import Running, free_port, held_open, open_router, provider, router_config
from tests.fakes.upstream import Upstream, open_upstream


@frozen(kw_only=True)
class Size:
    """How much load a test makes."""

    clients: int
    broken_streams: int


FIGURES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Return the function that adds a line to the figures."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


@pytest.fixture(scope="session")
def size() -> Size:
    if os.environ.get("ROUTER_E2E_FULL"):
        return Size(clients=40, broken_streams=1000)
    return Size(clients=5, broken_streams=200)


@pytest.fixture(scope="session")
def upstream_port() -> int:
    return free_port()


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[Upstream]:
    """Listen anew for each test, always on the port that the shared routers know."""
    async with open_upstream(port=upstream_port) as fake:
        yield fake


@pytest.fixture(scope="session", params=("anthropic", "openai_compat"))
def router(
    request: pytest.FixtureRequest, upstream_port: int, size: Size, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Share one router per kind of upstream; tests that change or end theirs start their own.

    Its provider has as many places as a test has clients at once: a place that leaks is missed by the next."""
    entry = provider("only", upstream_port, kind=request.param, timeout_s=60, max_concurrency=size.clients)
    config = router_config(free_port(), providers=[entry])
    with held_open(partial(open_router, config, directory=tmp_path_factory.mktemp(request.param))) as running:
        yield running
