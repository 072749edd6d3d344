"""Chat chunks as servers really send them (wire.md 8.2)."""

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
    Usage,
    UsageSeen,
    fold,
)
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import ReplyOptions
from router.wire.openai_chat.decode_stream import ChatDecoder
from tests.router.wire.drive import minting

DONE = "[DONE]"
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def delta(**said: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}


def call(index: int | None = 0, call_id: str | None = None, **function: object) -> dict[str, Any]:
    entry = {"index": index, "id": call_id, "function": function}
    return delta(tool_calls=[{key: value for key, value in entry.items() if value is not None}])


def frame(chunk: dict[str, Any] | str) -> Frame:
    data = chunk.encode() if isinstance(chunk, str) else orjson.dumps(chunk)
    return Frame(raw=b"data: " + data + b"\n\n", data=data)


def decode(
    *chunks: dict[str, Any] | str, thinking: str = "strip", tool_names: dict[str, str] | None = None
) -> list[NeutralEvent]:
    decoder = ChatDecoder(ReplyOptions(model="configured", provider="local", thinking=thinking, tool_names=tool_names), minting())
    return [event for chunk in chunks for event in decoder.feed(frame(chunk))] + list(decoder.close())


def said(
    *chunks: dict[str, Any] | str, thinking: str = "strip", tool_names: dict[str, str] | None = None
) -> tuple[SaidBlock, ...]:
    return fold(decode(*chunks, STOP, thinking=thinking, tool_names=tool_names)).blocks


def failure_of(*chunks: dict[str, Any] | str) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        decode(*chunks)
    return caught.value


def test_missing_id_model_and_time_are_filled() -> None:
    assert decode(delta(content="a"), STOP)[0] == Started(id="", model="configured", created=1_763_800_000)


def test_list_content_is_its_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}, "c"]

    assert said(delta(content=parts)) == (SaidText(text="ab"),)


@pytest.mark.parametrize("content", [None, "", 5, True, {}, [None]])
def test_content_that_is_no_text_is_ignored(content: object) -> None:
    assert said(delta(content=content)) == ()


def test_whole_message_in_place_of_deltas_is_one_big_delta() -> None:
    message = {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "function": {"name": "X", "arguments": "{}"}}]}

    blocks = said({"choices": [{"message": message, "finish_reason": "stop"}]})

    assert blocks == (SaidText(text="a"), SaidCall(id="c", name="X", json_text="{}"))


def test_other_choices_are_ignored() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}

    assert said(other) == (SaidText(text="yes"),)


def test_refusal_is_text_with_its_own_stop_reason() -> None:
    reply = fold(decode(delta(refusal="I can't"), STOP))

    assert (reply.blocks, reply.reason) == ((SaidText(text="I can't"),), StopReason.REFUSAL)


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning": "r"},
        {"reasoning_content": "r"},
        {"reasoning": "r", "reasoning_content": "r"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "r"}]},
        {"reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r"}]},
    ],
)
def test_reasoning_under_any_name_is_told_once(told: dict[str, Any]) -> None:
    (block,) = said(delta(**told), thinking="pass")

    assert isinstance(block, SaidThinking)
    assert block.text == "r"


def test_stripped_reasoning_still_counts_in_the_estimate() -> None:
    reply = fold(decode(delta(reasoning="12345678"), delta(content="1234"), STOP))

    assert reply.usage == Usage(output=3, estimated=True)


def test_name_of_the_request_comes_back_as_the_client_called_it() -> None:
    blocks = said(call(name="short_1", arguments="{}"), tool_names={"short_1": "a.very.long.name"})

    assert blocks == (SaidCall(id="", name="a.very.long.name", json_text="{}"),)


def test_legacy_function_call_is_a_call() -> None:
    chunks = [delta(function_call={"name": "X", "arguments": '{"a"'}), delta(function_call={"arguments": ":1}"})]

    assert said(*chunks) == (SaidCall(id="", name="X", json_text='{"a":1}'),)


def test_repeat_of_the_whole_name_is_no_fragment() -> None:
    chunks = [call(name="Read", call_id="c"), call(name="Read", arguments="{"), call(name="Read", arguments="}")]

    assert said(*chunks) == (SaidCall(id="c", name="Read", json_text="{}"),)


def test_new_id_on_every_fragment_of_one_call_is_one_call() -> None:
    chunks = [call(call_id="c1", name="Read", arguments='{"a"'), call(call_id="c2", arguments=":1}")]

    assert said(*chunks) == (SaidCall(id="c1", name="Read", json_text='{"a":1}'),)


def test_calls_without_index_and_id_are_told_apart_by_their_ends() -> None:
    chunks = [call(None, name="Read", arguments={"a": 1}), call(None, name="Read", arguments={"a": 2})]

    assert [block.json_text for block in said(*chunks) if isinstance(block, SaidCall)] == ['{"a":1}', '{"a":2}']


def test_repeat_of_a_finished_calls_name_is_no_second_call() -> None:
    chunks = [call(call_id="c", name="Read", arguments="{}"), call(call_id="c", name="Read", arguments="{}")]

    assert len(said(*chunks, call(name="Read", arguments=""), call(name="Read"))) == 1


def test_call_without_a_name_is_the_providers_failure() -> None:
    assert failure_of(call(arguments="{}"), STOP).reason is FailureReason.BAD_RESPONSE


def test_empty_entry_is_no_call() -> None:
    assert said(call(call_id="c")) == ()


@pytest.mark.parametrize(
    ("finish", "has_call", "reason"),
    [
        ("stop", False, StopReason.END),
        ("stop", True, StopReason.TOOL_USE),
        ("eos", True, StopReason.TOOL_USE),
        ("eos", False, StopReason.UNKNOWN),
        ("tool_calls", False, StopReason.END),
        ("function_call", True, StopReason.TOOL_USE),
        ("length", True, StopReason.LENGTH),
        ("content_filter", False, StopReason.CONTENT_FILTER),
    ],
)
def test_stop_reason_fits_what_was_said(finish: str, reason: StopReason, *, has_call: bool) -> None:
    chunks = [call(name="X", arguments="{}")] if has_call else [delta(content="a")]

    assert fold(decode(*chunks, {"choices": [{"finish_reason": finish}]})).reason is reason


def test_done_without_finish_reason_is_an_end() -> None:
    assert fold(decode(delta(content="a"), DONE)).reason is StopReason.UNKNOWN


def test_matched_stop_string_is_told() -> None:
    reply = fold(decode(delta(content="a"), {"choices": [{"finish_reason": "stop", "stop_reason": "END"}]}))

    assert (reply.reason, reply.stop_sequence) == (StopReason.STOP_SEQUENCE, "END")


def test_stop_token_number_is_no_stop_string() -> None:
    assert fold(decode(delta(content="a"), {"choices": [{"finish_reason": "stop", "stop_reason": 151645}]})).stop_sequence is None


@pytest.mark.parametrize(
    "place",
    [
        {"usage": {"prompt_tokens": 9, "completion_tokens": 4}},
        {"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}},
    ],
)
def test_usage_is_read_from_any_chunk(place: dict[str, Any]) -> None:
    assert fold(decode({**delta(content="a"), **place}, STOP)).usage == Usage(input=9, output=4)


def test_last_usage_wins() -> None:
    usages = [{**delta(content="a"), "usage": {"prompt_tokens": 9, "completion_tokens": n}} for n in (1, 2)]

    assert fold(decode(*usages, STOP)).usage == Usage(input=9, output=2)


def test_usage_of_zeros_is_none_and_gets_estimated() -> None:
    zeros = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}

    assert UsageSeen(Usage(output=1, estimated=True)) in decode({**delta(content="a"), **zeros}, STOP)


def test_reasoning_and_cached_tokens_are_split_off() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }

    reply = fold(decode(delta(content="a"), {**STOP, "usage": usage}))

    assert reply.usage == Usage(input=20, output=9, cache_read=80, reasoning=5)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20}, Usage(input=20, output=9, cache_read=80)),
        ({"prompt_cache_hit_tokens": -5}, Usage(input=100, output=9, cache_read=0)),
        (
            {"prompt_cache_hit_tokens": 1, "prompt_tokens_details": {"cached_tokens": 80}},
            Usage(input=20, output=9, cache_read=80),
        ),
        ({"prompt_cache_hit_tokens": 300}, Usage(output=9, cache_read=300)),
        ({"cost": 0.5}, Usage(input=100, output=9, cost_usd=0.5)),
        ({"cost": -0.5}, Usage(input=100, output=9)),
    ],
)
def test_the_vendors_own_names_are_read(counts: dict[str, Any], usage: Usage) -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 9, **counts}

    assert fold(decode(delta(content="a"), {**STOP, "usage": told})).usage == usage


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        ({"error": "boom"}, FailureReason.UPSTREAM_5XX),
        ({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, FailureReason.RATE_LIMIT),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, FailureReason.CLIENT_ERROR),
    ],
)
def test_error_frame_is_a_classified_failure(chunk: dict[str, Any], reason: FailureReason) -> None:
    assert failure_of(delta(content="a"), chunk).reason is reason


def test_null_error_is_none() -> None:
    assert said({**delta(content="a"), "error": None}) == (SaidText(text="a"),)


def test_eight_bad_frames_in_a_row_pass_and_the_ninth_is_a_failure() -> None:
    bad = ["not json"] * 8

    assert said(delta(content="a"), *bad, delta(content="b"), *bad) == (SaidText(text="ab"),)
    assert failure_of(delta(content="a"), *bad, "[1]").reason is FailureReason.BAD_RESPONSE


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([DONE], FailureReason.EMPTY_STREAM),
        ([{"choices": []}, DONE], FailureReason.EMPTY_STREAM),
        ([delta(content="a")], FailureReason.STREAM_TRUNCATED),
        ([delta(role="assistant")], FailureReason.STREAM_TRUNCATED),
    ],
)
def test_body_without_an_end_is_a_failure(chunks: list[dict[str, Any] | str], reason: FailureReason) -> None:
    failure = failure_of(*chunks)

    assert (failure.reason, failure.provider) == (reason, "local")


def test_what_follows_the_end_is_not_read() -> None:
    assert said(delta(content="a"), STOP, DONE, {"error": "late"}) == (SaidText(text="a"),)


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": "x"},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None, {"function": None}, {"index": "x", "function": []}]}}]},
        {"choices": [{"delta": {"function_call": 1, "reasoning_details": "x"}}]},
        {"choices": [{"index": None, "delta": {}}], "usage": [], "x_groq": 1, "created": "x", "id": 5, "model": None},
    ],
)
def test_wrong_shapes_are_skipped(chunk: dict[str, Any]) -> None:
    assert said(chunk, delta(content="a")) == (SaidText(text="a"),)
