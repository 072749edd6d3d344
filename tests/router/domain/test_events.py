"""fold: one answer's events become one reply."""

from __future__ import annotations

from router.domain.events import (
    NeutralEvent,
    SaidCall,
    SaidText,
    SaidThinking,
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
    fold,
)

START = Started(id="1", model="m", created=7, usage=Usage(input=3))
END = Stopped(reason=StopReason.END)


def said(*events: NeutralEvent) -> tuple[object, ...]:
    return fold([START, *events, END]).blocks


def test_deltas_of_a_row_are_one_block() -> None:
    assert said(TextDelta("a"), TextDelta("b")) == (SaidText(text="ab"),)


def test_blocks_keep_the_order_in_which_they_began() -> None:
    blocks = said(
        ThinkingDelta("t"),
        ThinkingSigned("s"),
        ThinkingRedacted("r"),
        TextDelta("a"),
        ToolStarted(slot=0, id="c", name="Read"),
        ToolDelta(0, '{"a":'),
        ToolDelta(0, "1}"),
        ToolDone(0),
        TextDelta("b"),
    )

    assert blocks == (
        SaidThinking(text="t", signature="s"),
        SaidThinking(redacted="r"),
        SaidText(text="a"),
        SaidCall(id="c", name="Read", json_text='{"a":1}'),
        SaidText(text="b"),
    )


def test_signed_thinking_is_not_grown_by_more_thinking() -> None:
    blocks = said(ThinkingDelta("a"), ThinkingSigned("s"), ThinkingDelta("b"))

    assert blocks == (SaidThinking(text="a", signature="s"), SaidThinking(text="b"))


def test_last_usage_wins_over_that_of_the_start() -> None:
    reply = fold([START, UsageSeen(Usage(input=3, output=1)), UsageSeen(Usage(input=3, output=9)), END])

    assert reply.usage == Usage(input=3, output=9)
    assert fold([START, END]).usage == Usage(input=3)


def test_stop_and_start_facts_are_kept() -> None:
    reply = fold([START, Stopped(reason=StopReason.STOP_SEQUENCE, stop_sequence="END")])

    assert (reply.id, reply.model, reply.created) == ("1", "m", 7)
    assert (reply.reason, reply.stop_sequence) == (StopReason.STOP_SEQUENCE, "END")
