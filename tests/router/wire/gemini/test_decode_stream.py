"""What a Gemini upstream sends, in chunks or whole, read as events."""

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
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import ReplyOptions
from router.wire.gemini.decode_stream import GeminiDecoder
from router.wire.gemini.reply import decode_reply
from tests.router.wire.drive import minting

OPTIONS = ReplyOptions(model="m", provider="local", thinking="convert")
FACTS = {"modelVersion": "gemini-x", "responseId": "r"}


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: object) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **FACTS, **more}


def call(name: str = "f", **more: object) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"a": 1}, **more}}


def decoded(*chunks: dict[str, Any], options: ReplyOptions = OPTIONS) -> list[NeutralEvent]:
    decoder = GeminiDecoder(options, minting())
    events = [event for told in chunks for event in decoder.feed(Frame(raw=b"", data=orjson.dumps(told)))]
    return [*events, *decoder.close()]


def test_thoughts_text_and_calls_come_in_their_order() -> None:
    counts = {"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 3}

    events = decoded(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "Hel"}, {"text": "lo"}),
        chunk({**call(id="c1"), "thoughtSignature": "c2ln"}, call("g")),
        chunk({"text": ""}, finish="STOP", usageMetadata=counts),
    )

    started, *between, stopped = events
    assert started == Started(id="r", model="gemini-x", created=1_763_800_000)
    assert [event for event in between if not isinstance(event, ThinkingSigned)] == [
        ThinkingDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolStarted(slot=0, id="c1", name="f", signature="c2ln"),
        ToolDelta(0, '{"a":1}'),
        ToolDone(0),
        ToolStarted(slot=1, id="call_1", name="g"),
        ToolDelta(1, '{"a":1}'),
        ToolDone(1),
        UsageSeen(Usage(input=6, output=8, cache_read=4, reasoning=3)),
    ]
    assert stopped == Stopped(reason=StopReason.TOOL_USE)


def test_thoughts_are_not_told_to_a_client_that_did_not_ask() -> None:
    options = ReplyOptions(model="m")

    reply = fold(decoded(chunk({"text": "hm", "thought": True}), chunk({"text": "a"}, finish="STOP"), options=options))

    assert reply.blocks == (SaidText(text="a"),)
    assert reply.usage == Usage(output=1, estimated=True)


def test_tool_names_that_were_changed_are_the_clients_again() -> None:
    options = ReplyOptions(model="m", tool_names={"_3d": "3d"})

    (block,) = fold(decoded(chunk(call("_3d"), finish="STOP"), options=options)).blocks

    assert isinstance(block, SaidCall)
    assert block.name == "3d"


def test_what_its_vendor_ran_is_text() -> None:
    parts = ({"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"output": "1"}})

    (block,) = fold(decoded(chunk(*parts, finish="STOP"))).blocks

    assert block == SaidText(text="\n```python\n1\n```\n\n```\n1\n```\n")


def test_an_image_that_the_model_made_is_named() -> None:
    (block,) = fold(decoded(chunk({"inlineData": {"mimeType": "image/png", "data": "QUJD"}}, finish="STOP"))).blocks

    assert block == SaidText(text="[image/png omitted: the client's API has no place for it]")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", StopReason.END),
        ("MAX_TOKENS", StopReason.LENGTH),
        *[
            (word, StopReason.CONTENT_FILTER)
            for word in (
                "SAFETY",
                "RECITATION",
                "LANGUAGE",
                "BLOCKLIST",
                "PROHIBITED_CONTENT",
                "SPII",
                "IMAGE_OTHER",
                "MODEL_ARMOR",
            )
        ],
        ("CONTINUATION", StopReason.PAUSE),
        ("OTHER", StopReason.UNKNOWN),
        ("SOMETHING_NEW", StopReason.UNKNOWN),
        ("MALFORMED_FUNCTION_CALL", StopReason.UNKNOWN),
    ],
)
def test_finish_reasons(finish: str, reason: StopReason) -> None:
    assert fold(decoded(chunk({"text": "a"}, finish=finish))).reason is reason


@pytest.mark.parametrize(
    "finish",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"],
)
@pytest.mark.parametrize("parts", [(), ({"text": "hm", "thought": True},), ({"text": "\n"},)])
def test_an_answer_that_says_nothing_and_ends_with_a_fault_has_failed(finish: str, parts: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ProviderFailed) as raised:
        decoded(chunk(*parts, finish=finish))

    assert raised.value.reason is FailureReason.BAD_RESPONSE
    assert raised.value.transient


def test_a_refused_prompt_is_a_filtered_answer() -> None:
    reply = fold(decoded({"promptFeedback": {"blockReason": "SAFETY"}, **FACTS}))

    assert (reply.blocks, reply.reason) == ((), StopReason.CONTENT_FILTER)


def test_a_finish_reason_on_every_chunk_ends_nothing() -> None:
    reply = fold(decoded(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, finish="STOP")))

    assert reply.blocks == (SaidText(text="ab"),)


def test_only_the_first_candidate_is_read() -> None:
    second = {"content": {"parts": [{"text": "x"}]}, "index": 1}

    reply = fold(
        decoded(
            {**chunk({"text": "a"}, finish="STOP"), "candidates": [second, chunk({"text": "a"}, finish="STOP")["candidates"][0]]}
        )
    )

    assert reply.blocks == (SaidText(text="a"),)


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([{"candidates": []}], FailureReason.EMPTY_STREAM),
        ([chunk({"text": "a"})], FailureReason.STREAM_TRUNCATED),
        ([chunk({"functionCall": {"args": {"a": 1}}}, finish="STOP")], FailureReason.BAD_RESPONSE),
        ([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}], FailureReason.RATE_LIMIT),
        ([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}], FailureReason.OVERLOADED),
    ],
)
def test_what_is_no_answer_is_a_failure(chunks: list[dict[str, Any]], reason: FailureReason) -> None:
    with pytest.raises(ProviderFailed) as raised:
        decoded(*chunks)

    assert raised.value.reason is reason


def test_bad_frames_are_skipped_until_there_are_too_many_in_a_row() -> None:
    decoder = GeminiDecoder(OPTIONS, minting())
    bad = Frame(raw=b"", data=b"x")

    for _ in range(8):
        assert decoder.feed(bad) == ()
    decoder.feed(Frame(raw=b"", data=orjson.dumps(chunk({"text": "a"}))))
    assert decoder.feed(Frame(raw=b"", data=b"[DONE]")) == ()
    for _ in range(8):
        decoder.feed(bad)
    with pytest.raises(ProviderFailed):
        decoder.feed(bad)


PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"text": text}, st.text(max_size=4)),
        st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=4)),
        st.builds(lambda name: {**call(name), "thoughtSignature": "s"}, st.sampled_from("fg")),
    ),
    max_size=5,
)


@given(
    parts=PARTS,
    finish=st.sampled_from(["STOP", "MAX_TOKENS", "OTHER", "SAFETY"]),
    usage=st.sampled_from([{}, {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}}]),
)
def test_an_answer_is_the_same_in_both_forms(parts: list[dict[str, Any]], finish: str, usage: dict[str, Any]) -> None:
    whole = chunk(*parts, finish=finish, **usage)

    streamed = decoded(*[chunk(part) for part in parts], chunk({"text": ""}, finish=finish, **usage))

    assert fold(streamed) == fold(decode_reply(whole, OPTIONS, minting()))


def test_a_whole_reply_without_candidates_is_none() -> None:
    with pytest.raises(ProviderFailed):
        decode_reply({"usageMetadata": {"promptTokenCount": 1}}, OPTIONS, minting())


def test_late_thoughts_are_kept() -> None:
    reply = fold(decoded(chunk({"text": "a"}), chunk({"text": "hm", "thought": True}), chunk(call(), finish="STOP")))

    assert [type(block) for block in reply.blocks] == [SaidText, SaidThinking, SaidCall]
