"""What `/metrics` says, written by prometheus-client: the one door to it, opened by the first scrape.

Some hundred lines at a time, and between two pieces everybody else has a turn: a page of 30 providers is thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, groupby

import trio
from attrs import frozen
from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from router.observers.families import LATENCY_BUCKETS_S, Family, Kind
from router.observers.metrics import Counts, Metrics
from router.observers.state_families import READ, Reading

PIECE = 300  # samples that are written in one go: some 2 ms
_END = b"# EOF\n"  # of a page in OpenMetrics
_BOUNDS = (*(repr(float(bound)) for bound in LATENCY_BUCKETS_S), "+Inf")


@frozen
class Page:
    """A page, and the content type that was negotiated for it."""

    body: bytes
    content_type: str


@frozen
class _One(Collector):
    """A registry of one family: what an encoder takes."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.family,)


async def render(metrics: Metrics, readings: Iterable[Reading], accept: str) -> Page:
    """Return the page of all families; OpenMetrics where `accept` asks for it."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = choose_encoder("")
    parts = []
    for family in exposed(metrics, readings):
        for number, piece in enumerate(_pieces(family)):
            lines = encode(_One(piece)).removesuffix(_END)
            parts.append(lines.split(b"\n", 2)[2] if number else lines)  # HELP and TYPE stand above the first alone
            await trio.lowlevel.checkpoint()
    is_open_metrics = content_type.startswith("application/openmetrics-text")
    return Page(b"".join(parts) + (_END if is_open_metrics else b""), content_type)


def exposed(metrics: Metrics, readings: Iterable[Reading]) -> Iterator[Metric]:
    """Yield every family with its samples: those that events count, those of the report, those of the process."""
    for series in metrics.series():
        yield _counted(series)
    by_family = {name: list(of) for name, of in groupby(sorted(readings, key=_name_of), key=_name_of)}
    for family in READ:
        yield _plain(family, ((reading.labels, reading.value) for reading in by_family.get(family.name, ())))
    yield from ProcessCollector(registry=None).collect()  # CPU, memory, descriptors, as every exporter names them


def _pieces(family: Metric) -> Iterator[Metric]:
    """Yield the family in parts of PIECE samples; one without samples is one part."""
    for start in range(0, max(len(family.samples), 1), PIECE):
        piece = Metric(family.name, family.documentation, family.type)
        piece.samples = family.samples[start : start + PIECE]
        yield piece


def _name_of(reading: Reading) -> str:
    return reading.family.name


def _counted(series: Counts) -> Metric:
    family = series.family
    if family.kind is not Kind.HISTOGRAM:
        return _plain(family, series.values.items())
    metric = HistogramMetricFamily(family.name, family.about, labels=_label_names(family))
    for labels, buckets in series.histograms.items():
        metric.add_metric(labels, list(zip(_BOUNDS, accumulate(buckets.counts), strict=True)), buckets.total)
    return metric


def _plain(family: Family, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    make: Callable[..., CounterMetricFamily | GaugeMetricFamily] = (
        CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    )
    metric = make(family.name, family.about, labels=_label_names(family))
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


def _label_names(family: Family) -> list[str]:
    return [label.name for label in family.labels]
