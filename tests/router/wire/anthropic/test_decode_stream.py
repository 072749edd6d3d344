"""Messages events as servers really send them (wire.md 9)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.events import (
    NeutralEvent,
    SaidBlock,
    SaidCall,
    SaidText,
    SaidThinking,
    Started,
    StopReason,
    ThinkingSigned,
    ToolStarted,
    Usage,
    fold,
)
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.anthropic.decode_stream import MessagesDecoder
from router.wire.dialect import ReplyOptions
from router.wire.reasoning import router_signature
from tests.router.wire.drive import minting

Event = dict[str, Any]
START: Event = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 10}}}
STOP: Event = {"type": "message_stop"}


def begin(index: int, **block: object) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: int, kind: str, **delta: object) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def end(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", **more: object) -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, **more}


def frame(event: Event | str, *, name: bytes | None = None) -> Frame:
    data = event.encode() if isinstance(event, str) else orjson.dumps(event)
    return Frame(raw=b"data: " + data + b"\n\n", data=data, event=name)


def decode(*events: Event | str, thinking: str = "strip", tool_names: dict[str, str] | None = None) -> list[NeutralEvent]:
    decoder = MessagesDecoder(
        ReplyOptions(model="configured", provider="local", thinking=thinking, tool_names=tool_names), minting()
    )
    return [event for sent in events for event in decoder.feed(frame(sent))] + list(decoder.close())


def said(*events: Event | str, thinking: str = "strip", tool_names: dict[str, str] | None = None) -> tuple[SaidBlock, ...]:
    return fold(decode(START, *events, finish(), STOP, thinking=thinking, tool_names=tool_names)).blocks


def failure_of(*events: Event | str) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        decode(*events)
    return caught.value


def test_blocks_without_their_starts_and_stops_are_read() -> None:
    assert said(grow(0, "text_delta", text="a")) == (SaidText(text="a"),)


def test_message_without_its_start_gets_one() -> None:
    assert decode(grow(0, "text_delta", text="a"), finish())[0] == Started(id="", model="configured", created=1_763_800_000)


def test_second_start_is_ignored() -> None:
    events = decode(START, START, finish())

    assert sum(isinstance(event, Started) for event in events) == 1


def test_text_in_the_start_of_a_block_is_said() -> None:
    assert said(begin(0, type="text", text="a"), grow(0, "text_delta", text="b"), end(0)) == (SaidText(text="ab"),)


def test_call_opens_at_its_start() -> None:
    decoder = MessagesDecoder(ReplyOptions(model="m"), minting())
    decoder.feed(frame(START))

    assert decoder.feed(frame(begin(0, type="tool_use", id="t", name="X", input={}))) == [ToolStarted(slot=0, id="t", name="X")]


@pytest.mark.parametrize(
    ("pieces", "whole", "arguments"),
    [
        ([], {}, "{}"),
        ([""], {}, "{}"),
        ([], {"a": "ä"}, '{"a":"ä"}'),
        (['{"b"', ":1}"], {}, '{"b":1}'),
        (['{"b":1}'], {"a": 1}, '{"b":1}'),
    ],
)
def test_arguments_are_the_deltas_or_else_the_input_of_the_start(
    pieces: list[str], whole: dict[str, Any], arguments: str
) -> None:
    deltas = [grow(0, "input_json_delta", partial_json=piece) for piece in pieces]

    blocks = said(begin(0, type="tool_use", id="t", name="X", input=whole), *deltas, end(0))

    assert blocks == (SaidCall(id="t", name="X", json_text=arguments),)


def test_name_of_the_request_comes_back_as_the_client_called_it() -> None:
    blocks = said(begin(0, type="tool_use", id="t", name="short", input={}), end(0), tool_names={"short": "mine"})

    assert blocks == (SaidCall(id="t", name="mine", json_text="{}"),)


def test_block_of_an_unknown_type_is_skipped_with_its_deltas() -> None:
    unknown = [
        begin(0, type="server_tool_use", id="s", name="web_search"),
        grow(0, "input_json_delta", partial_json="{}"),
        grow(0, "text_delta", text="no"),
        end(0),
    ]

    assert said(*unknown, begin(1, type="text", text=""), grow(1, "text_delta", text="a"), end(1)) == (SaidText(text="a"),)


THOUGHT = [begin(0, type="thinking", thinking="", signature=""), grow(0, "thinking_delta", thinking="t")]


def test_thinking_keeps_the_vendors_signature() -> None:
    events = [*THOUGHT, grow(0, "signature_delta", signature="s"), end(0), grow(1, "text_delta", text="a")]

    assert said(*events, thinking="pass") == (SaidThinking(text="t", signature="s"), SaidText(text="a"))


def test_thinking_without_a_signature_is_signed_by_the_router() -> None:
    events = decode(START, *THOUGHT, end(0), finish(), thinking="convert")

    assert ThinkingSigned(router_signature("local", "t")) in events


def test_stripped_thinking_leaves_nothing() -> None:
    redacted = [begin(1, type="redacted_thinking", data="d"), end(1)]

    assert said(*THOUGHT, grow(0, "signature_delta", signature="s"), end(0), *redacted) == ()


def test_redacted_thinking_and_thinking_between_blocks_are_kept() -> None:
    events = [
        begin(0, type="redacted_thinking", data="d"),
        end(0),
        grow(1, "text_delta", text="a"),
        end(1),
        begin(2, type="thinking", thinking="t", signature="s"),
        end(2),
    ]

    assert said(*events, thinking="pass") == (
        SaidThinking(redacted="d"),
        SaidText(text="a"),
        SaidThinking(text="t", signature="s"),
    )


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("pause_turn", StopReason.PAUSE),
        ("refusal", StopReason.REFUSAL),
        ("model_context_window_exceeded", StopReason.CONTEXT_FULL),
        ("tool_use", StopReason.END),
        ("something_new", StopReason.UNKNOWN),
    ],
)
def test_stop_reason_of_an_answer_without_calls(told: str, reason: StopReason) -> None:
    assert fold(decode(START, finish(told))).reason is reason


def test_stop_sequence_is_told() -> None:
    last = {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}}

    reply = fold(decode(START, last))

    assert (reply.reason, reply.stop_sequence) == (StopReason.STOP_SEQUENCE, "END")


def test_final_usage_keeps_the_counts_of_the_start_that_it_does_not_name() -> None:
    start = {
        "type": "message_start",
        "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}},
    }

    reply = fold(decode(start, finish(usage={"output_tokens": 7, "input_tokens": None})))

    assert reply.usage == Usage(input=10, output=7, cache_read=90)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"cache_creation_input_tokens": 9}, Usage(cache_write=9)),
        ({"cache_creation_input_tokens": 9, "cache_creation": None}, Usage(cache_write=9)),
        ({"cache_creation_input_tokens": 9, "cache_creation": {}}, Usage(cache_write=9)),
        (
            {"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 4}},
            Usage(cache_write=9, cache_write_1h=4),
        ),
        (
            {"cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}},
            Usage(cache_write=9, cache_write_1h=4),
        ),
        ({"cache_creation": {"ephemeral_1h_input_tokens": -4}}, Usage(cache_write=0, cache_write_1h=0)),
        ({"input_tokens": -1, "output_tokens": -2, "cost": -3}, Usage()),
        ({"cost": 0.125}, Usage(cost_usd=0.125)),
    ],
)
def test_counts_and_the_charge_are_read_as_they_are_told(told: dict[str, Any], usage: Usage) -> None:
    start = {"type": "message_start", "message": {"usage": {}}}

    reply = fold(decode(start, finish(usage={"output_tokens": 0, **told})))

    assert reply.usage == usage


def test_output_that_nobody_counted_is_estimated() -> None:
    reply = fold(decode(START, grow(0, "text_delta", text="12345"), finish()))

    assert reply.usage == Usage(input=10, output=2, estimated=True)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"error": {"code": 529, "message": "overloaded"}},
    ],
)
def test_error_event_is_a_classified_failure(event: Event) -> None:
    assert failure_of(START, event).reason is FailureReason.OVERLOADED


def test_error_is_read_by_the_event_line_where_the_data_has_no_type() -> None:
    decoder = MessagesDecoder(ReplyOptions(model="m", provider="local"), minting())

    with pytest.raises(ProviderFailed, match="boom"):
        decoder.feed(frame({"message": "boom"}, name=b"error"))


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([{"type": "ping"}], FailureReason.EMPTY_STREAM),
        ([STOP], FailureReason.EMPTY_STREAM),
        ([START], FailureReason.STREAM_TRUNCATED),
        ([START, grow(0, "text_delta", text="a"), end(0)], FailureReason.STREAM_TRUNCATED),
        ([START, finish(None)], FailureReason.STREAM_TRUNCATED),
        (
            [START, begin(0, type="tool_use", id="t"), grow(0, "input_json_delta", partial_json="{}"), STOP],
            FailureReason.BAD_RESPONSE,
        ),
    ],
)
def test_answer_that_is_not_whole_is_a_failure(events: list[Event | str], reason: FailureReason) -> None:
    failure = failure_of(*events)

    assert (failure.reason, failure.provider) == (reason, "local")


def test_ninth_bad_frame_in_a_row_is_a_failure() -> None:
    assert said(*["bad"] * 8, grow(0, "text_delta", text="a"), *["bad"] * 8) == (SaidText(text="a"),)
    assert failure_of(START, *["bad"] * 9).reason is FailureReason.BAD_RESPONSE


def test_done_of_another_dialect_is_skipped() -> None:
    assert said(*["[DONE]"] * 20, grow(0, "text_delta", text="a")) == (SaidText(text="a"),)


@pytest.mark.parametrize(
    "event",
    [
        {"type": 5},
        {"type": "content_block_start", "index": [1], "content_block": "x"},
        {"type": "content_block_delta", "index": None, "delta": None},
        {"type": "content_block_delta", "index": {}, "delta": {"type": "text_delta", "text": 5}},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 9},
        {"type": "message_delta", "delta": 5, "usage": "x"},
        {"type": "message_start", "message": []},
    ],
)
def test_wrong_shapes_are_skipped(event: Event) -> None:
    assert said(event, grow(3, "text_delta", text="a")) == (SaidText(text="a"),)
