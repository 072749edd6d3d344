"""Fixtures of the end-to-end tests: real sockets, real processes, no virtual clock.

`ROUTER_E2E_FULL=1` runs them at the size of the acceptance lines (40 clients a cell, 1,000 broken streams). What they
measured is told in a section of its own after the run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable

import pytest
from attrs import frozen

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


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as fake:
        yield fake
