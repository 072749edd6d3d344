from __future__ import annotations

import random
from statistics import median

import pytest

from router.reports.medians import Median, median_of


def test_without_figures_there_is_no_median() -> None:
    assert median_of([None, None]) is None


@pytest.mark.parametrize(
    ("n", "rank"),
    # as tables of the sign test have them
    [(5, None), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (30, 10), (100, 40), (1100, 518)],
)
def test_the_interval_lies_between_two_of_the_figures(n: int, rank: int | None) -> None:
    figures = [float(number) for number in range(n, 0, -1)]

    found = median_of([*figures, None])

    low, high = (None, None) if rank is None else (float(rank), float(n + 1 - rank))
    assert found == Median(n=n, value=median(figures), low=low, high=high)


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    rng = random.Random(1)  # noqa: S311 - the same samples every time
    hits = 0
    for _ in range(1000):
        found = median_of(rng.expovariate(1.0) for _ in range(30))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.693147 <= found.high

    assert hits / 1000 >= 0.95 - 0.01
