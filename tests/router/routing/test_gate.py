"""The stream gate, over frames whose data is their own verdict."""

from __future__ import annotations

import pytest
from attrs import define

from router.domain.events import Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.routing.gate import MAX_HELD_BYTES, MAX_HELD_FRAMES, CommitPolicy, Gate, GateRules, GateState
from router.wire.dialect import InbandError, Verdict

OVERLOADED = InbandError(reason=FailureReason.OVERLOADED, message="busy", status=529)


@define
class SpelledReader:
    """Reads `data` as the word of a verdict; `done` is the dialect's last frame."""

    has_ended: bool = False

    def verdict(self, frame: Frame) -> Verdict:
        self.has_ended = self.has_ended or frame.data in {b"done", b"terminal"}
        return Verdict.TERMINAL if frame.data == b"done" else Verdict(frame.data.decode() or "neutral")

    def is_last(self, frame: Frame) -> bool:
        return frame.data == b"done"

    def error(self, frame: Frame) -> InbandError:
        assert frame.data == b"error"
        return OVERLOADED

    def usage(self, frame: Frame) -> Usage | None:
        del frame
        return None


def frames(*words: str) -> tuple[Frame, ...]:
    return tuple(Frame(raw=word.encode() + b"\n\n", data=word.encode()) for word in words)


def a_gate(**rules: object) -> Gate:
    return Gate(reader=SpelledReader(), rules=GateRules(**rules))  # type: ignore[arg-type]  # rules by name


@pytest.mark.parametrize("word", ["neutral", "terminal", ""])
def test_nothing_is_committed_before_content(word: str) -> None:
    assert a_gate().feed(frames("neutral", word), now=0) is GateState.HOLD


def test_the_first_content_commits_with_everything_held_before_and_beside_it() -> None:
    gate = a_gate()
    gate.feed(frames("neutral", "neutral"), now=0)

    state = gate.feed(frames("neutral", "content", "terminal"), now=1)

    assert state is GateState.COMMIT
    assert [frame.data for frame in gate.held] == [b"neutral", b"neutral", b"neutral", b"content", b"terminal"]


def test_an_error_before_content_is_handed_back_even_after_opening_events() -> None:
    gate = a_gate()
    gate.feed(frames("neutral"), now=0)

    assert gate.feed(frames("error"), now=0) is OVERLOADED


def test_an_error_behind_content_in_the_same_read_is_left_to_the_relay() -> None:
    assert a_gate().feed(frames("content", "error"), now=0) is GateState.COMMIT


@pytest.mark.parametrize(("shows", "state"), [(True, GateState.COMMIT), (False, GateState.HOLD)])
def test_reasoning_commits_only_for_a_client_that_is_shown_it(shows: bool, state: GateState) -> None:  # noqa: FBT001 - a table's column
    assert a_gate(shows_thinking=shows).feed(frames("thinking"), now=0) is state


def test_first_event_commits_on_an_opening_event() -> None:
    assert a_gate(policy=CommitPolicy.FIRST_EVENT).feed(frames("neutral"), now=0) is GateState.COMMIT


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), FailureReason.EMPTY_STREAM),
        (("done",), FailureReason.EMPTY_STREAM),
        (("",), FailureReason.EMPTY_STREAM),
        (("neutral",), FailureReason.STREAM_TRUNCATED),
        (("neutral", "terminal", "done"), FailureReason.EMPTY_RESPONSE),
    ],
)
def test_an_end_before_content_is_told_apart(words: tuple[str, ...], reason: FailureReason) -> None:
    gate = a_gate()
    gate.feed(frames(*words), now=0)
    error = gate.close()

    assert isinstance(error, InbandError)
    assert error.reason is reason


def test_the_last_frame_without_content_ends_the_hold_at_once() -> None:
    error = a_gate().feed(frames("neutral", "done", "neutral"), now=0)

    assert isinstance(error, InbandError)
    assert error.reason is FailureReason.EMPTY_RESPONSE


def test_the_hold_is_bounded_in_frames() -> None:
    gate = a_gate()

    assert gate.feed(frames(*["neutral"] * (MAX_HELD_FRAMES - 1)), now=0) is GateState.HOLD
    assert gate.feed(frames("neutral"), now=0) is GateState.COMMIT


def test_the_hold_is_bounded_in_bytes() -> None:
    big = Frame(raw=b"x" * MAX_HELD_BYTES, data=b"neutral")

    assert a_gate().feed((big,), now=0) is GateState.COMMIT


def test_the_hold_is_bounded_in_time_from_the_first_held_event() -> None:
    gate = a_gate(hold_s=5)

    assert gate.feed(frames("neutral"), now=100) is GateState.HOLD
    assert gate.feed(frames("neutral"), now=105) is GateState.HOLD
    assert gate.feed(frames("neutral"), now=105.1) is GateState.COMMIT


def test_a_flood_of_malformed_frames_is_a_bad_response() -> None:
    gate = a_gate()
    assert gate.feed(frames(*["malformed"] * 8), now=0) is GateState.HOLD

    error = gate.feed(frames("malformed"), now=0)

    assert isinstance(error, InbandError)
    assert error.reason is FailureReason.BAD_RESPONSE


def test_one_good_frame_ends_a_row_of_malformed_ones() -> None:
    gate = a_gate()
    gate.feed(frames(*["malformed"] * 8, "neutral"), now=0)

    assert gate.feed(frames(*["malformed"] * 8), now=0) is GateState.HOLD
