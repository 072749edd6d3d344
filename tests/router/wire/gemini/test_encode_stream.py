"""Events written for a Gemini client: as a stream of events, as one array, and whole."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.domain.frame import Frame
from router.errors import ErrorKind, FailureReason, NoProviderAvailable, ProviderFailed, RouterError, StreamBroken
from router.wire.dialect import Partial, ReplyOptions
from router.wire.gemini.encode_stream import GeminiEncoder
from router.wire.gemini.reply import encode_reply
from router.wire.registry import DIALECTS
from tests import vectors
from tests.router.wire.drive import GEMINI, assert_grammatical, client_events, drive, minting
from tests.router.wire.test_encode_stream import answers

OPTIONS = ReplyOptions(model="m", provider="local", thinking="convert")
ARRAY = ReplyOptions(model="m", provider="local", thinking="convert", is_array=True)


def encode(events: list[NeutralEvent], options: ReplyOptions = OPTIONS) -> bytes:
    encoder = GeminiEncoder(options, minting())
    return b"".join(encoder.encode(event) for event in events)


@pytest.mark.parametrize("options", [OPTIONS, ARRAY], ids=["events", "array"])
@given(events=answers())
def test_every_clean_sequence_is_a_grammatical_stream(options: ReplyOptions, events: list[NeutralEvent]) -> None:
    assert_grammatical(encode(events, options), GEMINI)


@pytest.mark.parametrize("options", [OPTIONS, ARRAY], ids=["events", "array"])
@given(events=answers(), data=st.data())
def test_a_stream_that_fails_or_is_cut_anywhere_ends_grammatically(
    options: ReplyOptions, events: list[NeutralEvent], data: st.DataObject
) -> None:
    told = events[: data.draw(st.integers(0, len(events) - 1))]
    failure = ProviderFailed(provider="local", reason=FailureReason.CONNECTION, message="reset")
    broken, cut = GeminiEncoder(options, minting()), GeminiEncoder(options, minting())
    out = b"".join(map(broken.encode, told)) + broken.failed(StreamBroken(provider="local", reason=failure.reason, message=""))
    begun = b"".join(map(cut.encode, told))

    assert_grammatical(out, GEMINI)
    if cut.can_cut:
        assert_grammatical(begun + cut.cut(Partial.of(failure, Usage(output=2))), GEMINI)


@given(events=answers())
def test_stream_array_and_reply_say_the_same(events: list[NeutralEvent]) -> None:
    chunks = client_events(encode(events), GEMINI)

    assert orjson.loads(encode(events, ARRAY)) == chunks
    reply = encode_reply(events, OPTIONS, minting())
    assert reply["candidates"][0]["finishReason"] == chunks[-1]["candidates"][0]["finishReason"]
    assert reply["usageMetadata"] == chunks[-1]["usageMetadata"]
    assert texts_of([reply]) == texts_of(chunks)


def texts_of(chunks: list[dict[str, Any]]) -> list[tuple[object, str]]:
    """Return the answer's calls, and its texts and thoughts joined as far as nothing stands between them."""
    said: list[tuple[object, str]] = []
    for part in [part for told in chunks for part in told["candidates"][0]["content"]["parts"]]:
        call = part.get("functionCall")
        key = (call["name"], orjson.dumps(call["args"])) if call else part.get("thought", False)
        text = part.get("text", "")
        if said and said[-1][0] == key and "functionCall" not in part:
            said[-1] = (key, said[-1][1] + text)
        elif text or "functionCall" in part:
            said.append((key, text))
    return said


@given(events=answers())
def test_a_stream_read_back_says_what_the_sequence_said(events: list[NeutralEvent]) -> None:
    again = drive([encode(events)], GEMINI, GEMINI, OPTIONS)

    assert again.outcome == "complete"
    assert_grammatical(again.out, GEMINI)


def test_a_call_keeps_its_id_and_its_signature() -> None:
    events: list[NeutralEvent] = [
        Started(id="", model="m", created=7),
        ToolStarted(slot=0, id="c1", name="f", signature="c2ln"),
        ToolDelta(0, '{"a":'),
        ToolDelta(0, "1}"),
        ToolDone(0),
        Stopped(reason=StopReason.TOOL_USE),
    ]
    part = {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}

    first, last = client_events(encode(events), GEMINI)

    assert first["candidates"][0]["content"]["parts"] == [part]
    assert first["responseId"] == last["responseId"] == "resp_1"
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert encode_reply(events, OPTIONS, minting())["candidates"][0]["content"]["parts"] == [part]


def test_the_signature_of_another_vendors_thinking_is_not_told() -> None:
    out = encode([Started(id="r", model="m", created=7), ThinkingDelta("hm"), ThinkingSigned("secret")])

    assert client_events(out, GEMINI)[0]["candidates"][0]["content"]["parts"] == [{"text": "hm", "thought": True}]
    assert b"secret" not in out


def test_thoughts_count_beside_the_answer() -> None:
    events: list[NeutralEvent] = [
        Started(id="r", model="m", created=7),
        UsageSeen(Usage(input=6, output=8, cache_read=4, reasoning=3)),
        Stopped(reason=StopReason.END),
    ]

    assert client_events(encode(events), GEMINI)[-1]["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 18,
    }


def test_an_array_is_closed_behind_an_error_also_where_nothing_was_said() -> None:
    limited = NoProviderAvailable(kind=ErrorKind.RATE_LIMITED, message="wait", profile="p", retry_after_s=7)

    ((told,), begun) = (
        orjson.loads(GeminiEncoder(ARRAY, minting()).failed(limited)),
        GeminiEncoder(ARRAY, minting()),
    )
    said: list[NeutralEvent] = [Started(id="r", model="m", created=7), TextDelta("a")]
    out = b"".join(map(begun.encode, said)) + begun.failed(limited)

    assert told["error"]["details"][0]["retryDelay"] == "7s"
    said_so, faulty, error = orjson.loads(out)
    assert said_so["candidates"][0]["content"]["parts"] == [{"text": "a"}]
    assert faulty["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert [*error] == ["error"]


def test_an_answer_that_was_relayed_and_breaks_is_called_faulty_under_its_own_id() -> None:
    encoder = GeminiEncoder(ReplyOptions(model="m"), minting())
    passed = (
        b'{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"index":0}],"modelVersion":"up","responseId":"r9"}'
    )
    encoder.follow(Frame(raw=b"data: " + passed + b"\n\n", data=passed))

    faulty, error = [orjson.loads(frame[6:]) for frame in encoder.failed(RouterError()).split(b"\n\n") if frame]

    assert (faulty["modelVersion"], faulty["responseId"]) == ("up", "r9")
    assert faulty["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert [*error] == ["error"]


def test_midstream_error_is_the_frame_of_its_vector() -> None:
    (vector,) = [frame for frame in vectors.load("errors/stream_frames.json")["frames"] if frame["dialect"] == "gemini"]
    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")

    vectors.assert_matches(vector["frame"], GeminiEncoder(OPTIONS, minting()).failed(error).decode())


def test_an_answer_is_cut_with_a_word_that_does_not_call_it_whole() -> None:
    encoder = GeminiEncoder(OPTIONS, minting())
    failure = ProviderFailed(provider="local", reason=FailureReason.CONNECTION, message="reset")
    said: list[NeutralEvent] = [Started(id="r", model="m", created=7), ToolStarted(slot=0, id="c", name="f"), ToolDone(0)]
    can_cut = [encoder.can_cut, *[(encoder.encode(event), encoder.can_cut)[1] for event in said]]

    (last,) = client_events(encoder.cut(Partial.of(failure, Usage(output=2))), GEMINI)

    assert last["candidates"][0]["finishReason"] == "OTHER"
    assert last["usageMetadata"]["candidatesTokenCount"] == 2
    assert (can_cut, encoder.can_cut) == ([False, True, False, True], False)


def test_a_sign_of_life_is_a_chunk_without_candidates_and_fits_anywhere() -> None:
    dialect = DIALECTS[GEMINI]
    events: list[NeutralEvent] = [Started(id="r", model="m", created=7), TextDelta("a"), Stopped(reason=StopReason.END)]
    encoder = GeminiEncoder(OPTIONS, minting())
    frames = [encoder.encode(event) for event in events]

    for at in range(len(frames)):
        assert_grammatical(b"".join([*frames[:at], dialect.keepalive(started=at > 0), *frames[at:]]), GEMINI)
    assert not dialect.is_commented
    assert GeminiEncoder(OPTIONS, minting()).progress() == b""
    assert dialect.stream_type(OPTIONS).startswith("text/event-stream")
    assert dialect.stream_type(ARRAY) == "application/json"


def test_a_reply_that_says_nothing_has_a_part() -> None:
    events: list[NeutralEvent] = [Started(id="r", model="m", created=7), Stopped(reason=StopReason.LENGTH)]

    assert encode_reply(events, OPTIONS, minting()) == {
        "candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "MAX_TOKENS", "index": 0}],
        "usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
        "modelVersion": "m",
        "responseId": "r",
    }
