from __future__ import annotations

import pytest

from router.wire.error_body import MAX_TEXT_CHARS, read_error

SHAPES = [
    (b'{"error":{"message":"no","type":"invalid_request_error","code":"x"}}', "no"),
    (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}', "Overloaded"),
    (b'{"error":"model \\"x\\" not found"}', 'model "x" not found'),
    (b'{"object":"error","message":"bad","type":"BadRequestError","code":400}', "bad"),
    (b'{"detail":"Not Found"}', "Not Found"),
    (b'{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}', "Field required"),
    (b'{"detail":{"error":"tool_loop","message":"stop"}}', "tool_loop"),
    (b'[{"error":{"code":400,"message":"gemini says no","status":"INVALID_ARGUMENT"}}]', "gemini says no"),
    (b'{"errors":[{"message":"one"},{"message":"two"}]}', "one: two"),
    (b'{"message":"flat"}', "flat"),
    (b'"a bare string"', "a bare string"),
    (b"Bad gateway", "Bad gateway"),
    (b"<html><head><title>502 Bad &amp; Gateway</title></head><body>x</body></html>", "502 Bad & Gateway"),
    (b'{"error":{"message":"cut in the mid', "cut in the mid"),
    (b"", ""),
    (b"\xff\xfe", "\ufffd\ufffd"),
    (b"null", ""),
    (b"[]", ""),
    (b"42", ""),
]


@pytest.mark.parametrize(("body", "text"), SHAPES)
def test_the_message_is_found_in_every_shape(body: bytes, text: str) -> None:
    assert read_error(body).text == text


def test_a_vendors_error_inside_a_routers_is_read_too() -> None:
    raw = '{\\"error\\":{\\"message\\":\\"prompt is too long\\",\\"type\\":\\"invalid_request_error\\"}}'
    body = f'{{"error":{{"message":"Provider returned error","code":400,"metadata":{{"raw":"{raw}"}}}}}}'.encode()

    error = read_error(body)

    assert error.text == "Provider returned error: prompt is too long"
    assert error.words == {"400", "invalid_request_error"}


def test_code_and_type_are_read_in_lower_case() -> None:
    assert read_error(b'{"error":{"type":"BadRequestError","code":"Context_Length_Exceeded"}}').words == {
        "badrequesterror",
        "context_length_exceeded",
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"error":{"message":"m","param":"stream_options"}}', "stream_options"),
        (b'{"error":{"message":"m","param":null}}', None),
        (b'{"detail":[{"msg":"m","loc":["body","tools",0,"x"]}]}', "tools.0.x"),
    ],
)
def test_the_named_field_is_a_path(body: bytes, param: str | None) -> None:
    assert read_error(body).param == param


def test_a_hostile_body_is_bounded_in_depth_and_length() -> None:
    nested = b'{"error":' * 300 + b'"deep"' + b"}" * 300

    assert len(read_error(b'{"error":"' + b"x" * 100_000 + b'"}').text) == MAX_TEXT_CHARS
    assert "deep" not in read_error(nested).text


@pytest.mark.parametrize("where", [b"%b", b'{"error": %b}', b'{"code": %b}', b'{"status": %b, "loc": [%b]}'])
def test_no_nesting_is_too_deep_to_be_read(where: bytes) -> None:
    nested = b"[" * 900 + b"]" * 900

    assert read_error(where.replace(b"%b", nested)).text == ""
