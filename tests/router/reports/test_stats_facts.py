from __future__ import annotations

from datetime import UTC

import pytest

from router.reports.stats_facts import Pace, cost_rows, display_zone, event_rows, gate_rows, provider_rows, spend_rows
from tests.router.reports.looks import a_provider, a_reading, a_row, an_event


def test_a_provider_is_what_both_pages_say_of_it() -> None:
    excluded = a_provider("near", "excluded", due_s=41.0, why="connection refused", restarts={"used": 1, "max": 3}, in_flight=2)

    (row,) = provider_rows(a_reading(excluded, rows=(a_row("gone", ok=7), a_row("near", ok=6, failed=1, midstream=1))))

    assert (row.name, row.word, row.attempts, row.ok, row.failed, row.in_flight) == ("near", "excluded", 8, 0.75, 2, 2)
    assert (row.probe, row.restarts, row.why) == ("in 41 s", "1/3", "connection refused")
    assert row.note == "probe in 41 s, connection refused, restarts 1/3"


def test_a_provider_that_was_never_asked_has_no_share() -> None:
    (row,) = provider_rows(a_reading(a_provider("near")))

    assert (row.attempts, row.ok, row.note) == (0, None, "")


@pytest.mark.parametrize(
    ("word", "failed", "is_failing"),
    [
        ("healthy", 0, False),
        ("healthy", 1, True),
        ("excluded", 0, True),
        ("cooldown", 0, True),
        ("disabled", 0, False),
        ("unconfigured", 0, False),
    ],
)
def test_failing_is_who_failed_or_is_not_well(word: str, failed: int, *, is_failing: bool) -> None:
    (row,) = provider_rows(a_reading(a_provider("near", word), rows=(a_row("near", ok=5, failed=failed),)))

    assert row.is_failing is is_failing


def test_a_gate_is_shown_once_it_has_closed_and_attempts_are_those_of_gone_providers_too() -> None:
    counters = {
        "requests_total": 9,
        "request_results": {"ok": 3, "refused": 4, "cancelled": 2},
        "attempts_total": 6,
        "attempt_outcomes": {"ok": 3, "failed": 1, "failed_midstream": 1, "cancelled": 1},
        "chain_paid_gate_blocked_total": 2,
        "capability_degraded": {"image": 3, "thinking": 1},
        "probe_failure": 0,
    }

    rows = gate_rows(a_reading(a_provider("near"), rows=(a_row("near", ok=3, failed=1),), counters=counters))

    assert rows == [
        ("requests", 9),
        ("requests refused", 4),
        ("requests cancelled", 2),
        ("attempts, 2 failed", 6),
        ("all skipped: cost money", 2),
        ("features left out", 4),
    ]


def test_events_come_newest_first_with_what_they_say() -> None:
    recent = (
        an_event("provider-ok", 1, provider="near", stream=True),
        an_event("provider-failed", 2, provider="near", status=503, reason="overloaded", retryable=True),
        an_event("fallback-occurred", 3, provider="near", from_provider="near", to_provider="far", reason="overloaded"),
        an_event("fallback-occurred", 4, provider="far", from_provider="far", reason="upstream-5xx"),
    )

    rows = event_rows(a_reading(recent=recent), UTC)

    assert [(row.at, row.name, row.provider, row.said) for row in rows] == [
        ("03:04:04", "fallback-occurred", "", "far was the last: upstream-5xx"),
        ("03:04:03", "fallback-occurred", "", "near > far overloaded"),
        ("03:04:02", "provider-failed", "near", "overloaded status 503"),
        ("03:04:01", "provider-ok", "near", ""),
    ]
    assert [row.is_failure for row in rows] == [True, True, True, False]


@pytest.mark.parametrize(("zone", "at"), [("UTC", "03:04:05"), ("Asia/Tokyo", "12:04:05")])
def test_times_are_those_of_the_zone_that_the_configuration_names(zone: str, at: str) -> None:
    reading = a_reading(recent=(an_event("provider-ok", 5),), timezone=zone)
    (row,) = event_rows(reading, display_zone(reading))

    assert row.at == at


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Else", "../etc/passwd"])
def test_without_a_zone_that_is_known_here_it_is_utc(zone: str | None) -> None:
    reading = a_reading(recent=(an_event("provider-ok", 5),), timezone=zone)
    (row,) = event_rows(reading, display_zone(reading))

    assert row.at == "03:04:05"


def test_cost_names_who_has_cost_and_what_was_spent_of_which_budget() -> None:
    monthly, daily = ({"spent_usd": spent, "reserved_usd": 0, "cap_usd": cap} for spent, cap in ((1.5, 10), (0, None)))
    spend = {"month": "2026-01", "day": "2026-01-02", "monthly": monthly, "daily": daily, "profiles": {}}

    reading = a_reading(rows=(a_row("free"), a_row("near", cost=1.5)), spend=spend)

    assert [(row.name, row.cost_usd, row.cached) for row in cost_rows(reading)] == [("near", 1.5, None)]
    assert spend_rows(reading) == [("month", "1.50 of 10")]


@pytest.mark.parametrize(("read", "written", "fresh", "cached"), [(80, 0, 20, 0.8), (0, 50, 50, 0.0), (30, 30, 60, 0.25)])
def test_cached_is_a_share_of_the_input_tokens_and_not_of_the_answers(read: int, written: int, fresh: int, cached: float) -> None:
    reading = a_reading(rows=(a_row("near", read=read, written=written),), counters={"input_tokens": {"near": fresh}})

    assert [row.cached for row in cost_rows(reading)] == [cached]


def test_the_pace_of_a_daemon_whose_wall_clock_is_set_back_is_never_less_than_nothing() -> None:
    pace = Pace()
    for uptime_s, requests in ((10, 100), (12, 110), (-3500, 120), (-3498, 130), (-3490, 130)):
        pace = pace.after(a_reading(uptime_s=uptime_s, counters={"requests_total": requests}))

    assert pace.rates == (5, 5, 0)


def test_the_pace_is_what_came_between_two_looks_by_the_daemons_own_clock() -> None:
    pace = Pace()
    for uptime_s, requests in ((10, 100), (12, 110), (12, 110), (13, 110), (1, 3)):  # the last after a restart
        pace = pace.after(a_reading(uptime_s=uptime_s, counters={"requests_total": requests}))

    assert pace.rates == (5, 0, 3)
