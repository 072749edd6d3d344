"""Figures and comparisons of a seeded journal, beside an independent calculation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import fmean, median, quantiles
from typing import Any

import pytest

from router.reports.replay import compare, few_warnings, figures_by, figures_of
from router.reports.rows import Kind, Outcome
from router.reports.spread import Spread
from tests.router.reports.journal_rows import answers, record, rows_of, seeded

RECORDS = seeded()
ROWS = rows_of(RECORDS)


def timed(provider: str, key: str) -> list[float]:
    """Return a figure of the requests that one provider alone was asked for; the time to first token is that of streams."""
    alone = [one for one in RECORDS if one["provider"] == provider and len(one["chain"]) == 1]
    return [one[key] for one in alone if one["streaming"] or key != "ttft_ms"]


def resampled(first: list[float], second: list[float], draws: int = 4000) -> tuple[float, float]:
    """Return the 95 % interval of the difference of means by drawing again and again: another way than Welch's."""
    random = Random(3)  # noqa: S311 - a sample, no secret
    found = [fmean(random.choices(second, k=len(second))) - fmean(random.choices(first, k=len(first))) for _ in range(draws)]
    cuts = quantiles(found, n=40)
    return cuts[0], cuts[-1]


@pytest.mark.parametrize(("measure", "key"), [("latency", "total_ms"), ("time to first token", "ttft_ms")])
def test_w38_a_comparison_says_what_an_independent_calculation_says(measure: str, key: str) -> None:
    fast, slow = timed("fast", key), timed("slow", key)
    (line,) = [line for line in compare(ROWS, Kind.PROVIDER, "fast", "slow").lines if line.measure == measure]

    low, high = resampled(fast, slow)
    assert isinstance(line.first, Spread)
    assert isinstance(line.second, Spread)
    assert line.difference is not None
    assert (line.first.n, line.second.n) == (len(fast), len(slow))
    assert (line.first.median, line.second.median) == (median(fast), median(slow))
    assert line.difference.value == pytest.approx(fmean(slow) - fmean(fast))
    width = high - low
    assert (line.difference.low, line.difference.high) == pytest.approx((low, high), abs=0.08 * width)
    assert line.is_clear == (not low <= 0 <= high)


def test_w38_failures_are_counted_by_attempt_before_a_fallback_too() -> None:
    ends = [end for one in RECORDS for end in one["chain"]]
    (line, *_) = compare(ROWS, Kind.PROVIDER, "fast", "slow").lines

    for share, name in ((line.first, "fast"), (line.second, "slow")):
        assert share is not None
        assert not isinstance(share, Spread)
        assert (share.hits, share.n) == (ends.count(f"{name}:upstream-5xx"), sum(end.startswith(name) for end in ends))
    assert line.is_clear


def test_figures_of_every_name_add_up_to_the_journal() -> None:
    for kind, key in ((Kind.PROVIDER, "provider"), (Kind.PROFILE, "profile"), (Kind.MODEL, "model")):
        figures = figures_by(ROWS, kind)

        assert {one.name for one in figures} == {one[key] for one in RECORDS}
        assert sum(one.requests for one in figures) == len(RECORDS)
        costs = [one.cost_usd.total for one in figures if one.cost_usd]
        assert sum(costs) == pytest.approx(sum(one["cost_usd"] for one in RECORDS))
        assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("kind", Kind)
def test_a_request_that_was_refused_before_it_had_a_name_is_in_every_table(kind: Kind) -> None:
    refused = record(outcome="refused", provider=None, profile=None, model=None, request_class=None, chain=[])

    figures = figures_by(rows_of([record(), refused]), kind)

    assert sum(one.requests for one in figures) == 2
    assert sum(one.outcomes[Outcome.REFUSED] for one in figures) == 1


def test_prompts_are_compared_whole_whatever_a_cache_had_of_them() -> None:
    cached = answers(40, "mid", input_tokens=100, cache_read_input_tokens=850, cache_creation_input_tokens=50)
    (line,) = [
        one
        for one in compare([*answers(40, input_tokens=1000), *cached], Kind.PROVIDER, "fast", "mid").lines
        if one.measure == "prompt tokens"
    ]

    assert line.difference is not None
    assert (line.difference.value, line.is_clear) == (0, False)


def test_the_cache_ratio_is_what_was_read_over_the_whole_prompt() -> None:
    rows = rows_of([record(input_tokens=300, cache_read_input_tokens=100), record(input_tokens=100), record()])

    assert figures_of(rows, Kind.PROVIDER, "fast").cache_hit_ratio == 0.2


@pytest.mark.parametrize("count", [29, 30])
def test_w38_fewer_than_thirty_requests_are_warned_about(count: int) -> None:
    rows = [*answers(count, total_ms=5.0), *answers(40, "slow", total_ms=6.0)]

    warned = " ".join(compare(rows, Kind.PROVIDER, "fast", "slow").warnings)

    assert ("fast: only 29 requests" in warned) == (count < 30)
    assert "slow: only" not in warned


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (dict, (1, 2)),
        (lambda one: {**one, "outcome": "cancelled", "chain": ["fast:cancelled"]}, (0, 1)),
        (lambda one: {**one, "outcome": "refused", "chain": []}, (0, 1)),
        (lambda one: {**one, "chain": ["fast:client-error"]}, (0, 1)),
        (lambda one: {**one, "chain": ["fast:context-overflow"]}, (0, 1)),
        (lambda one: {**one, "chain": ["fast:too-large"]}, (0, 1)),
        (lambda one: {**one, "chain": ["fast:loop-detected"]}, (0, 1)),
    ],
)
def test_what_a_client_ends_or_is_refused_is_no_failure_of_a_provider(
    change: Callable[[dict[str, Any]], dict[str, Any]], counts: tuple[int, int]
) -> None:
    failed = record(outcome="failed", chain=["fast:timeout"])

    failures = figures_of(rows_of([record(), change(failed)]), Kind.PROVIDER, "fast").failures

    assert (failures.hits, failures.n) == counts


def test_a_name_with_nothing_measured_has_a_line_without_numbers() -> None:
    rows = [*answers(40, total_ms=5.0), *answers(40, "slow", failed=40)]

    (latency,) = [line for line in compare(rows, Kind.PROVIDER, "fast", "slow").lines if line.measure == "latency"]

    assert (latency.second, latency.difference, latency.is_clear) == (None, None, False)


def test_a_failed_attempt_is_booked_on_whom_it_was_made_at() -> None:
    """Three timeouts at one provider, then another one answers."""
    fell_back = record(
        provider="mid",
        chain=["near:timeout", "near:timeout", "near:timeout", "mid:ok"],
        cost_usd=0.003525,
        cost_savings_usd=0.5,
        chain_costs_usd=[0.000464, 0.000464, 0.000464, 0.002133],
        chain_savings_usd=[0.0, 0.0, 0.1, 0.4],
    )
    rows = rows_of([fell_back])
    near, mid = (figures_of(rows, Kind.PROVIDER, name) for name in ("near", "mid"))

    assert mid.cost_usd is not None
    assert near.cost_usd is None
    assert near.total_usd == pytest.approx(0.001392)
    assert (mid.cost_usd.mean, mid.total_usd) == (0.002133, 0.002133)
    assert (near.savings_usd, mid.savings_usd) == (0.1, 0.4)
    assert figures_of(rows, Kind.PROFILE, "coding").total_usd == 0.003525


@pytest.mark.parametrize("costs", [{}, {"chain_costs_usd": None}, {"chain_costs_usd": [1.0]}, {"chain_costs_usd": "much"}])
def test_a_journal_without_the_cost_of_each_attempt_books_all_of_it_on_whom_was_asked_last(costs: dict[str, object]) -> None:
    rows = rows_of([record(provider="mid", chain=["near:timeout", "mid:ok"], cost_usd=0.5, **costs)])

    assert figures_of(rows, Kind.PROVIDER, "mid").total_usd == 0.5
    assert figures_of(rows, Kind.PROVIDER, "near").total_usd is None


def test_a_warning_of_few_requests_says_what_is_few() -> None:
    """A provider with 81 attempts, of which none was the last of its request, and one with two."""
    fell_back = [record(provider="good", chain=["err:timeout", "good:ok"]) for _ in range(81)]
    kept = [record(provider="err", chain=["err:ok"]) for _ in range(2)]

    def warned(records: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
        return few_warnings(figures_by(rows_of(records), Kind.PROVIDER))

    assert warned(fell_back) == ()
    assert warned([*fell_back, *kept]) == (
        "err: only 2 requests ended with it; below 30 an interval means little (that of its failure rate is of 83 attempts)",
    )
    assert warned(kept) == ("err: only 2 requests; below 30 an interval means little",)
