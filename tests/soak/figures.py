"""What a soak measures and when it counts as flat: pure.

A sample is taken while nobody asks anything, nothing is broken, and what may expire has expired: what is left then is what
the daemon keeps. The first sample of the load is what the later ones are compared with; before it, caches fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

MORE_TASKS = 2  # a recovery prober that is on its way out, a connection that closes
MORE_DESCRIPTORS = 4  # the same, and a connection to an upstream that was used by the last probe
MORE_RSS_PER_CENT = 10.0  # the allocator keeps pages of the busiest moment; a leak of 20 bytes a request shows after hours
MARKS = (0.1, 0.5, 1.0)  # of the whole time: 1, 5 and 10 minutes of ten


@frozen(kw_only=True)
class Sample:
    """One look at the daemon: `at_s` since the load began, resident memory in KiB."""

    at_s: float
    tasks: int
    descriptors: int
    rss_kb: int


@frozen(kw_only=True)
class Soaked:
    """A whole run. `samples` are in the order of time; `endings` counts how requests ended, `told` events of the log.

    `bad` are the texts of endings that are none; `crashes` events that a sound daemon never tells."""

    samples: tuple[Sample, ...]
    busiest: Sample
    endings: Mapping[str, int] = field(factory=dict)
    told: Mapping[str, int] = field(factory=dict)
    bad: tuple[str, ...] = ()
    crashes: tuple[str, ...] = ()


def complaints(soaked: Soaked) -> Iterator[str]:
    """Yield why the run is not flat, nothing for a flat one."""
    first, *later = soaked.samples
    for sample in later:
        at = f"after {sample.at_s:.0f} s"
        if sample.tasks > first.tasks + MORE_TASKS:
            yield f"{at} {sample.tasks} tasks, {first.tasks} at first: more than {MORE_TASKS} more"
        if sample.descriptors > first.descriptors + MORE_DESCRIPTORS:
            yield f"{at} {sample.descriptors} descriptors, {first.descriptors} at first: more than {MORE_DESCRIPTORS} more"
        if sample.rss_kb > first.rss_kb * (1 + MORE_RSS_PER_CENT / 100):
            yield f"{at} {sample.rss_kb} KiB, {first.rss_kb} at first: more than {MORE_RSS_PER_CENT:g} % more"
    if soaked.bad:
        yield f"{len(soaked.bad)} requests ended badly, the first: {soaked.bad[0]}"
    for crash in soaked.crashes:
        yield f"the daemon told {crash}"


def lines(soaked: Soaked) -> Iterator[str]:
    """Yield what a reader gets: the figures, what went on, the verdict with its thresholds."""
    yield from (line_of(sample) for sample in soaked.samples)
    yield f"the most between: {_held(soaked.busiest)}"
    yield f"requests: {_counts(soaked.endings)}"
    yield f"told: {_counts(soaked.told)}"
    wrong = tuple(complaints(soaked))
    limits = (
        f"at most {MORE_TASKS} tasks, {MORE_DESCRIPTORS} descriptors, {MORE_RSS_PER_CENT:g} % of memory above the first sample"
    )
    yield f"flat: {limits}, no bad ending, no crash" if not wrong else f"NOT FLAT: {'; '.join(wrong)}"


def line_of(sample: Sample) -> str:
    """Return one sample as text."""
    return f"after {sample.at_s / 60:4.1f} min: {_held(sample)}"


def marks(seconds: float) -> Sequence[float]:
    """Return when the samples are due, seconds since the load began."""
    return tuple(seconds * part for part in MARKS)


def _held(sample: Sample) -> str:
    return f"{sample.tasks} tasks, {sample.descriptors} descriptors, {sample.rss_kb / 1024:.1f} MiB resident"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
