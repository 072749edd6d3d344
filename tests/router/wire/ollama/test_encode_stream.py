"""What an editor reads from /api/chat: lines, a last one with the counts, and nothing beside (wire.md 12.1)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
    fold,
)
from router.errors import FailureReason, ProviderFailed, ShuttingDown, StreamBroken
from router.wire.dialect import Partial, ReplyOptions
from router.wire.grammar import GrammarViolation
from router.wire.lenient_json import arguments_object
from router.wire.ollama.encode_stream import OllamaEncoder, keepalive
from router.wire.ollama.reply import encode_reply
from router.wire.registry import DIALECTS
from tests.router.wire.drive import OLLAMA, assert_grammatical, client_events, drive, minting
from tests.router.wire.test_encode_stream import answers

OPTIONS = ReplyOptions(model="m", provider="local", thinking="pass")
START = Started(id="1", model="m", created=1_763_800_000)
CALL: list[NeutralEvent] = [ToolStarted(slot=0, id="", name="X"), ToolDelta(0, '{"a":'), ToolDelta(0, "1}"), ToolDone(0)]
STOP = Stopped(reason=StopReason.END)
BROKEN = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")
PARTIAL = Partial.of(
    ProviderFailed(provider="local", reason=FailureReason.STREAM_TRUNCATED, message="it ended"), Usage(input=5, output=3)
)


def encode(*events: NeutralEvent, options: ReplyOptions = OPTIONS) -> bytes:
    encoder = OllamaEncoder(options, minting())
    return b"".join(encoder.encode(event) for event in events)


def lines(*events: NeutralEvent, options: ReplyOptions = OPTIONS) -> list[Any]:
    return client_events(encode(*events, options=options), OLLAMA)


def begun(*events: NeutralEvent) -> OllamaEncoder:
    encoder = OllamaEncoder(OPTIONS, minting())
    for event in events:
        encoder.encode(event)
    return encoder


def test_each_piece_of_text_is_one_line_in_the_clients_own_form() -> None:
    assert encode(START, TextDelta("a\n")) == (
        b'{"model":"m","created_at":"2025-11-22T08:26:40Z","message":{"role":"assistant","content":"a\\n"},"done":false}\n'
    )


def test_nothing_is_sent_before_something_is_said() -> None:
    assert encode(START) == b""


def test_a_call_is_one_line_with_its_arguments_as_an_object() -> None:
    (line,) = lines(START, *CALL)

    assert line["message"] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call_1", "function": {"name": "X", "arguments": {"a": 1}}}],
    }
    assert line["done"] is False


def test_the_upstreams_id_of_a_call_is_kept() -> None:
    (line,) = lines(START, ToolStarted(slot=0, id="toolu_7", name="X"), ToolDelta(0, "{}"), ToolDone(0))

    assert line["message"]["tool_calls"][0]["id"] == "toolu_7"


def test_the_last_line_has_every_count_and_duration() -> None:
    (*_, last) = lines(START, UsageSeen(Usage(input=3, output=4, cache_read=5, cache_write=6)), STOP)

    assert last == {
        "model": "m",
        "created_at": "2025-11-22T08:26:40Z",
        "message": {"role": "assistant", "content": ""},
        "done_reason": "stop",
        "done": True,
        "total_duration": 0,
        "load_duration": 0,
        "prompt_eval_count": 14,
        "prompt_eval_duration": 0,
        "eval_count": 4,
        "eval_duration": 0,
    }


@pytest.mark.parametrize("reason", StopReason)
def test_the_reason_is_a_word_that_clients_know(reason: StopReason) -> None:
    (*_, last) = lines(START, Stopped(reason=reason))

    assert last["done_reason"] == ("length" if reason in {StopReason.LENGTH, StopReason.CONTEXT_FULL} else "stop")


@pytest.mark.parametrize(("thinking", "is_told"), [("pass", True), ("convert", True), ("strip", False)])
def test_reasoning_has_its_own_member_for_those_who_are_shown_it(thinking: str, *, is_told: bool) -> None:
    told = lines(START, ThinkingDelta("hm"), ThinkingSigned("s"), options=ReplyOptions(model="m", thinking=thinking))

    assert told == ([told[0]] if is_told else [])
    assert [line["message"] for line in told] == [{"role": "assistant", "content": "", "thinking": "hm"}] * is_told


@pytest.mark.parametrize("created", [10**18, -(10**18)])
def test_a_time_that_no_calendar_has_is_ours(created: int) -> None:
    (line,) = lines(Started(id="", model="m", created=created), TextDelta("a"))

    assert line["created_at"] == "2025-11-22T08:26:40Z"


@given(events=answers())
def test_every_clean_sequence_is_a_grammatical_stream(events: list[NeutralEvent]) -> None:
    assert_grammatical(encode(*events), OLLAMA)


@given(events=answers(), data=st.data())
def test_a_stream_that_fails_anywhere_ends_grammatically(events: list[NeutralEvent], data: st.DataObject) -> None:
    told = events[: data.draw(st.integers(0, len(events) - 1))]
    encoder = OllamaEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) for event in told)

    assert_grammatical(out + encoder.failed(BROKEN), OLLAMA)


@given(events=answers(), data=st.data())
def test_a_stream_that_is_cut_ends_grammatically_where_it_can_be_cut(events: list[NeutralEvent], data: st.DataObject) -> None:
    told = events[: data.draw(st.integers(0, len(events)))]
    encoder = OllamaEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) for event in told)

    if encoder.can_cut:
        assert_grammatical(out + encoder.cut(PARTIAL), OLLAMA)


@given(events=answers())
def test_the_reply_says_what_the_stream_says(events: list[NeutralEvent]) -> None:
    streamed, whole = client_events(encode(*events), OLLAMA), encode_reply(events, OPTIONS, minting())
    messages = [line["message"] for line in streamed]

    assert streamed[-1] | {"message": whole["message"]} == whole
    assert "".join(message["content"] for message in messages) == whole["message"]["content"]
    assert "".join(message.get("thinking", "") for message in messages) == whole["message"].get("thinking", "")
    told = [call for message in messages for call in message.get("tool_calls", [])]
    assert told == whole["message"].get("tool_calls", [])


@given(events=answers())
def test_a_stream_read_back_says_what_the_sequence_said(events: list[NeutralEvent]) -> None:
    told = fold(events)
    said = "".join(block.text for block in told.blocks if isinstance(block, SaidText))
    decoder, framer = DIALECTS[OLLAMA].decoder(OPTIONS, minting()), DIALECTS[OLLAMA].framer()

    again = fold(event for frame in framer.feed(encode(*events)) for event in decoder.feed(frame))

    calls = [arguments_object(block.json_text) for block in told.blocks if isinstance(block, SaidCall)]
    assert [arguments_object(block.json_text) for block in again.blocks if isinstance(block, SaidCall)] == calls
    heard = "".join(block.text for block in again.blocks if isinstance(block, SaidText))
    assert heard.split() == said.split()  # blanks around calls are held back
    assert (again.model, again.created) == (told.model, told.created)
    first = next((block for block in told.blocks), None)
    if isinstance(first, SaidThinking) and first.redacted is None:
        assert isinstance(again.blocks[0], SaidThinking)


@given(events=answers())
def test_a_stream_of_ours_comes_through_ours_again(events: list[NeutralEvent]) -> None:
    again = drive([encode(*events)], OLLAMA, OLLAMA, OPTIONS)

    assert again.outcome == "complete"
    assert_grammatical(again.out, OLLAMA)


def test_an_error_is_a_text_in_the_last_line() -> None:
    failed = OllamaEncoder(OPTIONS, minting()).failed(ShuttingDown(message="the router is stopping"))

    assert failed == b'{"error":"the router is stopping"}\n'
    assert orjson.loads(begun(START, TextDelta("a")).failed(BROKEN)) == {"error": "[local] the answer broke off: connection"}


@pytest.mark.parametrize(
    ("events", "can_cut"),
    [
        ((), False),
        ((START,), True),
        ((START, TextDelta("a")), True),
        ((START, CALL[0]), False),
        ((START, *CALL[:3]), False),
        ((START, *CALL), True),
        ((START, STOP), False),
    ],
)
def test_a_cut_is_possible_while_the_answer_runs_and_no_call_is_open(events: tuple[NeutralEvent, ...], *, can_cut: bool) -> None:
    assert begun(*events).can_cut is can_cut


def test_after_an_error_nothing_can_be_cut() -> None:
    encoder = begun(START, TextDelta("a"))

    encoder.failed(BROKEN)

    assert encoder.can_cut is False


def test_a_cut_says_that_the_answer_is_not_whole_and_what_it_took() -> None:
    last = orjson.loads(begun(START, TextDelta("a")).cut(PARTIAL))

    assert (last["done"], last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == (True, "length", 5, 3)


def test_there_is_no_keep_alive_and_no_sign_of_progress() -> None:
    assert (keepalive(started=False), keepalive(started=True), begun(START).progress()) == (b"", b"", b"")


def test_the_stream_is_of_its_own_type() -> None:
    assert DIALECTS[OLLAMA].stream_type(OPTIONS) == "application/x-ndjson"


LINE = {"model": "m", "created_at": "2026-11-22T00:00:00Z", "message": {"role": "assistant", "content": "a"}, "done": False}
LAST = LINE | {"done": True, "done_reason": "stop"}


def joined(*documents: object) -> bytes:
    return b"".join(orjson.dumps(document) + b"\n" for document in documents)


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def calling(**function: object) -> dict[str, Any]:
    return LINE | {"message": {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}}


@pytest.mark.parametrize(
    "stream",
    [
        joined(LINE, LAST),
        joined(without(LAST, "message")),
        joined(without(LAST, "done_reason")),
        joined(calling(name="X", arguments={}), LAST),
        joined({"error": "no"}),
        joined(LINE, {"error": "no"}),
        joined(LINE | {"created_at": "2023-08-04T08:52:19.385406455-07:00"}, LAST),
    ],
)
def test_a_stream_as_the_server_sends_it_is_accepted(stream: bytes) -> None:
    assert_grammatical(stream, OLLAMA)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        joined(LINE),
        joined(LINE, LAST)[:-1],
        joined(LAST, LINE),
        joined(LAST, LAST),
        joined({"error": "no"}, LAST),
        joined(LINE) + b"\n" + joined(LAST),
        b": keep-alive\n" + joined(LAST),
        b"data: " + joined(LAST),
        joined({"error": {"message": "no"}}),
        joined({"error": ""}),
        joined(without(LAST, "model")),
        joined(LINE, LAST | {"model": "other"}),
        joined(without(LAST, "created_at")),
        joined(LAST | {"created_at": "now"}),
        joined(LAST | {"created_at": "2026-11-22T00:00:00"}),
        joined(without(LINE, "done"), LAST),
        joined(without(LINE, "message"), LAST),
        joined(LINE | {"message": "a"}, LAST),
        joined(LINE | {"message": {"role": "user", "content": "a"}}, LAST),
        joined(LINE | {"message": {"role": "assistant"}}, LAST),
        joined(LINE | {"message": {"role": "assistant", "content": "", "thinking": 5}}, LAST),
        joined(LINE | {"message": {"role": "assistant", "content": "", "tool_calls": {}}}, LAST),
        joined(LINE | {"message": {"role": "assistant", "content": "", "tool_calls": [{}]}}, LAST),
        joined(calling(name="X", arguments="{}"), LAST),
        joined(calling(arguments={}), LAST),
        joined(LAST | {"eval_count": -1}),
        joined(LAST | {"eval_duration": 0.5}),
        joined(LAST | {"done_reason": 5}),
    ],
)
def test_what_a_client_would_stumble_over_is_refused(stream: bytes) -> None:
    with pytest.raises(GrammarViolation):
        assert_grammatical(stream, OLLAMA)
