"""The page by itself, over the scripted hour: for everybody, at every width, and for as long as it is open."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import pytest
import trio
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect

from router.domain.told import Told
from router.ingress.dashboard_hub import Hub
from tests.e2e.browser.boards import open_scripted
from tests.e2e.browser.chromium import SIZES, THEMES, needs_chromium, open_page, shown, url_of
from tests.e2e.browser.served import Held, held
from tests.e2e.daemon import Running
from tests.e2e.front_harness import Served

pytestmark = [pytest.mark.e2e, pytest.mark.slow, needs_chromium]

EVENTS, BATCH, TICK_S = 36_000, 200, 0.01
HEAP_BYTES = 150 * 1024 * 1024
SETTLED = 2_000  # events after which every row that the page will ever have is there
TOKEN = "client-token-1"
TABS = 16  # stops of the keyboard on the page
HIDDEN = """() => {
  Object.defineProperty(document, "hidden", { value: %s, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# each draws again and again what it is given, and returns what stands there after each time
POINTS = """async ([taken, now]) => {
  const { Points } = await import("/dashboard/files/charts.js");
  const points = new Points();
  points.take(taken.map((at) => ({ name: "", window: "5m", at })));
  return [now, now + 3600].map((moment) => points.of("5m", "", moment).map((point) => point.at));
}"""
DRAWN = """async (measured) => {
  const { Chart } = await import("/dashboard/files/charts.js");
  const parent = document.createElement("div");
  const points = measured.map((ms, index) => ({ at: 5 * index, requests: 1, failures: 0, ttft_p50_ms: ms, ttft_p95_ms: ms }));
  new Chart(parent, "ttft", "5m").show(points, null, 5 * measured.length);
  const ticks = [...parent.querySelectorAll(".tick")].slice(0, -2).map((tick) => tick.textContent);
  return { ticks: ticks.filter(Boolean), line: parent.querySelector(".line").getAttribute("d") };
}"""
# whether the first chart's head says a median that stands elsewhere on the page
HEADED = """(median) => {
  const head = `First token, 5 minmedian ${document.querySelector(median).textContent}, p95 `;
  return document.querySelector("#charts-all figcaption").textContent.startsWith(head);
}"""
# waits until the page has drawn its charts again
REDRAWN = """() => new Promise((done) => new MutationObserver(done).observe(
  document.querySelector("#charts-all .bars"), { attributes: true }))"""
FIGURES = """async (all) => {
  const { showFigures } = await import("/dashboard/files/panels.js");
  showFigures({ traffic: { "5m": { all: { output_tokens: 0, ...all } } } }, "5m");
  const said = (name) => document.querySelector(`#figures [data-key=${name}] dd`).textContent;
  return Object.fromEntries(["Requests", "Failed", "Refused"].map((name) => [name, said(name)]));
}"""
TREE = """async (task) => {
  const { showTree } = await import("/dashboard/files/panels.js");
  showTree({ tree: { count: 1, rows: [task] } });
  const { textDecorationLine } = getComputedStyle(document.querySelector("#tree-rows .name"));
  return [document.querySelector("#tree-rows .does").textContent, textDecorationLine];
}"""
KEPT = """async (drawings) => {
  const { keep } = await import("/dashboard/files/dom.js");
  const parent = document.createElement("ul");
  return drawings.map((texts) => {
    keep(parent, texts, (text) => text, () => document.createElement("li"), (li, text) => { li.textContent = text; });
    return [...parent.children].map((li) => li.textContent);
  });
}"""
WARNED = """async (drawings) => {
  const { showDaemon } = await import("/dashboard/files/panels.js");
  const daemon = {
    status: "running", version: "1", started_at: 0, addresses: [], default_profile: "p", is_routable: true, is_last_resort: false,
    profiles: {}, generation: 1, timezone: "UTC", degraded: [], rejected: [], supervisors: [], recorded: "",
  };
  return drawings.map((warnings) => {
    showDaemon({ daemon: { ...daemon, warnings } });
    return [...document.querySelectorAll("#attention-list li")].map((li) => li.textContent);
  });
}"""
NAME_OF_FOCUS = """() => {
  const one = document.activeElement;
  return (one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || one.id).trim();
}"""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", SIZES)
def test_axe_finds_nothing_to_complain_about(browser: Browser, scripted: Running, width: str, theme: str) -> None:
    with open_page(browser, url_of(scripted.url), size=SIZES[width], theme=theme) as page:
        found = Axe().run(shown(page))
        is_too_wide = page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth")

    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]] == []
    assert not is_too_wide


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_on_the_form_for_the_token(browser: Browser, scripted: Running, theme: str) -> None:
    with open_page(browser, url_of(scripted.url, "/dashboard/login"), theme=theme) as page:
        found = Axe().run(page)

    assert found.response["violations"] == []


def test_a_token_is_typed_once_and_what_it_opens_is_live(browser: Browser) -> None:
    with held(lambda: open_scripted(tokens=(TOKEN,))) as board, open_page(browser, url_of(board.value.address.url)) as page:
        at_first = page.url
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Open the dashboard").click()
        expect(page.locator("#connection")).to_have_text("live")
        page.reload()
        expect(page.locator("#connection")).to_have_text("live")
        cookies = page.context.cookies()

    assert at_first.endswith("/dashboard/login")
    assert [(one["httpOnly"], one["sameSite"], TOKEN in one["value"]) for one in cookies] == [(True, "Strict", False)]


def test_a_page_that_nobody_sees_lets_go_of_its_stream_until_somebody_does(browser: Browser) -> None:
    with held(open_scripted) as board, open_page(browser, url_of(board.value.address.url), has_clock=True) as page:
        hub = board.value.hub
        expect(page.locator("#connection")).to_have_text("live")
        page.evaluate(HIDDEN % "true")
        page.clock.run_for(31_000)
        board.run(_wait_viewers, hub, 0)
        page.evaluate(HIDDEN % "false")
        board.run(_wait_viewers, hub, 1)
        expect(page.locator("#connection")).to_have_text("live")


async def _wait_viewers(hub: Hub, count: int) -> None:
    with trio.fail_after(5):
        while len(hub.viewers) != count:  # noqa: ASYNC110 - the server sees it in its own time
            await trio.sleep(0.01)


def test_without_scripts_the_page_is_a_summary_of_the_moment(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url), scripts=False) as page:
        text = page.locator("main.plain").inner_text()

    assert "Degraded: state-writer" in text
    assert all(word in text for word in ("workshop", "excluded", "req_7f3a91c204be", "3.9127", "coding"))


def test_everything_that_can_be_done_is_reached_with_the_keyboard_and_has_a_name(browser: Browser, scripted: Running) -> None:
    reached: list[str] = []
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        for _ in range(TABS):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(NAME_OF_FOCUS))

    cancel = "Cancel request req_7f3a91c204be6d0859e1a3c7"
    wanted = ("Skip to the providers", "Theme: system", "5 min", cancel, "warnings only", "hold still")
    assert [name for name in wanted if name not in reached] == []


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"state": "waiting", "waits": "Pump.run"}, "waits in Pump.run"),
        ({"state": "ready", "waits": ""}, "ready"),
        ({"state": "cancelled", "waits": "Pump.run"}, "being cancelled, waits in Pump.run"),
    ],
)
def test_a_task_says_in_words_how_it_is(browser: Browser, scripted: Running, task: dict[str, object], words: str) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        told = page.evaluate(TREE, {"depth": 0, "name": "clocks", "until": None, **task})

    assert told == [words, "none"]


def test_rows_of_one_key_are_as_many_each_time_they_are_drawn(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        rows = page.evaluate(KEPT, [["a", "a", "b"], ["a", "b", "a"], ["b", "a"], ["a", "a", "a"], []])

    assert rows == [["a", "a", "b"], ["a", "b", "a"], ["b", "a"], ["a", "a", "a"], []]


def test_two_equal_warnings_are_one_row(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        rows = page.evaluate(WARNED, [["twice", "twice"], ["twice", "twice", "once"], ["once"]])

    assert rows == [["twice"], ["twice", "once"], ["once"]]


def test_points_that_a_clock_set_back_has_left_ahead_are_shown_neither_now_nor_when_their_time_comes(
    browser: Browser, scripted: Running
) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        now, later = page.evaluate(POINTS, [[4500, 4595, 995, 1000], 1003])

    assert (now, later) == ([995, 1000], [])


@pytest.mark.parametrize(
    ("measured", "ticks"),
    [
        ([], []),
        ([0.3], ["1 ms", "2 ms", "5 ms", "10 ms"]),
        ([420], ["50 ms", "100 ms", "200 ms", "500 ms"]),
        ([120, 20_000], ["100 ms", "1 s", "10 s"]),
        ([4.6, 650_000], ["10 ms", "100 ms", "1 s", "10 s", "100 s", "1,000 s"]),
    ],
)
def test_a_scale_has_no_figure_where_nothing_was_measured_and_few_else(
    browser: Browser, scripted: Running, measured: list[float], ticks: list[str]
) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        assert page.evaluate(DRAWN, measured)["ticks"] == ticks


def test_one_answer_that_took_long_does_not_flatten_the_others(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        line = page.evaluate(DRAWN, [120, 160, 120, 20_000])["line"]

    heights = [float(one) for one in re.findall(r"[ML][0-9.]+ ([0-9.]+)", line)]
    assert heights[0] - heights[1] > 5
    assert heights[1] - heights[3] > 50


def test_a_chart_s_head_is_of_its_window_and_of_a_step_only_while_that_is_pointed_at(browser: Browser, scripted: Running) -> None:
    of_all, of_one = "#figures [data-key='TTFT, median'] dd", "#providers-rows [data-key=claude] td:nth-child(9)"
    of_step = re.compile(r"^\d\d:\d\d:\d\dmedian [\d.]+ m?s, p95 ")
    with open_page(browser, url_of(scripted.url)) as page:
        chart = shown(page).locator("#charts-all figure").first
        page.wait_for_function(HEADED, arg=of_all)
        page.locator("#charts-of").select_option("claude")
        page.wait_for_function(HEADED, arg=of_one)

        chart.locator("svg").hover()
        expect(chart.locator("figcaption")).to_have_text(of_step)
        expect(chart.locator("svg")).to_contain_text(re.compile(r"\d requests"))
        page.evaluate(REDRAWN)
        expect(chart.locator("figcaption")).to_have_text(of_step)
        page.locator("#tree-title").hover()
        page.wait_for_function(HEADED, arg=of_one)


def test_what_was_refused_stands_beside_what_failed_and_is_no_part_of_it(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        shown(page)
        figures = page.evaluate(FIGURES, {"requests": 26, "cancelled": 16, "refused": 6, "failures": 1})

    assert figures == {"Requests": "26", "Failed": "1 (25 %)", "Refused": "6"}


def test_the_switch_goes_through_the_themes_and_the_browser_keeps_the_choice(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url), theme="light") as page:
        shown(page)
        switch, colour = page.locator("#theme"), "() => getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(colour)
        switch.click()
        switch.click()
        expect(switch).to_have_text("Theme: dark")
        dark = page.evaluate(colour)
        shown_again = page.reload() and page.evaluate(colour)

    assert light != dark == shown_again


def test_the_hour_and_the_five_minutes_have_figures_of_their_own(browser: Browser, scripted: Running) -> None:
    with open_page(browser, url_of(scripted.url)) as page:
        requests = shown(page).locator("#figures [data-key=Requests] dd")
        of_five_minutes = int(requests.inner_text().replace(",", ""))
        page.get_by_text("1 h", exact=True).click()
        expect(requests).not_to_have_text(str(of_five_minutes))
        of_an_hour = int(requests.inner_text().replace(",", ""))

    assert 0 < of_five_minutes <= 120  # as many at first; the scripted hour ends, and the clock goes on
    assert 1200 <= of_an_hour <= 1440


def test_36_000_events_as_fast_as_they_are_taken_leave_the_page_as_small_as_it_was(
    browser: Browser, tell: Callable[[str], None]
) -> None:
    with held(lambda: open_scripted(tick_s=TICK_S)) as board, open_page(browser, url_of(board.value.address.url)) as page:
        shown(page)
        began = time.monotonic()
        feed(board, page, 0, SETTLED)
        before = metrics(page)
        feed(board, page, SETTLED, EVENTS)
        took_s, after = time.monotonic() - began, metrics(page)
        lost = page.locator("#events-lost").inner_text()

    heap, nodes = (
        [round(one[name] / unit, 1) for one in (before, after)] for name, unit in (("JSHeapUsedSize", 1e6), ("Nodes", 1))
    )
    tell(f"{EVENTS} events in {took_s:.1f} s: MB of heap before and after {heap}, nodes {nodes}")
    assert lost == ""
    assert after["JSHeapUsedSize"] < HEAP_BYTES
    assert after["Nodes"] <= before["Nodes"] * 1.02


def feed(board: Held[Served], page: Page, first: int, end: int) -> None:
    """Tell events in batches of what a page is sent at once, each as soon as the one before it was taken."""
    board.run(_feed, board.value.hub, first, end)
    page.wait_for_function(f"() => document.querySelector('#events-rows .text')?.textContent.includes('number={end - 1}')")


async def _feed(hub: Hub, first: int, end: int) -> None:
    for start in range(first, end, BATCH):
        for number in range(start, start + BATCH):
            fields = {"provider": "workshop", "request_id": f"req_{number:012x}", "number": number, "outcome": "ok"}
            hub.views.latest.told(Told(number, time.time(), logging.INFO, "request-complete", fields))
        while any(viewer.told < hub.views.latest.count for viewer in hub.viewers):  # noqa: ASYNC110 - it is told once a tick
            await trio.sleep(TICK_S)


def metrics(page: Page) -> dict[str, float]:
    """Return the browser's own figures of the page, garbage collected."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
