from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from router.reports.stats import Picture, View, print_stats
from router.reports.stats_facts import Pace, Reading
from tests.router.reports.looks import a_provider, a_reading, a_row, an_event, drawn

LONG = "a-name-that-is-longer-than-its-column/at-80"
SIZES = [(80, 24), (200, 50), (120, 30), (60, 16), (59, 15), (20, 5), (300, 20), (80, 100)]


def a_busy_reading(providers: int = 4) -> Reading:
    names = [LONG, *(f"p{number}" for number in range(1, providers))]
    states = [a_provider(name, due_s=41, why="connection refused, and more words than fit anywhere " * 3) for name in names]
    events = (
        an_event("provider-failed-midstream", n % 60, provider=names[n % providers], reason="upstream-5xx") for n in range(256)
    )
    return a_reading(
        *states,
        rows=tuple(a_row(name, ok=90, failed=10, cost=1.25, read=50) for name in names),
        recent=tuple(events),
        counters={"chain_paid_gate_blocked_total": 12, "capability_degraded": {"image": 3}},
    )


def view(reading: Reading | None = None, *, problem: str = "", is_paused: bool = False, failures_only: bool = False) -> View:
    pace = Pace(rates=tuple(float(n % 9) for n in range(200)))
    return View(
        url="http://127.0.0.1:8088",
        interval_s=1,
        reading=reading or a_busy_reading(),
        pace=pace,
        problem=problem,
        is_paused=is_paused,
        failures_only=failures_only,
    )


def a_spend(daily: float = 0.18) -> dict[str, object]:
    monthly, today = ({"spent_usd": spent, "reserved_usd": 0, "cap_usd": cap} for spent, cap in ((1.5, 10), (daily, None)))
    return {"month": "2026-01", "day": "2026-01-02", "monthly": monthly, "daily": today, "profiles": {}}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("providers", [1, 4, 60])
def test_it_fills_a_screen_of_any_size_and_no_more(width: int, height: int, providers: int) -> None:
    lines = drawn(Picture(view(a_busy_reading(providers))), width=width, height=height)

    assert len(lines) == height
    assert [cell_len(line) for line in lines] == [width] * height
    assert lines[0].startswith("running 9.9"[:width])
    assert lines[-1].startswith("q quit")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_each_panel_is_there_and_what_is_cut_ends_in_dots(width: int, height: int) -> None:
    shown = "\n".join(drawn(Picture(view()), width=width, height=height))

    for title in ("Providers", "Fallback and gates", "Cost", "Requests per second", "Recent, UTC"):
        assert f"─ {title} ─" in shown
    assert ("a-name-that-is-long…" if width == 80 else LONG) in shown
    assert "probe in 41 s" in shown or "in 41 s" in shown
    assert "all skipped: cost money" in shown
    assert "8.0 at most" in shown


def test_providers_that_do_not_fit_are_counted() -> None:
    shown = drawn(Picture(view(a_busy_reading(60))), width=80, height=24)

    (counted,) = [line for line in shown if "more" in line and "│ …" in line and "p" not in line[:4]][:1]
    listed = sum(line.startswith(("│ p", "│ a-name")) for line in shown) - 1  # but the head
    assert f"… and {60 - listed} more" in counted


@pytest.mark.parametrize(("width", "height"), [(60, 20), (79, 20), (80, 20), (80, 24), (120, 24), (200, 50)])
def test_what_each_provider_costs_is_seen_where_all_panels_are(width: int, height: int) -> None:
    rows = (a_row("near", ok=1, cost=0.18, read=50), a_row("mid", ok=1, cost=0.25), a_row("far", ok=1, cost=1.5))
    reading = a_reading(*(a_provider(row["name"]) for row in rows), rows=rows, spend=a_spend())

    shown = drawn(Picture(view(reading)), width=width, height=height)

    costs = [" ".join(line.split()) for line in shown]
    for words in ("near 0.1800", "mid 0.2500", "far 1.5000", "spent, month 1.50 of 10", "spent, day 0.18"):
        assert any(words in line for line in costs), words
    assert not any("… and" in line for line in costs)


def test_where_it_is_low_the_pace_is_a_figure_and_who_is_not_shown_is_counted_in_whole_words() -> None:
    shown = drawn(Picture(view(a_busy_reading(9))), width=60, height=20)

    assert any("requests per second" in line and "1.0" in line for line in shown)
    assert not any("─ Requests per se" in line for line in shown)
    assert [line.split("│")[3].strip() for line in shown if line.count("… and") > 0 and line.count("│") > 2] == ["… and 7 more"]


def test_a_long_name_of_one_event_leaves_room_for_what_the_others_say() -> None:
    last = an_event("fallback-occurred", provider="far", from_provider="far", reason="timeout")
    recent = (an_event("self-healing-recovery-probe", provider="far"), last)

    shown = drawn(Picture(view(a_reading(a_provider("far"), recent=recent))), width=80, height=24)

    assert any("far was the last: " in line for line in shown)


def test_a_failed_look_is_told_over_what_was_seen_last() -> None:
    lines = drawn(Picture(view(problem="no router answers: Connection refused", is_paused=True)), width=80, height=24)

    assert lines[1].startswith("no router answers: Connection refused")
    assert "p1" in "\n".join(lines)
    assert "PAUSED  refreshed every 1 s" in lines[-1]


def test_what_is_degraded_is_named_with_its_reason_where_there_is_room() -> None:
    error = "/home/somebody/.local/state/nursery-router/router.db: cannot write: No space left on device"
    reading = a_reading(a_provider("p1"), degraded=["state", "audit"], degraded_why={"state": error, "audit": error})

    low, usual, wide = (drawn(Picture(view(reading)), width=w, height=h) for w, h in ((60, 15), (80, 24), (200, 50)))

    assert "degraded: state, audit" in wide[0]
    assert [line.strip() for line in wide[1:3]] == [f"state: {error}", f"audit: {error}"]
    assert f"state: {error}" in " ".join(line.strip() for line in usual[1:5])
    assert not any("No space" in line for line in low)


def test_before_the_first_look_there_is_only_the_address() -> None:
    nothing = View(url="http://127.0.0.1:8088", interval_s=1, problem="Connection refused")

    lines = drawn(Picture(nothing), width=80, height=24)

    assert lines[0].rstrip() == "http://127.0.0.1:8088: no answer yet"
    assert lines[1].startswith("Connection refused")


def test_failures_only_leaves_out_who_is_well_and_what_went_well() -> None:
    reading = a_reading(
        a_provider("fine"),
        a_provider("broken"),
        rows=(a_row("fine", ok=3), a_row("broken", ok=1, failed=1)),
        recent=(an_event("provider-ok", provider="fine"), an_event("provider-failed", provider="broken")),
    )

    shown = "\n".join(drawn(Picture(view(reading, failures_only=True)), width=80, height=24))

    assert "fine" not in shown
    assert shown.count("broken") == 2
    assert "FAILURES ONLY" in shown


def test_words_of_an_upstream_do_not_steer_the_terminal() -> None:
    reading = a_reading(a_provider("near", "excluded", why="\x1b]0;owned\x07\x1b[2Jgone"))

    assert "\x1b]" not in "\n".join(drawn(Picture(view(reading)), width=80, height=24))


def test_without_unicode_it_is_drawn_in_ascii() -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"

    out = Console(file=Ascii(), force_terminal=True, width=80, height=24, color_system=None)
    out.print(Picture(view(a_reading(a_provider("near")))))

    assert isinstance(out.file, Ascii)
    assert out.file.getvalue().isascii()


def dumped(reading: Reading) -> list[list[str]]:
    out = Console(file=io.StringIO(), width=10_000, highlight=False)
    print_stats(reading, out)
    assert isinstance(out.file, io.StringIO)
    return [line.split() for line in out.file.getvalue().splitlines()]


def test_after_a_restart_the_dump_tells_what_month_and_day_have_cost_as_the_live_picture_does() -> None:
    reading = a_reading(a_provider("near"), rows=(a_row("near"),), spend=a_spend())

    shown = drawn(Picture(view(reading)), width=80, height=24)

    for period, spent in (("month", "1.50 of 10"), ("day", "0.18")):
        assert [period, *spent.split()] in dumped(reading)
        assert any(f"spent, {period}" in line and spent in line for line in shown)


@pytest.mark.parametrize(("is_terminal", "zone", "at"), [(True, "Asia/Tokyo", "12:04:05"), (False, "UTC", "03:04:05")])
def test_a_person_is_told_times_of_the_zone_that_is_named_and_a_pipe_utc(*, is_terminal: bool, zone: str, at: str) -> None:
    reading = a_reading(recent=(an_event("provider-ok", 5),), timezone="Asia/Tokyo")
    out = Console(file=io.StringIO(), width=200, highlight=False, force_terminal=is_terminal, color_system=None)
    print_stats(reading, out)

    assert isinstance(out.file, io.StringIO)
    assert f"Recent, {zone}" in out.file.getvalue()
    assert f"  {at} " in out.file.getvalue()


def test_the_dump_has_a_block_for_each_panel_and_ten_events() -> None:
    out = Console(file=io.StringIO(), width=10_000, highlight=False)
    print_stats(a_busy_reading(), out)

    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "Providers",
        "Fallback and gates",
        "Recent, UTC",
        "Spent, USD",
        "Cost since the start",
    ]
    assert text.count("provider-failed-midstream") == 10
    assert LONG in text


def test_a_configuration_that_is_refused_is_told_above_all_else() -> None:
    reading = a_reading(a_provider("a"), config_rejected=["router.toml:3: prot: no such key", "\x1b[2J"])
    text = io.StringIO()

    print_stats(reading, Console(file=text, width=200, highlight=False))
    screen = drawn(Picture(view(reading)), width=80, height=24)

    assert text.getvalue().splitlines()[:4] == [
        "configuration refused: router.toml:3: prot: no such key",
        r"configuration refused: \x1b[2J",
        "",
        "Providers",
    ]
    assert screen[1].rstrip() == "configuration refused: router.toml:3: prot: no such key (and 1 more)"
    assert len(screen) == 24
