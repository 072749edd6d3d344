"""`on_disconnect = "drain"`: an answer is read to its end without its client, within bytes and seconds (founding decision 16)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from router.errors import FailureReason, ProviderFailed
from router.observers.events import EVENTS
from tests.builders import CHAT, Script, ScriptedProvider, Step, chat_chunk, chat_reply, chat_stream
from tests.router.ingress.rig import Rig

USAGE = chat_chunk({}, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12})
DONE = b"data: [DONE]\n\n"
FIRST, SECOND, STOP = chat_chunk({"content": "one"}), chat_chunk({"content": "two"}), chat_chunk({}, finish="stop")
CHATTER: list[Step] = [SECOND, 3.0] * 20


def playing(*chunks: Step, name: str = "a", is_event_stream: bool = True) -> ScriptedProvider:
    return ScriptedProvider(name=name, scripts=[Script(chunks=chunks, is_event_stream=is_event_stream)])


def a_rig(*providers: ScriptedProvider, **keys: object) -> Rig:
    drain = {"on_disconnect": "drain", **keys}
    return Rig(providers=providers, keys={provider.name: drain for provider in providers})


def line_of(rig: Rig) -> dict[str, object]:
    (line,) = rig.observer.named("request-complete")
    assert set(line) <= set(EVENTS["request-complete"].fields)
    return dict(line)


async def test_a_stream_whose_client_left_is_read_to_its_end_and_its_usage_is_known(autojump_clock: MockClock) -> None:
    rig = a_rig(playing(FIRST, 5.0, SECOND, STOP, USAGE, DONE))

    talk = await rig.ask(CHAT, stream=True, leave_after_s=1)

    line = line_of(rig)
    assert trio.current_time() == 5
    assert (line["outcome"], line["chain"], line["estimated"]) == ("cancelled-midstream", ["a:ok"], False)
    assert (line["input_tokens"], line["output_tokens"]) == (7, 5)
    assert line["drained"] == "whole"
    assert line["drained_bytes"] == len(SECOND + STOP + USAGE + DONE)
    assert rig.sink.attempts[0].is_ok
    assert b"two" not in talk.body


async def test_without_it_the_upstream_is_left_at_once(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[playing(FIRST, 5.0, SECOND, STOP, USAGE, DONE)])

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    assert trio.current_time() == 1
    assert line_of(rig)["drained"] is None


@pytest.mark.parametrize(
    ("keys", "ends_at"), [({"drain_max_s": 10}, 11), ({"drain_max_bytes": len(SECOND) * 2}, 8)], ids=["seconds", "bytes"]
)
async def test_past_its_budget_it_is_cut_and_nobody_has_failed(
    autojump_clock: MockClock, keys: dict[str, object], ends_at: float
) -> None:
    rig = a_rig(playing(FIRST, 2.0, *CHATTER), playing(*chat_stream("other"), name="b"), **keys)

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    line = line_of(rig)
    (attempt,) = rig.sink.attempts
    assert trio.current_time() == ends_at
    assert (line["outcome"], line["chain"], line["drained"]) == ("cancelled-midstream", ["a:cut"], "cut")
    assert line["estimated"] is True
    assert (attempt.is_ok, attempt.failure) == (False, None)


@pytest.mark.parametrize("committed", [True, False])
async def test_an_upstream_that_breaks_while_nobody_listens_has_not_failed(autojump_clock: MockClock, *, committed: bool) -> None:
    broken = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="gone")
    rig = a_rig(playing(*[FIRST] * committed, 5.0, broken), playing(*chat_stream("other"), name="b"))

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    line = line_of(rig)
    (attempt,) = rig.sink.attempts
    assert (line["chain"], line["drained"], line["estimated"]) == (["a:cut"], "cut", True)
    assert (attempt.is_ok, attempt.failure) == (False, None)
    assert not rig.observer.named("provider-failed")
    assert not rig.observer.named("provider-failed-midstream")


async def test_who_is_too_slow_for_a_client_that_left_has_not_failed(autojump_clock: MockClock) -> None:
    rig = a_rig(playing(9.0, FIRST), playing(*chat_stream("other"), name="b"), first_content_timeout_s=3)

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    (attempt,) = rig.sink.attempts
    assert (attempt.is_ok, attempt.failure) == (False, None)


async def test_a_whole_answer_is_read_although_its_client_left_before_its_head(autojump_clock: MockClock) -> None:
    rig = a_rig(playing(5.0, chat_reply("one"), is_event_stream=False))

    talk = await rig.ask(CHAT, leave_after_s=1)

    line = line_of(rig)
    assert talk.sent == []
    assert (line["outcome"], line["status"], line["output_tokens"]) == ("cancelled-before-head", None, 2)
    assert line["drained"] == "whole"


async def test_nobody_is_asked_anew_for_a_client_that_has_left(autojump_clock: MockClock) -> None:
    refusal = ProviderFailed(provider="a", reason=FailureReason.UPSTREAM_5XX, message="no")
    refusing = ScriptedProvider(name="a", scripts=[Script(refusal=refusal, open_after_s=5)])
    other = playing(*chat_stream("other"), name="b")
    rig = a_rig(refusing, other)

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    assert other.calls == []
    assert line_of(rig)["outcome"] == "cancelled-before-head"


async def test_a_client_that_left_with_the_whole_answer_has_had_it(autojump_clock: MockClock) -> None:
    rig = a_rig(playing(FIRST, STOP, 5.0, USAGE, DONE))

    await rig.ask(CHAT, stream=True, leave_after_s=1)

    line = line_of(rig)
    assert (line["outcome"], line["estimated"], line["drained"]) == ("ok", False, "whole")


async def test_a_router_that_stops_does_not_wait_for_it(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = a_rig(playing(FIRST, 20.0, SECOND))

    async def stop() -> None:
        await trio.sleep(3)
        rig.drain.begin()

    nursery.start_soon(stop)
    await rig.ask(CHAT, stream=True, leave_after_s=1)

    assert trio.current_time() == 3
    assert (line_of(rig)["drained"], rig.drain.in_flight) == ("cut", 0)


async def test_a_client_that_leaves_a_router_that_stops_takes_its_answer_with_it(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = a_rig(playing(FIRST, 20.0, SECOND))

    async def stop() -> None:
        await trio.sleep(1)
        rig.drain.begin()

    nursery.start_soon(stop)
    await rig.ask(CHAT, stream=True, leave_after_s=2)

    assert trio.current_time() == 2


async def test_a_stop_does_not_cut_an_answer_that_is_still_listened_to(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    rig = a_rig(playing(FIRST, 5.0, SECOND, STOP, DONE))

    async def stop() -> None:
        await trio.sleep(1)
        rig.drain.begin()

    nursery.start_soon(stop)
    talk = await rig.ask(CHAT, stream=True)

    assert talk.body.endswith(DONE)
    assert line_of(rig)["outcome"] == "ok"
