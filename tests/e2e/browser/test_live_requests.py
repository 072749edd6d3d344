"""The live requests of the page: a row for each, however long its names are, at every width."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.chromium import SIZES, needs_chromium, open_page, shown, url_of
from tests.e2e.daemon import Running

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_chromium]

LIVE = """async (drawings) => {
  const { showLive } = await import("/dashboard/files/panels.js");
  return drawings.map((requests) => {
    showLive({ live: { count: requests.length, requests } }, () => {});
    return document.querySelector("#live-rows").children.length;
  });
}"""
# what of the live requests is not shown as a whole, but scrolls inside or is cut off
CUT = """() => [...document.querySelectorAll("#live .scroll, #live td, #live .first")]
  .filter((one) => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.outerHTML)"""
TOO_WIDE = """() => {
  const live = document.querySelector("#live .scroll");
  return live.scrollWidth > live.clientWidth;
}"""
TWIN = {
    "number": 7,
    "id": "build-42",
    "dialect": "openai_chat",
    "client": "claude-code",
    "session": "4f3a91c2-77e0-4b6f-9d1e-0a52c8e677ab",
    "request_class": "main",
    "agent": "",
    "asked_model": "best",
    "profile": "p",
    "provider": "a",
    "model": "m",
    "phase": "asking",
    "attempts": 1,
    "is_stream": True,
    "opened_at": 0.0,
    "ttft_ms": None,
    "can_cancel": True,
}


def test_as_many_rows_stand_there_as_requests_are_alive_whatever_their_clients_call_them(
    browser: Browser, scripted: Running
) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        rows = page.evaluate(LIVE, [[TWIN, TWIN | {"number": 8}, TWIN | {"number": 9}], [TWIN], []])

    assert rows == [3, 1, 0]


def test_a_row_says_which_agent_it_is_and_the_whole_of_its_names_where_it_is_pointed_at(
    browser: Browser, scripted: Running
) -> None:
    agent = TWIN | {"number": 8, "request_class": "subagent", "agent": "a81b2c3d"}
    unknown = TWIN | {"number": 9, "client": "", "session": "", "request_class": "", "asked_model": ""}
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        page.evaluate(LIVE, [[TWIN, agent, unknown]])
        cells = page.locator("#live-rows td:nth-child(-n + 2)")
        texts, title = cells.all_inner_texts(), cells.nth(2).get_attribute("title")

    assert texts == [
        *("build-42\nclaude-code · main agent · session 4f3a91c2...77ab", "best\np"),
        *("build-42\nclaude-code · subagent a81b2c3d · session 4f3a91c2...77ab", "best\np"),
        *("build-42", "–\np"),  # noqa: RUF001 - as it stands there
    ]
    assert title == "build-42\nclaude-code\nsubagent a81b2c3d\nsession 4f3a91c2-77e0-4b6f-9d1e-0a52c8e677ab"


def test_a_long_name_takes_no_more_room_than_a_short_one_and_is_whole_where_it_is_pointed_at(
    browser: Browser, scripted: Running
) -> None:
    model, profile, asked_of = "m" * 200, "p" * 60, "vendor/" + "n" * 200
    long = TWIN | {"number": 8, "asked_model": model, "profile": profile, "model": asked_of}
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        page.evaluate(LIVE, [[TWIN, long]])
        heights = page.evaluate("() => [...document.querySelectorAll('#live-rows tr')].map((row) => row.offsetHeight)")
        cells = page.locator("#live-rows tr:nth-child(2) td")
        titles = [cells.nth(column).get_attribute("title") for column in (1, 2)]
        texts = [cells.nth(column).text_content() for column in (1, 2)]
        is_too_wide = page.evaluate(TOO_WIDE)

    assert abs(heights[0] - heights[1]) <= 1
    assert titles == [f"{model}\n{profile}\ndialect openai_chat", f"a\n{asked_of}"]
    assert texts == [f"{model}{profile}", f"a{asked_of}"]  # as a screen reader has them
    assert not is_too_wide


def test_on_a_telephone_every_live_request_can_be_seen_and_cancelled(browser: Browser, scripted: Running) -> None:
    many = [TWIN | {"number": number, "id": f"req_{number:024x}"} for number in range(8)]
    with open_page(browser, url_of(scripted.url), size=SIZES["390"]) as page:
        shown(page)
        page.evaluate(LIVE, [many])
        is_cut = page.evaluate(CUT)
        page.evaluate("() => document.querySelector('#live-rows tr:last-child').scrollIntoView()")
        buttons = page.get_by_role("button", name="Cancel request req_")
        expect(buttons).to_have_count(8)
        expect(buttons.last).to_be_in_viewport()

    assert is_cut == []
