"""One browser for all tests of the dashboard, and one board of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser.boards import Busy, open_busy, open_scripted
from tests.e2e.browser.chromium import open_browser
from tests.e2e.browser.served import Held, held
from tests.e2e.front_harness import Served


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as one:
        yield one


@pytest.fixture(scope="module")
def scripted() -> Iterator[Held[Served]]:
    with held(open_scripted) as board:
        yield board


@pytest.fixture(scope="module")
def busy() -> Iterator[Held[Busy]]:
    with held(open_busy) as board:
        yield board
