"""A whole router under traffic, one of its providers killed: what the page says of it, and how soon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser.boards import Busy
from tests.e2e.browser.chromium import needs_chromium, open_page
from tests.e2e.browser.served import Held
from tests.e2e.healing import told

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_chromium]

WITHIN_S = 2.0
FAILED, OUT, ANSWERED = "provider-failed-midstream", "self-healing-exclude", "request-complete"  # what the log says of the change
# of each panel, the event behind a change, and what is true of the panel then and not before
PANELS = {
    "attention": (OUT, "document.querySelector('#attention').textContent.includes('last resort')"),
    "figures": (FAILED, "Number(document.querySelector('#figures [data-key=Failed] dd').textContent[0]) > 0"),
    "chain": (OUT, "document.querySelector('#chains [data-word=excluded]') !== null"),
    "health": (FAILED, "document.querySelector('#providers-rows [data-key=alpha]').textContent.includes('connect')"),
    "next probe": (OUT, "document.querySelector('#providers-rows [data-key=alpha] [data-until]') !== null"),
    "cost by provider": (
        ANSWERED,
        "document.querySelector('#cost-providers [data-key=beta]').textContent.match(/\\$0[.]0/) === null",
    ),
    "cost by profile": (ANSWERED, "document.querySelector('#cost-profiles [data-key=pair]') !== null"),
    "live requests": (FAILED, "document.querySelector('#live-rows').textContent.includes('beta')"),
    "tokens": (ANSWERED, "document.querySelector('#tokens-rows [data-key=beta]') !== null"),
    "charts": (FAILED, "document.querySelector('path.fails').getAttribute('d').length > 0"),
    "events": (FAILED, "document.querySelector('#events-rows').textContent.includes('provider-failed')"),
    "tree": (OUT, "document.querySelector('#tree-rows').textContent.includes('recovery')"),
}
# notes for each panel the time of day at which it is true for the first time; the page is looked at as often as it is drawn
WATCH = """(panels) => {
  window.shown = {};
  const look = () => {
    for (const [name, isTrue] of panels) if (!(name in window.shown) && isTrue()) window.shown[name] = Date.now() / 1000;
    requestAnimationFrame(look);
  };
  look();
}"""


def wait_for(page: Page, expression: str, within_s: float = 10.0) -> None:
    page.wait_for_function(f"() => {expression}", timeout=within_s * 1000)


@pytest.fixture
def page(browser: Browser, busy: Held[Busy]) -> Iterator[Page]:
    with open_page(browser, busy.value.url) as page:
        wait_for(page, "document.querySelectorAll('#live-rows tr').length > 1")
        yield page


def test_an_operator_ends_a_request_from_the_page(page: Page) -> None:
    page.evaluate("() => { document.querySelector('#live-rows button:enabled').id = 'victim'; }")
    victim = page.locator("#victim")
    name = victim.evaluate("(one) => one.closest('tr').dataset.id")

    victim.focus()
    page.keyboard.press("Enter")
    expect(victim).to_have_text("Really?")
    page.keyboard.press("Enter")

    expect(page.locator("#live-told")).to_have_text(f"Request {name} was cancelled.")
    wait_for(page, f"![...document.querySelectorAll('#live-rows tr')].some((one) => one.dataset.id === {name!r})", WITHIN_S)
    wait_for(page, "[...document.querySelectorAll('#events-rows b')].some((one) => one.textContent === 'admin-action')", WITHIN_S)
    assert page.evaluate("() => document.activeElement.id") == "live-title"  # the next Tab is not the page's first
    assert page.locator("#events-rows", has_text="cancelled-by-operator").count() == 1
    assert page.locator("#providers-rows [data-key=alpha] td").nth(7).text_content() == "0"  # nobody has failed


def test_every_panel_shows_within_two_seconds_that_a_provider_was_killed(
    page: Page, busy: Held[Busy], tell: Callable[[str], None]
) -> None:
    wait_for(page, "document.querySelector('#providers-rows [data-key=alpha]').children[6].textContent !== '0'")
    assert [name for name, (_, is_true) in PANELS.items() if page.evaluate(is_true)] == []
    page.evaluate(f"() => ({WATCH})([{','.join(f'[{name!r}, () => {is_true}]' for name, (_, is_true) in PANELS.items())}])")

    killed_at = time.time()
    busy.call(busy.value.alpha.process.kill)
    wait_for(page, f"Object.keys(window.shown).length === {len(PANELS)}", 20.0)

    shown: dict[str, float] = page.evaluate("() => window.shown")
    log = busy.value.router.log
    happened = {name: min(one.at for one in told(log, name) if one.at > killed_at) for name in (FAILED, OUT)}
    happened[ANSWERED] = min(one.at for one in told(log, ANSWERED, provider="beta"))
    after = {name: shown[name] - happened[event] for name, (event, _) in PANELS.items()}
    tell("a change shows after " + ", ".join(f"{name} {after_s:.1f} s" for name, after_s in after.items()))
    assert {name: after_s for name, after_s in after.items() if after_s > WITHIN_S} == {}


def test_a_page_says_that_it_is_old_and_comes_back_by_itself(browser: Browser, busy: Held[Busy]) -> None:
    pid = busy.value.router.process.pid
    with open_page(browser, busy.value.url, has_clock=True) as page:
        expect(page.locator("#connection")).to_have_text("live")
        os.kill(pid, signal.SIGSTOP)  # nothing is heard, as of a router behind a network that is gone
        try:
            page.clock.run_for(15_000)
            expect(page.locator("#stale")).to_contain_text("what is shown is old")
            expect(page.locator("#connection")).to_have_text("stale")
        finally:
            os.kill(pid, signal.SIGCONT)

        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#stale")).to_be_hidden()
