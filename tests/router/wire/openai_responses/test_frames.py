"""Verdicts over the raw events of this dialect: what a frame means, whatever its spelling (wire.md 21)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import Verdict
from router.wire.openai_responses.frames import ResponsesFrameReader
from tests import vectors
from tests.router.wire.openai_responses.streams import CREATED, Event, added, delta, done, ended, frame, function, message

ADVERSARIAL = st.sampled_from(
    ['{"error":{"message":"x"}}', '"type":"response.completed"', "event: error", "response.failed", "[DONE]", '"status":"failed"']
)
FRAMES = [
    (CREATED, Verdict.NEUTRAL),
    ({"type": "response.in_progress", "response": {"output": [message("a")]}}, Verdict.NEUTRAL),
    ({"type": "vendor.note"}, Verdict.NEUTRAL),
    ({"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}}, Verdict.NEUTRAL),
    (added(0, type="message", id="m", content=[]), Verdict.NEUTRAL),
    (added(0, type="reasoning", id="r", summary=[]), Verdict.NEUTRAL),
    (added(0), Verdict.NEUTRAL),
    (delta("output_text", "m", 0, ""), Verdict.NEUTRAL),
    (delta("output_text", "m", 0, "\n"), Verdict.NEUTRAL),
    (delta("function_call_arguments", "f", 0, ""), Verdict.NEUTRAL),
    ({"type": "response.output_text.delta", "delta": None}, Verdict.NEUTRAL),
    (done(0, **message(" ")), Verdict.NEUTRAL),
    (delta("output_text", "m", 0, "a"), Verdict.CONTENT),
    (delta("refusal", "m", 0, "a"), Verdict.CONTENT),
    (delta("function_call_arguments", "f", 0, "{"), Verdict.CONTENT),
    (delta("custom_tool_call_input", "c", 0, "*"), Verdict.CONTENT),
    (added(0, **function("")), Verdict.CONTENT),
    (added(0, type="web_search_call", id="w"), Verdict.CONTENT),
    (done(0, **message("a")), Verdict.CONTENT),
    (done(0, type="local_shell_call", id="l", call_id="c", action={}), Verdict.CONTENT),
    (delta("reasoning_summary_text", "r", 0, "t"), Verdict.THINKING),
    (delta("reasoning_text", "r", 0, "t"), Verdict.THINKING),
    (done(0, type="reasoning", id="r", summary=[], encrypted_content="g"), Verdict.THINKING),
    (ended(), Verdict.TERMINAL),
    (ended(message(" ")), Verdict.TERMINAL),
    (ended(message("a")), Verdict.CONTENT),
    (ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), Verdict.TERMINAL),
    (ended(status="failed", error={"code": "server_error", "message": "x"}), Verdict.ERROR),
    (ended(status="failed"), Verdict.ERROR),
    ({"type": "response.failed"}, Verdict.ERROR),
    ({"type": "error", "code": "x", "message": "y"}, Verdict.ERROR),
    ({"error": {"message": "x"}}, Verdict.ERROR),
]
every_frame = pytest.mark.parametrize(("event", "verdict"), FRAMES)


def backwards(value: object) -> object:
    """Return the document with the keys of every object in the other order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(list(value))}
    return [backwards(item) for item in value] if isinstance(value, list) else value


def spelled(text: str, event: bytes | None = None) -> Frame:
    return Frame(raw=text.encode(), data=text.encode(), event=event)


@every_frame
def test_frame_means_this_in_every_spelling(event: Event, verdict: Verdict) -> None:
    spellings = [
        json.dumps(event),
        json.dumps(event, separators=(" , ", " : ")),
        json.dumps(backwards(event)),
        json.dumps(event).replace('"type"', '"\\u0074ype"').replace('"delta"', '"d\\u0065lta"'),
    ]

    assert [ResponsesFrameReader().verdict(spelled(text)) for text in spellings] == [verdict] * len(spellings)


@every_frame
def test_half_a_frame_is_malformed(event: Event, verdict: Verdict) -> None:
    assert ResponsesFrameReader().verdict(spelled(json.dumps(event)[:-1])) is Verdict.MALFORMED


@pytest.mark.parametrize(
    ("data", "verdict"),
    [("", Verdict.NEUTRAL), ("[DONE]", Verdict.NEUTRAL), ("[1]", Verdict.MALFORMED), ("5", Verdict.MALFORMED)],
)
def test_frame_without_an_object(data: str, verdict: Verdict) -> None:
    assert ResponsesFrameReader().verdict(spelled(data)) is verdict


@given(words=st.lists(ADVERSARIAL, min_size=1).map("".join))
def test_text_that_looks_like_an_event_is_text(words: str) -> None:
    reader = ResponsesFrameReader()

    assert reader.verdict(frame(delta("output_text", "m", 0, words))) is Verdict.CONTENT
    assert not reader.is_last(frame(delta("output_text", "m", 0, words)))
    assert not reader.has_ended


def test_event_line_stands_in_for_a_missing_type() -> None:
    reader = ResponsesFrameReader()

    assert reader.verdict(spelled('{"message":"boom"}', b"error")) is Verdict.ERROR
    assert reader.verdict(spelled("{}", b"response.completed")) is Verdict.TERMINAL
    assert reader.is_last(spelled("{}", b"response.completed"))


def test_the_last_event_is_content_only_where_nothing_was_said() -> None:
    reader = ResponsesFrameReader()
    last = frame(ended(message("a")))

    assert reader.verdict(frame(delta("output_text", "m", 0, "a"))) is Verdict.CONTENT
    assert reader.verdict(last) is Verdict.TERMINAL
    assert reader.is_last(last)


@pytest.mark.parametrize(
    ("event", "stop"),
    [
        (ended(), StopReason.END),
        (ended(status="incomplete", incomplete_details={"reason": "content_filter"}), StopReason.CONTENT_FILTER),
        ({"type": "response.incomplete", "response": {}}, StopReason.LENGTH),
    ],
)
def test_the_end_is_known_with_its_reason(event: Event, stop: StopReason) -> None:
    reader = ResponsesFrameReader()

    assert not reader.has_ended
    reader.verdict(frame(event))
    assert (reader.has_ended, reader.stop) == (True, stop)


def test_the_end_is_looked_for_without_parsing_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.wire.openai_responses.frames.parse_object", lambda _: pytest.fail("parsed"))

    assert not ResponsesFrameReader().is_last(frame(delta("output_text", "m", 0, "a")))


def test_facts_of_single_frames() -> None:
    reader = ResponsesFrameReader()

    assert reader.chars(frame(delta("output_text", "m", 0, "abc"))) == 3
    assert reader.chars(frame(CREATED)) == 0
    assert reader.usage(frame(CREATED)) is None
    assert reader.usage(frame(ended())) == Usage(input=5, output=3, cache_read=4, cache_write=1, reasoning=2)


def test_error_of_a_frame_is_classified() -> None:
    broken = frame(ended(status="failed", error={"code": "rate_limit_exceeded", "message": "slow down"}))

    assert ResponsesFrameReader().error(broken).reason is FailureReason.RATE_LIMIT
    assert ResponsesFrameReader().error(frame(CREATED)).reason is FailureReason.BAD_RESPONSE


@pytest.mark.parametrize("name", vectors.names("streams/openai_to_responses", suffix=".sse"))
def test_reader_knows_the_end_of_what_our_own_encoder_writes(name: str) -> None:
    case = vectors.load(f"streams/openai_to_responses/{name}.expected.json")
    reader = ResponsesFrameReader()

    verdicts = [reader.verdict(frame(event)) for event in case["expected"]]

    assert reader.has_ended is (case["outcome"] == "complete")
    assert verdicts[-1] is (Verdict.TERMINAL if reader.has_ended else Verdict.ERROR)
    assert Verdict.CONTENT in verdicts
