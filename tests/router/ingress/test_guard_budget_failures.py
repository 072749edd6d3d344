"""What is booked of an attempt that came to nothing: as soon as its answer had begun the prompt was read (routing.md 13.3)."""

from __future__ import annotations

import orjson
import pytest
from attrs import evolve
from trio.testing import MockClock

from router.domain.spend import SpendReport
from router.errors import FailureReason, ProviderFailed
from router.guards.tokens import count_tokens_body
from supervisors.ledger import Ledger
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, Script, a_profile
from tests.router.ingress.rig import QUESTION, Rig
from tests.router.ingress.ways import WAYS, Heard, Way, every_way, heard
from tests.supervisors.ledger_rig import SPOKEN_USD, Clock

INPUT = count_tokens_body(QUESTION)
TOLD_INPUT = 3  # of the scripts
streamed = pytest.mark.parametrize("way", [way for way in WAYS if way.is_stream], ids=str)
whole = pytest.mark.parametrize("way", [way for way in WAYS if not way.is_stream], ids=str)


def a_rig(way: Way, *scripts: Script, **keys: object) -> Rig:
    """Return providers `a`, `b` ... that cost one USD a token, in and out."""
    names = "abc"[: len(scripts)]
    observer = RememberingObserver()
    ledger = Ledger(wall=Clock(), observer=observer)
    rig = Rig(
        providers=[way.provider(script, name=name) for name, script in zip(names, scripts, strict=True)],
        keys={name: {"cost": SPOKEN_USD, **keys} for name in names},
        profile=a_profile(*names),
        observer=observer,
        spending=ledger,
    )
    ledger.configure(rig.config())
    return rig


def spent(rig: Rig, name: str = "a") -> float:
    report = rig.spending.snapshot()
    assert isinstance(report, SpendReport)
    assert report.monthly.reserved_usd == 0.0
    return report.providers[name].spent_usd


def failed(reason: FailureReason, status: int | None = None) -> ProviderFailed:
    return ProviderFailed(provider="a", reason=reason, message="it broke", status=status)


def error_body(way: Way, kind: str) -> bytes:
    """Return the error object of an upstream, in a body or in an event of a stream."""
    data = orjson.dumps({"type": "error", "error": {"type": kind, "message": "no"}})
    return b"event: error\ndata: " + data + b"\n\n" if way.is_stream else data


@every_way
async def test_an_empty_answer_that_makes_the_next_one_be_asked_is_booked_by_what_it_told(way: Way) -> None:
    rig = a_rig(way, way.script(output=2000), way.script("from b", output=7))

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert heard(way, talk) == Heard(text="from b", stop="end")
    assert (spent(rig, "a"), spent(rig, "b")) == (TOLD_INPUT + 2000, TOLD_INPUT + 7)
    assert rig.observer.named("request-complete")[0]["cost_usd"] == TOLD_INPUT + 2000 + TOLD_INPUT + 7


@pytest.mark.parametrize("way", [way for way in WAYS if way.client is CHAT], ids=str)
async def test_reasoning_that_nobody_is_shown_is_paid_for(way: Way) -> None:
    rig = a_rig(way, way.script(thinking="Hm.", output=2000), way.script("from b"))

    await rig.ask(way.client, stream=way.is_stream)

    assert spent(rig) == TOLD_INPUT + 2000


@every_way
@pytest.mark.parametrize(
    "reason", [FailureReason.CONNECTION, FailureReason.TIMEOUT, FailureReason.BAD_RESPONSE, FailureReason.STREAM_TRUNCATED]
)
async def test_what_breaks_off_behind_its_head_costs_the_prompt(way: Way, reason: FailureReason) -> None:
    rig = a_rig(way, Script(chunks=[failed(reason)], is_event_stream=way.is_stream), way.script("from b"))

    await rig.ask(way.client, stream=way.is_stream)

    assert spent(rig) == INPUT


@streamed
async def test_what_breaks_off_before_its_first_word_costs_the_prompt(way: Way) -> None:
    opening = way.script("hello").chunks[0]
    rig = a_rig(way, Script(chunks=[opening, failed(FailureReason.CONNECTION)]), way.script("from b"))

    await rig.ask(way.client, stream=True)

    assert spent(rig) == (INPUT if way.upstream is CHAT else TOLD_INPUT + 1)  # Messages tells its input at the start


@whole
async def test_half_a_whole_answer_costs_the_prompt_and_what_came(way: Way) -> None:
    (body,) = way.script("hello, world").chunks
    assert isinstance(body, bytes)
    end = body.index(b"world")
    half = Script(chunks=[body[:30], body[30:end], failed(FailureReason.CONNECTION)], is_event_stream=False)
    rig = a_rig(way, half, way.script("from b"))

    await rig.ask(way.client)

    assert spent(rig) == INPUT + len("hello, ") // 4 + 1


@whole
async def test_an_answer_that_breaks_off_before_its_text_costs_the_prompt_alone(way: Way) -> None:
    (body,) = way.script("hello, world").chunks
    assert isinstance(body, bytes)
    envelope = Script(chunks=[body[: body.index(b"hello")], failed(FailureReason.CONNECTION)], is_event_stream=False)
    rig = a_rig(way, envelope, way.script("from b"))

    await rig.ask(way.client)

    assert spent(rig) == INPUT


@whole
async def test_what_came_of_an_answer_is_never_booked_above_the_limit_of_its_request(way: Way) -> None:
    (body,) = way.script("hello, world " * 100).chunks
    assert isinstance(body, bytes)
    half = Script(chunks=[body[:1000], failed(FailureReason.CONNECTION)], is_event_stream=False)
    rig = a_rig(way, half, way.script("from b"))

    await rig.ask(way.client, max_tokens=2)

    assert spent(rig) == INPUT + 2


@whole
async def test_a_page_in_place_of_an_answer_costs_the_prompt_alone(way: Way) -> None:
    rig = a_rig(way, Script(chunks=[b"<html>" * 1000], is_event_stream=False), way.script("from b"))

    await rig.ask(way.client)

    assert spent(rig) == INPUT


@every_way
@pytest.mark.parametrize(
    ("kind", "is_read"), [("overloaded_error", True), ("api_error", True), ("rate_limit_error", False), ("billing_error", False)]
)
async def test_an_error_in_a_good_answer_costs_the_prompt_unless_it_refuses_the_request(
    way: Way, kind: str, *, is_read: bool
) -> None:
    error = Script(chunks=[error_body(way, kind)], is_event_stream=way.is_stream)
    rig = a_rig(way, error, way.script("from b"))

    await rig.ask(way.client, stream=way.is_stream)

    assert spent(rig) == (INPUT if is_read else 0)


@streamed
async def test_a_refusal_behind_reasoning_comes_too_late_to_be_one(way: Way) -> None:
    thought = [chunk for chunk in way.script(thinking="Hm.").chunks if isinstance(chunk, bytes)]
    opening = 2 if way.upstream is CHAT else 3  # nothing of it is content for this client
    error = Script(chunks=[*thought[:opening], error_body(way, "rate_limit_error")])
    rig = a_rig(way, error, way.script("from b"), reasoning="strip")

    await rig.ask(way.client, stream=True)

    assert spent(rig) == (INPUT if way.upstream is CHAT else TOLD_INPUT) + 1


@every_way
@pytest.mark.parametrize(
    ("reason", "status", "is_read"),
    [
        (FailureReason.TIMEOUT, None, True),  # it was at work, as far as anybody knows
        (FailureReason.TIMEOUT, 504, False),
        (FailureReason.BAD_RESPONSE, 200, True),  # a head that nobody can read on from
        (FailureReason.BAD_RESPONSE, None, False),
        (FailureReason.CONNECTION, None, False),
        (FailureReason.RATE_LIMIT, 429, False),
        (FailureReason.UPSTREAM_5XX, 500, False),
    ],
)
async def test_what_never_began_costs_nothing_unless_it_was_waited_for(
    way: Way, reason: FailureReason, status: int | None, *, is_read: bool
) -> None:
    rig = a_rig(way, Script(refusal=failed(reason, status)), way.script("from b"))

    await rig.ask(way.client, stream=way.is_stream)

    assert spent(rig) == (INPUT if is_read else 0)


@every_way
@pytest.mark.parametrize(("turn_s", "head_s", "is_sent"), [(100.0, 0.0, False), (0.0, 100.0, True)])
async def test_a_client_that_leaves_pays_the_prompt_once_it_was_sent(
    way: Way, turn_s: float, head_s: float, autojump_clock: MockClock, *, is_sent: bool
) -> None:
    rig = a_rig(way, evolve(way.script("hello"), send_after_s=turn_s, open_after_s=head_s))

    await rig.ask(way.client, stream=way.is_stream, leave_after_s=10.0)

    assert spent(rig) == (INPUT if is_sent else 0)


@every_way
async def test_a_client_that_leaves_while_a_refused_attempt_waits_for_another_key_pays_nothing(
    way: Way, autojump_clock: MockClock
) -> None:
    rig = a_rig(way, evolve(way.script("hello"), waits_again_s=100.0))

    await rig.ask(way.client, stream=way.is_stream, leave_after_s=10.0)

    assert spent(rig) == 0


@streamed
async def test_a_client_that_leaves_while_another_one_is_asked_to_go_on_pays_each_part_once(
    way: Way, autojump_clock: MockClock
) -> None:
    texts = ("The answer ", "to your ", "question ", "is fort")
    opening = 1 if way.upstream is CHAT else 2
    begun = Script(chunks=[*way.script(*texts).chunks[: opening + 4], failed(FailureReason.CONNECTION)])
    rig = a_rig(way, begun, evolve(way.script("y-two"), open_after_s=100.0), prefill=True)
    rig.profile = a_profile("a", "b", partial_stitch_action="continue")

    await rig.ask(way.client, stream=True, leave_after_s=10.0)

    assert [len(one.calls) for one in rig.providers] == [1, 1]
    assert spent(rig, "b") == INPUT
    assert spent(rig, "a") > (TOLD_INPUT if way.upstream is ANTHROPIC else INPUT)


@streamed
async def test_a_client_that_leaves_what_goes_on_pays_that_part_by_what_it_said(way: Way, autojump_clock: MockClock) -> None:
    texts = ("The answer ", "to your ", "question ", "is fort")
    opening = 1 if way.upstream is CHAT else 2
    begun = Script(chunks=[*way.script(*texts).chunks[: opening + 4], failed(FailureReason.CONNECTION)])
    steps = way.script("y").chunks
    rig = a_rig(way, begun, Script(chunks=[*steps[: opening + 1], 100.0, *steps[opening + 1 :]]), prefill=True)
    rig.profile = a_profile("a", "b", partial_stitch_action="continue")

    await rig.ask(way.client, stream=True, leave_after_s=10.0)

    assert spent(rig, "b") == (TOLD_INPUT if way.upstream is ANTHROPIC else INPUT) + 1
