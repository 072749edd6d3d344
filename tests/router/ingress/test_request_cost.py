"""What a request has cost, and what its guards have found, on its own line of the log."""

from __future__ import annotations

import logging

import pytest
from attrs import evolve
from trio.testing import MockClock

from router.config.schema import CostConfig
from router.domain.request import DialectName
from router.domain.told import Told
from router.errors import FailureReason, ProviderFailed
from router.ingress.spend_report import standing_body
from router.observers.events import EVENTS
from router.observers.families import COST, SAVINGS
from router.observers.journal import journal_record
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
from tests.router.observers.test_metrics import counting
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


@pytest.mark.parametrize(
    ("script", "leave_after_s", "outcome"),
    [
        (Script(chunks=[600.0, chat_reply("x")], is_event_stream=False), 5.0, "cancelled-before-head"),
        (refused(FailureReason.TIMEOUT), None, "timeout"),
    ],
    ids=["its client left", "it timed out"],
)
@pytest.mark.parametrize("client", [CHAT, ANTHROPIC])
async def test_a_whole_answer_that_never_came_tells_the_prompt_that_it_was_booked_at(
    client: DialectName, script: Script, leave_after_s: float | None, outcome: str, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = a_rig(script)

    await rig.ask(client, leave_after_s=leave_after_s)

    (line,) = rig.observer.named("request-complete")
    told = line["outcome"], line["input_tokens"], line["output_tokens"], line["estimated"], line["cost_usd"]
    assert told == (outcome, INPUT, None, True, float(INPUT))  # nobody has heard what it would have said


async def test_tokens_of_a_provider_that_was_left_are_not_told_as_those_of_the_last(autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = a_rig(refused(FailureReason.TIMEOUT), refused(FailureReason.CONNECTION))

    await rig.ask(CHAT)

    (line,) = rig.observer.named("request-complete")
    assert (line["provider"], line["input_tokens"], line["estimated"], line["cost_usd"]) == ("b", None, None, float(INPUT))


async def test_where_no_price_made_anybody_count_no_tokens_are_told(autojump_clock: MockClock) -> None:
    del autojump_clock
    script = Script(chunks=[600.0, chat_reply("x")], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[script])], keys={"a": {"usage_estimate": False}})

    await rig.ask(CHAT, leave_after_s=5)

    (line,) = rig.observer.named("request-complete")
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (None, None, None)


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


async def test_every_record_of_a_request_tells_its_cost_to_the_last_digit() -> None:
    price = CostConfig(input_tokens_per_million=0.012345, output_tokens_per_million=0.012345)
    books = a_world(a_config(a_provider("a", cost=price))).ledger
    script = Script(chunks=[chat_reply("x").replace(*USAGE[CHAT])], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[script])], keys={"a": {"cost": price}}, spending=books)
    fanout, metrics = counting("a")

    await rig.ask(CHAT)
    for name, fields in rig.observer.events:
        fanout.event(name, fields)

    (line,), (attempt,), (cached,) = map(rig.observer.named, ("request-complete", "attempt-complete", "cache-observed"))
    journal = journal_record(Told(1, 0.0, logging.INFO, "request-complete", line))
    for name, family, usd in (("cost_usd", COST, 0.000001296225), ("cost_savings_usd", SAVINGS, 0.0000111105)):
        assert [told[name] for told in (line, journal, attempt, cached)] == [usd] * 4
        assert metrics.of(family).values == {("a",): usd}
    assert standing_body(books.snapshot().monthly)["spent_usd"] == 0.000001296225
