"""An exporter that keeps what it is given, fed with what a real request has told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import define, field
from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from router.config.schema import OtelConfig
from router.config.schema_provider import ProviderConfig
from router.observers.fanout import Fanout
from router.observers.otel import OtelObserver, Outlets, open_otel
from router.observers.otel_words import Upstream
from tests.builders import RememberingObserver, a_provider
from tests.router.ingress.rig import Rig

WALL = 1_767_323_045.0


@define(kw_only=True)
class Collected:
    """What an exporter in memory was given."""

    config: OtelConfig = field(factory=lambda: OtelConfig(enabled=True))
    providers: Mapping[str, ProviderConfig] = field(factory=lambda: {name: a_provider(name) for name in "abc"})
    redact: Callable[[str], str] = str
    _exporter: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    _reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    otel: OtelObserver = field(init=False)
    fanout: Fanout = field(init=False)

    def __attrs_post_init__(self) -> None:
        outlets = Outlets(
            spans=SimpleSpanProcessor(self._exporter),
            metrics=self._reader if self.config.metrics else None,
        )
        self.otel = open_otel(self.config, outlets, version="1", upstream_of=self._upstream_of, redact=self.redact)
        self.fanout = Fanout(RememberingObserver(), lambda: WALL)
        self.fanout.listen("otel", self.otel)

    def _upstream_of(self, name: str) -> Upstream | None:
        return Upstream.of(self.providers[name]) if name in self.providers else None

    def take(self, rig: Rig) -> Collected:
        """Take in what the requests of a rig have told."""
        for name, fields in rig.observer.events:
            self.fanout.event(name, fields)
        assert self.fanout.failures == {}
        return self

    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans in the order in which they ended."""
        return self._exporter.get_finished_spans()

    def request(self) -> ReadableSpan:
        """Return the one span of a request."""
        (span,) = (span for span in self.spans() if span.kind is SpanKind.SERVER)
        return span

    def attempts(self) -> list[ReadableSpan]:
        """Return the spans of attempts."""
        return [span for span in self.spans() if span.kind is SpanKind.CLIENT]

    def points(self) -> dict[str, list[HistogramDataPoint]]:
        """Return the data points of each metric by its name."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[HistogramDataPoint]] = {}
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert isinstance(metric.data, Histogram)
                    found[metric.name] = list(metric.data.data_points)
        return found


def facts(span: ReadableSpan) -> dict[str, object]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def duration_ms(span: ReadableSpan) -> float:
    """Return how long a span took."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6
