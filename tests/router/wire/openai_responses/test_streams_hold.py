"""Any answer as a stream and as a whole reply of this dialect: grammatical, the same in both forms, and the same when read."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import (
    NeutralEvent,
    Reply,
    SaidCall,
    SaidText,
    SaidThinking,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    fold,
)
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed, StreamBroken
from router.wire.dialect import ReplyOptions
from router.wire.openai_responses.decode_stream import ResponsesDecoder
from router.wire.openai_responses.encode_stream import ResponsesEncoder, keepalive
from router.wire.openai_responses.frames import ResponsesFrameReader
from router.wire.openai_responses.reply import decode_reply, encode_reply, reply_verdict
from router.wire.openai_responses.sealed import openai_signature
from router.wire.sse import SseFramer
from tests.router.wire.drive import RESPONSES, assert_grammatical, client_events, drive, minting
from tests.router.wire.openai_responses.bodies import AGENTS, PATCH, SHELL
from tests.router.wire.openai_responses.streams import HEAD, OPTIONS, USAGE, Event, added, delta, done, ended, frame
from tests.router.wire.test_both_forms import ARGUMENTS, TEXTS, pieces
from tests.router.wire.test_encode_stream import answers

ASKED = {"tools": [PATCH, AGENTS, SHELL, {"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"}]}
NAMES = st.sampled_from(["X", "apply_patch", "agents__spawn", "agents__tell", "local_shell", "shell", "a__b"])


@st.composite
def told(draw: st.DrawFn) -> tuple[list[NeutralEvent], ReplyOptions]:
    """Draw a clean sequence whose calls are of any tool, and what its client asked."""
    events = [evolve(event, name=draw(NAMES)) if isinstance(event, ToolStarted) else event for event in draw(answers())]
    include = draw(st.sampled_from([[], ["reasoning.encrypted_content"]]))
    return events, evolve(OPTIONS, asked={**ASKED, "include": include})


@given(answer=told(), data=st.data())
def test_every_clean_sequence_is_a_grammatical_stream_kept_alive_anywhere(
    answer: tuple[list[NeutralEvent], ReplyOptions], data: st.DataObject
) -> None:
    events, options = answer
    encoder = ResponsesEncoder(options, minting())
    at = data.draw(st.integers(0, len(events) - 1))

    out = [encoder.encode(event) for event in events[:at]]
    out += [keepalive(started=at > 0), encoder.progress()]
    out += [encoder.encode(event) for event in events[at:]]

    assert_grammatical(b"".join(out), RESPONSES)


@given(answer=told(), data=st.data())
def test_stream_that_fails_or_is_cut_anywhere_ends_grammatically(
    answer: tuple[list[NeutralEvent], ReplyOptions], data: st.DataObject
) -> None:
    events, options = answer
    encoder = ResponsesEncoder(options, minting())
    out = b"".join(encoder.encode(event) for event in events[: data.draw(st.integers(0, len(events) - 1))])

    error = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")

    assert_grammatical(out + encoder.failed(error), RESPONSES)


@given(answer=told())
def test_stream_and_whole_reply_say_the_same(answer: tuple[list[NeutralEvent], ReplyOptions]) -> None:
    events, options = answer
    encoder = ResponsesEncoder(options, minting())
    out = b"".join(encoder.encode(event) for event in events)

    assert client_events(out, RESPONSES)[-1]["response"] == encode_reply(events, options, minting())


@given(events=answers())
def test_stream_read_back_says_what_the_sequence_said(events: list[NeutralEvent]) -> None:
    encoder = ResponsesEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) for event in events)
    try:
        again = fold(decoded(out))
    except ProviderFailed:  # which is how an answer ends that says nothing
        assert not any(isinstance(block, SaidText | SaidCall) for block in fold(events).blocks)
        return

    first = fold(events)
    is_refusal = first.reason is StopReason.REFUSAL and not any(isinstance(block, SaidText | SaidCall) for block in first.blocks)
    assert words(again) == ("Themodelrefusedtoanswer." if is_refusal else words(first))
    assert calls(again) == calls(first)


def words(reply: Reply) -> str:
    """Return what is said, without the blanks: those in front of a call are held back and dropped."""
    return "".join("".join(block.text.split()) for block in reply.blocks if isinstance(block, SaidText))


def calls(reply: Reply) -> list[tuple[str, str]]:
    """Return the calls; their ids are minted anew where they have none."""
    return [(block.name, block.json_text) for block in reply.blocks if isinstance(block, SaidCall)]


def decoded(out: bytes, options: ReplyOptions = OPTIONS) -> list[NeutralEvent]:
    framer, decoder = SseFramer(), ResponsesDecoder(options, minting())
    frames = [*framer.feed(out), *framer.close()]
    return [*(event for one in frames for event in decoder.feed(one)), *decoder.close()]


@st.composite
def upstream_answers(draw: st.DrawFn) -> tuple[Event, list[Event]]:
    """Draw one answer of an upstream in both forms."""
    output: list[Event] = []
    events: list[Event] = [{"type": "response.created", "response": HEAD}]
    for index, kind in enumerate(
        draw(st.lists(st.sampled_from(["message", "reasoning", "function", "custom", "hosted"]), max_size=5))
    ):
        item, deltas = _item(draw, index, kind)
        bare = {key: value for key, value in item.items() if key in ("type", "id", "call_id", "name")}
        events += [added(index, **bare), *deltas, done(index, **item)]
        output.append(item)
    status = draw(st.sampled_from(["completed", "incomplete"]))
    facts: Event = {"usage": draw(st.sampled_from([None, USAGE]))}
    if status == "incomplete":
        facts["incomplete_details"] = {"reason": draw(st.sampled_from(["max_output_tokens", "content_filter"]))}
    last = ended(*output, status=status, **facts)
    return last["response"], [*events, last]


def _item(draw: st.DrawFn, index: int, kind: str) -> tuple[Event, list[Event]]:
    item_id = f"i{index}"
    match kind:
        case "message":
            text = draw(TEXTS)
            part = {"type": "output_text", "text": text}
            told = [delta("output_text", item_id, index, piece, content_index=0) for piece in pieces(draw, text)]
            return {"type": kind, "id": item_id, "content": [part]}, told
        case "reasoning":
            summary = [text for text in draw(st.lists(TEXTS, max_size=2)) if text]
            told = [
                delta("reasoning_summary_text", item_id, index, piece, summary_index=n)
                for n, text in enumerate(summary)
                for piece in pieces(draw, text)
            ]
            encrypted = draw(st.sampled_from([None, "gAAA"]))
            parts = [{"type": "summary_text", "text": text} for text in summary]
            return {"type": kind, "id": item_id, "summary": parts, "encrypted_content": encrypted}, told
        case "function":
            text = orjson.dumps(draw(ARGUMENTS)).decode()
            item = {"type": "function_call", "id": item_id, "call_id": f"c{index}", "name": "X", "arguments": text}
            return item, [delta("function_call_arguments", item_id, index, piece) for piece in pieces(draw, text)]
        case "custom":
            text = draw(TEXTS)
            item = {"type": "custom_tool_call", "id": item_id, "call_id": f"c{index}", "name": "P", "input": text}
            return item, [delta("custom_tool_call_input", item_id, index, piece) for piece in pieces(draw, text)]
        case _:
            return {"type": "web_search_call", "id": item_id}, []


@given(answer=upstream_answers())
def test_upstream_answer_is_the_same_in_both_forms(answer: tuple[Event, list[Event]]) -> None:
    whole, events = answer
    decoder = ResponsesDecoder(OPTIONS, minting())

    streamed = [neutral for event in events for neutral in decoder.feed(frame(event))]

    assert fold([*streamed, *decoder.close()]) == fold(decode_reply(whole, OPTIONS, minting()))


@given(answer=upstream_answers(), data=st.data())
def test_upstream_answer_that_loses_events_is_read_without_another_fault_than_its_own(
    answer: tuple[Event, list[Event]], data: st.DataObject
) -> None:
    _, events = answer
    kept = data.draw(st.lists(st.sampled_from(events), max_size=12))
    decoder, reader = ResponsesDecoder(OPTIONS, minting()), ResponsesFrameReader()
    said: list[NeutralEvent] = []
    try:
        for event in kept:
            reader.verdict(frame(event))
            said += decoder.feed(frame(event))
        said += decoder.close()
    except ProviderFailed:
        return

    assert isinstance(said[0], Started)
    assert isinstance(said[-1], Stopped)
    encoder = ResponsesEncoder(OPTIONS, minting())
    assert_grammatical(b"".join(encoder.encode(event) for event in said), RESPONSES)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "item", "id", "output", "delta", "content", "summary", "response", "error", "usage", "status"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        "response.output_text.delta",
        "response.output_item.added",
        "response.output_item.done",
        "response.completed",
        "response.failed",
        "response.function_call_arguments.delta",
        "response.reasoning_summary_text.delta",
        "error",
        "message",
        "function_call",
    ]
)


@given(documents=st.lists(st.tuples(KINDS, ANY_JSON), max_size=6))
def test_any_document_is_an_event_or_a_failure(documents: list[tuple[str, Any]]) -> None:
    decoder, reader = ResponsesDecoder(OPTIONS, minting()), ResponsesFrameReader()
    with suppress(ProviderFailed):
        for kind, document in documents:
            event = (
                {**document, "type": kind} if isinstance(document, dict) else {"type": kind, "delta": document, "item": document}
            )
            one = frame(event)
            reader.verdict(one)
            reader.usage(one)
            decoder.feed(one)
        decoder.close()


@given(body=st.dictionaries(st.sampled_from(["output", "status", "error", "usage", "id", "created_at"]), ANY_JSON))
def test_any_document_is_a_reply_or_a_failure(body: dict[str, Any]) -> None:
    reply_verdict(body)
    with suppress(ProviderFailed):
        decode_reply(body, OPTIONS, minting())


def test_what_openai_encrypted_survives_the_way_to_a_client_of_this_dialect_and_back() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    spoken = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "x"}]}
    events = [{"type": "response.created", "response": HEAD}, done(0, **item), done(1, **spoken), ended(item, spoken)]
    body = b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), orjson.dumps(one)) for one in events)

    driven = drive([body], RESPONSES, RESPONSES, OPTIONS)

    assert driven.outcome == "complete"
    assert client_events(driven.out, RESPONSES)[-1]["response"]["output"][0]["encrypted_content"] == "gAAA"
    assert fold(decoded(driven.out)).blocks[0] == SaidThinking(redacted=openai_signature("gAAA"))


def test_usage_is_the_same_on_the_way_back() -> None:
    usage = Usage(input=5, output=3, cache_read=4, cache_write=1, reasoning=2)
    events: list[NeutralEvent] = [
        Started(id="1", model="m", created=7, usage=usage),
        TextDelta("x"),
        Stopped(reason=StopReason.END),
    ]
    encoder = ResponsesEncoder(OPTIONS, minting())

    assert fold(decoded(b"".join(encoder.encode(event) for event in events))).usage == usage


@pytest.mark.parametrize("text", ["{" * 65_536, "\\" * 65_536, '"' * 65_536, "a" * 65_536])
def test_hostile_arguments_pass_in_linear_time(text: str) -> None:
    events: list[NeutralEvent] = [Started(id="1", model="m", created=7), ToolStarted(slot=0, id="c", name="apply_patch")]
    events += [ToolDelta(0, text), ToolDone(0), Stopped(reason=StopReason.LENGTH)]
    encoder = ResponsesEncoder(evolve(OPTIONS, asked=ASKED), minting())
    begun = time.perf_counter()

    for event in events:
        encoder.encode(event)
    decoder = ResponsesDecoder(OPTIONS, minting())
    for one in (added(0, type="function_call", id="f", call_id="c", name="X"), delta("function_call_arguments", "f", 0, text)):
        decoder.feed(Frame(raw=b"", data=orjson.dumps(one)))

    assert time.perf_counter() - begun < 0.2
