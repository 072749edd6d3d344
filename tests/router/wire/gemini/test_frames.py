"""Verdicts over raw Gemini frames and whole replies."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.errors import FailureReason
from router.wire.dialect import InbandError, Verdict
from router.wire.gemini.frames import GeminiFrameReader
from router.wire.gemini.reply import reply_stop, reply_usage, reply_verdict
from tests.router.wire.gemini.test_decode_stream import call, chunk

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["candidates", "content", "parts", "text", "functionCall", "usageMetadata", "error", "finishReason", "index"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=14,
)


def frame(document: object) -> Frame:
    data = orjson.dumps(document)
    return Frame(raw=b"data: " + data + b"\n\n", data=data)


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (chunk({"text": "a"}), Verdict.CONTENT),
        (chunk(call()), Verdict.CONTENT),
        (chunk({"executableCode": {"code": "1"}}), Verdict.CONTENT),
        (chunk({"text": "a"}, finish="STOP"), Verdict.CONTENT),
        (chunk({"text": "hm", "thought": True}), Verdict.THINKING),
        (chunk({"text": "hm", "thought": True}, {"text": "a"}), Verdict.CONTENT),
        (chunk({"text": "\n"}), Verdict.NEUTRAL),
        (chunk(), Verdict.NEUTRAL),
        ({"candidates": [{"index": 1, "content": {"parts": [{"text": "a"}]}}]}, Verdict.NEUTRAL),
        ({"usageMetadata": {"promptTokenCount": 1}}, Verdict.NEUTRAL),
        (chunk({"text": ""}, finish="STOP"), Verdict.TERMINAL),
        ({"candidates": [{"finishReason": "SAFETY"}]}, Verdict.TERMINAL),
        ({"promptFeedback": {"blockReason": "OTHER"}}, Verdict.TERMINAL),
        (chunk(finish="MALFORMED_FUNCTION_CALL"), Verdict.ERROR),
        (chunk({"text": "a"}, finish="MALFORMED_FUNCTION_CALL"), Verdict.CONTENT),
        ({"error": {"code": 500, "message": "x", "status": "INTERNAL"}}, Verdict.ERROR),
        ([], Verdict.MALFORMED),
    ],
)
def test_a_frame_means(document: object, verdict: Verdict) -> None:
    assert GeminiFrameReader().verdict(frame(document)) is verdict


def test_a_comment_and_the_end_that_proxies_add_say_nothing() -> None:
    reader = GeminiFrameReader()

    assert reader.verdict(Frame(raw=b": x\n\n", data=b"")) is Verdict.NEUTRAL
    assert reader.verdict(Frame(raw=b"data: [DONE]\n\n", data=b"[DONE]")) is Verdict.NEUTRAL
    assert not reader.has_ended


def test_a_fault_behind_what_was_said_is_an_end() -> None:
    reader = GeminiFrameReader()

    assert reader.verdict(frame(chunk({"text": "a"}))) is Verdict.CONTENT
    assert reader.verdict(frame(chunk(finish="MALFORMED_FUNCTION_CALL"))) is Verdict.TERMINAL
    assert (reader.has_ended, reader.stop) == (True, StopReason.UNKNOWN)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (chunk(finish="MALFORMED_FUNCTION_CALL"), FailureReason.BAD_RESPONSE),
        ({"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}}, FailureReason.RATE_LIMIT),
    ],
)
def test_the_error_of_a_frame_is_classified(document: object, reason: FailureReason) -> None:
    reader = GeminiFrameReader()
    broken = frame(document)

    assert reader.verdict(broken) is Verdict.ERROR
    assert reader.error(broken).reason is reason


def test_no_frame_is_the_last() -> None:
    reader = GeminiFrameReader()
    last = frame(chunk({"text": ""}, finish="STOP"))

    reader.verdict(last)

    assert not reader.is_last(last)
    assert (reader.has_ended, reader.stop) == (True, StopReason.END)


def test_characters_and_usage() -> None:
    reader = GeminiFrameReader()
    told = frame(
        chunk(
            {"text": "abc"},
            {"text": "d", "thought": True},
            call(),
            usageMetadata={"promptTokenCount": 3, "toolUsePromptTokenCount": 2},
        )
    )

    assert reader.chars(told) == len('abcd{"a":1}')
    assert reader.usage(told) == Usage(input=5)
    assert reader.usage(frame(chunk({"text": "a"}))) is None
    assert reader.usage(frame({"usageMetadata": {"promptTokenCount": 0}})) is None


@pytest.mark.parametrize(
    ("body", "verdict", "stop"),
    [
        (chunk({"text": "a"}, finish="MAX_TOKENS"), Verdict.CONTENT, StopReason.LENGTH),
        (chunk({"text": "hm", "thought": True}, finish="STOP"), Verdict.THINKING, StopReason.END),
        (chunk(finish="STOP"), Verdict.NEUTRAL, StopReason.END),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, Verdict.NEUTRAL, StopReason.CONTENT_FILTER),
        ({"usageMetadata": {}}, Verdict.MALFORMED, None),
        ({"candidates": "x"}, Verdict.MALFORMED, None),
    ],
)
def test_a_whole_reply_is_judged(body: dict[str, Any], verdict: Verdict, stop: StopReason | None) -> None:
    assert (reply_verdict(body), reply_stop(body)) == (verdict, stop)


def test_a_whole_reply_with_a_fault_is_an_error_where_nothing_was_said() -> None:
    assert isinstance(reply_verdict(chunk(finish="MALFORMED_RESPONSE")), InbandError)
    assert reply_verdict(chunk({"text": "a"}, finish="MALFORMED_RESPONSE")) is Verdict.CONTENT
    assert isinstance(reply_verdict({"error": {"code": 400, "message": "x"}}), InbandError)


def test_the_usage_of_a_whole_reply() -> None:
    assert reply_usage(chunk(usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2})) == Usage(input=3, output=2)


@given(document=JSON)
def test_any_document_has_a_verdict(document: object) -> None:
    reader, told = GeminiFrameReader(), frame(document)

    reader.verdict(told)
    reader.chars(told)
    reader.usage(told)
    if isinstance(document, dict):
        reply_verdict(document)
        reply_stop(document)
