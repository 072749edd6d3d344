"""The suite's own client and its scripted upstream, against each other on real sockets: what is whole, cut, silent, left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from tests.conformance.bench import Bench, Failed
from tests.conformance.dialects import CHAT, MESSAGES
from tests.conformance.http import Answer, Ask, End, Limits, NoAnswer, Target, fetch, open_live
from tests.conformance.scripts import (
    FIRST_WORD,
    PARIS,
    TOKENS,
    WORDS,
    Fault,
    Script,
    broken,
    error_frame,
    messages_speech,
    refusal,
    silent,
    speech,
)
from tests.conformance.suite import Result, chosen, run
from tests.conformance.told import Stop
from tests.conformance.upstream import Upstream, open_upstream

pytestmark = pytest.mark.e2e
LIMITS = Limits(silence_s=2.0, total_s=5.0)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as upstream:
        yield upstream


@pytest.fixture
def bench(upstream: Upstream) -> Bench:
    """Take the upstream itself for the server under test."""
    return Bench(target=target_of(upstream), model="scripted", upstream=upstream, limits=LIMITS)


def target_of(upstream: Upstream) -> Target:
    return Target(host="127.0.0.1", port=upstream.port)


async def played(bench: Bench, script: Script, *, is_stream: bool = True) -> Answer:
    with bench.playing(script) as case:
        return await bench.ask(CHAT, bench.told_by(case, is_stream=is_stream))


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_scripted_chat_answer_keeps_the_grammar_that_it_tests(bench: Bench, is_stream: bool) -> None:  # noqa: FBT001 - a column of the table
    answer = await played(bench, speech(WORDS, (PARIS,)), is_stream=is_stream)
    told = CHAT.read(answer.body, is_stream=is_stream)

    assert (told.text, told.calls, told.stop, told.tokens) == ("".join(WORDS), (PARIS,), Stop.TOOL, TOKENS)
    assert told.violations == ()


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_scripted_messages_answer_does_so_too(bench: Bench, is_stream: bool) -> None:  # noqa: FBT001 - a column of the table
    with bench.playing(messages_speech(WORDS)) as case:
        answer = await bench.ask(MESSAGES, bench.told_by(case, is_stream=is_stream))
    told = MESSAGES.read(answer.body, is_stream=is_stream)

    assert (told.text, told.stop, told.tokens, told.violations) == ("".join(WORDS), Stop.END, TOKENS, ())


async def test_a_request_without_a_word_gets_an_ordinary_answer(bench: Bench) -> None:
    with bench.playing(broken(Fault.CUT, after_words=0)) as case:
        answer = await bench.ask(CHAT, bench.turn())

    assert CHAT.read(answer.body, is_stream=True).text == "fine"
    assert case.asked == []


async def test_a_cut_body_is_told_as_cut(bench: Bench) -> None:
    answer = await played(bench, broken(Fault.CUT, after_words=1))

    assert answer.end is End.CUT
    assert FIRST_WORD.encode() in answer.body


async def test_an_error_frame_is_read_as_the_answers_error(bench: Bench) -> None:
    answer = await played(bench, broken(error_frame("gone"), after_words=1))

    assert CHAT.read(answer.body, is_stream=True).error == "gone"


async def test_a_refusal_keeps_its_status_and_headers(bench: Bench) -> None:
    answer = await played(bench, refusal(429, "later", code="rate_limit_exceeded", headers=(("retry-after", "1"),)))

    assert (answer.status, answer.header("retry-after"), answer.end) == (429, "1", End.WHOLE)


async def test_silence_ends_a_read_at_its_limit(upstream: Upstream) -> None:
    with upstream.playing(broken(Fault.HANG, after_words=1)) as case:
        bench = Bench(target=target_of(upstream), model="m", limits=Limits(silence_s=0.1))
        answer = await bench.ask(CHAT, bench.told_by(case))

    assert answer.end is End.SILENT


async def test_the_longest_silence_is_measured_with_the_wait_for_the_head(bench: Bench) -> None:
    answer = await played(bench, silent(0.2))

    assert 0.15 < answer.longest_silence_s() < 1.5


async def test_a_client_that_leaves_is_noticed(bench: Bench) -> None:
    with bench.playing(broken(Fault.HANG, after_words=1)) as case:
        async with open_live(bench.target, CHAT.ask(bench.told_by(case), None), head_within_s=2) as live:
            assert isinstance(await live.receive(2), bytes)
        with trio.fail_after(2):
            await case.was_left.wait()


async def test_nobody_at_the_port_is_no_answer(upstream: Upstream) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()

    with pytest.raises(NoAnswer, match="no connection"):
        await fetch(Target(host="127.0.0.1", port=port), Ask(method="GET", path="/"), LIMITS)


async def says_nothing(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_a_server_that_never_answers_is_no_answer() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, says_nothing, listeners)
        target = Target(host="127.0.0.1", port=listeners[0].socket.getsockname()[1])

        with pytest.raises(NoAnswer, match=r"0\.1 s"):
            await fetch(target, Ask(method="GET", path="/"), Limits(silence_s=0.1))
        nursery.cancel_scope.cancel()


async def test_the_upstream_itself_passes_the_rules_of_chat_streams_and_fails_what_it_lacks(bench: Bench) -> None:
    """The suite finds what is there, and what is not: a scripted chat server checks nothing and lists no Gemini."""
    outcomes = {
        one.check.id: one.result
        for one in await run(bench, chosen(["chat.stream", "chat.error.bad-json", "gemini.count-tokens"]))
    }

    assert {result for name, result in outcomes.items() if name.startswith("chat.stream")} == {Result.PASS}
    assert outcomes["chat.error.bad-json"] is Result.FAIL
    assert outcomes["gemini.count-tokens"] is Result.FAIL


async def test_a_server_that_stays_down_is_told() -> None:
    nobody = Bench(target=Target(host="127.0.0.1", port=1), model="m", limits=LIMITS, recovery_s=0.1)

    with pytest.raises(Failed, match="an ordinary turn still gets: no connection"):
        await nobody.recover(CHAT)
