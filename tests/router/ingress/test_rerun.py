"""Recorded requests, asked again of two local servers of different dialects; the figures are counted by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve

from router.config.schema import CostConfig, LoadedConfig, ProviderConfig, RoutingConfig
from router.config.secret import Secret, Secrets
from router.domain.health import Unconfigured
from router.domain.request import DialectName
from router.ingress.dry_run import question_for, route_of
from router.ingress.rerun import CannotRerunError, Rerunning, Rules
from router.reports.rerun import compare
from tests.builders import a_config, a_provider
from tests.fakes.plans import AFTER_OPENING, Break, How, Plan, ToolCall, failing
from tests.fakes.upstream import Upstream, open_upstream
from tests.router.ingress.rig import KINDS, PATHS

WAIT_S = 5.0  # an answer takes milliseconds; the rest is for a machine that is busy
DEAR = CostConfig(input_tokens_per_million=1_000_000, output_tokens_per_million=2_000_000)  # 1 and 2 USD a token
TOOL = {
    "name": "read_file",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
SAME = ToolCall(name="read_file", arguments='{"path": "a.txt"}')
OTHER_ARGUMENTS = ToolCall(name="read_file", arguments='{"path": "b.txt"}')
MISFIT = ToolCall(name="read_file", arguments='{"paht": "a.txt"}')
NO_JSON = ToolCall(name="read_file", arguments='{"path": ')


def a_record(request_id: str = "r1", **body: object) -> dict[str, Any]:
    document = {"model": "m", "max_tokens": 5, "stream": True, "messages": [{"role": "user", "content": "hi"}], **body}
    return {
        "ts": "2026-01-02T03:04:05.000Z",
        "request_id": request_id,
        "dialect": "anthropic",
        "path": "/v1/messages",
        "query": "",
        "profile": "default",
        "headers": {"anthropic-version": "2023-06-01"},
        "left_out": None,
        "body": document,
    }


@define(kw_only=True)
class Two:
    """Two servers, one of Messages, one of chat, and the configuration that names them."""

    first: Upstream
    second: Upstream
    loaded: LoadedConfig

    def rerunning(self, **rules: Any) -> Rerunning:  # noqa: ANN401 - fields of Rules
        return Rerunning.of(self.loaded, ("first", "second"), Rules(timeout_s=WAIT_S, **rules))

    async def run(self, *records: Mapping[str, object], **rules: Any) -> Rerunning:  # noqa: ANN401 - same
        rerunning = self.rerunning(**rules)
        await rerunning.run([request for record in records if (request := rerunning.read(record)) is not None])
        return rerunning


def a_file(*providers: ProviderConfig, unconfigured: Mapping[str, Unconfigured] | None = None, **tables: Any) -> LoadedConfig:  # noqa: ANN401 - tables by name
    secrets = Secrets(credentials={one.name: Secret("the-key") for one in providers}, unconfigured=unconfigured or {})
    return LoadedConfig(config=a_config(*providers, **tables), secrets=secrets, warnings=(), path=Path("router.toml"))


@asynccontextmanager
async def two(**keys: object) -> AsyncIterator[Two]:
    """Serve two providers; `keys` are of both."""
    async with open_upstream() as first, open_upstream() as second:
        loaded = a_file(
            a_provider("first", kind="anthropic", base_url=first.anthropic_url, **keys),
            a_provider("second", kind="openai_compat", base_url=second.chat_url, **keys),
        )
        yield Two(first=first, second=second, loaded=loaded)


async def test_both_are_asked_in_their_own_words_and_compared() -> None:
    async with two() as servers:
        servers.second.default = Plan(texts=("word0 word1 ", "word9 "), input_tokens=13)
        run = await servers.run(a_record("r1"), a_record("r2", stream=False))
    report = compare(run.report())

    assert [exchange.json()["model"] for exchange in servers.first.exchanges] == ["model-of-first"] * 2
    assert [exchange.target for exchange in servers.second.exchanges] == ["/v1/chat/completions"] * 2
    first, second = report.sides
    assert (first.n, first.answered, first.failures, first.prompt_tokens, first.output_tokens) == (2, 2, {}, 22, 6)
    assert (second.n, second.answered, second.prompt_tokens, second.output_tokens) == (2, 2, 26, 4)
    assert (first.total_s is not None and first.total_s.n, first.ttft_s is not None and first.ttft_s.n) == (2, 1)
    # "word0 word1 word2" and "word0 word1 word9" are 17 letters: 15 pieces each, of which the last one differs
    assert report.agreement.text == round(2 * 14 / 30, 4)
    assert (report.agreement.n, report.pairs, first.cost_usd, report.ended) == (2, 2, 0, "")
    assert report.warning.startswith("2 requests are few")


@pytest.mark.parametrize("dialect", list(DialectName))
async def test_a_request_of_every_api_is_asked_of_both(dialect: DialectName) -> None:
    path, _, query = PATHS[dialect].partition("?")
    route = route_of(path, query)
    assert route is not None
    record = {"request_id": "r1", "path": path, "query": query, "headers": {}, "body": orjson.loads(question_for(route))}
    async with two() as servers:
        run = await servers.run({**record, "profile": "default"})

    (pair,) = run.pairs
    assert [answer.failure for answer in (pair.first, pair.second)] == ["", ""]
    assert pair.first.text == pair.second.text == "word0 word1 word2 "


LIMITS: Mapping[DialectName, tuple[str, ...]] = {
    DialectName.ANTHROPIC: ("max_tokens",),
    DialectName.OPENAI_CHAT: ("max_tokens",),
    DialectName.OPENAI_RESPONSES: ("max_output_tokens",),
    DialectName.GEMINI: ("generationConfig", "maxOutputTokens"),
    DialectName.OLLAMA: ("options", "num_predict"),
}


def limit_in(body: Mapping[str, Any], dialect: DialectName) -> object:
    found: Any = body
    for key in LIMITS[dialect]:
        found = found[key]
    return found


@pytest.mark.parametrize("said", [None, -1])
@pytest.mark.parametrize("dialect", [one for one in DialectName if one is not DialectName.ANTHROPIC])
async def test_what_is_held_for_an_answer_without_a_limit_is_its_limit(dialect: DialectName, said: int | None) -> None:
    path, _, query = PATHS[dialect].partition("?")
    route = route_of(path, query)
    assert route is not None
    body = orjson.loads(question_for(route))
    *holder, key = LIMITS[dialect]
    body.pop(holder[0] if holder else key, None)
    if said is not None:
        (body.setdefault(holder[0], {}) if holder else body)[key] = said
    record = {"request_id": "r1", "path": path, "query": query, "headers": {}, "body": body, "profile": "default"}
    async with open_upstream() as own, open_upstream() as other:
        url = own.chat_url if dialect is DialectName.OPENAI_CHAT else own.anthropic_url
        loaded = a_file(
            a_provider("own", kind=KINDS[dialect], base_url=url, default_max_tokens=77),
            a_provider("other", kind="anthropic", base_url=other.anthropic_url, default_max_tokens=78),
        )
        rerunning = Rerunning.of(loaded, ("own", "other"), Rules(timeout_s=WAIT_S))
        request = rerunning.read(record)
        assert request is not None
        await rerunning.run([request])

    assert [limit_in(one.json(), dialect) for one in own.exchanges] == [77]
    assert [one.json()["max_tokens"] for one in other.exchanges] == [78]


async def test_calls_are_held_against_the_tools_schema_and_against_each_other() -> None:
    calls = [(SAME, SAME), (SAME, OTHER_ARGUMENTS), (SAME, MISFIT), (SAME, NO_JSON)]
    async with two() as servers:
        for one, other in calls:
            servers.first.script(Plan(deltas=0, tools=(one,)))
            servers.second.script(Plan(deltas=0, tools=(other,)))
        servers.second.script(Plan(deltas=1))
        servers.first.script(Plan(deltas=0, tools=(SAME,)))
        run = await servers.run(*(a_record(f"r{number}", tools=[TOOL]) for number in range(5)))
    report = compare(run.report())

    assert [(pair.first.failure, pair.second.failure) for pair in run.pairs] == [("", "")] * 5
    first, second = report.sides
    assert (first.calls, first.fit) == (5, 5)
    assert (second.calls, second.fit) == (4, 2)
    assert sum(second.misfits.values()) == 2
    assert (report.agreement.with_calls, report.agreement.same_calls, report.agreement.same_tools) == (5, 1, 4)
    assert report.agreement.most_different[0].request_id == "r4"
    assert report.agreement.most_different[0].how == "read_file and no tool"


async def test_failures_are_counted_by_reason_and_end_nothing() -> None:
    async with two() as servers:
        servers.first.script(failing(500), Plan(), Plan(fault=Break(how=How.RESET, after=1)))
        servers.second.script(
            Plan(), Plan(fault=Break(how=How.ERROR, after=AFTER_OPENING)), Plan(fault=Break(how=How.END, after=1))
        )
        run = await servers.run(*(a_record(f"r{number}") for number in range(3)))
    first, second = compare(run.report()).sides

    assert (first.answered, sum(first.failures.values())) == (1, 2)
    assert first.failures["upstream-5xx"] == 1
    assert (second.answered, second.failures["stream-truncated"], sum(second.failures.values())) == (1, 1, 2)
    assert compare(run.report()).agreement.n == 0


async def test_a_server_that_never_answers_is_left_after_the_timeout() -> None:
    async with two() as servers:
        servers.first.default = Plan(fault=Break(how=How.STALL, after=1))
        rerunning = Rerunning.of(servers.loaded, ("first", "second"), Rules(timeout_s=0.2))
        request = rerunning.read(a_record())
        assert request is not None
        with trio.fail_after(WAIT_S):
            await rerunning.run([request])
    (pair,) = rerunning.pairs

    assert (pair.first.failure, pair.second.failure) == ("timeout", "")


async def test_costs_are_counted_from_the_usage_and_the_cap_is_kept() -> None:
    async with two(cost=DEAR) as servers:
        one = await servers.run(a_record("r0"), max_usd=1_000_000, may_pay=True)
        # an answer of 11 + 3 tokens costs 11 + 2 * 3 = 17, so a pair 34; what the next may cost is counted with 5 tokens each
        spent = one.purse.spent_usd
        most = _most_held(servers)
        enough = await servers.run(a_record("r1"), a_record("r2"), a_record("r3"), max_usd=34 + most, may_pay=True)
        short = await servers.run(a_record("r1"), max_usd=most - 1, may_pay=True)
    report = compare(enough.report())

    assert spent == 34
    assert most >= 2 * (2 * 5)
    assert (report.pairs, report.spent_usd) == (2, 68)
    assert report.spent_usd <= report.max_usd
    assert [side.cost_usd for side in report.sides] == [34, 34]
    assert (short.pairs, short.purse.spent_usd) == ([], 0)
    assert len(servers.first.exchanges) == 3


async def test_a_run_that_its_cap_ends_says_which_one_would_have_been_enough() -> None:
    records = [a_record(f"r{number}") for number in range(4)]
    async with two(cost=DEAR) as servers:
        most = _most_held(servers)
        run = await servers.run(*records, max_usd=34 + most - 1, may_pay=True)
        enough = 34 + 3 * most
        words = run.ended
        again = await servers.run(*records, max_usd=enough, may_pay=True)

    assert words == (
        f"the next of 3 remaining requests may cost up to ${most:.6f}, but only ${most - 1:.6f} of "
        f"--max-usd is left; --max-usd {enough:.2f} would have covered all"
    )
    assert (len(again.pairs), again.ended) == (4, "")


def _most_held(servers: Two) -> float:
    """Return what is held for a pair: the answers of both at their longest."""
    rerunning = servers.rerunning(max_usd=1_000_000, may_pay=True)
    request = rerunning.read(a_record())
    assert request is not None
    return 2 * (request.turn.count() * 1.25 + 2 * 5)


async def test_many_at_a_time_keep_the_cap_too() -> None:
    async with two(cost=DEAR) as servers:
        most = _most_held(servers)
        cap = 3 * most
        records = [a_record(f"r{number}") for number in range(40)]
        run = await servers.run(*records, max_usd=cap, may_pay=True, concurrency=8)

    assert "of --max-usd is left" in run.ended
    assert 0 < run.purse.spent_usd <= cap
    assert run.purse.held_usd == 0
    assert run.purse.spent_usd + most > cap


async def test_what_broke_off_untold_is_booked_at_the_most() -> None:
    async with two(cost=DEAR) as servers:
        most = _most_held(servers)
        servers.first.default = servers.second.default = Plan(fault=Break(how=How.RESET, after=1))
        run = await servers.run(a_record(), max_usd=1000, may_pay=True)
    report = compare(run.report())

    assert run.purse.spent_usd == most
    assert [side.guessed_costs for side in report.sides] == [1, 1]


async def test_a_cancelled_run_keeps_what_is_done_and_books_what_was_sent() -> None:
    async with two(cost=DEAR) as servers:
        most = _most_held(servers)
        for server in (servers.first, servers.second):
            server.script(Plan(), Plan(fault=Break(how=How.STALL, after=1)))
        rerunning = servers.rerunning(max_usd=1000, may_pay=True)
        requests = [request for number in range(3) if (request := rerunning.read(a_record(f"r{number}"))) is not None]
        with trio.fail_after(WAIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rerunning.run, requests)
                for server in (servers.first, servers.second):
                    await server.wait_until(partial(_has_begun_second, server))
                nursery.cancel_scope.cancel()

    report = compare(rerunning.report())
    assert (report.pairs, [pair.request_id for pair in rerunning.pairs]) == (1, ["r0"])
    assert report.spent_usd == 34 + most
    assert len(servers.second.exchanges) == 2


def _has_begun_second(server: Upstream) -> bool:
    return len(server.exchanges) == 2 and server.exchanges[1].deltas_sent == 1


async def test_what_cannot_be_asked_again_is_left_out_and_counted() -> None:
    loop = [
        {"role": "user", "content": "go on"},
        *[
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "read_file", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "a"}]},
        ]
        * 6,
    ]
    async with two() as servers:
        profile = evolve(servers.loaded.config.profiles[0], tool_loop_action="break")
        config = evolve(servers.loaded.config, profiles=(profile,))
        servers.loaded = evolve(servers.loaded, config=config)
        several = {"path": "/v1/chat/completions", "body": {"model": "m", "n": 2, "messages": [{"role": "user", "content": "x"}]}}
        run = await servers.run(
            {**a_record(), "left_out": "too-large", "body": None},
            {**a_record(), "path": "/v1/models"},
            {**a_record(), "body": "text"},
            {},
            a_record(messages="none"),
            a_record(messages=loop, tools=[TOOL]),
            {**a_record(), **several},
        )

    assert run.left_out == {"too-large": 1, "no-request": 3, "invalid-request": 1, "guard-rejected": 1, "several-answers": 1}
    assert (run.pairs, servers.first.exchanges) == ([], [])


async def test_no_credential_but_the_configured_one_is_sent_and_no_word_of_the_routers_own() -> None:
    async with two() as servers:
        await servers.run({**a_record(profile="default"), "profile": "gone"})
    (exchange,) = servers.first.exchanges

    assert exchange.header("x-api-key") == "the-key"
    assert exchange.header("x-router-profile") is None
    assert "profile" not in exchange.json()


@pytest.mark.parametrize(
    ("keys", "rules", "why", "is_mistake"),
    [
        ({"name": "other"}, {}, "'b' is not a configured provider", True),
        ({"paid": True}, {"may_pay": True}, "has no configured price", False),
        ({"cost": DEAR}, {}, "use --paid", False),
    ],
)
def test_whom_nobody_may_ask_is_refused_before_anything_is_sent(
    keys: Mapping[str, Any], rules: Mapping[str, Any], why: str, *, is_mistake: bool
) -> None:
    loaded = a_file(a_provider("a"), a_provider(**{"name": "b", **keys}))

    with pytest.raises(CannotRerunError, match=why) as refused:
        Rerunning.of(loaded, ("a", "b"), Rules(**rules))

    assert refused.value.is_mistake is is_mistake


def test_paid_providers_are_asked_where_the_configuration_allows_it() -> None:
    loaded = a_file(a_provider("a"), a_provider("b", cost=DEAR), routing=RoutingConfig(allow_paid=True))

    assert Rerunning.of(loaded, ("a", "b"), Rules()).names == ("a", "b")


async def test_one_provider_may_be_asked_twice_also_where_it_costs_money() -> None:
    async with two(cost=DEAR) as servers:
        rerunning = Rerunning.of(servers.loaded, ("first", "first"), Rules(timeout_s=WAIT_S, may_pay=True, max_usd=1_000_000))
        recorded = rerunning.read(a_record())
        assert recorded is not None
        await rerunning.run([recorded])
    (pair,) = rerunning.pairs

    assert (pair.first.provider, pair.second.provider) == ("first", "first")
    assert (pair.first.failure, pair.second.failure, len(servers.first.exchanges)) == ("", "", 2)
    assert rerunning.purse.spent_usd == pytest.approx(pair.first.cost_usd + pair.second.cost_usd)
