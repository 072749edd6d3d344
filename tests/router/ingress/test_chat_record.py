"""What the log tells of a request: its own line, and the events of its chain (routing.md 18)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from router.config.schema import ServerConfig
from router.domain.health import CooldownReason
from router.domain.request import DialectName, Note
from router.errors import FailureReason, ProviderFailed
from router.observers.events import EVENTS
from tests.builders import (
    ANTHROPIC,
    CHAT,
    RememberingObserver,
    Script,
    ScriptedProvider,
    Step,
    a_profile,
    anthropic_stream,
    chat_chunk,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.rig import Rig, check_grammar

STREAMS = {ANTHROPIC: anthropic_stream, CHAT: chat_stream}
BOTH = [ANTHROPIC, CHAT]
DONE = b"data: [DONE]\n\n"


def streaming(dialect: DialectName = CHAT, *, name: str = "a", **facts: object) -> ScriptedProvider:
    script = Script(chunks=STREAMS[dialect]("one"), **facts)  # type: ignore[arg-type]  # facts by name
    return ScriptedProvider(name=name, dialect=dialect, scripts=[script])


def playing(*chunks: Step, dialect: DialectName = CHAT, is_event_stream: bool = True) -> ScriptedProvider:
    script = Script(chunks=chunks, is_event_stream=is_event_stream)
    return ScriptedProvider(name="a", dialect=dialect, scripts=[script])


def refusing(name: str, reason: FailureReason = FailureReason.CONNECTION, message: str = "gone") -> ScriptedProvider:
    failure = ProviderFailed(provider=name, reason=reason, message=message)
    return ScriptedProvider(name=name, scripts=[Script(refusal=failure)])


def line_of(observer: RememberingObserver) -> dict[str, object]:
    (line,) = observer.named("request-complete")
    return dict(line)


@pytest.fixture(autouse=True)
def all_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the observer refuse what the registry does not know."""

    def event(self: RememberingObserver, name: str, fields: dict[str, object]) -> None:
        assert set(fields) <= set(EVENTS[name].fields)
        self.events.append((name, fields))

    monkeypatch.setattr(RememberingObserver, "event", event)


async def test_half_of_a_secret_that_a_client_sends_as_its_model_is_in_no_line() -> None:
    secret = "".join(f"{number:04}" for number in range(100))
    rig = Rig(providers=[streaming()], redact=lambda text: text.replace(secret, "***"))

    await rig.ask(CHAT, stream=True, model=f"of-{secret}")

    assert line_of(rig.observer)["model"] == "of-***"


async def test_the_line_tells_what_was_left_out_of_the_request_that_was_answered() -> None:
    notes = tuple(Note(path=f"tools[{n}]", reason="unknown") for n in range(25))
    rig = Rig(providers=[streaming(notes=notes)])

    await rig.ask(CHAT, stream=True)

    dropped = line_of(rig.observer)["dropped"]
    assert isinstance(dropped, list)
    assert (len(dropped), dropped[0]) == (20, "tools[0]: unknown")


async def test_the_line_tells_who_was_not_asked_and_why() -> None:
    rig = Rig(
        providers=[streaming(name="paid"), streaming(name="tired"), streaming(name="a")],
        keys={"paid": {"paid": True}},
        resting={"tired": CooldownReason.AUTH},
    )

    await rig.ask(CHAT, stream=True)

    line = line_of(rig.observer)
    assert line["skipped"] == ["paid: paid-gate", "tired: auth-cooldown"]
    assert line["chain"] == ["a:ok"]


async def test_a_chain_is_told_for_debugging() -> None:
    rig = Rig(providers=[streaming(name="a"), streaming(name="b")], resting={"b": CooldownReason.AUTH})

    await rig.ask(CHAT, stream=True)

    (resolved,) = rig.observer.named("chain-resolved")
    assert (resolved["profile"], resolved["chain"], resolved["skipped"]) == ("default", ["a"], ["b: auth-cooldown"])
    assert not rig.observer.named("chain-last-resort")


async def test_a_chain_that_is_empty_is_warned_about_with_its_reasons() -> None:
    rig = Rig(providers=[streaming(name="a")], keys={"a": {"paid": True}})

    talk = await rig.ask(CHAT, stream=True)

    assert talk.status == 403
    (empty,) = rig.observer.named("chain-empty")
    assert empty["skipped"] == [{"provider": "a", "reason": "paid-gate", "detail": "paid, and allow_paid is off"}]
    (blocked,) = rig.observer.named("chain-paid-gate-blocked")
    assert blocked["blocked_providers"] == ["a"]
    assert not rig.observer.named("chain-resolved")


async def test_a_chain_empty_by_rate_limits_is_not_blamed_on_the_gate() -> None:
    rig = Rig(providers=[streaming(name="a")], resting={"a": CooldownReason.RATE_LIMITED})

    await rig.ask(CHAT, stream=True)

    assert rig.observer.named("chain-empty")
    assert not rig.observer.named("chain-paid-gate-blocked")


async def test_a_last_resort_is_warned_about() -> None:
    rig = Rig(providers=[streaming(name="a")], resting={"a": CooldownReason.AUTH})

    talk = await rig.ask(CHAT, stream=True)

    assert talk.status == 200
    (resort,) = rig.observer.named("chain-last-resort")
    assert resort["providers"] == ["a"]


async def test_each_departure_is_an_event_of_its_own() -> None:
    rig = Rig(
        providers=[streaming(name="r"), refusing("a"), refusing("b", FailureReason.TIMEOUT), streaming(name="c")],
        resting={"r": CooldownReason.OVERLOADED},
    )

    await rig.ask(CHAT, stream=True)

    hops = rig.observer.named("fallback-occurred")
    keys = ("hop_index", "from_provider", "to_provider", "reason", "detail", "pre_attempt", "profile", "stream")
    assert [tuple(hop[key] for key in keys) for hop in hops] == [
        (0, "r", "a", "overloaded", "", True, "default", True),
        (1, "a", "b", "connection", "gone", False, "default", True),
        (2, "b", "c", "timeout", "gone", False, "default", True),
    ]


async def test_a_departure_is_told_when_the_answer_begins_not_when_it_ends(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    del autojump_clock
    slow = ScriptedProvider(name="b", scripts=[Script(chunks=[*chat_stream("x")[:2], 60.0, *chat_stream("x")[2:]])])
    rig = Rig(providers=[refusing("a"), slow])
    told_at_5s: list[int] = []

    async def look() -> None:
        await trio.sleep(5)
        told_at_5s.append(len(rig.observer.named("fallback-occurred")))

    nursery.start_soon(look)
    await rig.ask(CHAT, stream=True)

    assert told_at_5s == [1]
    assert len(rig.observer.named("fallback-occurred")) == 1


async def test_the_end_of_a_chain_leads_nowhere() -> None:
    rig = Rig(providers=[refusing("a"), refusing("b")])

    await rig.ask(CHAT, stream=True)

    assert [hop["to_provider"] for hop in rig.observer.named("fallback-occurred")] == ["b", None]


async def test_a_mistake_of_the_client_is_no_departure() -> None:
    mistake = ProviderFailed(provider="a", reason=FailureReason.CLIENT_ERROR, status=400, message="no")
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(refusal=mistake)])])

    await rig.ask(CHAT, stream=True)

    assert not rig.observer.named("fallback-occurred")


@pytest.mark.parametrize(
    ("leave_after_s", "status", "outcome"), [(5, None, "cancelled-before-head"), (15, 200, "cancelled-midstream")]
)
async def test_a_client_that_leaves_is_told_with_its_phase(
    leave_after_s: float, status: int | None, outcome: str, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = Rig(providers=[playing(60.0)])

    await rig.ask(CHAT, stream=True, leave_after_s=leave_after_s)

    line = line_of(rig.observer)
    assert (line["status"], line["outcome"], line["chain"]) == (status, outcome, ["a:cut"])
    (left,) = rig.observer.named("client-disconnected")
    assert (left["phase"], left["provider"]) == (outcome.removeprefix("cancelled-"), "a")


@pytest.mark.parametrize(("read", "outcome"), [(2, "cancelled-midstream"), (3, "ok")])
async def test_a_client_that_leaves_with_the_whole_answer_got_it(read: int, outcome: str, autojump_clock: MockClock) -> None:
    del autojump_clock
    whole = chat_stream("one")
    rig = Rig(providers=[playing(*whole[:read], 60.0, *whole[read:])])

    await rig.ask(CHAT, stream=True, leave_after_s=5)

    line = line_of(rig.observer)
    assert (line["outcome"], line["chain"]) == (outcome, ["a:ok" if outcome == "ok" else "a:cut"])
    assert bool(rig.observer.named("client-disconnected")) is (outcome != "ok")


@pytest.mark.parametrize("client", BOTH)
async def test_a_stream_that_the_drain_cuts_is_not_the_providers_fault(
    client: DialectName, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    del autojump_clock
    rig = Rig(providers=[playing(*chat_stream("one")[:2], 600.0)])

    async def expire() -> None:
        await trio.sleep(3)
        rig.drain.expire()

    nursery.start_soon(expire)
    talk = await rig.ask(client, stream=True)

    assert b"the router is stopping" in talk.body
    assert b"[a]" not in talk.body
    check_grammar(client, talk.body)
    line = line_of(rig.observer)
    assert (line["outcome"], line["chain"]) == ("shutting_down", ["a:cut"])
    assert rig.sink.attempts[0].failure is None


@pytest.mark.parametrize("client", BOTH)
async def test_a_stream_that_its_deadline_cuts_is_not_the_providers_fault(client: DialectName, autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = Rig(
        providers=[playing(*chat_stream("one")[:2], 600.0)],
        profile=a_profile("a", request_deadline_s=30),
        tables={"server": ServerConfig(stream_deadline_s=4)},
    )

    talk = await rig.ask(client, stream=True)

    assert b"the request exceeded its deadline of 4 s" in talk.body
    check_grammar(client, talk.body)
    line = line_of(rig.observer)
    assert (line["outcome"], line["chain"]) == ("timeout", ["a:cut"])
    assert rig.sink.attempts[0].failure is None


async def test_an_answer_that_broke_off_says_so_in_the_chain() -> None:
    rig = Rig(providers=[playing(*chat_stream("one")[:2])])

    await rig.ask(CHAT, stream=True)

    line = line_of(rig.observer)
    assert (line["outcome"], line["chain"]) == ("midstream", ["a:stream-truncated"])


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(("text", "tokens"), [("x", 1), ("four" * 5, 5), ("seventeen letters", 5)])
async def test_a_whole_reply_that_nobody_counted_is_estimated(dialect: DialectName, text: str, tokens: int) -> None:
    body = {
        CHAT: b'{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%b"},'
        b'"finish_reason":"stop"}]}',
        ANTHROPIC: b'{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"%b"}],'
        b'"stop_reason":"end_turn","stop_sequence":null}',
    }[dialect] % text.encode()
    rig = Rig(providers=[playing(body, dialect=dialect, is_event_stream=False)])

    talk = await rig.ask(dialect)

    assert talk.body == body
    line = line_of(rig.observer)
    assert (line["output_tokens"], line["estimated"]) == (tokens, True)


async def test_a_reply_that_was_counted_is_not_estimated() -> None:
    rig = Rig(providers=[playing(chat_reply("x"), is_event_stream=False)])

    await rig.ask(CHAT)

    line = line_of(rig.observer)
    assert (line["input_tokens"], line["output_tokens"], line["estimated"]) == (3, 2, False)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_reasoning_that_was_taken_out_is_told_once(*, is_stream: bool) -> None:
    thought = [chat_chunk({"role": "assistant", "reasoning_content": "hm"}), chat_chunk({"reasoning_content": "so"})]
    reply = chat_reply("x").replace(b'"content"', b'"reasoning":"hm","content"')
    chunks = [*thought, *chat_stream("x")[1:]] if is_stream else [reply]
    rig = Rig(providers=[playing(*chunks, is_event_stream=is_stream)])

    await rig.ask(CHAT, stream=is_stream)

    (degraded,) = rig.observer.named("capability-degraded")
    assert degraded["dropped"] == ["reasoning", "reasoning_content"]
    assert (degraded["provider"], degraded["reason"]) == ("a", "non-standard-field")


async def test_an_edit_that_takes_no_reasoning_out_is_not_told() -> None:
    usage = chat_chunk({}, usage={"prompt_tokens": 1, "completion_tokens": 1, "reasoning_tokens": 0}).replace(
        b'"choices":[{"index":0,"delta":{},"finish_reason":null}]', b'"choices":[]'
    )
    *body, done = chat_stream("x")
    rig = Rig(providers=[playing(*body, usage, done)])

    talk = await rig.ask(CHAT, stream=True)

    assert b"usage" not in talk.body
    assert not rig.observer.named("capability-degraded")
