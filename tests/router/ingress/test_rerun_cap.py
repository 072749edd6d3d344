"""The cap of a run: nothing that an answer may cost is held too low, nothing of which nobody knows the cost is booked too low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from router.config.schema import CostConfig
from router.domain.rerun import Answered
from router.errors import FailureReason, ProviderFailed
from router.ingress.rerun import Rerunning, Rules
from router.ingress.rerun_ask import most_usd
from router.routing.cost import price_of
from tests.builders import a_provider
from tests.router.ingress.test_rerun import DEAR, WAIT_S, a_file, a_record
from tests.router.providers.fake_http import JSON, SSE, FakeClient, Told

RESET = ProviderFailed(provider="p", reason=FailureReason.CONNECTION, message="reset")


def event(**told: object) -> bytes:
    name = b"event: %b\n" % str(told["type"]).encode() if "type" in told else b""
    return name + b"data: %b\n\n" % orjson.dumps(told)


GEMINI = event(
    candidates=[{"content": {"role": "model", "parts": [{"text": "a"}]}}],
    usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1},
)
MESSAGES = b"".join(
    [
        event(
            type="message_start",
            message={"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}},
        ),
        event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
    ]
)
MESSAGES_ALL_BUT_THE_END = b"".join(
    [
        MESSAGES,
        event(type="content_block_stop", index=0),
        event(type="message_delta", delta={}, usage={"output_tokens": 1}),
    ]
)
CHAT = event(
    id="c", choices=[{"index": 0, "delta": {"content": "a"}}], usage={"prompt_tokens": 3, "completion_tokens": 1}
)  # usage in every chunk, as `continuous_usage_stats` of vLLM has it
RESPONSES = b"".join(
    [
        event(type="response.created", response={"id": "r", "status": "in_progress", "output": []}),
        event(type="response.output_text.delta", item_id="i", output_index=0, content_index=0, delta="a"),
    ]
)
RESPONSE_FAILED = event(
    type="response.failed",
    response={
        "id": "r",
        "status": "failed",
        "error": {"code": "server_error", "message": "no"},
        "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
    },
)
OLLAMA = orjson.dumps({"model": "m", "message": {"role": "assistant", "content": "a"}, "done": False}) + b"\n"
CUT = [
    ("gemini", GEMINI),
    ("anthropic", MESSAGES),
    ("anthropic", MESSAGES_ALL_BUT_THE_END),
    ("openai_compat", CHAT),
    ("openai_responses", RESPONSES),
    ("ollama", OLLAMA),
]


async def answered(kind: str, told: Told, **keys: Any) -> tuple[Answered, float]:  # noqa: ANN401 - keys of a provider
    """Return how a provider that costs money answered, and what was held for that."""
    loaded = a_file(a_provider("a", kind=kind, cost=DEAR, **keys), a_provider("b"))
    rerunning = Rerunning.of(loaded, ("a", "b"), Rules(max_usd=1_000_000, timeout_s=WAIT_S, may_pay=True))
    rerunning.dry.providers["a"].client = FakeClient([told])
    rerunning.dry.providers["b"].client = FakeClient([Told(status=500)])
    request = rerunning.read(a_record())
    assert request is not None
    await rerunning.run([request])
    (pair,) = rerunning.pairs
    assert rerunning.purse.spent_usd == pair.first.cost_usd
    config = loaded.config.providers[0]
    return pair.first, most_usd(request.turn, config, price_of(config, ()))


def a_stream(*parts: bytes | float | ProviderFailed, kind: str = "anthropic") -> Told:
    return Told(headers=(("content-type", "application/x-ndjson"),) if kind == "ollama" else SSE, parts=parts)


@pytest.mark.parametrize("how", [RESET, b""], ids=["reset", "end"])
@pytest.mark.parametrize(("kind", "told"), CUT)
async def test_an_answer_that_breaks_off_is_booked_at_the_most_whatever_it_has_told(
    kind: str, told: bytes, how: bytes | ProviderFailed
) -> None:
    answer, most = await answered(kind, a_stream(told, how, kind=kind))

    assert answer.failure
    assert (answer.cost_usd, answer.is_cost_guessed) == (most, True)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("openai_compat", CHAT + event(error={"code": 502, "message": "the provider has disconnected"})),
        ("gemini", GEMINI + event(error={"code": 503, "message": "overloaded", "status": "UNAVAILABLE"})),
        ("anthropic", MESSAGES + event(type="error", error={"type": "overloaded_error", "message": "Overloaded"})),
        ("openai_responses", RESPONSES + RESPONSE_FAILED),
    ],
)
async def test_so_is_one_that_an_error_ends_also_one_that_names_a_status(kind: str, told: bytes) -> None:
    answer, most = await answered(kind, a_stream(told))

    assert answer.failure
    assert (answer.cost_usd, answer.is_cost_guessed) == (most, True)


async def test_so_is_one_that_is_late_as_its_provider_has_it(autojump_clock: object) -> None:
    answer, most = await answered("anthropic", a_stream(MESSAGES, 3.0, b""), total_timeout_s=1.0)
    first, _ = await answered("anthropic", a_stream(3.0, MESSAGES), first_byte_timeout_s=1.0)

    assert (answer.failure, answer.cost_usd) == ("timeout", most)
    assert (first.failure, first.cost_usd) == ("timeout", most)


async def test_an_answer_that_tells_more_than_the_most_before_it_breaks_off_is_booked_at_that() -> None:
    much = event(
        candidates=[{"content": {"role": "model", "parts": [{"text": "a"}]}}],
        usageMetadata={"promptTokenCount": 9000, "candidatesTokenCount": 1},
    )
    answer, most = await answered("gemini", a_stream(much, RESET))

    assert answer.cost_usd == 9002
    assert most < 9002


UNTOLD: Mapping[str, bytes] = {
    "openai_compat": event(id="c", choices=[{"index": 0, "delta": {"content": "abcd"}, "finish_reason": "stop"}])
    + b"data: [DONE]\n\n",
    "anthropic": MESSAGES
    + event(type="message_delta", delta={"stop_reason": "end_turn"})
    + event(type="message_stop"),  # the count at the start is no count of the output
}


@pytest.mark.parametrize("kind", UNTOLD)
async def test_a_whole_answer_that_does_not_tell_its_usage_is_booked_at_the_most(kind: str) -> None:
    answer, most = await answered(kind, a_stream(UNTOLD[kind]))

    assert (answer.failure, answer.cost_usd, answer.is_cost_guessed) == ("", most, True)
    assert answer.usage is not None
    assert (answer.usage.estimated, answer.usage.input > 0, answer.usage.output) == (True, True, 1)


async def test_what_was_refused_costs_nothing_and_what_was_told_whole_what_it_tells() -> None:
    whole = MESSAGES_ALL_BUT_THE_END.replace(b'"delta":{},', b'"delta":{"stop_reason":"end_turn"},') + event(type="message_stop")
    refused, _ = await answered("anthropic", Told(status=529, headers=JSON))
    told, _ = await answered("anthropic", a_stream(whole))

    assert (refused.failure != "", refused.cost_usd, refused.is_cost_guessed) == (True, 0, False)
    assert (told.failure, told.cost_usd, told.is_cost_guessed) == ("", 5, False)


MARKED = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]}


@pytest.mark.parametrize(
    ("body", "keys", "written"),
    [
        ({}, {}, 1.0),
        (MARKED, {}, 2.0),  # `ttl` may be an hour
        (MARKED, {"cost": CostConfig(input_tokens_per_million=1e6, cache_creation_premium=3.0)}, 3.0),
        (
            MARKED,
            {"cost": CostConfig(input_tokens_per_million=1e6, cache_creation_premium=0.5, cache_creation_1h_premium=0.5)},
            1.0,
        ),
        ({}, {"auto_cache": True}, 2.0),
        ({}, {"extra_body": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}, 2.0),
    ],
)
def test_what_is_held_for_a_prompt_is_that_it_is_written_to_the_dearest_cache_that_it_may_be(
    body: Mapping[str, Any], keys: Mapping[str, Any], written: float
) -> None:
    free_output = CostConfig(input_tokens_per_million=1e6)
    loaded = a_file(a_provider("a", **{"kind": "anthropic", "cost": free_output, **keys}), a_provider("b"))
    rerunning = Rerunning.of(loaded, ("a", "b"), Rules(may_pay=True))
    request = rerunning.read(a_record(**body))
    assert request is not None
    config = loaded.config.providers[0]

    assert most_usd(request.turn, config, price_of(config, ())) == request.turn.count() * 1.25 * written
