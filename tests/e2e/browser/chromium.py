"""The machine's own Chromium, driven by Playwright; tests are skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
# what a page does is seen in a browser or not at all; .ci/run installs it, so these run there
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium, Debian's package of that name")
# it asks nobody but the router, and a container gives it neither a sandbox nor a graphics card
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-precise-memory-info",
)
WIDE, NARROW = (1440, 1000), (390, 844)
SIZES = {"1440": WIDE, "390": NARROW}
THEMES = ("light", "dark")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window, and end it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = WIDE,
    theme: str = "light",
    scripts: bool = True,
    has_clock: bool = False,
) -> Iterator[Page]:
    """Open a page in a context of its own; a word on its console, or an error of its scripts, is an error of the test.

    With `has_clock` the test may let the page's time pass faster."""
    words: list[str] = []
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        java_script_enabled=scripts,
    )
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: words.append(str(error)))
        page.on("console", lambda message: words.append(message.text) if message.type in {"error", "warning"} else None)
        if has_clock:
            page.clock.install()
        page.goto(url)
        yield page
        assert words == []
    finally:
        context.close()


def url_of(router: str, path: str = "/dashboard") -> str:
    """Return the address of a page of a router."""
    return f"{router}{path}"


def shown(page: Page) -> Page:
    """Return the page once it shows its events, and with them all the rest."""
    page.wait_for_selector("#events-rows li")
    return page
