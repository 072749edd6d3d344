"""What the head of an answer tells of the way it took: `X-Router-*` and what is relayed (wire.md 2.2, R-42)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from router.config.schema import CapabilitiesConfig, RoutingConfig
from router.config.schema_rules import AutoRouterConfig, AutoRuleConfig, MatchConfig
from router.domain.health import CooldownReason
from router.domain.request import DialectName, Note
from router.errors import FailureReason, ProviderFailed
from tests.builders import (
    ANTHROPIC,
    CHAT,
    Script,
    ScriptedProvider,
    a_profile,
    anthropic_reply,
    anthropic_stream,
    chat_reply,
    chat_stream,
)
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.rig import Rig

STREAMS = {ANTHROPIC: anthropic_stream, CHAT: chat_stream}
REPLIES = {ANTHROPIC: anthropic_reply, CHAT: chat_reply}
BOTH = [ANTHROPIC, CHAT]
LIMITS = (("anthropic-ratelimit-tokens-remaining", "7"), ("x-ratelimit-limit-requests", "9"), ("retry-after", "3"))


def answering(dialect: DialectName, *, name: str = "a", is_stream: bool = False, **facts: object) -> ScriptedProvider:
    chunks = STREAMS[dialect]("x") if is_stream else [REPLIES[dialect]("x")]
    script = Script(chunks=chunks, is_event_stream=is_stream, **facts)  # type: ignore[arg-type]  # facts by name
    return ScriptedProvider(name=name, dialect=dialect, scripts=[script])


def refusing(dialect: DialectName, reason: FailureReason, *, name: str = "a", **facts: object) -> ScriptedProvider:
    failure = ProviderFailed(provider=name, reason=reason, **facts)  # type: ignore[arg-type]  # facts by name
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(refusal=failure)])


def mistaken(dialect: DialectName, headers: Sequence[tuple[str, str]] = ()) -> ScriptedProvider:
    """Return a provider that finds a mistake in the request itself."""
    body = b'{"error":{"type":"invalid_request_error","message":"no"}}'
    return refusing(dialect, FailureReason.CLIENT_ERROR, status=400, message="no", body=body, headers=headers)


@pytest.mark.parametrize("dialect", BOTH)
async def test_an_upstreams_own_refusal_names_its_provider_and_model(dialect: DialectName) -> None:
    talk = await Rig(providers=[mistaken(dialect)]).ask(dialect)

    assert talk.status == 400
    told = {name: talk.headers[f"x-router-{name}"] for name in ("provider", "model", "profile", "attempts")}
    assert told == {"provider": "a", "model": "model-of-a", "profile": "default", "attempts": "1"}


@pytest.mark.parametrize("dialect", BOTH)
async def test_the_rate_limits_come_along_with_a_refusal_that_is_handed_through(dialect: DialectName) -> None:
    talk = await Rig(providers=[mistaken(dialect, headers=(*LIMITS, ("set-cookie", "x")))]).ask(dialect)

    assert dict(LIMITS).items() <= talk.headers.items()
    assert "set-cookie" not in talk.headers


async def test_rate_limit_headers_are_relayed_by_prefix_on_the_same_dialect() -> None:
    headers = [("anthropic-ratelimit-anything-new", "7"), ("set-cookie", "x"), ("server", "y")]

    talk = await Rig(providers=[answering(ANTHROPIC, headers=headers)]).ask(ANTHROPIC)

    assert talk.headers["anthropic-ratelimit-anything-new"] == "7"
    assert not {"set-cookie", "server"} & talk.headers.keys()


async def test_the_rate_limits_of_another_dialect_stay_here() -> None:
    talk = await Rig(providers=[mistaken(CHAT, headers=LIMITS)]).ask(ANTHROPIC)

    assert talk.status == 400
    assert not dict(LIMITS).keys() & talk.headers.keys()


async def test_a_chain_that_failed_whole_relays_nobodys_rate_limits() -> None:
    limited = refusing(ANTHROPIC, FailureReason.RATE_LIMIT, status=429, headers=LIMITS, retry_after_s=3)

    talk = await Rig(providers=[limited]).ask(ANTHROPIC)

    assert (talk.status, talk.headers["retry-after"]) == (429, "3")
    assert "anthropic-ratelimit-tokens-remaining" not in talk.headers


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("name", ["request-id", "x-request-id"])
async def test_the_upstreams_own_request_id_is_told_beside_ours(client: DialectName, name: str) -> None:
    rig = Rig(providers=[answering(ANTHROPIC, headers=[("date", "x"), (name, "req_theirs")])])

    talk = await rig.ask(client, headers=[("x-request-id", "ours")])

    assert talk.headers["x-request-id"] == "ours"
    assert talk.headers["x-router-upstream-request-id"] == "req_theirs"
    (line,) = rig.observer.named("request-complete")
    assert line["upstream_request_id"] == "req_theirs"


async def test_the_request_id_of_a_refusal_is_told_too() -> None:
    rig = Rig(providers=[mistaken(ANTHROPIC, headers=(("request-id", "req_theirs"),))])

    talk = await rig.ask(ANTHROPIC)

    assert talk.headers["x-router-upstream-request-id"] == "req_theirs"
    assert rig.observer.named("request-complete")[0]["upstream_request_id"] == "req_theirs"


async def test_an_answer_without_an_id_does_not_get_that_of_a_failed_attempt() -> None:
    failed = refusing(CHAT, FailureReason.UPSTREAM_5XX, status=500, headers=(("x-request-id", "of-a"),))
    rig = Rig(providers=[failed, answering(CHAT, name="b")])

    talk = await rig.ask(CHAT)

    assert "x-router-upstream-request-id" not in talk.headers
    assert rig.observer.named("request-complete")[0]["upstream_request_id"] is None


@pytest.mark.parametrize("upstream", BOTH)
@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_provider_without_a_model_of_its_own_is_told_by_its_answers_model(
    upstream: DialectName, *, is_stream: bool
) -> None:
    rig = Rig(providers=[answering(upstream, is_stream=is_stream)], keys={"a": {"model": ""}})

    talk = await rig.ask(upstream, stream=is_stream)

    assert talk.headers["x-router-model"] == "m"


async def test_a_model_that_nobody_tells_is_left_out() -> None:
    script = Script(chunks=[chat_reply("x").replace(b'"model":"m",', b"")], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[script])], keys={"a": {"model": ""}})

    assert "x-router-model" not in (await rig.ask(CHAT)).headers


@pytest.mark.parametrize("name", ["/home/用户/qwen.gguf", "a\r\nx-evil: 1", "m" * 201, " m"])
async def test_a_model_name_that_no_header_can_carry_is_left_out(name: str) -> None:
    script = Script(chunks=[chat_reply("x").replace(b'"m"', orjson.dumps(name))], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[script])], keys={"a": {"model": ""}})

    talk = await rig.ask(CHAT)

    assert talk.status == 200
    assert "x-router-model" not in talk.headers


@pytest.mark.parametrize(("ahead", "is_told"), [(True, True), (False, False)])
async def test_a_resting_provider_is_a_fallback_only_ahead_of_the_one_that_answers(*, ahead: bool, is_told: bool) -> None:
    resting = "a" if ahead else "b"
    rig = Rig(
        providers=[answering(CHAT, name="a"), answering(CHAT, name="b")],
        resting={resting: CooldownReason.RATE_LIMITED},
    )

    talk = await rig.ask(CHAT)

    assert talk.status == 200
    assert ("x-router-fallback-from" in talk.headers) is is_told


async def test_a_single_failure_is_no_fallback() -> None:
    talk = await Rig(providers=[refusing(CHAT, FailureReason.CONNECTION)]).ask(CHAT)

    assert talk.status == 502
    assert not [name for name in talk.headers if name.startswith("x-router-fallback")]


async def test_only_what_changes_the_meaning_is_told_to_the_client() -> None:
    notes = (Note(path="thinking", kind="thinking"), Note(path="metadata.x"), Note(path="tools[0]", kind="server-tool"))
    talk = await Rig(providers=[answering(CHAT, notes=notes)]).ask(CHAT)

    assert talk.headers["x-router-degraded"] == "thinking,server-tool"


async def test_a_client_is_sent_away_for_as_long_as_its_only_provider_rests() -> None:
    rig = Rig(providers=[refusing(CHAT, FailureReason.RATE_LIMIT, status=429)])

    talk = await rig.ask(CHAT)

    assert (talk.status, talk.headers["retry-after"]) == (429, "20")
    assert "try again in 20s" in orjson.loads(talk.body)["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "why"), [([], "default"), ([("x-router-profile", "default")], "header"), ([("x-router-mode", "m")], "mode")]
)
@pytest.mark.parametrize("fails", [True, False])
async def test_the_head_says_why_this_profile_answers(headers: list[tuple[str, str]], why: str, *, fails: bool) -> None:
    provider = refusing(CHAT, FailureReason.CONNECTION) if fails else answering(CHAT)
    rig = Rig(providers=[provider], tables={"mode_aliases": {"m": "default"}})

    talk = await rig.ask(CHAT, headers=headers, model="unknown")

    assert (talk.headers["x-router-profile"], talk.headers["x-router-profile-why"]) == ("default", why)


async def test_a_model_that_is_a_providers_name_is_told_as_such_and_chooses_its_profile_alone() -> None:
    rig = Rig(providers=[answering(CHAT, name="near"), answering(CHAT, name="mid")])

    talk = await rig.ask(CHAT, model="mid")

    assert (talk.headers["x-router-provider"], talk.headers["x-router-profile-why"]) == ("near", "model:provider")
    (line,) = rig.observer.named("request-complete")
    assert line["why"] == "model:provider"


async def test_a_rule_is_named_in_characters_that_a_header_can_carry() -> None:
    rule = AutoRuleConfig(id="長 rule%", profile="other", match=MatchConfig(content_contains="hi"))
    auto = AutoRouterConfig(default_rule_profile="default", rules=(rule,))
    rig = Rig(
        providers=[answering(CHAT)],
        more_profiles=[a_profile("a", name="other")],
        tables={"routing": RoutingConfig(default_profile="auto"), "auto_router": auto},
    )

    talk = await rig.ask(CHAT, model="unknown")

    assert talk.headers["x-router-profile"] == "other"
    assert talk.headers["x-router-profile-why"] == "auto:%E9%95%B7 rule%25"


@pytest.mark.parametrize("dialect", list(DialectName))
async def test_who_was_not_asked_is_told_with_the_reason(dialect: DialectName) -> None:
    rig = Rig(
        providers=[answering(CHAT), answering(CHAT, name="b"), answering(CHAT, name="c")],
        keys={"a": {"paid": True}, "b": {"enabled": False}},
    )
    path, body = SPEAKERS[dialect].ask(Ask(text="hi"), stream=False)

    talk = await rig.send(dialect, orjson.dumps(body), path=path)

    assert talk.headers["x-router-provider"] == "c"
    assert talk.headers["x-router-skipped"] == "a=paid-gate,b=disabled"


@pytest.mark.parametrize("dialect", list(DialectName))
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
async def test_an_error_names_whom_it_was_not_asked_of_and_why(dialect: DialectName, *, is_stream: bool) -> None:
    secret = "sk-of-the-vendor-123456"
    rig = Rig(
        providers=[
            refusing(CHAT, FailureReason.CONNECTION, message="gone"),
            answering(CHAT, name="b"),
            answering(CHAT, name="c"),
        ],
        keys={"b": {"paid": True, "base_url": f"http://{secret}/v1"}},
        resting={"c": CooldownReason.RATE_LIMITED},
    )
    path, body = SPEAKERS[dialect].ask(Ask(text="hi"), stream=is_stream)

    talk = await rig.send(dialect, orjson.dumps(body), path=path)

    words = "every provider that was asked failed: a connection (gone); not asked: b paid-gate, c rate-limited"
    assert words.encode() in talk.body
    assert secret.encode() not in talk.body


async def test_an_error_whose_whole_chain_was_asked_names_nobody_else() -> None:
    talk = await Rig(providers=[refusing(CHAT, FailureReason.CONNECTION, message="gone")]).ask(CHAT)

    assert b"profile 'default': every provider failed: a connection (gone)\"" in talk.body


async def test_a_request_that_nobody_may_answer_says_why() -> None:
    talk = await Rig(providers=[answering(CHAT)], keys={"a": {"paid": True}}).ask(CHAT)

    assert talk.status >= 400
    assert (talk.headers["x-router-attempts"], talk.headers["x-router-skipped"]) == ("0", "a=paid-gate")


async def test_however_many_have_moved_the_first_eight_are_told() -> None:
    longest = [f"{number:02}".ljust(64, "x") for number in range(60)]
    no_tools = {"capabilities": CapabilitiesConfig(tools=False)}
    rig = Rig(
        providers=[answering(CHAT, name=name) for name in [*longest, "z"]],
        keys=dict.fromkeys(longest, no_tools),
    )

    talk = await rig.ask(CHAT, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])

    assert talk.headers["x-router-provider"] == "z"
    assert talk.headers["x-router-moved"].split(",") == [f"{name}=capability-lacking" for name in longest[:8]]


@pytest.mark.parametrize("is_answered", [True, False], ids=["answer", "error"])
async def test_however_many_were_not_asked_the_head_stays_small(*, is_answered: bool) -> None:
    longest = [f"{number:02}".ljust(64, "x") for number in range(60)]
    last = [answering(CHAT, name="z")] if is_answered else []
    rig = Rig(
        providers=[*(answering(CHAT, name=name) for name in longest), *last],
        keys={name: {"paid": True} for name in longest},
    )

    talk = await rig.ask(CHAT)

    assert (talk.status == 200) is is_answered
    told = talk.headers["x-router-skipped"].split(",")
    assert told == [f"{name}=paid-gate" for name in longest[: len(told)]]  # the first in the chain, each of them whole
    assert len(told) == 16
    assert sum(len(name) + len(value) + 4 for name, value in talk.headers.items()) < 4000
