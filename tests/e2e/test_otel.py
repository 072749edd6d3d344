"""Spans and metrics over OTLP/HTTP, of requests that end in every way; a collector that hangs or is away costs nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import tomlkit
import trio
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.clients import Api, open_client, open_raw_request, request_body
from tests.e2e.collector import METRICS, TRACES, counts_of, exports, facts, open_collector, services_of, spans_of
from tests.e2e.daemon import Running, free_port, open_router, provider, router_config
from tests.fakes.plans import BEFORE_HEAD, How, Plan, failing
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 30.0
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WORDS = "words of a prompt"
GAVE_UP_S = 1.0  # a stop waits no longer for a collector
REST_OF_STOP_S = 2.0  # what else a stop takes, on a busy machine


def a_config(upstreams: dict[str, Upstream], collector_port: int, **keys: object) -> str:
    """Return a router that asks the upstreams in turn, and exports to that port."""
    providers = [provider(name, upstream.port, forward_traceparent=name == "told") for name, upstream in upstreams.items()]
    otel = {"enabled": True, "endpoint": f"http://127.0.0.1:{collector_port}", "service_name": "the-router", **keys}
    return router_config(free_port(), providers=providers) + "\n" + tomlkit.dumps({"otel": otel})


async def ask(running: Running, *, status: int = 200, traceparent: str | None = None, **body: object) -> None:
    """Send a request and read its answer to the end."""
    headers = {} if traceparent is None else {"traceparent": traceparent}
    asked = {**request_body(Api.MESSAGES, stream=True, text=WORDS), **body}
    async with open_client(running) as client:
        reply = await client.post(Api.MESSAGES, json=asked, headers=headers)
    assert reply.status_code == status, reply.text


async def leave(running: Running, upstream: Upstream, awaited: bytes) -> None:
    """Send a request and leave: at once where nothing is awaited, else when the answer has come so far."""
    asked, aborts = len(upstream.exchanges), upstream.aborts
    async with open_raw_request(running, Api.MESSAGES, request_body(Api.MESSAGES, stream=True, text=WORDS)) as connection:
        seen = b""
        while awaited not in seen:
            seen += await connection.receive_some()
        await upstream.wait_until(lambda: len(upstream.exchanges) > asked)
    await upstream.wait_until(lambda: upstream.aborts > aborts)


async def end_in_every_way(running: Running, told: Upstream, other: Upstream) -> None:
    """Send one request for each way to end."""
    await ask(running, traceparent=f"00-{TRACE_ID}-{PARENT_ID}-01")
    await ask(running, stream=False)
    told.script(failing(500))
    await ask(running)
    told.default = other.default = failing(500)
    await ask(running, status=502)
    told.default = other.default = Plan()
    told.script(Plan().broken(How.RESET, 2))
    await ask(running)
    told.script(Plan().broken(How.STALL, 2))
    await leave(running, told, b"word1")
    told.script(Plan().broken(How.STALL, BEFORE_HEAD))
    await leave(running, told, b"")
    await ask(running, status=400, messages="none")


def outcomes(spans: list[Span]) -> Counter[tuple[object, bool]]:
    """Return how often there is each outcome, with whether it is an error."""
    return Counter(
        (facts(span.attributes)["nursery_router.outcome"], span.status.code == Status.STATUS_CODE_ERROR) for span in spans
    )


async def test_each_way_to_end_is_a_span_with_its_attempts_below_it(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as told, open_upstream() as other, open_collector() as collector:
            config = a_config({"told": told, "other": other}, collector.port, headers_env="COLLECTOR")
            environ = {"COLLECTOR": "x-collector-key=key%20of%20the%20collector"}
            async with open_router(config, directory=tmp_path, env=environ) as running:
                await end_in_every_way(running, told, other)
                assert await running.stop() == 0

    spans = spans_of(collector)
    requests = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    attempts = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert outcomes(requests) == {
        ("ok", False): 3,
        ("all_failed", True): 1,
        ("midstream", True): 1,
        ("cancelled-midstream", False): 1,
        ("cancelled-before-head", False): 1,
        ("invalid_request", False): 1,
    }
    assert outcomes(attempts) == {
        ("ok", False): 3,
        ("failed", True): 3,
        ("failed_midstream", True): 1,
        ("cancelled", False): 2,
    }
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in spans)
    above = {span.span_id: span for span in requests}
    assert all(attempt.trace_id == above[attempt.parent_span_id].trace_id for attempt in attempts)
    events = Counter(event.name for span in requests for event in span.events)
    assert events == {"fallback-occurred": 3, "client-disconnected": 2}  # one of the three leads to nobody

    (of_the_client,) = (span for span in requests if span.trace_id.hex() == TRACE_ID)
    (its_attempt,) = (span for span in attempts if span.trace_id.hex() == TRACE_ID)
    assert of_the_client.parent_span_id.hex() == PARENT_ID
    assert told.exchanges[0].header("traceparent") == f"00-{TRACE_ID}-{its_attempt.span_id.hex()}-01"
    assert not [exchange for exchange in other.exchanges if exchange.header("traceparent")]

    assert services_of(collector) == {"the-router"}
    assert {exchange.header("x-collector-key") for exchange in collector.exchanges} == {"key of the collector"}
    counts = counts_of(collector)
    assert (counts["gen_ai.server.request.duration"], counts["gen_ai.client.operation.duration"]) == (8, 9)
    assert not [body for path in (TRACES, METRICS) for body in exports(collector, path) if WORDS.encode() in body]
    tell(f"otel: 8 requests that end in 6 ways: {len(requests)} + {len(attempts)} spans, {counts}")


@pytest.mark.parametrize("is_there", [True, False], ids=["hangs", "is away"])
async def test_a_collector_that_takes_nothing_costs_no_request_and_one_second_of_the_stop(
    tmp_path: Path, tell: Callable[[str], None], *, is_there: bool
) -> None:
    with trio.fail_after(LIMIT_S):
        async with open_upstream() as upstream, open_collector(hangs=True) as collector:
            config = a_config({"a": upstream}, collector.port if is_there else free_port())
            async with open_router(config, directory=tmp_path) as running:
                took = [await timed(running) for _ in range(30)]
                began = time.monotonic()
                assert await running.stop() == 0
                stop_s = time.monotonic() - began

    tell(
        f"otel, the collector {'hangs' if is_there else 'is away'}: requests p50 {median(took) * 1e3:.0f} ms, "
        f"max {max(took) * 1e3:.0f} ms; the stop {stop_s:.2f} s"
    )
    assert bool(collector.exchanges) == is_there
    assert max(took) < GAVE_UP_S
    assert stop_s < GAVE_UP_S + REST_OF_STOP_S
    assert "Traceback" not in running.log
    assert running.log.count("library-message") <= 2  # one for spans, one for metrics


async def timed(running: Running) -> float:
    """Return how long a request took."""
    began = time.monotonic()
    await ask(running)
    return time.monotonic() - began
