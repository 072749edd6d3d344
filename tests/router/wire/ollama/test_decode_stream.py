"""Ollama's lines and replies as neutral events (wire.md 12)."""

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
    Stopped,
    StopReason,
    TextDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
    fold,
)
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import ReplyOptions
from router.wire.ollama.decode_stream import OllamaDecoder
from router.wire.ollama.reply import decode_reply, reply_stop, reply_usage
from tests.router.wire.drive import minting

Line = dict[str, Any] | bytes
DONE = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 7}


def line(**said: object) -> dict[str, Any]:
    return {"model": "q", "created_at": "2026-11-22T00:00:00.5Z", "message": {"role": "assistant", **said}, "done": False}


def call(name: str = "Bash", arguments: object = None, **more: object) -> dict[str, Any]:
    return line(content="", tool_calls=[{"function": {"name": name, "arguments": arguments}, **more}])


def options(thinking: str = "strip", tool_names: dict[str, str] | None = None) -> ReplyOptions:
    return ReplyOptions(model="configured", provider="local", thinking=thinking, tool_names=tool_names)


def frame(chunk: Line) -> Frame:
    data = chunk if isinstance(chunk, bytes) else orjson.dumps(chunk)
    return Frame(raw=data + b"\n", data=data)


def decode(*chunks: Line, told: ReplyOptions | None = None) -> list[NeutralEvent]:
    decoder = OllamaDecoder(told or options(), minting())
    return [event for chunk in chunks for event in decoder.feed(frame(chunk))] + list(decoder.close())


def said(*chunks: Line, told: ReplyOptions | None = None) -> tuple[SaidBlock, ...]:
    return fold(decode(*chunks, DONE, told=told)).blocks


def failure_of(*chunks: Line) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        decode(*chunks)
    return caught.value


def test_the_start_has_the_servers_model_and_time() -> None:
    assert decode(line(content="a"), DONE)[0] == Started(id="", model="q", created=1_795_305_600)


@pytest.mark.parametrize("stamp", ["2026-11-22T01:00:00.385406455+01:00", "2026-11-22T00:00:00Z"])
def test_times_of_any_zone_and_precision_are_read(stamp: str) -> None:
    (start, *_) = decode(line(content="a") | {"created_at": stamp}, DONE)

    assert isinstance(start, Started)
    assert start.created == 1_795_305_600


@pytest.mark.parametrize("stamp", [None, 5, "yesterday", "0001-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_ours(stamp: object) -> None:
    (start, *_) = decode({"created_at": stamp, "message": {"content": "a"}}, DONE)

    assert start == Started(id="", model="configured", created=1_763_800_000)


def test_text_and_calls_come_in_their_order_and_calls_are_whole() -> None:
    events = decode(line(content="Hi"), call(arguments={"command": "ls"}), call("Read", {"path": "ä"}), DONE)

    assert fold(events).blocks == (
        SaidText(text="Hi"),
        SaidCall(id="", name="Bash", json_text='{"command":"ls"}'),
        SaidCall(id="", name="Read", json_text='{"path":"ä"}'),
    )
    assert events[-1] == Stopped(reason=StopReason.TOOL_USE)


def test_a_call_can_be_run_before_the_next_line() -> None:
    decoder = OllamaDecoder(options(), minting())

    events = decoder.feed(frame(call(arguments={})))

    assert isinstance(events[-1], ToolDone)


def test_a_newer_servers_id_is_kept_and_one_that_repeats_is_not() -> None:
    told = [event for event in decode(call(id="call_1"), call(id="call_1"), DONE) if isinstance(event, ToolStarted)]

    assert [event.id for event in told] == ["call_1", ""]


@pytest.mark.parametrize(("arguments", "text"), [(None, "{}"), ('{"a":1}', '{"a":1}'), ({}, "{}"), (5, "{}")])
def test_arguments_of_any_shape_are_an_object(arguments: object, text: str) -> None:
    assert said(call(arguments=arguments)) == (SaidCall(id="", name="Bash", json_text=text),)


def test_several_calls_of_one_line_are_several() -> None:
    calls: list[dict[str, Any]] = [{"function": {"name": name, "arguments": {}}} for name in ("A", "B")]

    assert [block.name for block in said(line(tool_calls=calls)) if isinstance(block, SaidCall)] == ["A", "B"]


@pytest.mark.parametrize("calls", [None, 5, "x", [None], [{}], [{"function": 5}], {}])
def test_calls_that_are_none_are_ignored(calls: object) -> None:
    assert said(line(content="a", tool_calls=calls)) == (SaidText(text="a"),)


def test_a_changed_tool_name_is_the_clients_again() -> None:
    (block,) = said(call("short"), told=options(tool_names={"short": "a.long/name"}))

    assert isinstance(block, SaidCall)
    assert block.name == "a.long/name"


@pytest.mark.parametrize(("thinking", "blocks"), [("strip", 1), ("convert", 2), ("pass", 2)])
def test_reasoning_reaches_those_who_are_shown_it(thinking: str, blocks: int) -> None:
    answer = said(line(content="", thinking="h"), line(content="", thinking="m"), line(content="a"), told=options(thinking))

    assert len(answer) == blocks
    assert answer[-1] == SaidText(text="a")
    if blocks == 2:
        assert isinstance(answer[0], SaidThinking)
        assert answer[0].text == "hm"


@pytest.mark.parametrize(
    ("told", "reason"),
    [("stop", StopReason.END), ("length", StopReason.LENGTH), ("load", StopReason.UNKNOWN), (None, StopReason.UNKNOWN)],
)
def test_the_reason_is_that_of_the_last_line(told: str | None, reason: StopReason) -> None:
    assert decode(line(content="a"), DONE | {"done_reason": told})[-1] == Stopped(reason=reason)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": 11, "eval_count": 7}, Usage(input=11, output=7)),
        ({"eval_count": 7}, Usage(output=7)),
        ({"prompt_eval_count": 11}, Usage(input=11, output=2, estimated=True)),
        ({}, Usage(output=2, estimated=True)),
        ({"prompt_eval_count": "x", "eval_count": True}, Usage(output=2, estimated=True)),
    ],
)
def test_usage_is_the_servers_and_what_it_leaves_out_is_estimated(counts: dict[str, Any], usage: Usage) -> None:
    assert decode(line(content="hello"), {"done": True, **counts})[-2] == UsageSeen(usage)


def test_a_last_line_without_a_message_ends_the_answer() -> None:
    assert decode(line(content="a"), {"done": True})[-1] == Stopped(reason=StopReason.UNKNOWN)


def test_nothing_is_read_behind_the_last_line() -> None:
    assert decode(line(content="a"), DONE, line(content="b"), {"error": "late"}) == decode(line(content="a"), DONE)


def test_blank_lines_and_lines_of_another_shape_are_skipped() -> None:
    assert said(b"", b"  ", b"what", {"status": "pulling"}, line(content="a"), {"message": 5}) == (SaidText(text="a"),)


def test_an_answer_without_the_last_line_is_cut_short() -> None:
    assert failure_of(line(content="a")).reason is FailureReason.STREAM_TRUNCATED


def test_a_body_in_which_nothing_began_is_empty() -> None:
    assert failure_of(b"").reason is FailureReason.EMPTY_STREAM


@pytest.mark.parametrize("before", [(), (line(content="a"),)])
def test_an_error_line_is_a_failure_at_any_time(before: tuple[Line, ...]) -> None:
    failure = failure_of(*before, {"error": "model runner has unexpectedly stopped"})

    assert (failure.provider, failure.message) == ("local", "model runner has unexpectedly stopped")


def test_the_words_of_an_error_say_what_it_is() -> None:
    told = {"error": "model requires more system memory (5.0 GiB) than is available (3.1 GiB)"}

    assert failure_of(told).reason is FailureReason.OUT_OF_MEMORY


def test_nine_lines_in_a_row_that_are_no_json_are_too_many() -> None:
    assert decode(line(content="a"), *[b"<html>"] * 8, line(content="b"), *[b"<html>"] * 8, DONE)

    assert failure_of(*[b"<html>"] * 9).reason is FailureReason.BAD_RESPONSE


def test_a_call_without_a_name_is_no_answer() -> None:
    assert failure_of(call("", {"a": 1}), DONE).reason is FailureReason.BAD_RESPONSE


def test_blank_text_before_a_call_is_dropped() -> None:
    assert said(line(content="\n"), call()) == (SaidCall(id="", name="Bash", json_text="{}"),)


def test_a_whole_reply_says_what_the_stream_says() -> None:
    calls = [{"function": {"name": "Bash", "arguments": {"command": "ls"}}}]
    stream = [line(content="", thinking="hm"), line(content="a"), line(content="b"), line(content="", tool_calls=calls), DONE]
    whole = line(content="ab", thinking="hm", tool_calls=calls) | {"done": True, "done_reason": "stop", "eval_count": 7}

    assert fold(decode_reply(whole, options("pass"), minting())) == fold(decode(*stream, told=options("pass")))


def test_a_reply_that_does_not_say_done_is_taken_as_whole() -> None:
    assert decode_reply(line(content="a"), options(), minting())[1:] == [
        TextDelta("a"),
        UsageSeen(Usage(output=1, estimated=True)),
        Stopped(reason=StopReason.UNKNOWN),
    ]


@pytest.mark.parametrize("body", [{}, {"message": "x"}, {"done": True}, {"choices": []}])
def test_a_reply_without_a_message_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed) as caught:
        decode_reply(body, options(), minting())

    assert caught.value.reason is FailureReason.BAD_RESPONSE


def test_stop_and_usage_of_a_reply_are_told_without_decoding_it() -> None:
    assert reply_stop(DONE) is StopReason.END
    assert reply_stop(line(content="a")) is None
    assert reply_usage(DONE) == Usage(output=7)
    assert reply_usage({}) is None
