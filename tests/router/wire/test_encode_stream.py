"""The encoders: any clean sequence gives a grammatical stream, and says the same as the folded reply."""

from __future__ import annotations

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
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
    fold,
)
from router.domain.request import DialectName
from router.errors import FailureReason, ShuttingDown, StreamBroken
from router.wire.anthropic.encode_stream import keepalive as messages_keepalive
from router.wire.anthropic.reply import encode_reply
from router.wire.dialect import ReplyOptions
from router.wire.openai_chat.encode_stream import keepalive as chat_keepalive
from router.wire.registry import DIALECTS, MONITORS
from tests import vectors
from tests.builders import PLAIN
from tests.router.wire.drive import (
    ANTHROPIC,
    CHAT,
    assert_grammatical,
    client_events,
    drive,
    minting,
)

OPTIONS = ReplyOptions(model="m", provider="local", thinking="pass")
WORDS = st.text(min_size=1, max_size=8)
BIG = 2**53
ARGUMENTS = st.dictionaries(WORDS, st.integers(-BIG, BIG) | st.text(max_size=4), max_size=2).map(
    lambda document: orjson.dumps(document).decode()
)


@st.composite
def answers(draw: st.DrawFn) -> list[NeutralEvent]:
    """Draw a clean sequence: any blocks in any order, fragments of any size."""
    events: list[NeutralEvent] = [Started(id=draw(st.sampled_from(["", "1", "msg_1", "chatcmpl-1"])), model="m", created=7)]
    slot = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thinking", "redacted", "call", "usage"]), max_size=6)):
        match kind:
            case "text":
                events += [TextDelta(text) for text in draw(st.lists(WORDS, min_size=1, max_size=3))]
            case "thinking":
                events += [ThinkingDelta(text) for text in draw(st.lists(WORDS, min_size=1, max_size=3))]
                events.append(ThinkingSigned("s"))
            case "redacted":
                events.append(ThinkingRedacted("r"))
            case "usage":
                events.append(UsageSeen(Usage(output=draw(st.integers(0, 9)))))
            case _:
                text = draw(ARGUMENTS)
                cut = draw(st.integers(1, len(text)))
                pieces = [ToolDelta(slot, piece) for piece in (text[:cut], text[cut:]) if piece]
                events += [ToolStarted(slot=slot, id="", name="X"), *pieces, ToolDone(slot)]
                slot += 1
    reasons = [reason for reason in StopReason if slot or reason is not StopReason.TOOL_USE]
    return [*events, Stopped(reason=draw(st.sampled_from(reasons)))]


def encode(events: list[NeutralEvent], dialect: DialectName, options: ReplyOptions = OPTIONS) -> bytes:
    encoder = DIALECTS[dialect].encoder(options, minting())
    return b"".join(encoder.encode(event) for event in events)


@given(events=answers())
def test_every_clean_sequence_is_a_grammatical_stream(events: list[NeutralEvent]) -> None:
    for dialect in PLAIN:
        assert_grammatical(encode(events, dialect), dialect)


@given(events=answers(), data=st.data())
def test_stream_that_fails_anywhere_ends_grammatically(events: list[NeutralEvent], data: st.DataObject) -> None:
    told = events[: data.draw(st.integers(0, len(events) - 1))]
    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")

    for dialect in PLAIN:
        encoder = DIALECTS[dialect].encoder(OPTIONS, minting())
        out = b"".join(encoder.encode(event) for event in told)
        assert_grammatical(out + encoder.failed(error), dialect)


@given(events=answers(), data=st.data())
def test_keep_alive_fits_anywhere(events: list[NeutralEvent], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(events) - 1))

    for dialect, keepalive in ((ANTHROPIC, messages_keepalive), (CHAT, chat_keepalive)):
        encoder = DIALECTS[dialect].encoder(OPTIONS, minting())
        frames = [encoder.encode(event) for event in events]
        assert_grammatical(b"".join([*frames[:at], keepalive(started=at > 0), *frames[at:]]), dialect)


@given(events=answers())
def test_stream_read_back_says_what_the_sequence_said(events: list[NeutralEvent]) -> None:
    first = encode(events, ANTHROPIC)

    again = drive([first], ANTHROPIC, ANTHROPIC, OPTIONS)

    assert again.outcome == "complete"
    assert_grammatical(again.out, ANTHROPIC)


def test_keep_alive_is_a_ping_only_after_the_first_event() -> None:
    assert messages_keepalive(started=False) == b": keep-alive\n\n"
    assert messages_keepalive(started=True) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert chat_keepalive(started=True) == b": keep-alive\n\n"


def test_ids_are_the_upstreams_with_one_prefix_or_minted() -> None:
    def first(upstream_id: str, dialect: DialectName) -> str:
        (event,) = client_events(encode([Started(id=upstream_id, model="m", created=7)], dialect))
        return str((event["message"] if dialect is ANTHROPIC else event)["id"])

    assert [first(told, ANTHROPIC) for told in ("x", "msg_x", "")] == ["msg_x", "msg_x", "msg_1"]
    assert [first(told, CHAT) for told in ("x", "chatcmpl-x", "")] == ["chatcmpl-x", "chatcmpl-x", "chatcmpl-1"]


def test_calls_without_an_id_get_one_of_the_dialects_form() -> None:
    call: list[NeutralEvent] = [Started(id="1", model="m", created=7), ToolStarted(slot=0, id="", name="X")]

    assert client_events(encode(call, ANTHROPIC))[1]["content_block"]["id"] == "toolu_1"
    assert client_events(encode(call, CHAT))[1]["choices"][0]["delta"]["tool_calls"][0]["id"] == "call_1"


@pytest.mark.parametrize(("thinking", "is_told"), [("pass", True), ("convert", False), ("strip", False)])
def test_chat_clients_read_reasoning_only_when_it_is_passed(thinking: str, *, is_told: bool) -> None:
    events: list[NeutralEvent] = [Started(id="1", model="m", created=7), ThinkingDelta("t")]

    out = encode(events, CHAT, ReplyOptions(model="m", thinking=thinking))

    assert (b"reasoning_content" in out) is is_told


def test_start_tells_the_usage_that_is_known_then() -> None:
    start = Started(id="1", model="m", created=7, usage=Usage(input=3, cache_read=4, cache_write=5))

    (event,) = client_events(encode([start], ANTHROPIC))

    assert event["message"]["usage"] == {
        "input_tokens": 3,
        "output_tokens": 0,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 5,
    }


@pytest.mark.parametrize("dialect", PLAIN)
def test_error_before_the_first_event_has_the_words_of_its_kind(dialect: DialectName) -> None:
    out = DIALECTS[dialect].encoder(OPTIONS, minting()).failed(ShuttingDown(message="the router is stopping"))

    assert_grammatical(out, dialect)
    words = {ANTHROPIC: "overloaded_error", CHAT: "shutting_down"}
    assert words[dialect].encode() in out


@pytest.mark.parametrize("dialect", PLAIN)
def test_midstream_error_is_the_frame_of_its_vector(dialect: DialectName) -> None:
    (vector,) = [f for f in vectors.load("errors/stream_frames.json")["frames"] if f["dialect"] == dialect]
    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")

    out = DIALECTS[dialect].encoder(OPTIONS, minting()).failed(error)

    vectors.assert_matches(vector["frame"], out.decode())


def test_arguments_that_are_no_object_are_kept_under_raw_in_a_whole_reply() -> None:
    call: list[NeutralEvent] = [ToolStarted(slot=0, id="t", name="X"), ToolDelta(0, "not json"), ToolDone(0)]
    events = [Started(id="1", model="m", created=7), *call, Stopped(reason=StopReason.TOOL_USE)]

    assert fold(events).reason is StopReason.TOOL_USE
    assert encode_reply(events, OPTIONS, minting())["content"][0]["input"] == {"_raw": "not json"}


def test_monitors_know_every_dialect() -> None:
    assert MONITORS.keys() == DIALECTS.keys()
