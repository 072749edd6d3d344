"""Intervals against printed tables, the normal distribution and simulation."""

from __future__ import annotations

from random import Random
from statistics import NormalDist, mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.reports.spread import mean_difference, middle_of, share_difference, share_of, spread_of, t_quantile


@pytest.mark.parametrize(  # two-sided 95 %, as every table of Student's distribution has them
    ("freedom", "quantile"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (9, 2.262),
        (10, 2.228),
        (29, 2.045),
        (60, 2.000),
        (120, 1.980),
    ],
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=0.0006)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert t_quantile(5000) == pytest.approx(NormalDist().inv_cdf(0.975))
    assert t_quantile(1999) == pytest.approx(t_quantile(2000), abs=0.002)


def test_the_interval_of_a_mean_holds_the_true_one_in_19_of_20_samples() -> None:
    random, held = Random(11), 0  # noqa: S311 - a sample, no secret
    for _ in range(2000):
        spread = spread_of([random.gauss(100, 15) for _ in range(8)])
        assert spread is not None
        assert spread.interval is not None
        held += spread.interval.low <= 100 <= spread.interval.high

    assert held / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(  # Newcombe 1998, table I: Wilson's score without continuity correction
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    interval = share_of(hits, n).interval

    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.0001)


def test_the_difference_of_shares_has_the_published_interval() -> None:
    difference = share_difference(share_of(48, 80), share_of(56, 70))  # Newcombe 1998 b, table II (a), method 10

    assert difference is not None
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=0.0001)


@given(st.integers(0, 50).flatmap(lambda hits: st.tuples(st.just(hits), st.integers(max(hits, 1), 60))))
def test_a_share_lies_in_its_interval_and_that_in_0_to_1(counted: tuple[int, int]) -> None:
    share = share_of(*counted)

    assert 0 <= share.interval.low <= share.value <= share.interval.high <= 1


def test_a_difference_of_means_is_welchs() -> None:
    one, other = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9], [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0]
    first, second = spread_of(one), spread_of(other)
    assert first is not None
    assert second is not None

    difference = mean_difference(first, second)

    error = (stdev(one) ** 2 / len(one) + stdev(other) ** 2 / len(other)) ** 0.5
    assert difference is not None
    assert difference.value == pytest.approx(mean(other) - mean(one))
    assert difference.high - difference.value == pytest.approx(2.365 * error, abs=0.01)  # 7.03 degrees, so 7


def test_one_value_has_no_interval_and_none_has_nothing() -> None:
    single = spread_of([5.0])

    assert single is not None
    assert (single.n, single.mean, single.median, single.interval) == (1, 5.0, 5.0, None)
    assert mean_difference(single, single) is None
    assert spread_of([]) is None
    assert share_difference(share_of(0, 0), share_of(1, 2)) is None


def test_halves_are_the_older_and_the_newer() -> None:
    assert middle_of([1, 2, 3, 10, 20, 30]) == (2, 20)
