"""A median with the interval that it lies in, without a word about how the figures are spread."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from attrs import frozen

ONE_SIDE = 40  # of so many samples one may lie below, and one above


@frozen(kw_only=True)
class Median:
    """`low` and `high` hold the true median in 95 of 100 samples; None where there are fewer than six figures."""

    n: int
    value: float
    low: float | None
    high: float | None


def median_of(figures: Iterable[float | None]) -> Median | None:
    """Return the median of the figures that there are, None without any.

    Its interval is that of the order statistics: from the k-th lowest to the k-th highest figure, where fewer than k of n
    tosses of a coin come up heads at most 2.5 times in 100."""
    known = sorted(figure for figure in figures if figure is not None)
    if not known:
        return None
    rank = _rank(len(known))
    low, high = (known[rank - 1], known[-rank]) if rank else (None, None)
    return Median(n=len(known), value=median(known), low=low, high=high)


def _rank(n: int) -> int:
    """Return k, 0 where even the lowest and the highest figure are too close."""
    tosses, ways, most = 0, 1, 2**n // ONE_SIDE  # whole numbers: 2**1024 is no float
    for k in range(n + 1):
        tosses += ways
        if tosses > most:
            return k
        ways = ways * (n - k) // (k + 1)  # C(n, k + 1)
    return n
