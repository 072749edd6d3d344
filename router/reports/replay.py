"""Statistics over the request journal: what each provider, profile or model did, and how two of them differ (W38). Pure.

What is measured of whom:

    failure rate   of a provider: its attempts, also those before a fallback; of others: requests; the client's own ends aside
    latency, TTFT  of answers in full; of a provider: only where it was the first and only one asked, else the wait for
                   another one would be its own
    cost           of requests whose price is known, with what their failed attempts cost; of a provider: what its own attempts
                   cost of the requests that it was asked last. Its total has those that another one made good, too
    prompt tokens  of the whole prompt: fresh ones, those read from a cache, those written to one
    cache ratio    tokens read from a cache over all of the prompt"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from router.reports.rows import NOBODY, TIMES, Kind, Outcome, Row
from router.reports.spread import FEW, Interval, Share, Spread, mean_difference, share_difference, share_of, spread_of

# ends of an attempt that are no failure of its provider: the client's, more than it can hold, a request that goes in a circle, or
# one of ours before it was sent
_NOT_ITS_OWN = frozenset(
    {
        "ok",
        "cut",
        "cancelled",
        "client-error",
        "loop-detected",
        "invalid_request",
        "context-overflow",
        "too-large",
        "busy",
        "budget",
    }
)


@frozen(kw_only=True)
class Figures:
    """What the requests of one name came to. Milliseconds, tokens, USD; None where nothing was measured."""

    name: str
    requests: int
    outcomes: dict[Outcome, int]
    failures: Share
    latency_ms: Spread | None
    ttft_ms: Spread | None
    prompt_tokens: Spread | None
    output_tokens: Spread | None
    cost_usd: Spread | None
    total_usd: float | None
    savings_usd: float
    cache_read_tokens: float
    cache_hit_ratio: float | None
    streaming_ratio: float | None


@frozen(kw_only=True)
class Total:
    """All requests of a report; `first` and `last` are stamps, `total_usd` is None where no price was known."""

    requests: int
    first: str
    last: str
    total_usd: float | None
    savings_usd: float


@frozen(kw_only=True)
class Difference:
    """One line of a comparison: `second` minus `first`; `percent` is of the first, None where that is 0 or unknown."""

    measure: str
    unit: str
    first: Spread | Share | None
    second: Spread | Share | None
    difference: Interval | None
    percent: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the difference is more than chance, with 95 % confidence."""
        return self.difference is not None and not self.difference.has_zero


@frozen(kw_only=True)
class Comparison:
    """Two names, line by line; `warnings` say where the numbers are too few."""

    kind: Kind
    first: Figures
    second: Figures
    lines: tuple[Difference, ...]
    warnings: tuple[str, ...]


def figures_by(rows: Sequence[Row], kind: Kind) -> tuple[Figures, ...]:
    """Return the figures of every name that the rows have, the dearest first, then the busiest; hours and days as they went."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        for name in row.names(kind):
            by_name.setdefault(name, []).append(row)
    found = [figures_of(own, kind, name) for name, own in by_name.items()]
    if kind in TIMES:
        return tuple(sorted(found, key=lambda one: one.name))
    return tuple(sorted(found, key=lambda one: (-(one.total_usd or 0.0), -one.requests, one.name)))


def total_of(rows: Sequence[Row]) -> Total:
    """Return what all rows come to; there is at least one."""
    costs = [row.cost_usd for row in rows if row.cost_usd is not None]
    return Total(
        requests=len(rows),
        first=min(row.ts for row in rows),
        last=max(row.ts for row in rows),
        total_usd=sum(costs) if costs else None,
        savings_usd=_sum(rows, lambda row: row.savings_usd),
    )


def figures_of(rows: Sequence[Row], kind: Kind, name: str) -> Figures:
    """Return the figures of one name."""

    def cost(row: Row) -> float | None:
        return row.cost_at(name) if is_provider else row.cost_usd

    own = [row for row in rows if (row.name(kind) or NOBODY) == name]
    whole = [row for row in own if row.outcome is Outcome.OK]
    is_provider = kind is Kind.PROVIDER
    timed = [row for row in whole if len(row.chain) < 2] if is_provider else whole  # noqa: PLR2004 - nobody else
    costs = [usd for row in (rows if is_provider else own) if (usd := cost(row)) is not None]
    read, prompts = _sum(own, lambda row: row.cache_read), _sum(own, lambda row: row.prompt_tokens)
    streaming = [row.streaming for row in own if row.streaming is not None]
    return Figures(
        name=name,
        requests=len(own),
        outcomes={outcome: sum(row.outcome is outcome for row in own) for outcome in Outcome},
        failures=_attempt_failures(rows, name) if is_provider else _request_failures(own),
        latency_ms=_spread(timed, lambda row: row.total_ms),
        ttft_ms=_spread(timed, lambda row: row.ttft_ms if row.streaming else None),
        prompt_tokens=_spread(own, lambda row: row.prompt_tokens),
        output_tokens=_spread(own, lambda row: row.output_tokens),
        cost_usd=_spread(own, cost),
        total_usd=sum(costs) if costs else None,
        savings_usd=_sum(rows if is_provider else own, lambda row: row.savings_at(name) if is_provider else row.savings_usd),
        cache_read_tokens=read,
        cache_hit_ratio=read / prompts if prompts else None,
        streaming_ratio=sum(streaming) / len(streaming) if streaming else None,
    )


def compare(rows: Sequence[Row], kind: Kind, first: str, second: str) -> Comparison:
    """Return how two names differ, `second` minus `first`."""
    one, other = figures_of(rows, kind, first), figures_of(rows, kind, second)
    lines = (
        _of_shares("failure rate", one.failures, other.failures),
        _of_spreads("latency", "ms", one.latency_ms, other.latency_ms),
        _of_spreads("time to first token", "ms", one.ttft_ms, other.ttft_ms),
        _of_spreads("prompt tokens", "", one.prompt_tokens, other.prompt_tokens),
        _of_spreads("output tokens", "", one.output_tokens, other.output_tokens),
        _of_spreads("cost of a request", "USD", one.cost_usd, other.cost_usd),
    )
    return Comparison(kind=kind, first=one, second=other, lines=lines, warnings=tuple(_warnings(lines, one, other)))


def few_warnings(figures: Iterable[Figures]) -> tuple[str, ...]:
    """Return a sentence for each name with too few requests to say much.

    A provider may have failed often and answered rarely: its failure rate is of attempts, everything else of requests."""
    few = (one for one in figures if one.requests < FEW and one.name != NOBODY)
    return tuple(_few_words(one) for one in few if one.requests or one.failures.n < FEW)


def _few_words(one: Figures) -> str:
    if one.failures.n < FEW:
        return f"{one.name}: only {one.requests} requests; below {FEW} an interval means little"
    rate = f"that of its failure rate is of {one.failures.n} attempts"
    return f"{one.name}: only {one.requests} requests ended with it; below {FEW} an interval means little ({rate})"


def _warnings(lines: Sequence[Difference], one: Figures, other: Figures) -> Iterable[str]:
    yield from few_warnings((one, other))
    for line in lines:
        for name, side, requests in ((one.name, line.first, one.requests), (other.name, line.second, other.requests)):
            n = 0 if side is None else side.n
            if requests >= FEW > n:
                yield f"{name}: {line.measure} was measured only {n} times"


def _of_spreads(measure: str, unit: str, first: Spread | None, second: Spread | None) -> Difference:
    if first is None or second is None:
        return Difference(measure=measure, unit=unit, first=first, second=second, difference=None, percent=None)
    return Difference(
        measure=measure,
        unit=unit,
        first=first,
        second=second,
        difference=mean_difference(first, second),
        percent=_percent(first.mean, second.mean),
    )


def _of_shares(measure: str, first: Share, second: Share) -> Difference:
    return Difference(
        measure=measure,
        unit="%",
        first=first,
        second=second,
        difference=share_difference(first, second),
        percent=_percent(first.value, second.value) if first.n and second.n else None,
    )


def _percent(first: float, second: float) -> float | None:
    return (second - first) / first * 100 if first else None


def _attempt_failures(rows: Sequence[Row], provider: str) -> Share:
    ends = [word for row in rows for name, word in row.chain if name == provider]
    if not ends:  # a journal without chains
        return _request_failures([row for row in rows if row.provider == provider])
    failed = sum(word not in _NOT_ITS_OWN for word in ends)
    return share_of(failed, failed + ends.count("ok"))


def _request_failures(rows: Sequence[Row]) -> Share:
    failed = sum(row.outcome is Outcome.FAILED for row in rows)
    return share_of(failed, failed + sum(row.outcome is Outcome.OK for row in rows))


def _spread(rows: Iterable[Row], get: Callable[[Row], float | None]) -> Spread | None:
    return spread_of([value for row in rows if (value := get(row)) is not None])


def _sum(rows: Iterable[Row], get: Callable[[Row], float | None]) -> float:
    return sum(get(row) or 0.0 for row in rows)
