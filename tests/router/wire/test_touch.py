"""Edits on frames and whole replies of a same-dialect relay: only what is named changes, whatever an upstream sends."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.frame import Frame
from router.domain.request import DialectName
from router.wire.touch import Touches, frame_touch, touch_reply
from tests.builders import PLAIN

EVERYTHING = Touches(strip_reasoning=True, drop_usage=True, echo_model="asked")
STRIP = Touches(strip_reasoning=True)

_SAID: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"reasoning": st.sampled_from(["hm", None, 0]), "content": st.sampled_from(["a", "", None, []])}
)
_JUNK: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], {}, [[]], [None], [{}]])
_CHOICES = st.lists(
    _JUNK | st.fixed_dictionaries({}, optional={"delta": _SAID | _JUNK, "message": _SAID | _JUNK, "finish_reason": _JUNK}),
    max_size=2,
)
_DOCUMENTS = st.fixed_dictionaries(
    {"model": st.just("up") | _JUNK},
    optional={
        "choices": _CHOICES | _JUNK,
        "usage": _JUNK,
        "message": st.fixed_dictionaries({}, optional={"model": st.just("up") | _JUNK}) | _JUNK,
    },
)
_TOUCHES = st.builds(Touches, strip_reasoning=st.booleans(), drop_usage=st.booleans(), echo_model=st.just("asked"))


def frame(document: object) -> Frame:
    data = orjson.dumps(document)
    return Frame(raw=b"data: " + data + b"\n\n", data=data)


def touched(document: object, touches: Touches, dialect: DialectName = DialectName.OPENAI_CHAT) -> bytes:
    touch = frame_touch(dialect, touches)
    assert touch is not None
    return touch(frame(document))


def chunk(delta: object, **more: object) -> dict[str, Any]:
    return {"model": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}


def test_a_line_of_ollama_stays_a_line() -> None:
    line = orjson.dumps({"model": "up", "message": {"content": "a"}})
    touch = frame_touch(DialectName.OLLAMA, Touches(echo_model="asked"))
    assert touch is not None

    assert touch(Frame(raw=line + b"\n", data=line)) == b'{"model":"asked","message":{"content":"a"}}\n'


@given(_DOCUMENTS, st.sampled_from(PLAIN), _TOUCHES)
def test_no_document_of_an_upstream_breaks_an_edit(document: dict[str, Any], dialect: DialectName, touches: Touches) -> None:
    touch = frame_touch(dialect, touches)

    out = frame(document).raw if touch is None else touch(frame(document))

    assert isinstance(orjson.loads(out.removeprefix(b"data: ") or b"{}"), dict)
    assert isinstance(orjson.loads(touch_reply(orjson.dumps(document), document, dialect, touches)), dict)


@pytest.mark.parametrize("choices", [None, "x", {}, [None], []])
def test_a_chunk_without_proper_choices_keeps_its_place_in_the_stream(choices: object) -> None:
    out = touched({"model": "up", "choices": choices}, EVERYTHING)

    assert orjson.loads(out.removeprefix(b"data: ")) == {"model": "asked", "choices": choices}


def test_a_chunk_without_choices_keeps_its_place_in_the_stream() -> None:
    assert orjson.loads(touched({"model": "up"}, EVERYTHING).removeprefix(b"data: ")) == {"model": "asked"}


def test_an_empty_delta_that_held_no_reasoning_stays() -> None:
    assert touched(chunk({}), EVERYTHING) != b""


def test_a_chunk_of_reasoning_alone_is_left_out() -> None:
    assert touched(chunk({"reasoning_content": "hm"}), STRIP) == b""


def test_reasoning_that_strict_json_refuses_is_left_out_all_the_same() -> None:
    data = rb'{"choices":[{"index":0,"delta":{"reasoning_content":"hm \ud83d"},"finish_reason":null}]}'
    touch = frame_touch(DialectName.OPENAI_CHAT, STRIP)
    assert touch is not None

    assert touch(Frame(raw=b"data: " + data + b"\n\n", data=data)) == b""


@pytest.mark.parametrize(
    "document",
    [
        chunk({"reasoning": "hm", "content": "yes"}),
        chunk({"reasoning": "hm"}, usage={"prompt_tokens": 1}),
        {"choices": [{"delta": {"reasoning": "hm"}, "finish_reason": "stop"}]},
    ],
)
def test_a_chunk_that_says_more_than_reasoning_loses_only_that(document: dict[str, Any]) -> None:
    out = touched(document, STRIP)

    assert out
    assert b"hm" not in out


def test_the_usage_chunk_that_nobody_asked_for_is_left_out() -> None:
    touches = Touches(drop_usage=True)

    assert touched({"choices": [], "usage": {"prompt_tokens": 1}}, touches) == b""
    assert touched(chunk({"content": "a"}, usage={"prompt_tokens": 1}), touches) != b""


def test_frames_without_the_pattern_pass_as_they_are() -> None:
    document = {"choices": [{"delta": {"content": "a"}}]}

    assert touched(document, STRIP) == frame(document).raw


def test_the_model_of_a_messages_stream_is_in_its_message() -> None:
    out = touched({"type": "message_start", "message": {"model": "up"}}, EVERYTHING, DialectName.ANTHROPIC)

    assert b'"model":"asked"' in out


def test_a_whole_reply_loses_its_reasoning() -> None:
    document = {"choices": [{"message": {"content": "a", "reasoning": "hm"}}]}

    out = touch_reply(orjson.dumps(document), document, DialectName.OPENAI_CHAT, STRIP)

    assert orjson.loads(out) == {"choices": [{"message": {"content": "a"}}]}


def test_a_whole_reply_without_anything_to_edit_keeps_its_bytes() -> None:
    body = b'{ "choices": [] }'

    assert touch_reply(body, orjson.loads(body), DialectName.OPENAI_CHAT, EVERYTHING) is body


@pytest.mark.parametrize(("delta", "told"), [({"reasoning": "hm", "content": "x"}, 1), ({"content": '"reasoning'}, 0)])
def test_reasoning_that_was_taken_out_is_told(delta: dict[str, str], told: int) -> None:
    strips: list[None] = []
    touch = frame_touch(DialectName.OPENAI_CHAT, STRIP, lambda: strips.append(None))
    assert touch is not None

    touch(frame(chunk(delta)))

    assert len(strips) == told


@pytest.mark.parametrize(
    ("dialect", "holder"),
    [(DialectName.OPENAI_CHAT, None), (DialectName.ANTHROPIC, "message"), (DialectName.OPENAI_RESPONSES, "response")],
)
def test_the_model_is_renamed_where_the_dialects_opening_event_names_it(dialect: DialectName, holder: str | None) -> None:
    named = {"id": "x", "model": "up"}
    touch = frame_touch(dialect, Touches(echo_model="asked"))
    assert touch is not None

    out = touch(frame(named if holder is None else {"type": "t", holder: named}))

    assert b'"model":"asked"' in out
