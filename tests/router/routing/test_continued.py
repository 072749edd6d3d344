"""The stage of the continuing provider: its events as the answer that has begun needs them."""

from __future__ import annotations

import pytest

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.errors import FailureReason, ProviderFailed
from router.routing.continued import Continued, is_unfinished, together
from router.routing.seam import Seam

SENT = "The first of them is the backup"
USED = Usage(output=9, estimated=True)
STOP = Stopped(reason=StopReason.END)
CALL: tuple[NeutralEvent, ...] = (ToolStarted(slot=0, id="t", name="X"), ToolDelta(0, "{}"), ToolDone(0))


def continued(held: str = "", used: Usage = USED) -> Continued:
    return Continued(seam=Seam(sent=SENT, held=held), provider="next", used=used)


def passed(stage: Continued, *events: NeutralEvent) -> list[NeutralEvent]:
    return [out for event in events for out in stage.feed(event)]


def test_start_and_reasoning_are_left_out() -> None:
    start = Started(id="2", model="n", created=8)
    thoughts = (ThinkingDelta("hm"), ThinkingSigned("s"), ThinkingRedacted("r"))

    assert passed(continued(), start, *thoughts, TextDelta(", which"), STOP) == [TextDelta(", which"), STOP]


def test_what_waits_at_the_seam_comes_out_before_a_call_and_before_the_end() -> None:
    assert passed(continued(), TextDelta(" The"), *CALL) == [TextDelta(" The"), *CALL]
    assert passed(continued(), TextDelta(" The"), STOP) == [TextDelta(" The"), STOP]


def test_echo_says_nothing() -> None:
    assert passed(continued(), TextDelta(SENT), TextDelta(", which"), STOP) == [TextDelta(", which"), STOP]


@pytest.mark.parametrize("events", [(TextDelta("tool"),), (TextDelta("to"), STOP), (TextDelta("to"), *CALL)])
def test_answer_without_a_seam_is_a_failure_of_the_provider_that_went_on(events: tuple[NeutralEvent, ...]) -> None:
    with pytest.raises(ProviderFailed, match="white space") as raised:
        passed(continued(held=" "), *events)

    assert (raised.value.provider, raised.value.reason) == ("next", FailureReason.BAD_RESPONSE)


def test_what_waits_at_the_seam_is_not_released_since_it_may_be_an_echo() -> None:
    stage = continued()
    stage.feed(TextDelta("The first"))

    assert stage.release() == ()


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (USED, Usage(input=5, output=16, cache_read=2, estimated=True)),
        (Usage(input=3, output=9), Usage(input=3, output=16)),
        (Usage(cache_read=3, output=9, reasoning=4), Usage(cache_read=3, output=16, reasoning=4)),
    ],
)
def test_usage_counts_the_input_once_and_the_output_of_both(first: Usage, expected: Usage) -> None:
    second = Usage(input=5, output=7, cache_read=2, reasoning=1)

    assert together(first, second) == expected
    assert passed(continued(used=first), UsageSeen(second)) == [UsageSeen(expected)]


START = Started(id="2", model="n", created=8)


def behind(said: str, *events: NeutralEvent) -> list[NeutralEvent]:
    return passed(Continued(seam=Seam(sent=said, held=""), provider="next", used=USED), *events)


@pytest.mark.parametrize("said", [SENT, "Look:\n```python\nx = 1\n", "这是未完"])
def test_nothing_behind_an_unfinished_answer_is_no_end_of_it(said: str) -> None:
    with pytest.raises(ProviderFailed) as raised:
        behind(said, START, STOP)

    assert raised.value.reason is FailureReason.BAD_RESPONSE


@pytest.mark.parametrize("said", ["It is forty-two.", "```\nx\n```", "Done! 🎉"])
def test_nothing_behind_a_finished_answer_is_its_end(said: str) -> None:
    assert behind(said, START, STOP) == [STOP]


def test_a_call_behind_an_unfinished_answer_goes_on_with_it() -> None:
    assert behind(SENT, *CALL, STOP) == [*CALL, STOP]


def test_a_limit_that_is_reached_at_once_is_an_honest_end() -> None:
    limit = Stopped(reason=StopReason.LENGTH)

    assert behind(SENT, limit) == [limit]


@pytest.mark.parametrize(("text", "expected"), [("", False), ("a", True), ("a.", False), ("```\na.", True), ("```a```", False)])
def test_a_text_is_unfinished_in_a_word_and_in_a_fence(text: str, *, expected: bool) -> None:
    assert is_unfinished(text) is expected
