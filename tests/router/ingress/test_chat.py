"""The one handler, with both dialects on both sides, on the virtual clock."""

from __future__ import annotations

import orjson
import pytest
import trio
from trio.testing import MockClock

from router.config.schema import RoutingConfig, ServerConfig
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from tests.builders import (
    ANTHROPIC,
    CHAT,
    Script,
    ScriptedProvider,
    Step,
    a_profile,
    anthropic_reply,
    anthropic_stream,
    chat_chunk,
    chat_reply,
    chat_stream,
)
from tests.router.ingress.rig import Rig, check_grammar, data_of

STREAMS = {ANTHROPIC: anthropic_stream, CHAT: chat_stream}
REPLIES = {ANTHROPIC: anthropic_reply, CHAT: chat_reply}
BOTH = [ANTHROPIC, CHAT]
TEXT_OF = {
    ANTHROPIC: lambda body: "".join(d.get("delta", {}).get("text", "") for d in data_of(body)),
    CHAT: lambda body: "".join(
        c["delta"].get("content") or "" for d in data_of(body) if d != "[DONE]" for c in d.get("choices", ())
    ),
}


def failing(reason: FailureReason = FailureReason.CONNECTION) -> ProviderFailed:
    return ProviderFailed(provider="a", reason=reason, message="gone")


def streaming(dialect: DialectName, *texts: str, name: str = "a") -> ScriptedProvider:
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(chunks=STREAMS[dialect](*texts))])


def broken(dialect: DialectName, *, after: int, name: str = "a") -> ScriptedProvider:
    """Return a provider whose connection breaks behind its first `after` reads."""
    chunks: list[Step] = [*STREAMS[dialect]("one", "two")[:after], failing()]
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(chunks=chunks)])


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_a_stream_reaches_every_client_from_every_upstream(client: DialectName, upstream: DialectName) -> None:
    rig = Rig(providers=[streaming(upstream, "hel", "lo")])

    talk = await rig.ask(client, stream=True)

    assert talk.status == 200
    assert talk.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert TEXT_OF[client](talk.body) == "hello"
    check_grammar(client, talk.body)
    assert talk.is_complete
    assert rig.sink.attempts[0].is_ok


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_a_reply_reaches_every_client_from_every_upstream(client: DialectName, upstream: DialectName) -> None:
    script = Script(chunks=[REPLIES[upstream]("hello")], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[script])])

    talk = await rig.ask(client)

    reply = orjson.loads(talk.body)
    said = reply["content"][0]["text"] if client is ANTHROPIC else reply["choices"][0]["message"]["content"]
    assert (talk.status, said) == (200, "hello")
    (complete,) = rig.observer.named("request-complete")
    assert complete["output_tokens"] == 2


@pytest.mark.parametrize("dialect", BOTH)
async def test_the_same_dialect_passes_byte_for_byte(dialect: DialectName) -> None:
    upstream = [b": hello\n\n", *STREAMS[dialect]("a", "b")]
    upstream[2] = upstream[2].replace(b'"index":0', b'"index": 0, "unknown": [1.0, null]')
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[Script(chunks=upstream)])])

    talk = await rig.ask(dialect, stream=True)

    assert talk.body == b"".join(upstream)


@pytest.mark.parametrize("dialect", BOTH)
async def test_a_whole_reply_of_the_same_dialect_passes_byte_for_byte(dialect: DialectName) -> None:
    body = REPLIES[dialect]("x").replace(b'"model":"m"', b'"model": "m", "unknown": [1.0, null]')
    script = Script(chunks=[body], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[script])])

    assert (await rig.ask(dialect)).body == body


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_a_whole_reply_to_a_stream_request_is_played_as_a_stream(client: DialectName, upstream: DialectName) -> None:
    script = Script(chunks=[REPLIES[upstream]("hello")], is_event_stream=False)
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[script])])

    talk = await rig.ask(client, stream=True)

    assert TEXT_OF[client](talk.body) == "hello"
    check_grammar(client, talk.body)


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_a_break_after_content_ends_in_the_clients_own_error_event(client: DialectName, upstream: DialectName) -> None:
    rig = Rig(providers=[broken(upstream, after=3), streaming(upstream, "never", name="b")])

    talk = await rig.ask(client, stream=True)

    assert TEXT_OF[client](talk.body).startswith("one")
    assert any("error" in document for document in data_of(talk.body) if document != "[DONE]")
    check_grammar(client, talk.body)
    assert talk.is_complete
    assert rig.providers[1].calls == []
    assert rig.sink.attempts[0].failure is not None


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_d36_a_truncated_stream_ends_in_the_clients_own_error_event(client: DialectName, upstream: DialectName) -> None:
    cut = Script(chunks=STREAMS[upstream]("one")[: 3 if upstream is ANTHROPIC else 2])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[cut])])

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert b"error" in talk.body
    assert rig.sink.attempts[0].failure is not None
    assert rig.sink.attempts[0].failure.reason is FailureReason.STREAM_TRUNCATED


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
async def test_an_upstream_that_stops_behind_its_stop_reason_is_complete(client: DialectName, upstream: DialectName) -> None:
    unfinished = Script(chunks=STREAMS[upstream]("one")[:-1])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[unfinished])])

    talk = await rig.ask(client, stream=True)

    check_grammar(client, talk.body)
    assert b"error" not in talk.body
    assert rig.sink.attempts[0].is_ok


@pytest.mark.parametrize("dialect", BOTH)
async def test_nobody_answering_is_told_before_any_head(dialect: DialectName) -> None:
    refusing = ScriptedProvider(name="a", dialect=dialect, scripts=[Script(refusal=failing())])

    talk = await Rig(providers=[refusing]).ask(dialect, stream=True)

    assert talk.status == 502
    assert talk.headers["x-should-retry"] == "true"
    assert talk.headers["x-router-attempts"] == "1"
    assert "error" in orjson.loads(talk.body)


@pytest.mark.parametrize("dialect", BOTH)
async def test_silence_is_filled_with_the_dialects_own_keep_alive(dialect: DialectName, autojump_clock: MockClock) -> None:
    del autojump_clock
    first, *rest = STREAMS[dialect]("slow")
    script = Script(chunks=[first, 40.0, *rest[:-1], 40.0, rest[-1]])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[script])])

    talk = await rig.ask(dialect, stream=True)

    before, after = talk.body.split(b"slow")
    assert before.count(b": keep-alive\n\n") == 2  # the head goes out at 10 s, then 25 s and 40 s less a tick
    assert after.count(b"event: ping" if dialect is ANTHROPIC else b": keep-alive") == 2
    check_grammar(dialect, talk.body)


@pytest.mark.parametrize("dialect", BOTH)
async def test_after_the_header_grace_the_chain_still_falls_back(dialect: DialectName, autojump_clock: MockClock) -> None:
    del autojump_clock
    slow = ScriptedProvider(name="a", dialect=dialect, scripts=[Script(open_after_s=12, refusal=failing())])
    rig = Rig(providers=[slow, streaming(dialect, "well", name="b")])

    talk = await rig.ask(dialect, stream=True)

    assert (talk.status, TEXT_OF[dialect](talk.body)) == (200, "well")
    assert "x-router-provider" not in talk.headers
    check_grammar(dialect, talk.body)


@pytest.mark.parametrize("dialect", BOTH)
async def test_after_the_header_grace_a_failed_chain_ends_in_an_error_event(
    dialect: DialectName, autojump_clock: MockClock
) -> None:
    del autojump_clock
    slow = ScriptedProvider(name="a", dialect=dialect, scripts=[Script(open_after_s=12, refusal=failing())])

    talk = await Rig(providers=[slow]).ask(dialect, stream=True)

    assert talk.status == 200
    assert b"every provider failed" in talk.body
    check_grammar(dialect, talk.body)
    assert talk.is_complete


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("upstream", BOTH)
async def test_a_client_that_leaves_stops_its_upstream_and_is_nobodys_failure(
    upstream: DialectName, autojump_clock: MockClock, *, is_stream: bool
) -> None:
    del autojump_clock
    begun = STREAMS[upstream]("one")[: 3 if upstream is ANTHROPIC else 2]
    chunks: list[Step] = [*begun, 600.0] if is_stream else [600.0]
    script = Script(chunks=chunks, is_event_stream=is_stream)
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[script])])

    await rig.ask(upstream, stream=is_stream, leave_after_s=5)

    assert trio.current_time() == pytest.approx(5, abs=0.01)
    assert rig.providers[0].open_now == 0
    (attempt,) = rig.sink.attempts
    assert (attempt.is_ok, attempt.failure) == (False, None)
    (line,) = rig.observer.named("request-complete")
    assert line["outcome"] == ("cancelled-midstream" if is_stream else "cancelled-before-head")
    assert line["estimated"] is (True if is_stream else None)


@pytest.mark.parametrize("dialect", BOTH)
async def test_a_stream_at_the_drain_deadline_ends_in_its_error_event(
    dialect: DialectName, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    del autojump_clock
    script = Script(chunks=[*STREAMS[dialect]("one")[:3], 600.0])
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=dialect, scripts=[script])])

    async def expire() -> None:
        await trio.sleep(3)
        rig.drain.begin()
        rig.drain.expire()

    nursery.start_soon(expire)
    talk = await rig.ask(dialect, stream=True)

    assert talk.is_complete
    assert b"error" in talk.body
    check_grammar(dialect, talk.body)


async def test_a_whole_reply_at_the_drain_deadline_is_a_503(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    del autojump_clock
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=[600.0], is_event_stream=False)])])

    async def expire() -> None:
        await trio.sleep(3)
        rig.drain.expire()

    nursery.start_soon(expire)
    talk = await rig.ask()

    assert (talk.status, talk.headers["retry-after"]) == (503, "5")


async def test_the_request_deadline_ends_the_chain(autojump_clock: MockClock) -> None:
    del autojump_clock
    slow = ScriptedProvider(name="a", scripts=[Script(chunks=[600.0], is_event_stream=False)])
    rig = Rig(providers=[slow], profile=a_profile("a", request_deadline_s=4))

    talk = await rig.ask()

    assert talk.status == 504
    assert trio.current_time() == pytest.approx(4, abs=0.01)


async def test_the_usage_chunk_that_nobody_asked_for_is_taken_out() -> None:
    usage = chat_chunk({}, usage={"prompt_tokens": 1, "completion_tokens": 1}).replace(
        b'"choices":[{"index":0,"delta":{},"finish_reason":null}]', b'"choices":[]'
    )
    *body, done = chat_stream("x")
    provider = ScriptedProvider(name="a", scripts=[Script(chunks=[*body, usage, done])])

    silent = await Rig(providers=[provider]).ask(CHAT, stream=True)
    asked = await Rig(providers=[provider]).ask(CHAT, stream=True, stream_options={"include_usage": True})

    assert silent.body == b"".join([*body, done])
    assert asked.body == b"".join([*body, usage, done])


@pytest.mark.parametrize(("mode", "shown"), [("strip", False), ("pass", True), ("convert", False), ("echo", False)])
async def test_reasoning_of_a_chat_upstream_is_the_providers_setting(mode: str, *, shown: bool) -> None:
    chunks = [chat_chunk({"role": "assistant", "reasoning_content": "hm"}), *chat_stream("x")[1:]]
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=chunks)])], keys={"a": {"reasoning": mode}})

    talk = await rig.ask(CHAT, stream=True)

    assert (b"hm" in talk.body) is shown
    check_grammar(CHAT, talk.body)


@pytest.mark.parametrize("asked", [True, False])
async def test_reasoning_is_converted_for_a_client_that_asked_for_thinking(*, asked: bool) -> None:
    chunks = [chat_chunk({"role": "assistant", "reasoning_content": "hm"}), *chat_stream("x")[1:]]
    rig = Rig(providers=[ScriptedProvider(name="a", scripts=[Script(chunks=chunks)])], keys={"a": {"reasoning": "convert"}})
    thinking = {"type": "enabled", "budget_tokens": 1024} if asked else None

    talk = await rig.ask(ANTHROPIC, stream=True, thinking=thinking)

    assert (b"thinking_delta" in talk.body) is asked
    check_grammar(ANTHROPIC, talk.body)


@pytest.mark.parametrize("client", BOTH)
@pytest.mark.parametrize("upstream", BOTH)
@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_client_may_read_back_the_model_it_asked_for(
    client: DialectName, upstream: DialectName, *, is_stream: bool
) -> None:
    chunks = STREAMS[upstream]("x") if is_stream else [REPLIES[upstream]("x")]
    provider = ScriptedProvider(name="a", dialect=upstream, scripts=[Script(chunks=chunks, is_event_stream=is_stream)])
    rig = Rig(providers=[provider], tables={"routing": RoutingConfig(echo_model=True)})

    talk = await rig.ask(client, stream=is_stream, model="asked-for")

    assert b'"model":"asked-for"' in talk.body
    assert b'"model":"m"' not in talk.body
    assert talk.headers["x-router-model"] == "model-of-a"


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 400, b"empty"),
        (b"{", 400, b"JSON"),
        (b"[]", 400, b"object"),
        (b'{"messages":[{"role":"robot","content":"x"}],"max_tokens":1}', 400, b"messages[0].role"),
        (b'{"messages":5,"max_tokens":1}', 400, b"messages"),
        (b'{"profile":"nobody","messages":[]}', 400, b"nobody"),
        (b'{"mode":"nothing","messages":[]}', 400, b"nothing"),
        (b'{"max_tokens":"many","messages":[{"role":"user","content":"x"}]}', 400, b"max_tokens"),
    ],
)
async def test_bad_input_is_refused_in_the_callers_words(dialect: DialectName, body: bytes, status: int, named: bytes) -> None:
    rig = Rig(providers=[streaming(dialect, "never")])

    talk = await rig.send(dialect, body)

    assert talk.status == status
    assert named in talk.body
    error = orjson.loads(talk.body)
    assert (error.get("type") == "error") is (dialect is ANTHROPIC)
    assert rig.providers[0].calls == []


async def test_a_body_over_the_limit_is_refused_before_it_is_parsed() -> None:
    rig = Rig(providers=[streaming(CHAT, "never")], tables={"server": ServerConfig(max_body_bytes=1024)})

    talk = await rig.ask(CHAT, padding="x" * 2000)

    assert talk.status == 413


async def test_one_line_tells_the_whole_request() -> None:
    rig = Rig(providers=[broken(CHAT, after=0), streaming(CHAT, "x", name="b")])

    await rig.ask(ANTHROPIC, stream=True, headers=[("x-request-id", "my-id")])

    (line,) = rig.observer.named("request-complete")
    assert line["request_id"] == "my-id"
    assert line["chain"] == ["a:connection", "b:ok"]
    assert (line["profile"], line["why"], line["outcome"], line["status"]) == ("default", "default", "ok", 200)
