"""JSON in frames: what is mended on the way in, what is escaped on the way out."""

from __future__ import annotations

import pytest

from router.wire.json_text import json_line, parse_object, parse_whole


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb'{"a":"\ud83d\ude00"}', "😀"),
        (rb'{"a":"\ud83d"}', "\ufffd"),
        (rb'{"a":"x\ude00y"}', "x\ufffdy"),
        (b'{"a":"\xff"}', "\ufffd"),
        (b'{"a":"\\\\ud83d\xff"}', "\\ud83d\ufffd"),
    ],
)
def test_broken_characters_read_as_replacement(data: bytes, text: str) -> None:
    assert parse_object(data) == {"a": text}


@pytest.mark.parametrize("data", [b"", b"[1]", b"null", b'{"a":NaN}', b'{"a":', b"[DONE]", b"[" * 100_000])
def test_anything_but_an_object_is_none(data: bytes) -> None:
    assert parse_object(data) is None


@pytest.mark.parametrize(("depth", "is_read"), [(127, True), (200, False), (1000, False)])
def test_an_object_too_deep_to_be_written_again_is_none(depth: int, is_read: bool) -> None:  # noqa: FBT001 - a case
    data = b'{"a":' + b"[" * depth + b"]" * depth + b"}"

    assert (parse_object(data) is not None) is is_read


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert parse_object(b'{"a":[' + b"[]," * 500 + b'"' + b"[" * 300 + b'"]}') is not None


def test_line_and_paragraph_separators_are_escaped() -> None:
    assert json_line("\u2028\u2013\u2029") == b'"\\u2028\xe2\x80\x93\\u2029"'


@pytest.mark.parametrize(
    ("data", "is_object"),
    [
        (b'{"a":1}', True),
        (b'{"a":"\xff"}', False),
        (b'{"a":"\\ud800"}', False),
        (b"[1]", False),
        (b"{", False),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", False),
    ],
)
def test_a_whole_body_is_read_without_mending_it(data: bytes, *, is_object: bool) -> None:
    assert (parse_whole(data) is not None) is is_object
