"""The sequencer: whatever order the fragments come in, the sequence is clean and nothing is lost but what 8.3 drops."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import (
    NeutralEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.wire.sequencer import Sequencer


def sequencer(*, keeps_late_thinking: bool = False) -> Sequencer:
    return Sequencer(sign=lambda text: f"sign({text})", keeps_late_thinking=keeps_late_thinking, names={"sent": "mine"})


def started(slot: int, call_id: str = "", name: str = "Read") -> ToolStarted:
    return ToolStarted(slot=slot, id=call_id, name=name)


def assert_clean(events: Sequence[NeutralEvent]) -> None:
    """Fail where a delta has no open call, two are open, or slots do not count from 0."""
    open_slot: int | None = None
    slots = 0
    for event in events:
        match event:
            case ToolStarted(slot=slot):
                assert (open_slot, slot) == (None, slots)
                open_slot, slots = slot, slots + 1
            case ToolDelta(slot, text):
                assert slot == open_slot
                assert text
            case ToolDone(slot):
                assert slot == open_slot
                open_slot = None
            case TextDelta(text) | ThinkingDelta(text):
                assert open_slot is None
                assert text
            case _:
                assert open_slot is None
    assert open_slot is None


def test_blank_text_waits_and_leads_the_next_real_one() -> None:
    seq = sequencer()

    seq.text("\n")
    seq.text(" ")
    assert seq.drain() == []
    seq.text("a")
    seq.text("\n")

    assert seq.drain() == [TextDelta("\n a"), TextDelta("\n")]


def test_blank_text_is_dropped_before_a_call_and_at_the_end() -> None:
    seq = sequencer()

    seq.text("\n")
    seq.arguments(seq.begin(name="Read"), "{}")
    seq.text("\n")
    seq.finish()

    assert seq.drain() == [started(0), ToolDelta(0, "{}"), ToolDone(0)]


def test_thinking_is_signed_when_something_else_begins() -> None:
    seq = sequencer()

    seq.thinking("a")
    seq.thinking("b")
    seq.text("x")

    assert seq.drain() == [ThinkingDelta("a"), ThinkingDelta("b"), ThinkingSigned("sign(ab)"), TextDelta("x")]


def test_thinking_alone_is_signed_at_the_end() -> None:
    seq = sequencer()

    seq.thinking("a")
    seq.finish()

    assert seq.drain() == [ThinkingDelta("a"), ThinkingSigned("sign(a)")]


def test_vendors_signature_takes_the_place_of_ours() -> None:
    seq = sequencer()

    seq.thinking("a")
    seq.signed("native")
    seq.block_ended()
    seq.finish()

    assert seq.drain() == [ThinkingDelta("a"), ThinkingSigned("native")]


@pytest.mark.parametrize("keeps", [True, False])
def test_late_thinking_is_dropped_unless_the_upstreams_form_has_it(*, keeps: bool) -> None:
    seq = sequencer(keeps_late_thinking=keeps)

    seq.text("x")
    seq.thinking("late")

    assert (ThinkingDelta("late") in seq.drain()) is keeps
    assert seq.counts["late_reasoning"] == (not keeps)


def test_call_that_is_whole_from_the_start_opens_at_once() -> None:
    seq = sequencer()

    seq.begin(call_id="c", name="Read", is_whole=True)

    assert seq.drain() == [started(0, "c")]


def test_call_closes_with_its_json_and_not_at_the_end_of_the_stream() -> None:
    seq = sequencer()
    call = seq.begin(name="Read")

    seq.arguments(call, '{"a":')
    assert seq.drain() == [started(0), ToolDelta(0, '{"a":')]
    seq.arguments(call, "1}\n")

    assert seq.drain() == [ToolDelta(0, "1}"), ToolDone(0)]


def test_what_follows_the_json_of_a_call_is_dropped_and_counted() -> None:
    seq = sequencer()
    call = seq.begin(name="Read")

    seq.arguments(call, "{}{}")
    seq.arguments(call, "\n")
    seq.arguments(call, '{"b":1}')

    assert seq.drain() == [started(0), ToolDelta(0, "{}"), ToolDone(0)]
    assert seq.counts["late_arguments"] == 1


def test_call_without_arguments_gets_an_empty_object() -> None:
    seq = sequencer()

    seq.arguments(seq.begin(name="Read"), " ")
    seq.finish()

    assert seq.drain() == [started(0), ToolDelta(0, "{}"), ToolDone(0)]


def test_second_call_waits_for_the_first_then_streams() -> None:
    seq = sequencer()
    first, second = seq.begin(name="Read"), seq.begin(name="Bash")

    seq.arguments(first, "{")
    seq.arguments(second, '{"b"')
    assert seq.drain() == [started(0), ToolDelta(0, "{")]
    seq.arguments(first, "}")
    seq.arguments(second, ":1}")

    assert seq.drain() == [
        ToolDelta(0, "}"),
        ToolDone(0),
        started(1, name="Bash"),
        ToolDelta(1, '{"b"'),
        ToolDelta(1, ":1}"),
        ToolDone(1),
    ]


def test_text_waits_behind_all_calls() -> None:
    seq = sequencer()
    first, second = seq.begin(name="Read"), seq.begin(name="Read")

    seq.arguments(first, "{")
    seq.text("a")
    seq.arguments(second, "{}")
    seq.text("b")
    seq.arguments(first, "}")

    assert seq.drain()[-2:] == [ToolDone(1), TextDelta("ab")]


def test_name_behind_the_arguments_opens_the_call() -> None:
    seq = sequencer()
    call = seq.begin()

    seq.arguments(call, "{}")
    assert seq.drain() == []
    seq.named(call, "sent")

    assert seq.drain() == [started(0, name="mine"), ToolDelta(0, "{}"), ToolDone(0)]


def test_call_that_never_gets_a_name_is_dropped_and_counted_when_it_said_something() -> None:
    seq = sequencer()

    seq.begin()
    seq.arguments(seq.begin(), "{}")
    seq.finish()

    assert seq.drain() == []
    assert seq.counts["nameless_calls"] == 1


def test_second_use_of_an_id_is_left_to_the_encoder_to_mint() -> None:
    seq = sequencer()

    for _ in range(2):
        seq.arguments(seq.begin(call_id="same", name="Read"), "{}")

    assert [event.id for event in seq.drain() if isinstance(event, ToolStarted)] == ["same", ""]


def test_redacted_thinking_stands_alone() -> None:
    seq = sequencer()

    seq.thinking("a")
    seq.redacted("data")
    seq.text("x")

    assert seq.drain() == [ThinkingDelta("a"), ThinkingSigned("sign(a)"), ThinkingRedacted("data"), TextDelta("x")]


TEXTS = st.sampled_from(["a", "b c", "\n", " "])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), TEXTS),
        st.tuples(st.just("thinking"), TEXTS),
        st.tuples(st.just("redacted"), st.just("r")),
        st.tuples(st.just("begin"), st.sampled_from(["Read", "Bash", "sent"])),
        st.tuples(st.just("arguments"), st.integers(0, 3)),
        st.tuples(st.just("end"), st.integers(0, 3)),
    ),
    max_size=25,
)
ARGUMENTS = ['{"a', '":', "[1,", '"}"]', "}"]


def play(operations: list[tuple[str, str | int]], *, keeps_late_thinking: bool) -> tuple[list[NeutralEvent], list[str]]:
    """Run the operations; each call says the next fragment of the same JSON whenever it is its turn to speak."""
    seq = sequencer(keeps_late_thinking=keeps_late_thinking)
    calls = []
    said: list[str] = []
    for kind, value in operations:
        match kind, value:
            case "text", str(text):
                seq.text(text)
                said.append(text)
            case "thinking", str(text):
                seq.thinking(text)
            case "redacted", str(data):
                seq.redacted(data)
            case "begin", str(name):
                calls.append((seq.begin(name=name), iter(ARGUMENTS)))
            case _, int(index) if index < len(calls):
                call, pieces = calls[index]
                if kind == "arguments":
                    seq.arguments(call, next(pieces, ""))
                elif call.scan.is_complete:  # upstreams end a call when it is whole
                    seq.end(call)
    for call, pieces in calls:
        for piece in pieces:
            seq.arguments(call, piece)
    seq.finish()
    return seq.drain(), said


@given(operations=OPERATIONS, keeps=st.booleans())
def test_any_order_gives_a_clean_sequence(operations: list[tuple[str, str | int]], *, keeps: bool) -> None:
    events, _ = play(operations, keeps_late_thinking=keeps)

    assert_clean(events)


@given(operations=OPERATIONS)
def test_no_text_but_blanks_and_no_argument_is_lost(operations: list[tuple[str, str | int]]) -> None:
    events, said = play(operations, keeps_late_thinking=False)

    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [event.slot for event in events if isinstance(event, ToolStarted)]
    joined = ["".join(e.json_text for e in events if isinstance(e, ToolDelta) and e.slot == slot) for slot in calls]
    assert "".join(text.split()) == "".join("".join(said).split())
    assert [orjson.loads(arguments) for arguments in joined] == [{"a": [1, "}"]}] * len(calls)
