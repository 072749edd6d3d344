"""The edits of every body for a Gemini upstream, encoded here or the client's own bytes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.frame import Frame
from router.domain.request import DialectName
from router.wire.body_edits import DictEditor
from router.wire.gemini.body import append_system, count_reply, finish_body, probe_body
from router.wire.gemini.request import check_request
from router.wire.splice import Splicer
from router.wire.touch import Touches, frame_touch, touch_reply


def test_model_and_stream_are_the_addresss_alone() -> None:
    body = Splicer(b'{"model":"a", "contents":[ ],"stream":true}')
    finish_body(body, model="m", stream=True)
    other = DictEditor({"contents": []})
    finish_body(other, model="m", stream=False)

    assert orjson.loads(body.result()) == {"contents": []}
    assert other.body == {"contents": []}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"systemInstruction": {"parts": [{"text": "x"}]}}),
        ({"systemInstruction": None}, {"systemInstruction": {"parts": [{"text": "x"}]}}),
        ({"systemInstruction": "a"}, {"systemInstruction": "a\n\nx"}),
        (
            {"systemInstruction": {"role": "user", "parts": [{"text": "a"}]}},
            {"systemInstruction": {"role": "user", "parts": [{"text": "a"}, {"text": "x"}]}},
        ),
        (
            {"system_instruction": {}, "systemInstruction": {}},
            {"system_instruction": {}, "systemInstruction": {"parts": [{"text": "x"}]}},
        ),
        (
            {"system_instruction": {"parts": [{"text": "a"}]}},
            {"system_instruction": {"parts": [{"text": "a"}, {"text": "x"}]}},
        ),
    ],
)
def test_an_instruction_is_added_behind_the_clients_own(body: dict[str, Any], expected: dict[str, Any]) -> None:
    editor, spliced = DictEditor(dict(body)), Splicer(orjson.dumps(body))

    append_system(editor, "x")
    append_system(spliced, "x")

    assert editor.body == expected
    assert orjson.loads(spliced.result()) == expected


def test_the_smallest_request_is_one() -> None:
    body = probe_body("m", stream=True)

    check_request(body)
    assert body["generationConfig"] == {"maxOutputTokens": 1}
    assert body.keys() == {"contents", "generationConfig"}


def test_the_count_has_its_own_name() -> None:
    assert count_reply(5) == {"totalTokens": 5}


def test_the_model_that_a_client_asked_for_is_told_under_this_apis_name() -> None:
    touches = Touches(echo_model="asked")
    reply = {"candidates": [], "modelVersion": "gemini-x"}
    data = orjson.dumps(reply)
    touch = frame_touch(DialectName.GEMINI, touches)

    assert touch is not None
    assert touch(Frame(raw=b"data: " + data + b"\n\n", data=data)) == b'data: {"candidates":[],"modelVersion":"asked"}\n\n'
    assert orjson.loads(touch_reply(data, reply, DialectName.GEMINI, touches)) == {"candidates": [], "modelVersion": "asked"}
