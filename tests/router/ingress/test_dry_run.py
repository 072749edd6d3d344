"""What would be done with a request, beside what is done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from router.config.schema import (
    BudgetConfig,
    CapabilitiesConfig,
    CostConfig,
    LoadedConfig,
    ProfileConfig,
    ProviderConfig,
    RoutingConfig,
)
from router.config.schema_rules import AutoRouterConfig, AutoRuleConfig, MatchConfig
from router.config.secret import Secret, Secrets
from router.domain.request import DialectName
from router.domain.spend import CapScope
from router.errors import InvalidRequest, UnknownProfile
from router.guards.tool_loop import Act
from router.ingress.dry_run import DryRun, Letter
from router.ingress.routes import ModelRoute
from router.routing.explanation import Explanation, Way
from router.wire.anthropic.deferred_tools import Deferral
from tests.builders import ANTHROPIC, CHAT, a_config, a_profile, a_provider
from tests.router.ingress.memory import Conversation
from tests.router.test_deployed import OLD, a_world, at

QUESTION = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
PATHS = {ANTHROPIC: "/v1/messages", CHAT: "/v1/chat/completions"}
TOOL = {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "a"}
A_LOOP = [
    {"role": "user", "content": "go on"},
    *[{"role": "assistant", "content": [CALL]}, {"role": "user", "content": [RESULT]}] * 3,
]


def a_file(*providers: ProviderConfig, profile: ProfileConfig | None = None, **tables: object) -> LoadedConfig:
    profiles = [profile or a_profile(*(provider.name for provider in providers))]
    secrets = Secrets(credentials={provider.name: Secret("k") for provider in providers})
    return LoadedConfig(
        config=a_config(*providers, profiles=profiles, **tables), secrets=secrets, warnings=(), path=Path("router.toml")
    )


def explained(
    loaded: LoadedConfig, dialect: DialectName = ANTHROPIC, *, headers: Mapping[str, str] | None = None, **body: object
) -> Explanation:
    letter = Letter(path=PATHS[dialect], route=ModelRoute(dialect=dialect), headers=headers or {})
    return DryRun.of(loaded).explain(letter, orjson.dumps({**QUESTION, **body}))


def a_long(words: int) -> Sequence[Mapping[str, Any]]:
    return [{"role": role, "content": "word " * (words // 5)} for role in ("user", "assistant", "user", "assistant", "user")]


async def sent_bytes(nursery: trio.Nursery, loaded: LoadedConfig, dialect: DialectName, body: bytes) -> int:
    """Return how many bytes a deployed router sends for a request."""
    world = await a_world(nursery, loaded=loaded)
    talk = Conversation("POST", PATHS[dialect], headers=[("content-length", str(len(body)))])
    talk.part(body)
    await world.deployed(talk.scope, talk.receive, talk.send)
    (size,) = world.upstreams.sizes
    return size


CUT = a_profile("a", context_budget_action="trim", context_budget_preserve_last_n=1)
FORCED = {"tools": [TOOL], "tool_choice": {"type": "any"}}
HINTING = a_profile("a", tool_loop_action="inject")
SMALL = {"max_context_tokens": 1500}
UNTOLD = CapabilitiesConfig(tool_choice=False)


@define(kw_only=True)
class Case:
    """A request of one dialect to a chat provider."""

    dialect: DialectName
    way: Way
    profile: ProfileConfig = field(factory=lambda: a_profile("a"))
    keys: Mapping[str, object] = field(factory=dict)
    body: Mapping[str, Any] = field(factory=dict)


CASES = {
    "relayed": Case(dialect=CHAT, way=Way.RELAYED),
    "translated": Case(dialect=ANTHROPIC, way=Way.TRANSLATED, body={"tools": [TOOL]}),
    "forced": Case(dialect=ANTHROPIC, way=Way.FORCED, keys={"capabilities": UNTOLD}, body=FORCED),
    "relayed and cut": Case(dialect=CHAT, way=Way.RELAYED, profile=CUT, keys=SMALL, body={"messages": a_long(3000)}),
    "translated and cut": Case(dialect=ANTHROPIC, way=Way.TRANSLATED, profile=CUT, keys=SMALL, body={"messages": a_long(3000)}),
    "with a hint": Case(dialect=ANTHROPIC, way=Way.TRANSLATED, profile=HINTING, body={"tools": [TOOL], "messages": A_LOOP}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_would_be_sent_is_what_is_sent(case: Case, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    loaded = a_file(at(OLD, "a", **case.keys), profile=case.profile)

    putting = explained(loaded, case.dialect, **case.body).views[0].putting
    sent = await sent_bytes(nursery, loaded, case.dialect, orjson.dumps({**QUESTION, **case.body}))

    assert putting is not None
    assert (putting.way, putting.sent_bytes) == (case.way, sent)
    nursery.cancel_scope.cancel()


def test_who_lacks_something_goes_back_with_who_says_so() -> None:
    told = explained(
        a_file(a_provider("a", capabilities=CapabilitiesConfig(tools=False)), a_provider("b", max_context_tokens=10)),
        tools=[TOOL],
        messages=a_long(100),
    )

    views = {view.config.name: view for view in told.views}
    assert [entry.provider for entry in told.plan.order] == ["a", "b"]
    assert views["a"].fit.lacking == ("tools",)
    assert views["a"].capabilities.tools.origin == "provider"
    assert (views["b"].fit.overflows, views["b"].usable) == (True, 8)


def test_who_is_left_out_is_shown_as_well_at_the_end() -> None:
    told = explained(a_file(a_provider("paid", paid=True), a_provider("b")))

    assert [view.config.name for view in told.views] == ["b", "paid"]
    assert [str(drop.reason) for drop in told.plan.dropped] == ["paid-gate"]


def test_the_rule_that_chose_is_told_with_what_it_saw() -> None:
    rule = AutoRuleConfig(id="user:tools", profile="default", match=MatchConfig(has_tools=True))
    tables: dict[str, Any] = {
        "routing": RoutingConfig(default_profile="auto"),
        "auto_router": AutoRouterConfig(rules=(rule,), default_rule_profile="default"),
    }

    told = explained(a_file(a_provider("a"), **tables), tools=[TOOL])

    assert told.choice.why == "auto:user:tools"
    assert told.choice.auto is not None
    assert told.choice.auto.signals["has_tools"] is True


@pytest.mark.parametrize(
    ("model_map", "model", "by", "tier"),
    [
        ({"haiku": "default"}, "claude-haiku-4-5-20251001", "tier", "haiku"),
        ({"claude-*": "default"}, "claude-haiku-4-5", "pattern", ""),
        ({"fast": "default"}, "Fast", "map", ""),
        ({"*": "default"}, "A", "provider", ""),
        ({}, "near-1", "served", ""),
    ],
)
def test_what_the_model_matched_is_told(model_map: Mapping[str, str], model: str, by: str, tier: str) -> None:
    match = explained(a_file(a_provider("a", model="near-1"), model_map=model_map), model=model).choice.match

    assert match is not None
    assert (match.by, match.tier) == (by, tier)


@pytest.mark.parametrize(("action", "act", "is_rejected"), [("warn", Act.WARN, False), ("break", Act.BREAK, True)])
def test_a_loop_is_told_with_what_comes_of_it(action: str, act: Act, *, is_rejected: bool) -> None:
    loaded = a_file(a_provider("a"), profile=a_profile("a", tool_loop_action=action))

    told = explained(loaded, tools=[TOOL], messages=A_LOOP)

    assert (told.verdict.loop.act, told.calls) == (act, 3)
    assert (told.rejected is not None) is is_rejected


def test_a_provider_with_too_small_a_window_under_reject_is_not_asked() -> None:
    loaded = a_file(a_provider("a", max_context_tokens=500), profile=a_profile("a", context_budget_action="reject"))

    budget = explained(loaded, messages=a_long(3000)).views[0].budget

    assert budget is not None
    assert budget.state == "reject"


def test_what_it_costs_is_told_with_the_caps_it_is_under() -> None:
    cost = CostConfig(input_tokens_per_million=1e6, output_tokens_per_million=2e6, monthly_budget_usd=9.0)
    loaded = a_file(a_provider("a", cost=cost), a_provider("free"), budget=BudgetConfig(daily_usd=3.0))

    told = explained(loaded)

    costing, free = (view.costing for view in told.views)
    assert costing.reserved_usd == told.tokens + 2 * 50
    assert costing.caps == {CapScope.PROVIDER: 9.0, CapScope.DAY: 3.0}
    assert (free.reserved_usd, free.caps) == (0.0, {})


def test_a_cap_of_0_leaves_out_from_the_start() -> None:
    cost = CostConfig(input_tokens_per_million=1.0, monthly_budget_usd=0.0)

    (drop,) = explained(a_file(a_provider("a", cost=cost))).plan.dropped

    assert str(drop.reason) == "budget"
    assert drop.detail == "the budget of 0 USD for provider a is spent (this month)"


@pytest.mark.parametrize(
    ("url", "deferral"), [("https://api.anthropic.com", Deferral.PASS), ("https://other.example", Deferral.EXPAND)]
)
def test_deferred_tools_stay_with_the_vendor_that_searches_them(url: str, deferral: Deferral) -> None:
    deferred = {**TOOL, "defer_loading": True}

    putting = explained(a_file(a_provider("a", kind="anthropic", base_url=url)), tools=[deferred]).views[0].putting

    assert putting is not None
    assert putting.deferral is deferral


def test_keys_are_counted_and_sessions_get_their_slot() -> None:
    provider = a_provider("a", kind="openai_compat", slot_affinity_slots=4)
    loaded = a_file(provider)
    pool = evolve(loaded, secrets=Secrets(key_pools={"a": (Secret("x"), Secret("y"))}))

    view = explained(pool, headers={"x-router-session": "s"}).views[0]

    assert view.putting is not None
    assert (view.keys, view.putting.slot is not None) == (2, True)


def test_a_body_that_cannot_be_read_names_its_field() -> None:
    with pytest.raises(InvalidRequest) as caught:
        explained(a_file(a_provider("a")), messages=[{"role": "nobody", "content": "x"}])

    assert caught.value.param == "messages[0].role"


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownProfile):
        explained(a_file(a_provider("a")), headers={"x-router-profile": "nope"})


def test_tools_that_a_profile_refuses_end_the_request_and_are_named() -> None:
    loaded = a_file(a_provider("a"), profile=a_profile("a", deferred_tools_action="reject"))

    with pytest.raises(InvalidRequest) as caught:
        explained(loaded, tools=[{**TOOL, "defer_loading": True}])

    assert caught.value.param == "tools[0]"
