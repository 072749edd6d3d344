"""An OpenTelemetry collector that keeps what it gets, over OTLP/HTTP; the fake upstream is its server."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

import trio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fakes.sender import Sender, send_json
from tests.fakes.upstream import Exchange, Upstream, open_upstream

TRACES, METRICS = "/v1/traces", "/v1/metrics"


async def take(_exchange: Exchange, sender: Sender) -> None:
    """Take an export."""
    await send_json(sender, 200, {})


async def hang(_exchange: Exchange, _sender: Sender) -> None:
    """Never answer an export."""
    await trio.sleep_forever()


@asynccontextmanager
async def open_collector(*, hangs: bool = False) -> AsyncIterator[Upstream]:
    """Take exports on 127.0.0.1 until the context is left, or `hangs` over each."""
    async with open_upstream(respond=hang if hangs else take) as collector:
        yield collector


def exports(collector: Upstream, path: str) -> Iterator[bytes]:
    """Yield the documents that were sent to one path, as they were before they were packed."""
    for exchange in collector.exchanges:
        if exchange.target == path:
            packed = exchange.header("content-encoding") == "gzip"
            yield gzip.decompress(exchange.body) if packed else exchange.body


def spans_of(collector: Upstream) -> list[Span]:
    """Return every span that came."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in exports(collector, TRACES)]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def services_of(collector: Upstream) -> set[str]:
    """Return the names of the services that have sent spans."""
    requests = [ExportTraceServiceRequest.FromString(body) for body in exports(collector, TRACES)]
    return {
        str(facts(resource.resource.attributes)["service.name"]) for request in requests for resource in request.resource_spans
    }


def counts_of(collector: Upstream) -> dict[str, int]:
    """Return how often each histogram was recorded, by the last export that has it."""
    found: dict[str, int] = {}
    for body in exports(collector, METRICS):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = sum(point.count for point in metric.histogram.data_points)
    return found


def facts(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Return attributes as a dict."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in attributes}
