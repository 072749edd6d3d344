"""Spans by the semantic conventions, one for the request and one below it per attempt, for every way that a request can end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from trio.testing import MockClock

from router.config.redact import Redactor
from router.config.schema import OtelConfig
from router.config.secret import Secret
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.observers.otel import MAX_PENDING, MAX_TOLD
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, a_provider, anthropic_stream, chat_chunk, chat_stream
from tests.replay.speech.common import Answer
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.rig import Rig
from tests.router.observers.otel_rig import WALL, Collected, duration_ms, facts

PARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
UNSAMPLED = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")


def answering(name: str = "a", *, dialect: DialectName = CHAT) -> ScriptedProvider:
    chunks = chat_stream("the answer") if dialect is CHAT else anthropic_stream("the answer")
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(chunks=chunks)])


def refusing(name: str, reason: FailureReason = FailureReason.CONNECTION) -> ScriptedProvider:
    failure = ProviderFailed(provider=name, reason=reason, message="the prompt was: hi")
    return ScriptedProvider(name=name, scripts=[Script(refusal=failure)])


def stalling(name: str = "a") -> ScriptedProvider:
    return ScriptedProvider(name=name, scripts=[Script(chunks=[chat_chunk({"content": "the answer"}), 3600.0])])


def breaking(name: str = "a") -> ScriptedProvider:
    failure = ProviderFailed(provider=name, reason=FailureReason.STREAM_TRUNCATED, message="gone")
    return ScriptedProvider(name=name, scripts=[Script(chunks=[chat_chunk({"content": "the answer"}), failure])])


def statuses(*spans: ReadableSpan) -> list[StatusCode]:
    return [span.status.status_code for span in spans]


async def test_an_answered_request_is_a_server_span_with_its_attempt_below_it(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=[2.0, *chat_stream("the answer")])])])
    await rig.ask(CHAT, stream=True)

    collected = Collected().take(rig)

    request, (attempt,) = collected.request(), collected.attempts()
    assert (request.name, attempt.name) == ("chat m", "chat model-of-a")
    assert attempt.parent is not None
    assert request.context is not None
    assert attempt.parent.span_id == request.context.span_id
    assert request.parent is None
    assert statuses(request, attempt) == [StatusCode.UNSET, StatusCode.UNSET]
    assert facts(request) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "http.response.status_code": 200,
        "nursery_router.request_id": facts(request)["nursery_router.request_id"],
        "nursery_router.dialect": "openai_chat",
        "nursery_router.profile": "default",
        "nursery_router.why": "default",
        "nursery_router.request_class": "unknown",
        "nursery_router.provider": "a",
        "nursery_router.outcome": "ok",
        "nursery_router.time_to_first_content": 2.0,
    } | {key: value for key, value in facts(request).items() if key.startswith("nursery_router.cost")}
    assert facts(attempt)["gen_ai.provider.name"] == "openai_compat"
    assert facts(attempt)["gen_ai.response.time_to_first_chunk"] == 2.0
    assert "error.type" not in facts(attempt)


async def test_a_span_has_the_times_that_the_request_had(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=[2.5, *chat_stream("one")])])])
    await rig.ask(CHAT, stream=True)

    collected = Collected().take(rig)

    assert [duration_ms(span) for span in collected.spans()] == [pytest.approx(2500), pytest.approx(2500)]
    assert {span.end_time for span in collected.spans()} == {round(WALL * 1e9)}


async def test_tokens_are_the_answering_attempt_s_with_the_cached_ones_in_the_input() -> None:
    rig = Rig(providers=[refusing("b"), answering("a", dialect=ANTHROPIC)])
    await rig.ask(ANTHROPIC, stream=True)

    failed, answered = Collected().take(rig).attempts()

    usage = {key: value for key, value in facts(answered).items() if "usage" in key}
    line = rig.observer.named("request-complete")[0]
    cached = [line["cache_read_input_tokens"] or 0, line["cache_creation_input_tokens"] or 0]
    assert usage["gen_ai.usage.input_tokens"] == sum([line["input_tokens"], *cached])  # type: ignore[list-item]  # counts
    assert usage["gen_ai.usage.output_tokens"] == line["output_tokens"]
    assert facts(answered)["gen_ai.response.model"] == line["answered_model"]
    assert not [key for key in facts(failed) if "usage" in key or "response" in key]


async def test_a_fallback_is_an_event_and_its_failed_attempt_an_error(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[refusing("a", FailureReason.OVERLOADED), answering("b")])
    await rig.ask(CHAT, stream=True)

    collected = Collected().take(rig)

    request, (failed, answered) = collected.request(), collected.attempts()
    assert statuses(failed, answered, request) == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.UNSET]
    assert (facts(failed)["error.type"], facts(failed)["nursery_router.outcome"]) == ("overloaded", "failed")
    assert [(event.name, dict(event.attributes or {})) for event in request.events] == [
        (
            "fallback-occurred",
            {
                "nursery_router.from_provider": "a",
                "nursery_router.to_provider": "b",
                "nursery_router.reason": "overloaded",
                "nursery_router.hop_index": 0,
            },
        )
    ]


async def test_an_attempt_that_its_client_left_ends_and_is_nobody_s_failure(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[stalling()])
    await rig.ask(CHAT, stream=True, leave_after_s=5.0)

    collected = Collected().take(rig)

    request, (attempt,) = collected.request(), collected.attempts()
    assert statuses(request, attempt) == [StatusCode.UNSET, StatusCode.UNSET]
    assert facts(request)["nursery_router.outcome"] == "cancelled-midstream"
    assert facts(attempt)["nursery_router.outcome"] == "cancelled"
    assert [event.name for event in request.events] == ["client-disconnected"]
    assert duration_ms(attempt) == pytest.approx(5000)


async def test_a_stream_that_breaks_is_an_error_of_both() -> None:
    rig = Rig(providers=[breaking()])
    await rig.ask(CHAT, stream=True)

    collected = Collected().take(rig)

    (attempt,) = collected.attempts()
    assert statuses(collected.request(), attempt) == [StatusCode.ERROR, StatusCode.ERROR]
    assert facts(collected.request())["error.type"] == "midstream"
    assert facts(attempt)["error.type"] == "stream-truncated"


async def test_where_nobody_answers_the_request_is_an_error() -> None:
    rig = Rig(providers=[refusing("a"), refusing("b")])
    await rig.ask(CHAT, stream=False)

    collected = Collected().take(rig)

    assert statuses(collected.request(), *collected.attempts()) == [StatusCode.ERROR] * 3
    assert facts(collected.request())["error.type"] == "all_failed"
    assert facts(collected.request())["http.response.status_code"] == 502


async def test_what_a_client_did_wrong_is_no_error_of_the_router_s() -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, messages="no list")

    request = Collected().take(rig).request()

    assert statuses(request) == [StatusCode.UNSET]
    assert facts(request)["http.response.status_code"] == 400
    assert "error.type" not in facts(request)


async def test_a_client_s_trace_goes_on() -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, headers=[PARENT], stream=True)

    collected = Collected(config=OtelConfig(enabled=True, sample_ratio=0)).take(rig)

    request = collected.request()
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert {f"{span.context.trace_id:032x}" for span in collected.spans() if span.context} == {"0af7651916cd43dd8448eb211c80319c"}


@pytest.mark.parametrize(("headers", "ratio"), [([], 0.0), ([UNSAMPLED], 1.0)])
async def test_what_is_not_sampled_is_counted_all_the_same(headers: list[tuple[str, str]], ratio: float) -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, headers=headers, stream=True)

    collected = Collected(config=OtelConfig(enabled=True, sample_ratio=ratio)).take(rig)

    assert collected.spans() == ()
    assert collected.points()["gen_ai.client.operation.duration"][0].count == 1


async def test_an_attempt_has_the_span_that_its_provider_was_told() -> None:
    provider = answering()
    rig = Rig(
        providers=[provider],
        keys={"a": {"forward_traceparent": True}},
        is_exported=True,
    )
    await rig.ask(CHAT, headers=[PARENT], stream=True)

    (attempt,) = Collected().take(rig).attempts()

    assert attempt.context is not None
    assert provider.calls[-1].traceparent == f"00-0af7651916cd43dd8448eb211c80319c-{attempt.context.span_id:016x}-01"


async def test_the_metrics_are_those_of_the_conventions(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[refusing("b"), ScriptedProvider(name="a", scripts=[Script(chunks=[2.0, *chat_stream("one")])])])
    await rig.ask(CHAT, stream=True)

    points = Collected().take(rig).points()

    assert set(points) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
    }
    by_provider = {
        dict(point.attributes or {})["nursery_router.provider"]: point for point in points["gen_ai.client.operation.duration"]
    }
    assert dict(by_provider["b"].attributes or {})["error.type"] == "connection"
    assert (by_provider["a"].count, by_provider["a"].sum) == (1, 2.0)
    assert points["gen_ai.client.operation.time_to_first_chunk"][0].sum == 2.0
    kinds = {dict(point.attributes or {})["gen_ai.token.type"] for point in points["gen_ai.client.token.usage"]}
    assert kinds == {"input", "output"}
    served = points["gen_ai.server.request.duration"][0]
    assert "gen_ai.request.model" not in dict(served.attributes or {})  # a client could invent one per request


async def test_a_whole_answer_has_no_time_to_first_token() -> None:
    whole = SPEAKERS[CHAT].answer(Answer(text="the answer"), stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=[whole])])])
    await rig.ask(CHAT)

    points = Collected().take(rig).points()

    (line,) = rig.observer.named("request-complete")
    assert (line["outcome"], line["ttft_ms"] is None) == ("ok", False)
    assert not [name for name in points if "time_to_first" in name]


async def test_without_metrics_there_are_spans_alone() -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, stream=True)

    collected = Collected(config=OtelConfig(enabled=True, metrics=False)).take(rig)

    assert len(collected.spans()) == 2
    assert collected.points() == {}


async def test_no_text_of_a_request_an_answer_or_an_error_is_in_a_span() -> None:
    rig = Rig(providers=[refusing("a"), breaking("b")])
    await rig.ask(CHAT, stream=True, messages=[{"role": "user", "content": "my secret plan"}])

    told = [span.to_json() for span in Collected().take(rig).spans()]

    assert len(told) == 3
    assert not [text for text in told for word in ("secret plan", "the answer", "the prompt was", "gone") if word in text]


KEPT_HEADERS = {  # of a client, what tells requests apart, as they are where they are short words
    "x-request-id": "canary-id.1",
    "x-claude-code-session-id": "canary-session/1",
}
OTHER_HEADERS = (
    *("authorization", "x-api-key", "x-goog-api-key", "cookie", "user-agent", "referer", "origin", "via", "x-forwarded-for"),
    *("tracestate", "baggage", "x-client-request-id", "session-id", "x-session-id", "conversation_id", "anthropic-beta"),
    *("x-claude-code-agent-id", "x-claude-code-agent-type", "x-claude-code-request-class", "x-stainless-os", "x-whatever"),
)


async def test_of_a_client_s_headers_its_two_ids_and_its_place_in_a_trace_are_all_that_is_told(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[answering()])
    others = [(name, f"canary-{number}-of-{name}") for number, name in enumerate(OTHER_HEADERS)]
    await rig.ask(CHAT, headers=[*KEPT_HEADERS.items(), *others, PARENT], stream=True, metadata={"user_id": "canary-user"})

    told = [span.to_json() for span in Collected().take(rig).spans()]

    found = {word for text in told for word in re.findall(r"canary[\w./-]*", text)}
    assert found == set(KEPT_HEADERS.values())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("x-request-id", "canary id"), ("x-router-session", "canary of Jane Doe")], {}),
        ([("x-request-id", "canary/" * 20)], {"prompt_cache_key": "canary " * 20}),
        ([], {"metadata": {"user_id": "canary@example.org"}}),
    ],
)
async def test_an_id_that_is_no_short_word_is_told_as_a_hash_or_not_at_all(
    autojump_clock: MockClock, headers: list[tuple[str, str]], body: dict[str, Any]
) -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, headers=headers, stream=True, **body)

    collected = Collected().take(rig)

    assert not [text for span in collected.spans() if "canary" in (text := span.to_json())]
    assert str(facts(collected.request())["gen_ai.conversation.id"]).startswith("sha256:")


async def test_a_secret_in_a_client_s_own_words_is_masked() -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, stream=True, model="sk-secret-canary")

    collected = Collected(redact=Redactor.of([Secret("sk-secret-canary")]).redact).take(rig)

    assert collected.request().name == "chat ***"
    assert not [span for span in collected.spans() if "canary" in span.to_json()]


def test_requests_that_never_end_and_endless_ones_are_bounded() -> None:
    collected = Collected()
    attempt = {"provider": "a", "outcome": "ok", "total_ms": 1.0}
    for number in range(MAX_PENDING + 1):
        collected.fanout.event("attempt-complete", {**attempt, "request_id": f"r{number}"})
    for _ in range(MAX_TOLD + 5):
        collected.fanout.event("attempt-complete", {**attempt, "request_id": "long"})

    for request_id in ("r0", "r2", "long"):  # `r0` made place for the last of the first, `r1` for `long`
        collected.fanout.event("request-complete", {"request_id": request_id, "outcome": "ok", "total_ms": 2.0, "status": 200})

    assert len(collected.attempts()) == 1 + MAX_TOLD
    assert collected.fanout.failures == {}


@pytest.mark.parametrize(
    ("keys", "name", "address", "port"),
    [
        ({"kind": "anthropic", "base_url": "https://api.anthropic.com"}, "anthropic", "api.anthropic.com", 443),
        ({"base_url": "https://api.openai.com/v1"}, "openai", "api.openai.com", 443),
        ({"base_url": "https://api.mistral.ai/v1"}, "mistral_ai", "api.mistral.ai", 443),
        ({"base_url": "http://127.0.0.1:8080/v1", "vendor": "llama_cpp"}, "llama_cpp", "127.0.0.1", 8080),
        ({"base_url": "http://box/v1"}, "openai_compat", "box", 80),
        (
            {"kind": "gemini", "base_url": "https://generativelanguage.googleapis.com"},
            "gcp.gemini",
            "generativelanguage.googleapis.com",
            443,
        ),
    ],
)
async def test_a_provider_is_named_as_the_conventions_name_it(
    keys: dict[str, object], name: str, address: str, port: int
) -> None:
    rig = Rig(providers=[answering()])
    await rig.ask(CHAT, stream=True)

    (attempt,) = Collected(providers={"a": a_provider("a", **keys)}).take(rig).attempts()

    found = facts(attempt)
    assert (found["gen_ai.provider.name"], found["server.address"], found["server.port"]) == (name, address, port)
    assert json.loads(attempt.to_json())["kind"] == "SpanKind.CLIENT"
