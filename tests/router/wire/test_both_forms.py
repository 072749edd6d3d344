"""An answer says the same as a stream and as a whole reply: fold(decode(sse)) = fold(decode_reply(json))."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import Reply, fold
from router.domain.frame import Frame
from router.wire.anthropic import reply as messages
from router.wire.anthropic.decode_stream import MessagesDecoder
from router.wire.dialect import ReplyOptions
from router.wire.openai_chat import reply as chat
from router.wire.openai_chat.decode_stream import ChatDecoder
from tests.router.wire.drive import minting

OPTIONS = ReplyOptions(model="m", provider="local", thinking="pass")
TEXTS = st.text(alphabet="ab \né😀", max_size=8)
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=4) | st.booleans(), max_size=2)
CALLS = st.lists(st.tuples(st.sampled_from(["Read", "Bash"]), ARGUMENTS), max_size=3)
COUNTS = st.none() | st.tuples(st.integers(1, 99), st.integers(0, 9))


def compact(value: object) -> str:
    return orjson.dumps(value).decode()


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def frames(documents: list[dict[str, Any]]) -> list[Frame]:
    return [Frame(raw=b"", data=orjson.dumps(document)) for document in documents]


@st.composite
def chat_answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw one answer in both forms of the chat dialect."""
    reasoning, text, calls, counts = draw(TEXTS), draw(TEXTS), draw(CALLS), draw(COUNTS)
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    facts: dict[str, Any] = {"id": "1", "created": 7, "model": "m"}
    usage = {"usage": {"prompt_tokens": counts[0], "completion_tokens": counts[1]}} if counts else {}
    functions = [{"name": name, "arguments": compact(arguments)} for name, arguments in calls]
    message = {
        "content": text,
        "reasoning_content": reasoning,
        "tool_calls": [{"id": f"c{at}", "function": function} for at, function in enumerate(functions)],
    }
    whole = {**facts, **usage, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    deltas += [{"reasoning_content": piece} for piece in pieces(draw, reasoning)]
    deltas += [{"content": piece} for piece in pieces(draw, text)]
    for at, function in enumerate(functions):
        deltas.append({"tool_calls": [{"index": at, "id": f"c{at}", "function": {"name": function["name"]}}]})
        told = pieces(draw, function["arguments"])
        deltas += [{"tool_calls": [{"index": at, "function": {"arguments": piece}}]} for piece in told]
    chunks = [{**facts, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return whole, [*chunks, {**facts, "choices": [{"index": 0, "finish_reason": finish}]}, {**facts, "choices": [], **usage}]


@st.composite
def messages_answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw one answer in both forms of the Messages dialect."""
    usage = draw(st.none() | st.fixed_dictionaries({"input_tokens": st.integers(0, 9), "output_tokens": st.integers(0, 9)}))
    stop = {"stop_reason": draw(st.sampled_from(["end_turn", "max_tokens", "tool_use"])), "stop_sequence": None}
    content: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for index, kind in enumerate(draw(st.lists(st.sampled_from(["thinking", "text", "tool_use"]), max_size=5))):
        block, start, deltas = _messages_block(draw, index, kind)
        content.append(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    message = {"id": "msg_1", "model": "m"}
    last = {"type": "message_delta", "delta": stop, "usage": usage}
    return {**message, **stop, "content": content, "usage": usage}, [
        {"type": "message_start", "message": message},
        *events,
        last,
        {"type": "message_stop"},
    ]


def _messages_block(draw: st.DrawFn, index: int, kind: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return a block whole, its start, and its deltas."""
    match kind:
        case "text":
            text = draw(TEXTS)
            told = [{"type": "text_delta", "text": piece} for piece in pieces(draw, text)]
            return {"type": kind, "text": text}, {"type": kind, "text": ""}, told
        case "thinking":
            text = draw(TEXTS)
            told = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(draw, text)]
            told.append({"type": "signature_delta", "signature": "s"})
            return {"type": kind, "thinking": text, "signature": "s"}, {"type": kind, "thinking": ""}, told
        case _:
            arguments = draw(ARGUMENTS)
            start = {"type": kind, "id": f"t{index}", "name": "Read"}
            text = compact(arguments) if arguments else ""
            told = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(draw, text)]
            return {**start, "input": arguments}, {**start, "input": {}}, told


def streamed(decoder: ChatDecoder | MessagesDecoder, documents: list[dict[str, Any]]) -> Reply:
    events = [event for frame in frames(documents) for event in decoder.feed(frame)]
    return fold([*events, *decoder.close()])


@given(answer=chat_answers())
def test_chat_answer_is_the_same_in_both_forms(answer: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    whole, chunks = answer

    assert streamed(ChatDecoder(OPTIONS, minting()), chunks) == fold(chat.decode_reply(whole, OPTIONS, minting()))


@given(answer=messages_answers())
def test_messages_answer_is_the_same_in_both_forms(answer: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    whole, events = answer

    assert streamed(MessagesDecoder(OPTIONS, minting()), events) == fold(messages.decode_reply(whole, OPTIONS, minting()))
