"""What counts as a success, as an error in the dialect's envelope, and as a failure that is told: made-up answers."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from tests.conformance.bench import Failed, NotOffered, read_success
from tests.conformance.checks_errors import envelope
from tests.conformance.checks_faults import is_failure
from tests.conformance.dialects import CHAT, EVERY, GEMINI, MESSAGES, OLLAMA, Dialect
from tests.conformance.frames import Frame, write_sse
from tests.conformance.good_streams import GOOD
from tests.conformance.http import Answer, End
from tests.conformance.test_replies import ENVELOPES, REPLIES

BY_NAME = pytest.mark.parametrize("dialect", EVERY, ids=lambda dialect: dialect.name)


def an_error(dialect: Dialect, status: int = 400) -> Answer:
    body = dict(ENVELOPES[dialect.name])
    if dialect is MESSAGES and status in {400, 404}:
        body["error"] = body["error"] | {"type": "invalid_request_error" if status == 400 else "not_found_error"}
    return a_reply(json.dumps(body).encode(), status=status)


def a_reply(body: bytes, *, status: int = 200, content_type: str = "application/json") -> Answer:
    return Answer(status=status, headers=(("content-type", content_type),), body=body, end=End.WHOLE, head_after_s=0.1)


def a_stream(dialect: Dialect, frames: list[Frame]) -> Answer:
    body = "".join(f"{frame.data}\n" for frame in frames).encode() if dialect is OLLAMA else write_sse(frames)
    return a_reply(body, content_type=dialect.stream_type)


@BY_NAME
def test_a_good_stream_and_a_good_reply_are_successes(dialect: Dialect) -> None:
    assert read_success(dialect, a_stream(dialect, GOOD[dialect.name]), is_stream=True).text == "Hello, Paris"
    assert read_success(dialect, a_reply(json.dumps(REPLIES[dialect.name]).encode()), is_stream=False).text == "Hi"


@BY_NAME
def test_a_cut_stream_an_error_and_a_broken_rule_are_not(dialect: Dialect) -> None:
    good = a_stream(dialect, GOOD[dialect.name])
    for answer in (evolve(good, end=End.CUT), evolve(good, end=End.SILENT), evolve(good, status=500), evolve(good, body=b"")):
        with pytest.raises(Failed):
            read_success(dialect, answer, is_stream=True)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_route_that_is_not_there_is_told_as_not_offered(status: int) -> None:
    with pytest.raises(NotOffered):
        read_success(CHAT, an_error(CHAT, status), is_stream=True)


@BY_NAME
def test_an_error_in_its_envelope_is_one(dialect: Dialect) -> None:
    assert envelope(dialect, an_error(dialect), 400, 404) == "gone"


@BY_NAME
def test_an_error_of_another_status_type_or_length_is_not(dialect: Dialect) -> None:
    good = an_error(dialect)
    html = evolve(good, headers=(("content-type", "text/html"),))
    for answer in (evolve(good, status=422), html, evolve(good, end=End.CUT), evolve(good, body=b'{"detail":"gone"}')):
        with pytest.raises(Failed):
            envelope(dialect, answer, 400)


def test_anthropics_error_type_has_to_fit_the_status() -> None:
    with pytest.raises(Failed, match="invalid_request_error"):
        envelope(MESSAGES, evolve(an_error(MESSAGES), status=413), 413)


@BY_NAME
def test_a_failure_may_be_a_status_in_the_envelope(dialect: Dialect) -> None:
    assert is_failure(dialect, an_error(dialect, 502), is_stream=True) is None


@BY_NAME
def test_a_failure_may_not_be_a_404_nor_a_success(dialect: Dialect) -> None:
    for answer in (an_error(dialect, 404), a_stream(dialect, GOOD[dialect.name])):
        with pytest.raises(Failed):
            is_failure(dialect, answer, is_stream=True)


@BY_NAME
def test_a_stream_that_just_stops_is_no_proper_failure(dialect: Dialect) -> None:
    with pytest.raises(Failed):
        is_failure(dialect, a_stream(dialect, GOOD[dialect.name][:3]), is_stream=True)


@BY_NAME
def test_a_whole_answer_of_200_hides_a_failure(dialect: Dialect) -> None:
    with pytest.raises(Failed, match="200"):
        is_failure(dialect, a_reply(json.dumps(REPLIES[dialect.name]).encode()), is_stream=False)


def test_an_error_at_the_end_of_a_stream_is_a_failure_with_what_was_said_before() -> None:
    answer = a_stream(GEMINI, [GOOD["gemini"][0], Frame(data=json.dumps(ENVELOPES["gemini"]))])

    told = is_failure(GEMINI, answer, is_stream=True)

    assert told is not None
    assert (told.text, told.error) == ("Hello, ", "gone")


def test_the_longest_silence_is_between_any_two_signs_of_life() -> None:
    answer = evolve(a_reply(b"{}"), head_after_s=0.5, arrivals=((0.6, 1), (2.0, 1), (2.1, 1)))

    assert answer.longest_silence_s() == pytest.approx(1.4)
