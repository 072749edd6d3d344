"""What a request has cost, and what its guards have found, on its own line of the log."""

from __future__ import annotations

import pytest
from attrs import evolve
from trio.testing import MockClock

from router.config.schema import CostConfig
from router.errors import FailureReason, ProviderFailed
from router.observers.events import EVENTS
from tests.builders import (
    ANTHROPIC,
    CHAT,
    Script,
    ScriptedProvider,
    Step,
    a_config,
    a_profile,
    a_provider,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Way, every_way
from tests.supervisors.ledger_rig import a_world

A_DOLLAR = CostConfig(input_tokens_per_million=1e6, output_tokens_per_million=1e6)  # per token
INPUT = 7  # of the rig's question, by our own count


def a_rig(*scripts: Script) -> Rig:
    """Return priced providers, a script each, before real books."""
    names = "abc"[: len(scripts)]
    keys = {name: {"cost": A_DOLLAR} for name in names}
    books = a_world(a_config(*(a_provider(name, cost=A_DOLLAR) for name in names))).ledger
    providers = [ScriptedProvider(name=name, scripts=[script]) for name, script in zip(names, scripts, strict=True)]
    return Rig(providers=providers, keys=keys, spending=books)


def whole() -> Script:
    return Script(chunks=[chat_reply("x")], is_event_stream=False)


def refused(reason: FailureReason) -> Script:
    return Script(refusal=ProviderFailed(provider="a", reason=reason))


def cost_in(rig: Rig) -> object:
    (line,) = rig.observer.named("request-complete")
    assert set(line) <= set(EVENTS["request-complete"].fields)
    return line["cost_usd"]


async def test_an_answer_tells_what_it_has_cost() -> None:
    rig = a_rig(whole())

    await rig.ask(CHAT)

    assert cost_in(rig) == 5.0  # 3 tokens in, 2 out


@pytest.mark.parametrize(
    ("reason", "usd"),
    [(FailureReason.CONNECTION, 5.0), (FailureReason.TIMEOUT, 5.0 + INPUT)],
    ids=["nothing was read", "the prompt was read"],
)
async def test_what_an_earlier_attempt_was_booked_at_counts(reason: FailureReason, usd: float) -> None:
    rig = a_rig(refused(reason), whole())

    await rig.ask(CHAT)

    assert cost_in(rig) == usd


async def test_an_answer_that_its_client_leaves_has_cost_what_was_said(autojump_clock: MockClock) -> None:
    del autojump_clock
    begun: list[Step] = [*chat_stream("one", "two")[:3], 600.0]
    rig = a_rig(Script(chunks=begun))

    await rig.ask(CHAT, stream=True, leave_after_s=5)

    assert cost_in(rig) == INPUT + 2.0  # a delta each


@pytest.mark.parametrize(
    ("step", "leave_after_s"), [(ProviderFailed(provider="a", reason=FailureReason.CONNECTION), None), (600.0, 5.0)]
)
async def test_a_stream_that_ends_too_soon_tells_the_input_that_it_was_booked_at(
    step: Step, leave_after_s: float | None, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = a_rig(Script(chunks=[*chat_stream("one", "two")[:3], step]))

    await rig.ask(CHAT, stream=True, leave_after_s=leave_after_s)

    (line,) = rig.observer.named("request-complete")
    told = line["input_tokens"], line["output_tokens"], line["estimated"], line["cost_usd"]
    assert told == (INPUT, 2, True, INPUT + 2.0)


async def test_an_input_that_the_upstream_told_is_no_estimate_of_ours() -> None:
    rig = a_rig(whole())

    await rig.ask(CHAT)

    (line,) = rig.observer.named("request-complete")
    assert (line["input_tokens"], line["estimated"]) == (3, False)


async def test_where_nobody_was_asked_no_cost_is_told() -> None:
    rig = a_rig(whole())
    rig.keys = {"a": {"paid": True}}

    await rig.ask(CHAT)

    assert cost_in(rig) is None


async def test_the_line_tells_how_full_the_window_was_and_nothing_where_nobody_looked() -> None:
    words = "word " * 1000
    looking = Rig(
        providers=[ScriptedProvider(name="a", scripts=[whole()])],
        keys={"a": {"max_context_tokens": 1200}},
        profile=a_profile("a", context_budget_action="warn"),
    )
    blind = Rig(providers=[ScriptedProvider(name="a", scripts=[whole()])])

    for rig in (looking, blind):
        await rig.ask(CHAT, messages=[{"role": "user", "content": words}])

    told = [dict(rig.observer.named("request-complete")[0]) for rig in (looking, blind)]
    assert str(told[0]["context_budget"]).startswith("warning; estimated=")
    assert (told[1]["context_budget"], told[1]["drift"]) == (None, None)


USAGE = {  # what a script says of its prompt, and the same with most of it read from a cache
    ANTHROPIC: (b'"input_tokens":3', b'"input_tokens":3,"cache_read_input_tokens":1000'),
    CHAT: (b'"prompt_tokens":3', b'"prompt_tokens":1003,"prompt_tokens_details":{"cached_tokens":1000}'),
}


@every_way
async def test_what_the_upstreams_cache_did_is_told(way: Way) -> None:
    script = way.script("hello")
    chunks = [chunk.replace(*USAGE[way.upstream]) for chunk in script.chunks if isinstance(chunk, bytes)]
    price = CostConfig(input_tokens_per_million=1.0, output_tokens_per_million=1.0, cache_read_discount=0.1)
    rig = Rig(providers=[way.provider(evolve(script, chunks=chunks))], keys={"a": {"cost": price}})
    rig.spending = a_world(rig.config()).ledger

    await rig.ask(way.client, stream=way.is_stream)

    (told,) = rig.observer.named("cache-observed")
    assert set(told) <= {*EVENTS["cache-observed"].fields, "request_id"}
    read, cost, saved = told["cache_read_input_tokens"], told["cost_usd"], told["cost_savings_usd"]
    assert (told["provider"], told["outcome"], told["input_tokens"], read) == ("a", "cache_hit", 3, 1000)
    assert (told["output_tokens"], told["streaming"], cost, saved) == (2, way.is_stream, 0.000105, 0.0009)


async def test_several_attempts_are_told_with_the_cost_of_each() -> None:
    rig = a_rig(refused(FailureReason.TIMEOUT), refused(FailureReason.CONNECTION), whole())

    await rig.ask(CHAT)

    (line,) = rig.observer.named("request-complete")
    assert line["chain"] == ["a:timeout", "b:connection", "c:ok"]
    assert line["chain_costs_usd"] == [INPUT, None, 5.0]
    assert (line["cost_usd"], line["chain_savings_usd"]) == (INPUT + 5.0, [0.0, 0.0, 0.0])


async def test_the_cost_of_a_single_attempt_is_that_of_its_request() -> None:
    rig = a_rig(whole())

    await rig.ask(CHAT)

    (line,) = rig.observer.named("request-complete")
    assert (line["cost_usd"], line["chain_costs_usd"], line["chain_savings_usd"]) == (5.0, None, None)


async def test_costs_are_told_to_so_many_digits_that_a_sum_of_them_is_what_is_booked() -> None:
    price = CostConfig(input_tokens_per_million=0.0123, output_tokens_per_million=0.0123)
    books = a_world(a_config(a_provider("a", cost=price))).ledger
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[whole()])], keys={"a": {"cost": price}}, spending=books)

    await rig.ask(CHAT)

    assert cost_in(rig) == pytest.approx(5 * 0.0123e-6, abs=1e-12)
