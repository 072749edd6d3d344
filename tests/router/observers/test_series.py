"""The windows of the dashboard: what is counted where, for how long, and in how much memory."""

from __future__ import annotations

import logging
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.told import Told
from router.observers.series import BUCKETS, EVERYTHING, MAX_NAMES, STEP, WINDOWS, Histogram, Series, quantile

START = 1_800_000_000.0


def attempt(series: Series, wall: float = START, provider: str = "a", **fields: object) -> None:
    told = {"provider": provider, "outcome": "ok", **fields}
    series.told(Told(1, wall, logging.DEBUG, "attempt-complete", told))


def request(series: Series, wall: float = START, **fields: object) -> None:
    series.told(Told(1, wall, logging.INFO, "request-complete", {"provider": "a", "outcome": "ok", **fields}))


def test_attempts_make_a_provider_s_figures_and_requests_those_of_everything() -> None:
    series = Series()
    attempt(series, outcome="failed", provider="b")
    attempt(series, total_ms=100)
    request(series, total_ms=120)

    one, other, everything = (series.totals(name, "5m", START) for name in ("a", "b", EVERYTHING))
    assert (one.requests, one.failures) == (1, 0)
    assert (other.requests, other.failures) == (1, 1)
    assert (everything.requests, everything.failures) == (1, 0)  # the fallback answered
    assert series.names() == ("b", "a")


@pytest.mark.parametrize(
    ("outcome", "failures", "cancelled"),
    [
        ("ok", 0, 0),
        ("failed", 1, 0),
        ("failed_midstream", 1, 0),
        ("cancelled", 0, 1),
        ("cancelled-midstream", 0, 1),
        ("cancelled-by-operator", 0, 1),
    ],
)
def test_who_leaves_and_whom_an_operator_cancels_is_no_failure(outcome: str, failures: int, cancelled: int) -> None:
    series = Series()
    request(series, outcome=outcome, total_ms=50)

    totals = series.totals(EVERYTHING, "5m", START)
    assert (totals.requests, totals.failures, totals.cancelled) == (1, failures, cancelled)
    assert (totals.latency_p50_ms is None) is (outcome != "ok")  # how long a failure took says nothing of answers


@pytest.mark.parametrize(("window", "width_s"), WINDOWS.items())
def test_what_is_older_than_a_window_counts_no_more(window: str, width_s: float) -> None:
    series = Series()
    attempt(series, START)

    last = START + (BUCKETS - 1) * width_s
    assert series.totals("a", window, last).requests == 1
    assert series.totals("a", window, last + 2 * width_s).requests == 0


def test_tokens_are_those_of_requests_and_the_hit_rate_is_the_cached_share_of_the_input() -> None:
    series = Series()
    request(series, input_tokens=100, output_tokens=7, cache_read_input_tokens=250, cache_creation_input_tokens=50)
    request(series, input_tokens=100, output_tokens=None)

    for name in ("a", EVERYTHING):
        totals = series.totals(name, "1h", START)
        assert (totals.input_tokens, totals.output_tokens) == (200, 7)
        assert (totals.cache_read_tokens, totals.cache_write_tokens, totals.cache_hit_rate) == (250, 50, 0.5)


def test_without_a_cache_there_is_no_hit_rate() -> None:
    series = Series()
    request(series, input_tokens=100)

    assert series.totals(EVERYTHING, "5m", START).cache_hit_rate is None


@given(st.lists(st.floats(min_value=6, max_value=600_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_good_to_a_step(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)

    exact = sorted(values)[max(0, -(-len(values) * int(share * 100) // 100) - 1)]
    read = quantile([histogram], share)
    assert read is not None
    assert exact / STEP <= read <= exact * STEP


def test_histograms_are_read_as_one() -> None:
    fast, slow = Histogram(), Histogram()
    for _ in range(10):
        fast.add(100)
        slow.add(10_000)
    slow.add(10_000)

    median = quantile([fast, slow, Histogram()], 0.5)
    assert median is not None
    assert abs(median - statistics.median([100] * 10 + [10_000] * 11)) < 10_000 * (STEP - 1)


def test_a_point_is_told_again_only_when_it_has_changed() -> None:
    series = Series()
    attempt(series, START)
    attempt(series, START + 5)
    seen = series.seq
    attempt(series, START + 6)

    assert [(point.window, point.at, point.requests) for point in series.points(START + 6, seen)] == [
        ("5m", START + 5, 2),
        ("1h", START, 3),
    ]
    assert list(series.points(START + 6, series.seq)) == []


def test_a_clock_that_was_set_back_goes_on_in_the_newest_bucket() -> None:
    series = Series()
    attempt(series, START)
    attempt(series, START - 3600)

    assert series.totals("a", "5m", START).requests == 2


def test_whatever_comes_the_memory_is_bounded() -> None:
    series = Series()
    for number in range(MAX_NAMES * 3):
        attempt(series, START + number * 61, provider=f"p{number}")
    for number in range(1000):
        request(series, START + number * 61)

    points = list(series.points(START + 61_000))
    assert len(series.names()) < MAX_NAMES
    assert len([point for point in points if point.name == EVERYTHING]) <= len(WINDOWS) * BUCKETS


def test_events_that_are_not_counted_change_nothing() -> None:
    series = Series()
    series.told(Told(1, START, logging.WARNING, "fallback-occurred", {"provider": "a"}))
    attempt(series, provider="")

    assert (series.seq, series.names()) == (0, ())


@pytest.mark.parametrize(("stream", "is_counted"), [(True, True), (False, False), (None, False)])
def test_the_time_to_first_token_is_that_of_streams(*, stream: bool | None, is_counted: bool) -> None:
    series = Series()
    attempt(series, stream=stream, ttft_ms=60, total_ms=100)
    request(series, stream=stream, ttft_ms=60, total_ms=100)

    for name in ("a", EVERYTHING):
        found = series.totals(name, "5m", START)
        assert (found.ttft_p50_ms is not None) is is_counted
        assert found.latency_p50_ms is not None
