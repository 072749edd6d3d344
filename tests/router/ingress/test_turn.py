"""How a request finds its profile and its session, and what is told of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import pytest
from attrs import define, evolve, field

from router.config.redact import Redactor
from router.config.schema import PriceConfig, RoutingConfig
from router.config.schema_rules import AutoRouterConfig, AutoRuleConfig, MatchConfig
from router.config.secret import Secret
from router.domain.request import DialectName
from router.errors import InvalidRequest
from router.ingress.generation import Generation
from router.ingress.routes import ModelRoute
from router.ingress.turn import Turn
from router.routing.memory import Memory
from tests.builders import (
    ANTHROPIC,
    CHAT,
    RememberingObserver,
    Script,
    ScriptedProvider,
    a_profile,
    anthropic_reply,
    anthropic_stream,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig

AUTO = RoutingConfig(default_profile="auto")
RULE = AutoRuleConfig(id="user:tools", profile="coding", match=MatchConfig(has_tools=True))
BLOCK = AutoRouterConfig(rules=(RULE,), default_rule_profile="writing")
TOOLS = [{"name": "Read", "input_schema": {}}]
SESSION = {"x-router-session": "s"}


@define(kw_only=True)
class Desk:
    """One generation in front of one provider, and what is told."""

    tables: Mapping[str, object] = field(factory=lambda: {"routing": AUTO, "auto_router": BLOCK})
    is_sticky: bool = False
    keys: Mapping[str, object] = field(factory=dict)
    upstream: DialectName = ANTHROPIC
    deferred: str = "auto"
    observer: RememberingObserver = field(factory=RememberingObserver)
    redact: Callable[[str], str] = str
    _generation: Generation | None = None

    def generation(self) -> Generation:
        if self._generation is None:
            policy: Mapping[str, Any] = {"sticky": self.is_sticky, "deferred_tools_action": self.deferred}
            rig = Rig(
                providers=[ScriptedProvider(name="p", dialect=self.upstream)],
                keys={"p": self.keys},
                profile=a_profile("p", name="writing", **policy),
                more_profiles=[a_profile("p", name="coding", **policy)],
                tables=self.tables,
                observer=self.observer,
                redact=self.redact,
            )
            self._generation = rig.generation()
        return self._generation

    def turn(self, path: str = "/v1/messages", *, headers: Mapping[str, str] | None = None, **body: object) -> Turn:
        document = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], **body}
        exchange = Conversation("POST", path, headers=list((headers or {}).items())).exchange(ANTHROPIC)
        return Turn.read(self.generation(), exchange, ModelRoute(dialect=ANTHROPIC), orjson.dumps(document))

    def told(self) -> Sequence[str]:
        return [name for name, _ in self.observer.events]


async def test_a_rule_that_holds_chooses_and_is_told(autojump_clock: object) -> None:
    desk = Desk()

    turn = desk.turn(tools=TOOLS)

    assert (turn.profile.name, turn.choice.why) == ("coding", "auto:user:tools")
    ((name, facts),) = desk.observer.events
    assert (name, facts["rule_id"], facts["resolved_profile"]) == ("auto-router-resolved", "user:tools", "coding")
    assert isinstance(facts["signals"], Mapping)
    assert facts["signals"]["has_tools"] is True


async def test_a_request_that_no_rule_fits_falls_through_and_that_is_told(autojump_clock: object) -> None:
    desk = Desk()

    turn = desk.turn()

    assert (turn.profile.name, turn.choice.why) == ("writing", "default")
    assert desk.told() == ["auto-router-fallthrough"]


async def test_a_request_that_names_its_profile_asks_no_rule(autojump_clock: object) -> None:
    desk = Desk()

    turn = desk.turn(tools=TOOLS, profile="writing")

    assert (turn.profile.name, turn.choice.why, desk.told()) == ("writing", "body", [])


async def test_an_unknown_claude_model_is_told_once_per_name(autojump_clock: object) -> None:
    desk = Desk(tables={"routing": RoutingConfig(default_profile="writing")})

    turns = [desk.turn(model=name) for name in ("claude-x", "claude-x", "claude-y", "gpt-5")]

    assert {turn.profile.name for turn in turns} == {"writing"}
    assert [facts["model"] for facts in desk.observer.named("model-unmatched")] == ["claude-x", "claude-y"]


async def test_a_model_is_told_without_half_of_a_secret_and_no_longer_than_a_word_of_the_log(autojump_clock: object) -> None:
    model, redact = f"claude-{'x' * 185}plain-key-4711{'x' * 9000}", Redactor.of([Secret("plain-key-4711")]).redact
    desks = [Desk(redact=redact), Desk(redact=redact, tables={"routing": RoutingConfig(default_profile="writing")})]

    for desk in desks:
        desk.turn(model=model)

    (fallen,), (unmatched,) = desks[0].observer.named("auto-router-fallthrough"), desks[1].observer.named("model-unmatched")
    told = f"claude-{'x' * 185}***xxxxx"
    assert isinstance(signals := dict(fallen)["signals"], Mapping)
    assert (signals["model"], dict(unmatched)["model"]) == (told, told)


# ---- sessions


@pytest.mark.parametrize(("said", "klass"), [({}, "main"), ({"x-claude-code-request-class": "workflow"}, "workflow")])
async def test_what_claude_code_says_of_its_request_wins_over_what_is_seen(
    autojump_clock: object, said: dict[str, str], klass: str
) -> None:
    turn = Desk().turn(tools=TOOLS, headers={"x-claude-code-session-id": "s", **said})

    assert turn.agent.klass == klass


async def test_an_answered_session_keeps_its_profile_and_its_provider(autojump_clock: object) -> None:
    desk = Desk(is_sticky=True)
    desk.turn(tools=TOOLS, headers=SESSION).remember("p", now=0.0)

    turn = desk.turn(headers=SESSION)

    assert (turn.profile.name, turn.choice.why, turn.sticky_provider(1.0)) == ("coding", "sticky", "p")
    assert desk.told() == ["auto-router-resolved"]


async def test_only_an_answer_settles_a_session(autojump_clock: object) -> None:
    desk = Desk(is_sticky=True)
    desk.turn(tools=TOOLS, headers=SESSION)

    assert desk.turn(headers=SESSION).profile.name == "writing"


async def test_a_profile_that_the_client_named_settles_nothing(autojump_clock: object) -> None:
    desk = Desk(is_sticky=True)
    desk.turn(profile="coding", headers=SESSION).remember("p", now=0.0)

    assert desk.turn(headers=SESSION).profile.name == "writing"
    assert desk.turn(profile="coding", headers=SESSION).sticky_provider(1.0) == "p"


async def test_a_profile_that_is_not_sticky_keeps_no_session(autojump_clock: object) -> None:
    desk = Desk()
    desk.turn(tools=TOOLS, headers=SESSION).remember("p", now=0.0)

    turn = desk.turn(headers=SESSION)

    assert (turn.profile.name, turn.sticky_provider(1.0), turn.session) == ("writing", None, None)


async def test_a_session_outlives_its_configuration(autojump_clock: object) -> None:
    memory = Memory()
    before, after = Desk(is_sticky=True), Desk(is_sticky=True)
    before = Desk(is_sticky=True, generation=evolve(before.generation(), memory=memory))
    after = Desk(is_sticky=True, generation=evolve(after.generation(), memory=memory))
    before.turn(tools=TOOLS, headers=SESSION).remember("p", now=0.0)

    assert after.turn(headers=SESSION).choice.why == "sticky"


async def test_the_session_goes_along_to_a_server_with_slots(autojump_clock: object) -> None:
    desk = Desk(keys={"slot_affinity_slots": 4})
    generation = desk.generation()

    call = desk.turn(headers=SESSION).call(generation.upstreams.providers["p"], generation.upstreams.configs["p"])

    assert call.session_key == "s"


# ---- deferred tools

DEFERRED = [{"name": "Read", "input_schema": {}, "defer_loading": True}]


@pytest.mark.parametrize("action", ["auto", "expand", "passthrough"])
async def test_the_profiles_word_on_deferred_tools_goes_along(action: str, autojump_clock: object) -> None:
    desk = Desk(deferred=action)
    generation = desk.generation()

    call = desk.turn(tools=DEFERRED).call(generation.upstreams.providers["p"], generation.upstreams.configs["p"])

    assert call.deferred_tools == action


async def test_deferred_tools_are_refused_for_a_provider_of_another_dialect_too(autojump_clock: object) -> None:
    desk = Desk(deferred="reject", upstream=CHAT)
    generation = desk.generation()
    turn = desk.turn(tools=DEFERRED)

    with pytest.raises(InvalidRequest, match="Read"):
        turn.call(generation.upstreams.providers["p"], generation.upstreams.configs["p"])


ANSWERS = {
    (ANTHROPIC, True): Script(chunks=anthropic_stream("hello")),
    (CHAT, True): Script(chunks=chat_stream("hello")),
    (ANTHROPIC, False): Script(chunks=[anthropic_reply("hello")], is_event_stream=False),
    (CHAT, False): Script(chunks=[chat_reply("hello")], is_event_stream=False),
}


@pytest.mark.parametrize(("upstream", "stream"), ANSWERS)
async def test_an_answered_request_is_gone_at_once_and_not_when_somebody_collects_garbage(
    upstream: DialectName, *, stream: bool
) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[ANSWERS[upstream, stream]])])
    gc.disable()
    gc.freeze()  # what other tests have left is not looked at
    try:
        await rig.ask(ANTHROPIC, stream=stream, tools=TOOLS)

        assert not [kept for kept in gc.get_objects() if isinstance(kept, Turn)]
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.parametrize(
    ("told", "expected"), [({}, 5), ({"max_tokens": "7"}, 7), ({"max_completion_tokens": 9}, 5), ({"max_tokens": True}, None)]
)
async def test_the_books_and_the_gate_read_one_limit_of_the_answer(
    told: dict[str, Any], expected: int | None, autojump_clock: object
) -> None:
    turn = Desk().turn(**told)

    assert (turn.max_tokens, turn.needs.max_tokens) == (expected, expected)


async def test_what_a_rule_has_counted_is_not_counted_again(autojump_clock: object) -> None:
    rule = AutoRuleConfig(id="user:long", profile="coding", match=MatchConfig(content_token_count_min=1))
    block = AutoRouterConfig(rules=(rule,), default_rule_profile="writing")

    counting, idle = Desk(tables={"routing": AUTO, "auto_router": block}).turn(), Desk().turn()

    assert (idle.counted_tokens, counting.counted_tokens) == (0, idle.count())


@pytest.mark.parametrize(("match", "is_counted"), [("model-of-*", True), ("another", False)])
async def test_a_prompt_is_counted_for_who_has_a_price_and_not_for_a_neighbour_of_it(
    match: str, autojump_clock: object, *, is_counted: bool
) -> None:
    prices = (PriceConfig(match=match, input_tokens_per_million=1.0),)
    desk = Desk(tables={"routing": AUTO, "auto_router": BLOCK, "prices": prices}, keys={"model": "model-of-p"})
    turn = desk.turn()

    tokens = turn.priced_tokens(desk.generation().upstreams.configs["p"])

    assert tokens == (turn.count() if is_counted else 0)
