"""The monitor refuses what a Gemini client would stumble over. What it accepts is every stream test's business."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.gemini.grammar import GeminiMonitor
from router.wire.grammar import GrammarViolation
from tests.router.wire.drive import GEMINI, assert_grammatical
from tests.router.wire.gemini.test_decode_stream import call, chunk

COUNTS: dict[str, Any] = {"usageMetadata": {"promptTokenCount": 1}}
LAST = chunk({"text": ""}, finish="STOP", **COUNTS)
ERROR: dict[str, Any] = {"error": {"code": 502, "message": "m", "status": "UNAVAILABLE"}}
WHOLE = (chunk({"text": 'a "]}, ü'}), chunk(call()), LAST)


def events(*chunks: object) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(told) for told in chunks)


def array(*chunks: object) -> bytes:
    return b"[%b]\n" % b",\r\n".join(map(orjson.dumps, chunks))


@pytest.mark.parametrize("form", [events, array])
@pytest.mark.parametrize(
    "chunks",
    [
        WHOLE,
        (LAST,),
        (ERROR,),
        (chunk({"text": "a"}), ERROR),
        (chunk({"text": "hm", "thought": True}), LAST),
        ({**COUNTS, "modelVersion": "gemini-x", "responseId": "r"}, LAST),
    ],
)
def test_a_stream_is_accepted(form: Any, chunks: tuple[Any, ...]) -> None:  # noqa: ANN401 - a function
    assert_grammatical(form(*chunks), GEMINI)


BROKEN: list[tuple[tuple[Any, ...], str]] = [
    ((chunk({"text": "a"}),), "ends too early"),
    ((LAST, LAST), "after the end"),
    ((ERROR, LAST), "after the end"),
    ((chunk({"text": ""}, finish="STOP"),), "has no usage"),
    ((chunk(finish="STOP", **COUNTS),), "without parts"),
    (({**LAST, "responseId": ""},), "without model or id"),
    (({**LAST, "modelVersion": None},), "without model or id"),
    ((chunk({"text": "a"}), {**LAST, "responseId": "s"}), "two answers"),
    (({**LAST, "candidates": LAST["candidates"] * 2},), "not one candidate"),
    (({**LAST, "candidates": [{"index": 1}]},), "another candidate"),
    (({**LAST, "candidates": [{"index": 0, "content": {"role": "user", "parts": [{"text": ""}]}}]},), "not the model's"),
    ((chunk({"thought": True}), LAST), "an empty part"),
    ((chunk({"text": 5}), LAST), "a text that is not a string"),
    ((chunk(call("")), LAST), "without name"),
    ((chunk({"functionCall": {"name": "f", "args": "{}"}}), LAST), "arguments are not an object"),
    ((chunk({"text": "a"}, finish=5, **COUNTS),), "not a word"),  # type: ignore[arg-type] # what must not be sent
    (({"modelVersion": "m", "responseId": "r"}, LAST), "without candidates and without usage"),
    (({"error": {"code": "502", "message": "m", "status": "s"}},), "without code"),
]


@pytest.mark.parametrize("form", [events, array])
@pytest.mark.parametrize(("chunks", "claim"), BROKEN)
def test_a_stream_is_refused(form: Any, chunks: tuple[Any, ...], claim: str) -> None:  # noqa: ANN401 - a function
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(form(*chunks), GEMINI)


@pytest.mark.parametrize(
    ("out", "claim"),
    [
        (b"", "ends too early"),
        (events(LAST)[:-1], "no blank line"),
        (b"event: x\n" + events(LAST), "named event"),
        (b"data: []\n\n", "not a JSON object"),
        (b": keep-alive\n\n" + events(LAST), "a comment"),
        (array(LAST)[:-2], "not closed"),
        (b"[]", "ends too early"),
        (b"[" + orjson.dumps(LAST) + orjson.dumps(LAST) + b"]", "a mark other than ,]"),
        (b"[5]", "a mark other than {]"),
        (b"[,]", "a mark other than {]"),
        (array(LAST)[:-2] + b",]", "a mark other than {"),
        (array(LAST) + b"x", "after the array"),
    ],
)
def test_broken_bytes_are_refused(out: bytes, claim: str) -> None:
    with pytest.raises(GrammarViolation, match=claim):
        assert_grammatical(out, GEMINI)


@pytest.mark.parametrize("out", [events(*WHOLE), array(*WHOLE)], ids=["events", "array"])
@given(data=st.data())
def test_a_cut_means_nothing(out: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(out)), max_size=5)))
    monitor = GeminiMonitor()

    for start, end in zip([0, *cuts], [*cuts, len(out)], strict=True):
        monitor.feed(out[start:end])
    monitor.close()

    assert monitor.is_over
