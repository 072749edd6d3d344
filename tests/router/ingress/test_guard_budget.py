"""Budgets at the handler, in every way: who is kept back, what is booked, whatever became of an attempt (routing.md 13.3)."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from router.config.schema import BudgetConfig, CostConfig
from router.domain.spend import CapScope
from router.errors import FailureReason, ProviderFailed
from router.guards.tokens import count_tokens_body
from supervisors.ledger import Ledger
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, Script, Step, a_profile
from tests.router.ingress.rig import QUESTION, Rig
from tests.router.ingress.ways import WAYS, Heard, Way, every_way, heard
from tests.supervisors.ledger_rig import SPOKEN_USD, Clock

INPUT = count_tokens_body(QUESTION)
WORD = CostConfig(output_tokens_per_million=1_000_000.0)  # one USD for each token of the answer
RESERVED = 64.0  # the question's max_tokens at that price
streamed = pytest.mark.parametrize("way", [way for way in WAYS if way.is_stream], ids=str)
BROKEN = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="the connection broke")


def a_rig(way: Way, *scripts: Script, cost: CostConfig = SPOKEN_USD, scope: CapScope | None = None, cap: float = 0.0) -> Rig:
    """Return a provider with a price behind the books, under a cap of that scope."""
    observer = RememberingObserver()
    per = {CapScope.MONTH: "monthly_usd", CapScope.DAY: "daily_usd"}
    budget = {per[scope]: cap} if scope in per else {}
    ledger = Ledger(wall=Clock(), observer=observer)
    rig = Rig(
        providers=[way.provider(*(scripts or (way.script("hello"),)))],
        keys={"a": {"cost": evolve(cost, monthly_budget_usd=cap if scope is CapScope.PROVIDER else None)}},
        profile=a_profile("a", monthly_budget_usd=cap if scope is CapScope.PROFILE else None),
        tables={"budget": BudgetConfig(**budget)},  # type: ignore[arg-type] # keys by name
        observer=observer,
        spending=ledger,
    )
    ledger.configure(rig.config())
    return rig


def spent(rig: Rig) -> float:
    report = rig.spending.snapshot()
    assert report is not None
    assert report.monthly.reserved_usd == 0.0
    assert report.monthly.spent_usd == report.daily.spent_usd == report.providers["a"].spent_usd
    return report.monthly.spent_usd


async def ask(rig: Rig, way: Way, *, leave_after_s: float | None = None) -> Heard | None:
    """Return what was heard, None for a client that has left."""
    talk = await rig.ask(way.client, stream=way.is_stream, leave_after_s=leave_after_s)
    return heard(way, talk) if leave_after_s is None else None


# ---- at a cap


@every_way
@pytest.mark.parametrize("scope", list(CapScope))
async def test_at_its_cap_the_client_is_told_402_in_its_own_words(way: Way, scope: CapScope) -> None:
    rig = a_rig(way, scope=scope, cap=5.0)
    first = await ask(rig, way)

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert first == Heard(text="hello", stop="end")
    error = heard(way, talk).error
    assert talk.status == 402
    assert error["type"] == ("billing_error" if way.client is ANTHROPIC else "insufficient_quota")
    assert "5 USD" in error["message"]
    assert talk.headers["x-should-retry"] == "false"
    assert len(rig.providers[0].calls) == 1
    assert [one["percent"] for one in rig.observer.named("budget-threshold")] == [50, 80, 95]


@every_way
@pytest.mark.parametrize("scope", list(CapScope))
async def test_at_its_cap_the_next_one_answers_who_costs_nothing(way: Way, scope: CapScope) -> None:
    rig = a_rig(way, scope=scope, cap=5.0)
    rig.providers = [*rig.providers, way.provider(way.script("from b"), name="b")]
    rig.profile = evolve(rig.config().profiles[0], providers=("a", "b"))
    await ask(rig, way)

    said = await ask(rig, way)

    assert said == Heard(text="from b", stop="end")
    lines = rig.observer.named("request-complete")
    assert [line["chain"] for line in lines] == [["a:ok"], ["b:ok"]]
    assert "budget" in str(lines[1]["skipped"])


@every_way
async def test_twenty_at_once_against_a_cap_worth_five_start_five(way: Way, autojump_clock: MockClock) -> None:
    slow = evolve(way.script("hello"), open_after_s=10.0)
    rig = a_rig(way, slow, cost=WORD, scope=CapScope.MONTH, cap=5 * RESERVED)
    answers: list[Heard | None] = []

    async def one() -> None:
        answers.append(await ask(rig, way))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(one)

    assert len(rig.providers[0].calls) == 5
    assert answers.count(Heard(text="hello", stop="end")) == 5
    assert sum(one is not None and one.error is not None for one in answers) == 15
    assert spent(rig) == 5 * 2.0  # what they have cost in the end
    assert await ask(rig, way) == Heard(text="hello", stop="end")


@every_way
@pytest.mark.parametrize("scope", list(CapScope))
async def test_where_the_cap_is_only_reserved_the_client_is_told_to_come_back(
    way: Way, scope: CapScope, autojump_clock: MockClock
) -> None:
    rig = a_rig(way, evolve(way.script("hello"), open_after_s=10.0), cost=WORD, scope=scope, cap=RESERVED)
    talks = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, rig, way)
        await trio.sleep(1)
        talks.append(await rig.ask(way.client, stream=way.is_stream))
    talks.append(await rig.ask(way.client, stream=way.is_stream))

    refused, after = talks
    error = heard(way, refused).error
    assert refused.status == 429
    assert error["type"] == "rate_limit_error"
    assert error.get("code") == (None if way.client is ANTHROPIC else "rate_limit_exceeded")
    assert "reserved by requests in progress" in error["message"]
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("1", "true")
    assert heard(way, after) == Heard(text="hello", stop="end")


# ---- what is booked


@every_way
async def test_an_answer_is_booked_by_the_usage_that_it_reports(way: Way) -> None:
    rig = a_rig(way, way.script("hello", output=7))

    await ask(rig, way)

    assert spent(rig) == 3 + 7


@streamed
@pytest.mark.parametrize("has_begun", [True, False])
async def test_a_stream_that_its_client_leaves_is_booked_by_an_estimate(
    way: Way, autojump_clock: MockClock, *, has_begun: bool
) -> None:
    texts = ("one ", "two ", "three ", "four ")
    whole = [chunk for chunk in way.script(*texts).chunks if isinstance(chunk, bytes)]
    opening = 1 if way.upstream is CHAT else 2
    rig = a_rig(way, Script(chunks=[*whole[: opening + 4], 100.0, *whole[opening + 4 :]]))
    if not has_begun:
        rig.providers[0].scripts = [Script(chunks=whole, open_after_s=100.0)]

    await ask(rig, way, leave_after_s=10.0)

    # the prompt by the provider's own count where it has told one at the start, by ours elsewhere; and what was said
    prompt = 3 if way.upstream is ANTHROPIC and has_begun else INPUT
    least, most = (4, 6) if has_begun else (0, 0)
    assert prompt + least <= spent(rig) <= prompt + most


@every_way
async def test_an_answer_that_was_never_waited_for_costs_its_prompt(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, evolve(way.script("hello"), open_after_s=100.0))

    await ask(rig, way, leave_after_s=1.0)

    assert spent(rig) == INPUT


@streamed
async def test_a_stream_that_breaks_off_is_booked_by_what_it_has_said(way: Way) -> None:
    texts = ("one ", "two ", "three ", "four ")
    opening = 1 if way.upstream is CHAT else 2
    steps: list[Step] = [*way.script(*texts).chunks[: opening + 4], BROKEN]
    rig = a_rig(way, Script(chunks=steps))

    said = await ask(rig, way)

    assert said is not None
    assert said.error is not None
    prompt = 3 if way.upstream is ANTHROPIC else INPUT
    assert prompt + 4 <= spent(rig) <= prompt + 6
