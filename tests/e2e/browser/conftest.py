"""One browser for all tests of the dashboard, and one board of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser.boards import Busy, open_busy
from tests.e2e.browser.chromium import open_browser
from tests.e2e.browser.served import Held, held
from tests.e2e.daemon import Running, free_port, held_open, open_program


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as one:
        yield one


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve the scripted dashboard from a process: a browser keeps connections for a while, and tests count those of theirs."""
    port = free_port()
    argv = ("-m", "tests.e2e.browser.preview", str(port))
    with held_open(partial(open_program, argv, port=port, directory=tmp_path_factory.mktemp("scripted"))) as running:
        yield running


@pytest.fixture(scope="module")
def busy() -> Iterator[Held[Busy]]:
    with held(open_busy) as board:
        yield board
