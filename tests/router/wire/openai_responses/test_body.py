"""What a provider's settings change in a Responses body: the same in an encoded body and in the client's bytes (wire.md 10.3)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.wire.body_edits import BodyEditor
from router.wire.openai_responses.body import append_system, count_reply, finish_body, probe_body
from router.wire.openai_responses.request import decode_request
from router.wire.splice import Splicer
from tests.router.wire.openai_responses.bodies import ASKED
from tests.router.wire.test_body_edits import edited

TOLD = {"role": "developer", "content": "a"}
NEW = {"type": "message", "role": "developer", "content": "new"}
ENCRYPTED = "reasoning.encrypted_content"


def finished(body: dict[str, Any], *, stream: bool = True) -> dict[str, Any]:
    return edited(body, lambda editor: finish_body(editor, model="up", stream=stream))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "m"}, {"model": "up", "stream": True, "store": False, "include": [ENCRYPTED]}),
        ({"store": True, "include": ["x"]}, {"model": "up", "stream": True, "store": False, "include": ["x", ENCRYPTED]}),
        ({"stream": True, "stream_options": {"a": 1}, "store": False, "include": [ENCRYPTED]}, None),
    ],
)
def test_nothing_is_stored_and_the_reasoning_comes_with_the_answer(body: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert finished(body) == (expected or {**body, "model": "up"})


def test_a_whole_answer_has_no_stream_options() -> None:
    body = {"stream": True, "stream_options": {"include_obfuscation": False}, "store": False}

    assert finished(body, stream=False) == {"model": "up", "stream": False, "store": False, "include": [ENCRYPTED]}


def test_a_body_that_says_it_all_keeps_its_bytes() -> None:
    body = b'{"model": "up", "stream" :true,"store":false,"include": ["reasoning.encrypted_content"],"input":"x"}'
    splicer = Splicer(body)

    finish_body(splicer, model="up", stream=True)

    assert orjson.loads(splicer.result()) == orjson.loads(body)
    assert b'"include": ["reasoning.encrypted_content"],"input":"x"}' in splicer.result()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": "x"}, {"input": "x", "instructions": "new"}),
        ({"input": [ASKED]}, {"input": [ASKED], "instructions": "new"}),
        ({"instructions": "old", "input": [TOLD]}, {"instructions": "old\nnew", "input": [TOLD]}),
        ({"input": [TOLD, TOLD, ASKED, TOLD]}, {"input": [TOLD, TOLD, NEW, ASKED, TOLD]}),
        ({"input": [TOLD]}, {"input": [TOLD, NEW]}),
    ],
)
def test_an_instruction_stands_behind_the_clients_own(body: dict[str, Any], expected: dict[str, Any]) -> None:
    def edit(editor: BodyEditor) -> None:
        append_system(editor, "new")

    assert edited(body, edit) == expected


def test_a_probe_is_a_request_that_its_dialect_reads() -> None:
    request = decode_request(probe_body("m", stream=True))

    assert (request.model, request.max_tokens, request.stream, len(request.messages)) == ("m", 16, True, 1)


def test_a_count_is_told_in_the_apis_own_object() -> None:
    assert count_reply(7) == {"object": "response.input_tokens", "input_tokens": 7}
