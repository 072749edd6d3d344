"""The monitors refuse what a client would stumble over. What they accept is every other stream test's business."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.request import DialectName
from router.wire.grammar import GrammarViolation
from router.wire.registry import MONITORS
from tests.router.wire.drive import ANTHROPIC, CHAT, assert_grammatical

Event = dict[str, Any]
START: Event = {
    "type": "message_start",
    "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 0, "output_tokens": 0}},
}
STOP: Event = {"type": "message_stop"}
ERROR: Event = {"type": "error", "error": {"type": "api_error", "message": "m"}}
PING: Event = {"type": "ping"}


def begin(index: int = 0, **block: object) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block or {"type": "text", "text": ""}}


def call(index: int = 0) -> Event:
    return begin(index, type="tool_use", id="t", name="X", input={})


def grow(index: int = 0, kind: str = "text_delta", **delta: object) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **(delta or {"text": "a"})}}


def json_piece(piece: str, index: int = 0) -> Event:
    return grow(index, "input_json_delta", partial_json=piece)


def end(index: int = 0) -> Event:
    return {"type": "content_block_stop", "index": index}


def last(reason: str | None = "end_turn") -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 1}}


def messages(*events: Event) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in events)


TEXT = (begin(), grow(), end())
WHOLE = messages(START, PING, *TEXT, last(), STOP)


@pytest.mark.parametrize(
    "events",
    [
        (START, last(), STOP),
        (START, *TEXT, call(1), json_piece("{", 1), json_piece("}", 1), end(1), last("tool_use"), STOP),
        (START, call(), end(), last("tool_use"), STOP),
        (START, call(), json_piece('{"a'), end(), last("max_tokens"), STOP),
        (ERROR,),
        (START, begin(), ERROR),
        (START, begin(type="thinking", thinking=""), grow(0, "signature_delta", signature="s"), end(), last(), STOP),
        (START, begin(type="vendor_block"), grow(0, "vendor_delta", x=1), end(), {"type": "vendor_note"}, last(), STOP),
    ],
)
def test_messages_stream_is_accepted(events: tuple[Event, ...]) -> None:
    assert_grammatical(b": keep-alive\n\n" + messages(*events), ANTHROPIC)


@pytest.mark.parametrize(
    ("events", "claim"),
    [
        ((), "ends too early"),
        ((START, *TEXT, last()), "ends too early"),
        ((START, *TEXT, STOP), "without message_delta"),
        ((*TEXT, last(), STOP), "outside the message"),
        ((START, START, last(), STOP), "second message_start"),
        (({**START, "message": {"role": "assistant", "id": "m", "content": []}}, last(), STOP), "without usage"),
        ((START, begin(1), end(1), last(), STOP), "block 1 where 0 is due"),
        ((START, *TEXT, begin(0), end(0), last(), STOP), "block 0 where 1 is due"),
        ((START, begin(0), begin(1), end(1), end(0), last(), STOP), "inside another"),
        ((START, grow(), last(), STOP), "no open block"),
        ((START, begin(0), end(0), grow(0), last(), STOP), "no open block"),
        ((START, begin(0), end(0), end(0), last(), STOP), "no open block"),
        ((START, begin(0), last(), STOP), "inside a block"),
        ((START, call(), grow(), end(), last("tool_use"), STOP), "a type other than its block's: text_delta in tool_use"),
        ((START, begin(), grow(0, "text_delta", text=5), end(), last(), STOP), "without its text"),
        ((START, begin(type="tool_use", id="", name="X", input={}), end(), last("tool_use"), STOP), "without id or name"),
        ((START, *TEXT, last("tool_use"), STOP), "without a whole call"),
        ((START, call(), json_piece("{"), end(), last("tool_use"), STOP), "without a whole call"),
        ((START, call(), end(), call(1), json_piece("[]", 1), end(1), last("tool_use"), STOP), "not a JSON object"),
        ((START, *TEXT, last(None), STOP), "without a stop reason"),
        ((START, last(), last(), STOP), "not due"),
        ((START, last(), *TEXT, STOP), "outside the message"),
        ((START, last(), STOP, PING), "after the end"),
        ((ERROR, STOP), "after the end"),
        (({"type": "error", "error": "m"},), "without type or message"),
    ],
)
def test_messages_stream_is_refused(events: tuple[Event, ...], claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(messages(*events), ANTHROPIC)


def chunk(*, finish: str | None = None, **delta: object) -> Event:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}


def tool(index: int, arguments: str, **names: object) -> Event:
    function = {"arguments": arguments, **({"name": "X"} if names else {})}
    return chunk(tool_calls=[{"index": index, **names, "function": function}])


ROLE = chunk(role="assistant", content="")
USAGE = {**ROLE, "choices": [], "usage": {"prompt_tokens": 1}}
FAILED: Event = {"error": {"message": "m", "type": "upstream_error", "param": None, "code": None}}
NAMED = {"id": "t", "type": "function"}
DONE = "[DONE]"


def chat(*chunks: Event | str) -> bytes:
    return b"".join(b"data: %b\n\n" % (c.encode() if isinstance(c, str) else orjson.dumps(c)) for c in chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        (ROLE, chunk(content="a"), chunk(finish="stop"), USAGE, DONE),
        (ROLE, tool(0, "", **NAMED), tool(0, "{}"), tool(1, "{}", **NAMED), chunk(finish="tool_calls"), DONE),
        (ROLE, tool(0, "{", **NAMED), chunk(finish="length"), DONE),
        (FAILED, DONE),
        (ROLE, chunk(content="a"), FAILED, DONE),
    ],
)
def test_chat_stream_is_accepted(chunks: tuple[Event | str, ...]) -> None:
    assert_grammatical(b": keep-alive\n\n" + chat(*chunks), CHAT)


@pytest.mark.parametrize(
    ("chunks", "claim"),
    [
        ((), "ends too early"),
        ((ROLE, chunk(finish="stop")), "ends too early"),
        ((DONE,), "before a finish reason"),
        ((ROLE, DONE), "before a finish reason"),
        ((chunk(content="a"), chunk(finish="stop"), DONE), "role does not come first"),
        ((ROLE, {**chunk(finish="stop"), "id": "d"}, DONE), "two answers"),
        ((ROLE, {**chunk(finish="stop"), "model": "n"}, DONE), "two answers"),
        (({**ROLE, "object": "x"}, DONE), "a different object type"),
        (({**ROLE, "id": ""}, DONE), "without id"),
        ((ROLE, chunk(finish="stop"), chunk(content="a"), DONE), "after the finish reason"),
        ((ROLE, chunk(finish="stop"), chunk(finish="stop"), DONE), "after the finish reason"),
        ((ROLE, USAGE, chunk(finish="stop"), DONE), "usage is not due"),
        ((ROLE, chunk(finish="stop"), USAGE, USAGE, DONE), "usage is not due"),
        ((ROLE, {**ROLE, "choices": []}, DONE), "without usage"),
        ((ROLE, tool(1, "{}", **NAMED), DONE), "call 1 where"),
        ((ROLE, tool(0, "{}"), DONE), "without its names"),
        ((ROLE, tool(0, "{", **NAMED), tool(1, "{}", **NAMED), tool(0, "}"), DONE), "call 0 where 1 is open"),
        ((ROLE, chunk(finish="tool_calls"), DONE), "without a call"),
        ((ROLE, tool(0, "{", **NAMED), chunk(finish="tool_calls"), DONE), "not a JSON object"),
        ((ROLE, FAILED, chunk(finish="stop"), DONE), "after an error"),
        ((ROLE, chunk(finish="stop"), DONE, DONE), "after the end"),
        (({"error": {"message": "m"}}, DONE), "without type or message"),
    ],
)
def test_chat_stream_is_refused(chunks: tuple[Event | str, ...], claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(chat(*chunks), CHAT)


@pytest.mark.parametrize(
    ("dialect", "out", "claim"),
    [
        (ANTHROPIC, WHOLE[:-1], "no blank line"),
        (ANTHROPIC, WHOLE.replace(b"event: ping\n", b""), "event line"),
        (ANTHROPIC, b"data: x\n\n", "not a JSON object"),
        (ANTHROPIC, b"event: ping\n\n", "without data"),
        (CHAT, b"event: x\ndata: {}\n\n", "named event"),
        (CHAT, b"data: [1]\n\n", "not a JSON object"),
    ],
)
def test_broken_frame_is_refused(dialect: DialectName, out: bytes, claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(out, dialect)


@given(cut=st.integers(0, len(WHOLE)))
def test_cut_means_nothing_to_a_monitor(cut: int) -> None:
    monitor = MONITORS[ANTHROPIC]()

    monitor.feed(WHOLE[:cut])
    monitor.feed(WHOLE[cut:])
    monitor.close()

    assert monitor.is_over
