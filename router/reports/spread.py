"""What few numbers can say about many: means, medians and shares with their 95 % intervals (W38). Pure.

Means have Student's interval (differences Welch's, with the degrees of freedom rounded down), shares Wilson's
(differences Newcombe's). Everything is an estimate for requests like those that were counted."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan, cos, pi, sin, sqrt
from statistics import NormalDist, fmean, median, variance

from attrs import frozen

FEW = 30  # below it an interval of a mean says little: latencies are far from a bell curve
LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_LARGE = 2000  # degrees of freedom from which Student's quantile is the normal one to three digits


@frozen(kw_only=True)
class Interval:
    """A value and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def has_zero(self) -> bool:
        """Whether, of a difference, nothing is certain, not even its sign."""
        return self.low <= 0.0 <= self.high


@frozen(kw_only=True)
class Spread:
    """Some measurements. `interval` is that of the mean, None for fewer than two."""

    n: int
    mean: float
    median: float
    total: float
    deviation: float = 0.0
    interval: Interval | None = None


@frozen(kw_only=True)
class Share:
    """How many of how many, with Wilson's interval; `value` is 0 of none."""

    hits: int
    n: int
    interval: Interval

    @property
    def value(self) -> float:
        """The share itself, 0 to 1."""
        return self.interval.value


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return what the values say, None of none."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    deviation = sqrt(variance(values, mean)) if n > 1 else 0.0
    margin = t_quantile(n - 1) * deviation / sqrt(n) if n > 1 else 0.0
    interval = Interval(value=mean, low=mean - margin, high=mean + margin) if n > 1 else None
    return Spread(n=n, mean=mean, median=median(values), total=sum(values), deviation=deviation, interval=interval)


def share_of(hits: int, n: int) -> Share:
    """Return a share with Wilson's interval, 0 to 1 where nothing was counted."""
    if n == 0:
        return Share(hits=0, n=0, interval=Interval(value=0.0, low=0.0, high=1.0))
    share, square = hits / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    margin = _Z / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    low, high = max(middle - margin, 0.0), min(middle + margin, 1.0)
    # at the ends the formula gives the end itself, but for rounding
    return Share(hits=hits, n=n, interval=Interval(value=share, low=low if hits else 0.0, high=high if hits < n else 1.0))


def mean_difference(first: Spread, second: Spread) -> Interval | None:
    """Return `second` minus `first` with Welch's interval, None where one has fewer than two values."""
    if first.n < 2 or second.n < 2:  # noqa: PLR2004 - one value has no spread
        return None
    one, other = first.deviation**2 / first.n, second.deviation**2 / second.n
    difference = second.mean - first.mean
    if one + other == 0.0:
        return Interval(value=difference, low=difference, high=difference)
    freedom = (one + other) ** 2 / (one**2 / (first.n - 1) + other**2 / (second.n - 1))
    margin = t_quantile(max(int(freedom), 1)) * sqrt(one + other)
    return Interval(value=difference, low=difference - margin, high=difference + margin)


def share_difference(first: Share, second: Share) -> Interval | None:
    """Return `second` minus `first` with Newcombe's interval, None where one has counted nothing."""
    if not (first.n and second.n):
        return None
    one, other, value = first.interval, second.interval, second.value - first.value
    low = value - sqrt((other.value - other.low) ** 2 + (one.high - one.value) ** 2)
    high = value + sqrt((other.high - other.value) ** 2 + (one.value - one.low) ** 2)
    return Interval(value=value, low=low, high=high)


def t_quantile(freedom: int) -> float:
    """Return the two-sided 95 % quantile of Student's distribution, to 9 digits, for whole degrees of freedom from 1."""
    if freedom >= _LARGE:
        return _Z
    low, high = _Z, 13.0  # 12.706 for one degree
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < LEVEL else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Return the probability of [-t, t]: the finite series for whole degrees of freedom (Abramowitz and Stegun 26.7.3)."""
    angle = atan(t / sqrt(freedom))
    square = cos(angle) ** 2
    is_odd = freedom % 2 == 1
    term = total = cos(angle) if is_odd else 1.0
    for k in range(3 if is_odd else 2, freedom - 1, 2):
        term *= square * (k - 1) / k
        total += term
    if not is_odd:
        return sin(angle) * total
    return 2 / pi * (angle + (sin(angle) * total if freedom > 1 else 0.0))


def middle_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the older and of the newer half of at least two values."""
    half = len(values) // 2
    return median(values[:half]), median(values[half:])
