"""The monitor refuses what a Responses client would stumble over (wire.md 10.2, 22)."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.wire.grammar import GrammarViolation
from tests.router.wire.drive import RESPONSES, assert_grammatical
from tests.router.wire.openai_responses.streams import Event, read

ANSWER: list[NeutralEvent] = [
    Started(id="1", model="m", created=7),
    ThinkingDelta("hm"),
    TextDelta("ab"),
    ToolStarted(slot=0, id="c", name="X"),
    ToolDelta(0, "{}"),
    ToolDone(0),
    Stopped(reason=StopReason.TOOL_USE),
]
ORDER = [
    "created",
    "in_progress",
    *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
    *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
    *("output_item.added", "content_part.added", "output_text.delta"),
    *("output_text.done", "content_part.done", "output_item.done"),
    *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
    "completed",
]
LAST = len(ORDER) - 1
FAILED = {"code": "server_error", "message": "x"}


def stream(*events: Event) -> bytes:
    """Return the bytes of events, numbered anew."""
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in numbered)


def whole() -> list[Any]:
    return copy.deepcopy(read(ANSWER))


def changed(at: int, path: str, value: object) -> list[Event]:
    """Return the whole answer with one value changed, taken out where it is None."""
    events = whole()
    holder: Any = events[at]
    *outer, last = path.split(".")
    for key in outer:
        holder = holder[int(key)] if key.isdigit() else holder[key]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return events


def without(*at: int) -> list[Event]:
    return [event for index, event in enumerate(whole()) if index not in at]


def ending(status: str, **facts: object) -> Event:
    response = {**whole()[LAST]["response"], "status": status, **facts}
    return {"type": f"response.{status}", "response": response}


def test_the_order_of_events_is_that_of_the_api() -> None:
    assert [event["type"].removeprefix("response.") for event in whole()] == ORDER


@pytest.mark.parametrize(
    "events",
    [
        whole(),
        [*whole()[:LAST], ending("incomplete", incomplete_details={"reason": "max_output_tokens"})],
        [*whole()[:5], ending("failed", error=FAILED, output=[], usage=None)],
        [whole()[0], ending("failed", error=FAILED, output=[], usage=None)],
        [*whole()[:10], whole()[1], *whole()[10:]],
        [*whole()[:10], {"type": "vendor.note"}, {"type": "response.output_text.annotation.added"}, *whole()[10:]],
        [{"type": "error", "message": "x"}],
    ],
    ids=["whole", "incomplete", "failed", "failed at once", "progress", "unknown events", "error"],
)
def test_this_is_accepted(events: list[Event]) -> None:
    assert_grammatical(b": keep-alive\n\n" + stream(*events), RESPONSES)


@pytest.mark.parametrize(
    ("events", "claim"),
    [
        ([], "ends too early"),
        (without(LAST), "ends too early"),
        ([*whole(), whole()[LAST]], "after the end"),
        (without(0), "response.created is first"),
        ([whole()[0], *whole()], "response.created is first"),
        ([whole()[2], *whole()], "before response.created"),
        (changed(0, "response.id", None), "without id"),
        (changed(1, "response.id", "other"), "two responses"),
        (changed(0, "response.output", None), "without its fields"),
        (changed(LAST, "response.tools", None), "without its fields"),
        (changed(LAST, "response.status", "in_progress"), "not the event's"),
        (changed(LAST, "response.output", []), "does not repeat the items"),
        (changed(LAST, "response.usage", None), "not an integer"),
        (changed(LAST, "response.usage.total_tokens", 1.5), "not an integer"),
        (changed(LAST, "response.usage.input_tokens_details", None), "detail that is not an integer"),
        (changed(LAST, "response.usage.output_tokens_details.reasoning_tokens", "0"), "detail that is not an integer"),
        ([*whole()[:LAST], ending("incomplete", incomplete_details=None)], "without reason"),
        ([*whole()[:2], ending("failed", error=None)], "without code or message"),
        (without(7), "inside another"),
        (without(2), "no open item"),
        (changed(8, "output_index", 0), "item 0 where 1 is due"),
        (changed(8, "item.id", None), "without type or id"),
        (changed(10, "item_id", "other"), "of another item"),
        (changed(10, "output_index", 7), "no open item"),
        (changed(10, "delta", 5), "without its text"),
        (changed(10, "logprobs", None), "without logprobs"),
        (changed(10, "content_index", 1), "outside its part"),
        (without(9), "outside its part"),
        (without(12), "ends inside a part"),
        (changed(11, "text", "abc"), "not the sum of its deltas"),
        (changed(13, "item.content", []), "not the sum of its deltas"),
        (changed(13, "item.id", "other"), "ends as another"),
        (changed(9, "content_index", 1), "not the next part"),
        (changed(9, "part", None), "without part"),
        (changed(16, "arguments", "{ }"), "not the sum of its deltas"),
        (changed(17, "item.call_id", None), "ends as another"),
        (changed(17, "item.arguments", "[]"), "not the sum of its deltas"),
        ([*whole()[:15], whole()[10], *whole()[15:]], "no open item"),
        ([*whole()[:13], ending("completed")], "ends inside an item"),
    ],
)
def test_this_is_refused(events: list[Event], claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(stream(*events), RESPONSES)


def test_a_whole_call_whose_arguments_are_no_object_is_refused() -> None:
    events = whole()
    for at, key in ((15, "delta"), (16, "arguments")):
        events[at][key] = "[]"
    events[17]["item"]["arguments"] = "[]"

    with pytest.raises(GrammarViolation, match="not a JSON object"):
        assert_grammatical(stream(*events), RESPONSES)


def test_two_calls_of_one_id_are_refused() -> None:
    call = copy.deepcopy(whole()[14:18])
    for event in call:
        event["output_index"] = 3

    with pytest.raises(GrammarViolation, match="two calls with one id"):
        assert_grammatical(stream(*whole()[:18], *call), RESPONSES)


@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        (b'"sequence_number":4', b'"sequence_number":5', "5 where 4 is due"),
        (b"event: response.in_progress\n", b"", "event line"),
        (b"event: response.in_progress\n", b"event: response.created\n", "event line"),
        (b'"type":"response.in_progress",', b"", "without type"),
        (b'data: {"type":"response.in_progress"', b"data: x", "not a JSON object"),
    ],
)
def test_a_broken_frame_is_refused(old: bytes, new: bytes, claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(stream(*whole()).replace(old, new, 1), RESPONSES)


def test_a_last_frame_without_a_blank_line_is_refused() -> None:
    with pytest.raises(GrammarViolation, match="no blank line"):
        assert_grammatical(stream(*whole())[:-1], RESPONSES)
