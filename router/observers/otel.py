"""Spans and metrics for an OpenTelemetry collector: the only import of its packages, the extra `otel`.

A request's spans are made at its end, out of what was told of it, with the times that it had: so none can stay open, however
it ended. One SERVER span is the request, a CLIENT span below it each attempt. The library sends them from threads of its own,
out of bounded queues; when these are full, spans are dropped, and no request waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from router.config.schema_ledger import OtelConfig
from router.config.secret import Secret
from router.domain.told import Told
from router.domain.trace_context import TraceContext
from router.observers.otel_metrics import Instruments, open_instruments
from router.observers.otel_words import (
    OPERATION,
    REQUEST_MODEL,
    Attributes,
    Redact,
    Upstream,
    answer_attributes,
    attempt_attributes,
    event_attributes,
    is_failed,
    is_server_error,
    request_attributes,
)

SCOPE = "nursery_router"
MAX_PENDING = 4096  # requests whose end has not been told; the oldest is forgotten: those of the front's limit fit in many times
MAX_TOLD = 64  # attempts and events kept of one request
QUEUE_SPANS = 4096  # what waits for the collector: a minute of seventy attempts a second, about 10 MB
EXPORT_TIMEOUT_S = 10.0  # the protocol's default
SAME_MESSAGE_S = 300.0  # a collector that is away is told of once in this time

_LIBRARY_LOGS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.sdk._shared_internal",
)

UpstreamOf = Callable[[str], Upstream | None]


@frozen(kw_only=True)
class Outlets:
    """Where spans and metrics go; None: no metrics. The tests have others than the collector."""

    spans: SpanProcessor
    metrics: MetricReader | None


def collector(config: OtelConfig, headers: Mapping[str, Secret]) -> Outlets:
    """Return the outlets to the collector that `[otel]` names; starts the library's threads, and sends nothing yet."""
    base = config.endpoint.rstrip("/")
    options: dict[str, Any] = {
        "headers": {name: value.reveal() for name, value in headers.items()},
        "timeout": EXPORT_TIMEOUT_S,
        "compression": Compression.Gzip,
    }
    _calm(_LIBRARY_LOGS)
    spans = BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces", **options), max_queue_size=QUEUE_SPANS)
    metrics = PeriodicExportingMetricReader(OTLPMetricExporter(f"{base}/v1/metrics", **options)) if config.metrics else None
    return Outlets(spans=spans, metrics=metrics)


@define(eq=False, kw_only=True)
class OtelObserver:
    """A listener; `redact` takes secrets out of every text. Requests are told apart by their ids.

    Of two requests at the same time to which their client gave the same id, one may show the other's attempts."""

    upstream_of: UpstreamOf
    redact: Redact
    _ids: _Ids
    _tracer: Tracer
    _instruments: Instruments | None
    _closers: tuple[Callable[[], None], ...]
    _pending: dict[object, list[Told]] = field(factory=dict)

    def told(self, told: Told) -> None:
        """Take one event in; the end of a request makes its spans."""
        if told.name == "request-complete":
            self._finish(told, self._pending.pop(told.fields.get("request_id"), []))
        elif told.name == "attempt-complete" or event_attributes(told.name, told.fields, self.redact) is not None:
            self._keep(told)

    def closers(self) -> tuple[Callable[[], None], ...]:
        """Return what sends the rest and ends the library's threads; each blocks, for as long as a collector lets it."""
        return self._closers

    def _keep(self, told: Told) -> None:
        """Keep what is told of a request until its end."""
        request_id = told.fields.get("request_id")
        if request_id not in self._pending and len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        kept = self._pending.setdefault(request_id, [])
        if len(kept) < MAX_TOLD:
            kept.append(told.to_keep())

    def _finish(self, end: Told, before: list[Told]) -> None:
        attempts = [told for told in before if told.name == "attempt-complete"]
        attributes = request_attributes(end.fields, self.redact)
        begins_ns, ends_ns = _began_ns(end), _ns(end.wall)
        place = TraceContext.read(_text(end.fields.get("traceparent")))
        span = self._tracer.start_span(
            _name(attributes),
            context=None if place is None else _remote(place),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=begins_ns,
        )
        for told in before:
            if (facts := event_attributes(told.name, told.fields, self.redact)) is not None:
                span.add_event(told.name, facts, timestamp=_ns(told.wall))
        inside = set_span_in_context(span, Context())
        for told in attempts:
            self._attempt(told, inside, begins_ns, answer_attributes(end.fields, self.redact) if told is attempts[-1] else {})
        if is_server_error(end.fields):
            span.set_status(Status(StatusCode.ERROR))
        span.end(ends_ns)
        if self._instruments is not None:
            self._instruments.request(end.fields, attributes)

    def _attempt(self, told: Told, inside: Context, not_before_ns: int, answer: Attributes) -> None:
        """Make the span of one attempt, and count it."""
        upstream = self.upstream_of(str(told.fields.get("provider")))
        attributes = {**attempt_attributes(told.fields, upstream, self.redact), **answer}
        self._ids.next_span_id = _text(told.fields.get("span_id"))
        span = self._tracer.start_span(
            _name(attributes),
            context=inside,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=max(_began_ns(told), not_before_ns),
        )
        if is_failed(told.fields):
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(_ns(told.wall), not_before_ns))
        if self._instruments is not None:
            self._instruments.attempt(told.fields, attributes)


def open_otel(config: OtelConfig, outlets: Outlets, *, version: str, upstream_of: UpstreamOf, redact: Redact) -> OtelObserver:
    """Return the listener that hands spans and metrics to `outlets`."""
    resource = Resource.create({"service.name": config.service_name, "service.version": version})
    ids = _Ids()
    tracers = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(config.sample_ratio)),
        resource=resource,
        id_generator=ids,
        shutdown_on_exit=False,
    )
    tracers.add_span_processor(outlets.spans)
    meters: MeterProvider | None = None
    if outlets.metrics is not None:
        meters = MeterProvider(metric_readers=[outlets.metrics], resource=resource, shutdown_on_exit=False)
    return OtelObserver(
        upstream_of=upstream_of,
        redact=redact,
        ids=ids,
        tracer=tracers.get_tracer(SCOPE, version),
        instruments=None if meters is None else open_instruments(meters.get_meter(SCOPE, version)),
        closers=(tracers.shutdown, *(() if meters is None else (meters.shutdown,))),
    )


class _Ids(RandomIdGenerator):
    """Gives a span the id that its provider was told, else one at random."""

    next_span_id: str | None = None

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        told, self.next_span_id = self.next_span_id, None
        return super().generate_span_id() if told is None else int(told, 16)


@define(eq=False)
class _Seldom(logging.Filter):
    """Lets a message of a library pass once in SAME_MESSAGE_S, however often it is said."""

    _last: dict[str, float] = field(factory=dict)

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is to be logged."""
        is_new = record.created - self._last.get(str(record.msg), -SAME_MESSAGE_S) >= SAME_MESSAGE_S
        if is_new:
            self._last[str(record.msg)] = record.created
        return is_new


def _calm(names: tuple[str, ...]) -> None:
    for name in names:
        logging.getLogger(name).addFilter(_Seldom())


def _remote(place: TraceContext) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if place.is_sampled else TraceFlags.DEFAULT)
    above: Span = NonRecordingSpan(
        SpanContext(int(place.trace_id, 16), int(place.parent_id, 16), is_remote=True, trace_flags=flags)
    )
    return set_span_in_context(above, Context())


def _name(attributes: Attributes) -> str:
    return " ".join(str(attributes[key]) for key in (OPERATION, REQUEST_MODEL) if key in attributes)


def _began_ns(told: Told) -> int:
    total_ms = told.fields.get("total_ms")
    return _ns(told.wall) - (round(total_ms * 1e6) if isinstance(total_ms, int | float) else 0)


def _ns(wall: float) -> int:
    return round(wall * 1e9)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
