"""What is recorded of a request, and that no secret is in it however it was written."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.redact import Redactor
from router.config.schema import CaptureConfig
from router.config.secret import Secret
from router.observers.capture import TOO_LARGE, UNREADABLE, Asked, Capture, Rendering
from tests.builders import ANTHROPIC

CANARY = 'canary-7f"e1\\d2/ünd'  # with what JSON and URLs escape
FOREIGN = "sk-ant-api03-ForeignKey0123456789"  # nobody has configured it
RENDERING = Rendering(redact=Redactor.of([Secret(CANARY)]).redact)
ASKED = Asked(
    request_id="r1",
    dialect=ANTHROPIC,
    path="/v1/messages",
    query="",
    headers={},
    profile="default",
    model="m",
    is_stream=True,
    body=b'{"model":"m"}',
)


def taken(asked: Asked, **rules: Any) -> list[bytes]:  # noqa: ANN401 - keys of the table
    lines: list[bytes] = []
    capture = Capture.of(CaptureConfig(**{"enabled": True, **rules}), lines.append, lambda: 1_700_000_000.0)
    assert capture is not None
    capture.take(asked)
    return lines


def recorded(asked: Asked) -> dict[str, Any]:
    (line,) = taken(asked)
    record: dict[str, Any] = orjson.loads(RENDERING.line(line))
    return record


def said(body: bytes) -> str:
    """Return the whole line of the file, with and without the escapes of its JSON."""
    (line,) = taken(evolve(ASKED, body=body))
    rendered = RENDERING.line(line)
    return rendered.decode() + repr(orjson.loads(rendered))


def test_nothing_is_recorded_unless_it_is_asked_for() -> None:
    assert Capture.of(CaptureConfig(), lambda _line: None, lambda: 0.0) is None


def test_a_record_holds_what_is_needed_to_ask_again() -> None:
    headers = {"anthropic-beta": "x", "authorization": "Bearer abcdefgh", "x-api-key": "k", "cookie": "c", "x-goog-api-key": "g"}

    record = recorded(evolve(ASKED, headers=headers, query="key=AIzaSyA0&beta=true"))

    assert record == {
        "ts": "2023-11-14T22:13:20.000Z",
        "request_id": "r1",
        "dialect": "anthropic",
        "path": "/v1/messages",
        "query": "beta=true",
        "profile": "default",
        "model": "m",
        "stream": True,
        "headers": {"anthropic-beta": "x"},
        "body_bytes": 13,
        "left_out": None,
        "body": {"model": "m"},
    }


def test_only_the_named_profiles_are_recorded() -> None:
    assert taken(ASKED, profiles=("other",)) == []
    assert len(taken(ASKED, profiles=("other", "default"))) == 1


def test_a_body_that_is_too_large_is_noted_and_not_kept() -> None:
    (line,) = taken(evolve(ASKED, body=b'{"a":"' + b"x" * 2000 + b'"}'), max_body_bytes=1024)

    record = orjson.loads(RENDERING.line(line))
    assert (record["left_out"], record["body"], record["body_bytes"]) == (TOO_LARGE, None, 2008)
    assert len(line) < 500


def test_a_name_that_is_no_text_is_not_recorded() -> None:
    assert taken(evolve(ASKED, model="\ud800")) == []


def test_a_body_that_cannot_be_read_is_left_out() -> None:
    record = recorded(evolve(ASKED, body=b"{"))

    assert (record["left_out"], record["body"]) == (UNREADABLE, None)


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


@pytest.mark.parametrize("secret", [CANARY, FOREIGN])
@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(lambda s: {"system": f"use {s} here"}, id="text"),
        pytest.param(lambda s: {"metadata": {s: 1}}, id="key"),
        pytest.param(lambda s: {"a": [[{"b": [s]}]]}, id="deep"),
        pytest.param(lambda s: {"arguments": json.dumps({"token": s})}, id="json in json"),
        pytest.param(lambda s: {"arguments": json.dumps({"inner": json.dumps({"token": s})})}, id="json in json in json"),
        pytest.param(lambda s: {"content": "log: " + json.dumps(json.dumps(s))}, id="a quoted log line"),
        pytest.param(lambda s: {"content": _escaped(s)}, id="escapes of every letter"),
        pytest.param(lambda s: {"content": "x " + s[:6] + _escaped(s[6:9]) + s[9:].replace("\\", "\\\\")}, id="split by escapes"),
        pytest.param(lambda s: {"url": f"http://h/?q={quote(quote(s, safe=''), safe='')}"}, id="percent, twice"),
    ],
)
def test_a_secret_in_the_body_is_in_no_line_of_the_file(secret: str, hide: Any) -> None:  # noqa: ANN401 - a function of a text
    written = said(json.dumps(hide(secret)).encode())

    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert _escaped(secret)[:30] not in written
    assert "***" in written


def test_escapes_of_the_body_itself_hide_nothing() -> None:
    body = b'{"system":"' + _escaped(CANARY).encode() + b'"}'

    assert recorded(evolve(ASKED, body=body))["body"] == {"system": "***"}


def test_a_secret_in_a_kept_header_the_path_or_the_model_is_taken_out() -> None:
    asked = evolve(ASKED, headers={"user-agent": f"me {CANARY}"}, path=f"/v1beta/models/{FOREIGN}:x", model=CANARY)

    record = recorded(asked)

    assert (record["headers"], record["path"], record["model"]) == ({"user-agent": "me ***"}, "/v1beta/models/***:x", "***")


def test_what_is_no_secret_stays_as_it_was_escapes_included() -> None:
    body = {"arguments": '{"path": "C:\\\\x\\u00e9", "n": 1}', "content": "50%25 \\n of it", "n": [1, 2.5, None, True]}

    assert recorded(evolve(ASKED, body=orjson.dumps(body)))["body"] == body


TEXTS = st.text(st.characters(codec="utf-8")) | st.text(alphabet='\\"u0dD8%{}[]:,sk-') | st.just(CANARY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_any_body_becomes_one_line_of_json_without_the_secret(body: dict[str, Any]) -> None:
    (line,) = taken(evolve(ASKED, body=orjson.dumps(body)))

    rendered = RENDERING.line(line)

    assert b"\n" not in rendered
    assert orjson.loads(rendered)["request_id"] == "r1"
    assert CANARY not in repr(orjson.loads(rendered)["body"])
    assert json.dumps(CANARY, ensure_ascii=False)[1:-1] not in rendered.decode()


@pytest.mark.parametrize("piece", ["\\", "\\u005c", "%25", '{"a":', "\\\\n", "%", "a"])
def test_hostile_text_is_cleaned_in_time(piece: str) -> None:
    (line,) = taken(evolve(ASKED, body=orjson.dumps({"a": piece * (65_536 // len(piece))})))
    began = time.process_time()

    RENDERING.line(line)

    assert time.process_time() - began < 0.1
