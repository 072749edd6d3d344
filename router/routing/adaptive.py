"""Adaptive order: how far a slow or failing provider stands behind its place, from what was seen of it lately.

A provider is demoted by 0 to 3: +1 while it is slow beside the others of the chain, +2 while it fails too often. Each
point has a threshold to come and a lower one to go, and the sum is held for a while, so that the order does not
flutter. Sorting by (demotion, declared index) is then a total order. Source: routing.md 12.4."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import inf
from statistics import median

from attrs import define, field, frozen

from router.config.schema import AdaptiveConfig

MAX_SAMPLES = 256  # per provider: what a busy one gets within the window; older ones say less than newer ones
LEAVES_AT = 0.8  # of the threshold that brought the point
MIN_TOKENS = 32  # a shorter answer's time is mostly that of its prompt
SLOW, FAILING = 1, 2  # points
_HAIR = 1e-9  # 0.15 / 0.1 is a hair below 1.5


@frozen(kw_only=True)
class Sample:
    """One attempt that says something of its provider; a client's mistake or a cancelled attempt does not.

    `at` on trio's clock. `ttft_s` is a stream's time to commit, `total_s` the time of a whole reply; None for a failure."""

    at: float
    ok: bool
    stream: bool = False
    ttft_s: float | None = None
    total_s: float | None = None
    output_tokens: int | None = None


class Metric(StrEnum):
    """What is compared: times of one kind only, never a stream's with a whole reply's."""

    TTFT = "ttft"
    TOKEN = "token"  # noqa: S105 - seconds per output token
    TOTAL = "total"


@frozen(kw_only=True)
class Stats:
    """What the window holds of one provider. `medians` only of metrics with enough samples; `counts` of all, successes only."""

    sample_count: int = 0
    error_rate: float | None = None  # None: too few samples to say
    medians: Mapping[Metric, float] = field(factory=dict)
    counts: Mapping[Metric, int] = field(factory=dict)


@frozen(kw_only=True)
class Standing:
    """What one provider was last demoted by in one profile, and since when. The default is that of one never judged."""

    points: int = 0
    since: float = -inf


def stats_of(samples: Sequence[Sample], config: AdaptiveConfig, now: float) -> Stats:
    """Return the figures of the samples that are younger than the window."""
    recent = [sample for sample in samples if now - sample.at < config.window_s]
    times: dict[Metric, list[float]] = {}
    for sample in recent:
        if sample.ok and (told := _time_of(sample)) is not None:
            times.setdefault(told[0], []).append(told[1])
    failed = sum(not sample.ok for sample in recent)
    return Stats(
        sample_count=len(recent),
        error_rate=failed / len(recent) if len(recent) >= config.min_error_samples else None,
        medians={metric: median(seen) for metric, seen in times.items() if len(seen) >= config.min_latency_samples},
        counts={metric: len(seen) for metric, seen in times.items()},
    )


def slowness(own: Stats, others: Sequence[Stats]) -> float | None:
    """Return how many times the others' median the own one is, None where there is nothing to compare.

    The reference is the median of the medians of the OTHER providers. Of several metrics the one counts in which the
    provider was seen most often, the worse one among equals."""
    ratios: list[tuple[int, float]] = []
    for metric, time in own.medians.items():
        reference = [other.medians[metric] for other in others if metric in other.medians]
        if reference:
            beside = median(reference)
            ratios.append((own.counts[metric], time / beside if beside > 0 else inf if time > 0 else 1.0))
    return max(ratios)[1] if ratios else None


def points(own: Stats, others: Sequence[Stats], standing: int, config: AdaptiveConfig) -> int:
    """Return 0 to 3; a point that `standing` has stays until its measure is below 0.8 of the threshold."""
    slow = _holds(slowness(own, others), config.latency_factor, is_on=bool(standing & SLOW))
    failing = _holds(own.error_rate, config.error_rate, is_on=bool(standing & FAILING))
    return SLOW * slow + FAILING * failing


def settled(old: Standing, proposed: int, config: AdaptiveConfig, now: float) -> Standing:
    """Return the standing after a judgement: `old` itself where nothing changes, or the last change is too young."""
    if proposed == old.points or now - old.since < config.debounce_s:
        return old
    return Standing(points=proposed, since=now)


def effective_order(chain: Sequence[str], demotions: Mapping[str, int]) -> tuple[str, ...]:
    """Return the chain by (demotion, place), whoever of it is skipped or stands elsewhere for other reasons."""
    return tuple(sorted(chain, key=lambda name: demotions.get(name, 0)))


def applied_facts(chain: Sequence[str], order: Sequence[str], stats: Mapping[str, Stats]) -> Mapping[str, object]:
    """Return the fields of `adaptive-routing-applied` (routing.md 12.3), times in ms."""
    return {
        "static_order": list(chain),
        "effective_order": list(order),
        "stats": {name: stats_facts(stats.get(name, Stats())) for name in chain},
    }


def stats_facts(stats: Stats) -> Mapping[str, object]:
    """Return the figures of one provider as they are told, times in ms."""
    medians = {f"median_{metric}_ms": round(time * 1000, 1) for metric, time in stats.medians.items()}
    rate = None if stats.error_rate is None else round(stats.error_rate, 4)
    return {**medians, "error_rate": rate, "sample_count": stats.sample_count}


@define
class Adaptive:
    """The samples of every provider, and where each stands in each profile; one per daemon, sync, no task.

    Samples belong to the provider, whoever asked; a standing to (profile, provider), whose rivals differ by profile."""

    _samples: dict[str, deque[Sample]] = field(factory=dict, init=False)
    _standings: dict[tuple[str, str], Standing] = field(factory=dict, init=False)

    def record(self, provider: str, sample: Sample) -> None:
        """Take what one attempt showed; the oldest beyond MAX_SAMPLES is forgotten."""
        self._samples.setdefault(provider, deque(maxlen=MAX_SAMPLES)).append(sample)

    def stats(self, chain: Sequence[str], config: AdaptiveConfig, now: float) -> Mapping[str, Stats]:
        """Return the figures of each provider of a chain; changes nothing."""
        return {name: stats_of(self._samples.get(name, ()), config, now) for name in chain}

    def demotions(self, profile: str, stats: Mapping[str, Stats], config: AdaptiveConfig, now: float) -> Mapping[str, int]:
        """Return 0 to 3 for each provider of a chain, whose figures these are, and keep it as where they stand now.

        Nobody is demoted with `mode = "off"`. Under `shadow` the caller tells the order and does not use it."""
        if config.mode == "off":
            return dict.fromkeys(stats, 0)
        found: dict[str, int] = {}
        for name, own in stats.items():
            old = self._standings.get((profile, name), Standing())
            others = [stats[other] for other in stats if other != name]
            new = settled(old, points(own, others, old.points, config), config, now)
            if new is not old:
                self._standings[profile, name] = new
            found[name] = new.points
        return found

    def standing(self, profile: str, provider: str) -> Standing:
        """Return where a provider stands in a profile since it was judged last; judges nothing."""
        return self._standings.get((profile, provider), Standing())

    def forget(self, provider: str) -> None:
        """Drop what was seen of a provider that is gone, or another backend from now on."""
        self._samples.pop(provider, None)
        self._standings = {key: standing for key, standing in self._standings.items() if key[1] != provider}


def _time_of(sample: Sample) -> tuple[Metric, float] | None:
    if sample.stream:
        return None if sample.ttft_s is None else (Metric.TTFT, sample.ttft_s)
    if sample.total_s is None:
        return None
    if sample.output_tokens is not None and sample.output_tokens >= MIN_TOKENS:
        return Metric.TOKEN, sample.total_s / sample.output_tokens
    return Metric.TOTAL, sample.total_s


def _holds(measure: float | None, threshold: float, *, is_on: bool) -> bool:
    """Tell whether a point stands: nothing measured is nothing held against it, and a threshold of 0 means any at all."""
    return measure is not None and measure > 0 and measure + _HAIR >= threshold * (LEAVES_AT if is_on else 1.0)
