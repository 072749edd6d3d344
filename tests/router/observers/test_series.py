"""The windows of the dashboard: what is counted where, for how long, and in how much memory."""

from __future__ import annotations

import logging
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.told import Told
from router.observers.series import BUCKETS, EVERYTHING, MAX_NAMES, STEP, WINDOWS, Histogram, Point, Series, Totals, quantiles

START = 1_800_000_000.0


def attempt(series: Series, wall: float = START, provider: str = "a", **fields: object) -> None:
    told = {"provider": provider, "outcome": "ok", **fields}
    series.told(Told(1, wall, logging.DEBUG, "attempt-complete", told))


def request(series: Series, wall: float = START, **fields: object) -> None:
    told = {"provider": "a", "outcome": "ok", "chain": ["a:ok"], **fields}
    series.told(Told(1, wall, logging.INFO, "request-complete", told))


def points_of(series: Series, wall: float, after: int = 0) -> list[Point]:
    return [point for name in (EVERYTHING, *series.names()) for point in series.points_of(name, wall, after)]


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


@pytest.mark.parametrize(
    ("event", "fields", "counted"),
    [
        ("request-complete", {"outcome": "invalid_json", "chain": []}, (1, 0, 1)),
        ("request-complete", {"outcome": "all_overloaded", "chain": []}, (1, 0, 1)),  # no place in time
        ("request-complete", {"outcome": "all_overloaded", "chain": ["a:overloaded"]}, (1, 1, 0)),
        ("request-complete", {"outcome": "error", "chain": []}, (1, 1, 0)),
        ("request-refused", {"kind": "over_capacity", "dialect": "anthropic"}, (1, 0, 1)),
        ("request-refused", {"kind": "unauthorized"}, (0, 0, 0)),  # of a page
    ],
)
def test_what_no_provider_was_asked_for_is_refused_and_no_failure(
    event: str, fields: dict[str, object], counted: tuple[int, int, int]
) -> None:
    series = Series()
    series.told(Told(1, START, logging.INFO, event, fields))

    totals = series.totals(EVERYTHING, "5m", START)
    assert (totals.requests, totals.failures, totals.refused) == counted
    assert [(point.failures, point.refused) for point in points_of(series, START)] == [counted[1:]] * (2 * bool(counted[0]))


@pytest.mark.parametrize(("window", "width_s"), WINDOWS.items())
def test_what_is_older_than_a_window_counts_no_more(window: str, width_s: float) -> None:
    series = Series()
    attempt(series, START)

    last = START + (BUCKETS - 1) * width_s
    assert series.totals("a", window, last).requests == 1
    assert series.totals("a", window, last + 2 * width_s).requests == 0


@pytest.mark.parametrize(("window", "width_s"), WINDOWS.items())
def test_the_oldest_leave_a_window_that_was_looked_at_while_they_were_in_it(window: str, width_s: float) -> None:
    series = Series()
    attempt(series, START)
    attempt(series, START + width_s)

    looks = [series.totals("a", window, START + number * width_s).requests for number in range(1, BUCKETS + 2)]

    assert looks == [2] * (BUCKETS - 1) + [1, 0]


def test_tokens_are_those_of_attempts_and_the_hit_rate_is_the_cached_share_of_the_input() -> None:
    series = Series()
    attempt(series, input_tokens=100, output_tokens=7, cache_read_input_tokens=250, cache_creation_input_tokens=50)
    attempt(series, input_tokens=100, output_tokens=None)
    request(series, input_tokens=100, output_tokens=7, cache_read_input_tokens=250)  # they are counted already

    for name in ("a", EVERYTHING):
        totals = series.totals(name, "1h", START)
        assert (totals.input_tokens, totals.output_tokens) == (200, 7)
        assert (totals.cache_read_tokens, totals.cache_write_tokens, totals.cache_hit_rate) == (250, 50, 0.5)


@pytest.mark.parametrize(("tokens", "rate"), [(100, 0.0), (0, None)])
def test_there_is_a_hit_rate_where_input_was_counted(tokens: int, rate: float | None) -> None:
    series = Series()
    attempt(series, input_tokens=tokens)
    request(series)

    assert series.totals(EVERYTHING, "5m", START).cache_hit_rate == rate


@given(st.lists(st.floats(min_value=1, max_value=600_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_good_to_a_step(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)

    exact = sorted(values)[max(0, -(-len(values) * int(share * 100) // 100) - 1)]
    (read,) = quantiles([histogram], [share])
    assert read is not None
    assert exact / STEP <= read <= exact * STEP


def test_histograms_are_read_as_one() -> None:
    fast, slow = Histogram(), Histogram()
    for _ in range(10):
        fast.add(100)
        slow.add(10_000)
    slow.add(10_000)

    (median,) = quantiles([fast, slow, Histogram()], [0.5])
    assert median is not None
    assert abs(median - statistics.median([100] * 10 + [10_000] * 11)) < 10_000 * (STEP - 1)


def test_a_point_is_told_again_only_when_it_has_changed() -> None:
    series = Series()
    attempt(series, START)
    attempt(series, START + 5)
    seen = series.seq
    attempt(series, START + 6)

    assert [(point.window, point.at, point.requests) for point in points_of(series, START + 6, seen)] == [
        ("5m", START + 5, 2),
        ("1h", START, 3),
    ]
    assert points_of(series, START + 6, series.seq) == []


@pytest.mark.parametrize(("window", "width_s"), WINDOWS.items())
def test_a_clock_that_was_set_back_a_little_goes_on_in_the_newest_bucket(window: str, width_s: float) -> None:
    series = Series()
    attempt(series, START)
    attempt(series, START - width_s)

    (point,) = (point for point in points_of(series, START - width_s) if point.window == window)
    assert (point.at, point.requests) == (START, 2)


def test_after_a_clock_was_set_back_an_hour_the_windows_are_as_good_as_ever() -> None:
    series = Series()
    attempt(series, START + 3600)
    assert series.totals("a", "1h", START).requests == 0  # an hour ahead is not within the last hour

    for second in range(3600):
        attempt(series, START + second)
    now = START + 3599
    assert [series.totals("a", window, now).requests for window in WINDOWS] == [300, 3600]
    assert [len([point for point in points_of(series, now) if point.window == window]) for window in WINDOWS] == [BUCKETS] * 2


Event = tuple[str, float, float]
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), st.floats(-4000, 4000), st.floats(1, 10_000)), max_size=30)


@given(EVENTS, st.floats(-4000, 4000))
def test_who_has_looked_before_sees_what_another_sees_for_the_first_time(events: list[Event], moment: float) -> None:
    looked_at, other = Series(), Series()
    for provider, after_s, total_ms in events:
        for series in (looked_at, other):
            attempt(series, START + after_s, provider, total_ms=total_ms)
        look(looked_at, START + after_s)
        look(looked_at, START + moment)

    assert look(looked_at, START + moment) == look(other, START + moment)


def look(series: Series, wall: float) -> tuple[list[Totals], list[Point]]:
    return [series.totals(name, window, wall) for name in series.names() for window in WINDOWS], points_of(series, wall)


def test_what_was_read_is_not_read_again_until_it_changes() -> None:
    series = Series()
    attempt(series, START, total_ms=100)
    attempt(series, START, "b", total_ms=100)
    before, totals = {(one.name, one.window): one for one in points_of(series, START)}, look(series, START)[0]

    attempt(series, START, "b", total_ms=9000)

    after = {(one.name, one.window): one for one in points_of(series, START)}
    assert [key for key, point in after.items() if point is not before[key]] == [("b", "5m"), ("b", "1h")]
    assert [one is two for one, two in zip(totals, look(series, START)[0], strict=True)] == [True, True, False, False]


def test_seventy_providers_that_answer_by_turns_are_all_counted() -> None:
    series = Series()
    for second in range(10):
        for number in range(70):
            attempt(series, START + second, f"p{number}")

    assert {series.totals(f"p{number}", "5m", START + 10).requests for number in range(70)} == {10}


def test_a_provider_that_a_reload_took_away_is_forgotten() -> None:
    series = Series()
    request(series)
    for name in "abc":
        attempt(series, provider=name)

    series.keep_only({"a", "c", "d"})

    assert series.names() == ("a", "c")
    assert series.totals(EVERYTHING, "5m", START).requests == 1


def test_whatever_comes_the_memory_is_bounded() -> None:
    series = Series()
    for number in range(MAX_NAMES * 3):
        attempt(series, START + number * 61, provider=f"p{number}")
    for number in range(1000):
        request(series, START + number * 61)

    points = points_of(series, START + 61_000)
    assert len(series.names()) == MAX_NAMES
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
