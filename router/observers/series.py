"""What was asked and how it went over the last 5 minutes and the last hour, per provider and over everything.

A listener: attempts make a provider's figures, whole requests those over everything; tokens are those of attempts in both,
since one that another provider has made good is paid for, too. Each window is a ring of buckets of
fixed width; a bucket holds counts and two histograms, so that memory is bounded whatever comes: a name for each provider that
is configured, MAX_NAMES at most, each with 120 buckets of 2 KB. Quantiles are read from the histograms and are good to a
tenth (STEP). They cost most of a look, so what is read of a bucket or a window is kept until it changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from attrs import define, field, frozen

from router.domain.outcome import RequestResult, result_of
from router.domain.told import Told

WINDOWS: Mapping[str, float] = {"5m": 5.0, "1h": 60.0}  # by name, the width of a bucket in seconds
BUCKETS = 60
EVERYTHING = ""  # the name of what is over everything
MAX_NAMES = 256  # whoever has more providers sees those behind these only in what is over everything
STEP = 1.2  # from one bound of a histogram to the next
BOUNDS = tuple(STEP**power for power in range(75))  # ms: from 1 up to 12 minutes
_HALF_STEP = 1.2**0.5
_SHARES = (0.5, 0.95)


@define(eq=False)
class Histogram:
    """Counts of milliseconds between BOUNDS; made when the first one comes."""

    counts: list[int] = field(factory=list)
    total: int = 0

    def add(self, ms: float) -> None:
        """Count one."""
        self.counts = self.counts or [0] * (len(BOUNDS) + 1)
        self.counts[bisect_left(BOUNDS, ms)] += 1
        self.total += 1


def quantiles(histograms: Sequence[Histogram], shares: Sequence[float] = _SHARES) -> list[float | None]:
    """Return for each share the milliseconds that so much of what was counted lies below, in the middle of its step.

    None for each where nothing was counted."""
    told = [one for one in histograms if one.total]
    if not told:
        return [None] * len(shares)
    counts = told[0].counts if len(told) == 1 else map(sum, zip(*(one.counts for one in told), strict=True))
    sums = list(accumulate(counts))
    return [BOUNDS[min(bisect_left(sums, share * sums[-1]), len(BOUNDS) - 1)] / _HALF_STEP for share in shares]


@define(eq=False, kw_only=True)
class Bucket:
    """One stretch of time. `start` is its number: unix seconds through its width; `changed` the seq of its last change."""

    start: int
    changed: int = 0
    requests: int = 0
    failures: int = 0
    refused: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    ttft: Histogram = field(factory=Histogram)
    latency: Histogram = field(factory=Histogram)
    point: Point | None = None  # what was read of it, since its last change


@frozen(kw_only=True)
class Totals:
    """A window as one figure each; milliseconds, None where nothing was measured.

    `cache_hit_rate` is the share of the input that came from a cache, None where no input was counted."""

    requests: int
    failures: int
    refused: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_hit_rate: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


@frozen(kw_only=True)
class Point:
    """One bucket of one window, for a chart; `at` is its beginning, unix seconds."""

    name: str
    window: str
    at: float
    requests: int
    failures: int
    refused: int
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


@define(eq=False)
class Ring:
    """The buckets of one window, oldest first."""

    width_s: float
    buckets: list[Bucket] = field(factory=list)
    _totals: tuple[object, Totals] | None = None  # with what it was read of

    def at(self, wall: float) -> Bucket:
        """Return the bucket of a moment. A clock that was set back a little goes on in the newest one."""
        start = int(wall // self.width_s)
        if not self.buckets or not start <= self.buckets[-1].start <= start + 1:
            self.buckets = self.living(wall)
            if not self.buckets or self.buckets[-1].start < start:
                self.buckets.append(Bucket(start=start))
        return self.buckets[-1]

    def living(self, wall: float) -> list[Bucket]:
        """Return the buckets that are within the window at a moment; those that a clock set back has left ahead are not."""
        now = int(wall // self.width_s)
        return [bucket for bucket in self.buckets if now - BUCKETS < bucket.start <= now + 1]

    def totals(self, wall: float) -> Totals:
        """Return the window at a moment as one figure each."""
        buckets = self.living(wall)
        read_of = (len(buckets), buckets[-1].changed) if buckets else ()  # the oldest leave, only the last changes
        if self._totals is None or self._totals[0] != read_of:
            self._totals = (read_of, _totals_of(buckets))
        return self._totals[1]


@define(eq=False)
class Series:
    """Written by the observer's calls; a reader gets values."""

    seq: int = 0  # of the last change
    _rings: dict[str, dict[str, Ring]] = field(factory=dict)

    def told(self, told: Told) -> None:
        """Take one event in."""
        match told.name:
            case "attempt-complete" if provider := told.fields.get("provider"):
                buckets = self._buckets(str(provider), told.wall)
                _count(buckets, told.fields, has_asked=True)
                if any(tokens := _tokens_of(told.fields)):
                    _add_tokens([*buckets, *self._buckets(EVERYTHING, told.wall)], tokens)
            case "request-complete":
                _count(self._buckets(EVERYTHING, told.wall), told.fields, has_asked=bool(told.fields.get("chain")))
            case "request-refused" if told.fields.get("dialect"):  # of a model; a page is no request to one
                for bucket in self._buckets(EVERYTHING, told.wall):
                    bucket.requests += 1
                    bucket.refused += 1
            case _:
                pass

    def names(self) -> tuple[str, ...]:
        """Return the providers of which something is known."""
        return tuple(name for name in self._rings if name != EVERYTHING)

    def totals(self, name: str, window: str, wall: float) -> Totals:
        """Return a window of one provider, or of EVERYTHING, at a moment in unix seconds."""
        ring = self._rings.get(name, {}).get(window)
        return _totals_of([]) if ring is None else ring.totals(wall)

    def keep_only(self, providers: Container[str]) -> None:
        """Forget the providers that are no longer configured."""
        self._rings = {name: rings for name, rings in self._rings.items() if name == EVERYTHING or name in providers}

    def points_of(self, name: str, wall: float, after: int = 0) -> Iterator[Point]:
        """Yield the points of a provider or of EVERYTHING that have changed since `seq` was `after`; unix seconds."""
        for window, ring in self._rings.get(name, {}).items():
            yield from (_point(name, window, ring.width_s, one) for one in ring.living(wall) if one.changed > after)

    def _buckets(self, name: str, wall: float) -> list[Bucket]:
        """Return the bucket of each window to count in."""
        rings = self._rings.get(name)
        if rings is None:
            if len(self.names()) >= MAX_NAMES and name != EVERYTHING:
                return []
            rings = self._rings[name] = {window: Ring(width_s) for window, width_s in WINDOWS.items()}
        self.seq += 1
        buckets = [ring.at(wall) for ring in rings.values()]
        for bucket in buckets:
            bucket.changed, bucket.point = self.seq, None
        return buckets


def _count(buckets: Iterable[Bucket], fields: Mapping[str, object], *, has_asked: bool) -> None:
    """Count one attempt, or one request, by its result; only a good one has a latency."""
    result = result_of(fields.get("outcome"), has_asked=has_asked)
    ttft_ms = fields.get("ttft_ms") if fields.get("stream") else None
    total_ms = fields.get("total_ms") if result is RequestResult.OK else None
    for bucket in buckets:
        bucket.requests += 1
        bucket.cancelled += result is RequestResult.CANCELLED
        bucket.refused += result is RequestResult.REFUSED
        bucket.failures += result is RequestResult.FAILED
        if isinstance(ttft_ms, int | float):
            bucket.ttft.add(ttft_ms)
        if isinstance(total_ms, int | float):
            bucket.latency.add(total_ms)


def _tokens_of(fields: Mapping[str, object]) -> tuple[int, int, int, int]:
    """Return the tokens that an attempt has used: fresh, answered, read from a cache, written to one."""
    return (
        _tokens(fields, "input_tokens"),
        _tokens(fields, "output_tokens"),
        _tokens(fields, "cache_read_input_tokens"),
        _tokens(fields, "cache_creation_input_tokens"),
    )


def _add_tokens(buckets: Iterable[Bucket], tokens: tuple[int, int, int, int]) -> None:
    fresh, answered, read, written = tokens
    for bucket in buckets:
        bucket.input_tokens += fresh
        bucket.output_tokens += answered
        bucket.cache_read_tokens += read
        bucket.cache_write_tokens += written


def _tokens(fields: Mapping[str, object], key: str) -> int:
    value = fields.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def _totals_of(buckets: Sequence[Bucket]) -> Totals:
    read, written, fresh = (
        sum(getattr(bucket, key) for bucket in buckets) for key in ("cache_read_tokens", "cache_write_tokens", "input_tokens")
    )
    ttft_p50_ms, ttft_p95_ms = quantiles([bucket.ttft for bucket in buckets])
    latency_p50_ms, latency_p95_ms = quantiles([bucket.latency for bucket in buckets])
    return Totals(
        requests=sum(bucket.requests for bucket in buckets),
        failures=sum(bucket.failures for bucket in buckets),
        refused=sum(bucket.refused for bucket in buckets),
        cancelled=sum(bucket.cancelled for bucket in buckets),
        input_tokens=fresh,
        output_tokens=sum(bucket.output_tokens for bucket in buckets),
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_hit_rate=read / (read + written + fresh) if read or written or fresh else None,
        ttft_p50_ms=ttft_p50_ms,
        ttft_p95_ms=ttft_p95_ms,
        latency_p50_ms=latency_p50_ms,
        latency_p95_ms=latency_p95_ms,
    )


def _point(name: str, window: str, width_s: float, bucket: Bucket) -> Point:
    if bucket.point is None:
        ttft_p50_ms, ttft_p95_ms = quantiles([bucket.ttft])
        latency_p50_ms, latency_p95_ms = quantiles([bucket.latency])
        bucket.point = Point(
            name=name,
            window=window,
            at=bucket.start * width_s,
            requests=bucket.requests,
            failures=bucket.failures,
            refused=bucket.refused,
            ttft_p50_ms=ttft_p50_ms,
            ttft_p95_ms=ttft_p95_ms,
            latency_p50_ms=latency_p50_ms,
            latency_p95_ms=latency_p95_ms,
        )
    return bucket.point
