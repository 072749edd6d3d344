"""The body before any dialect reads it (wire.md 3, 2.1)."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMediaType
from router.wire.intake import MAX_DEPTH, BoundedGunzip, RouterKeys, check_content_type, read_json, take_router_keys


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the body is empty"),
        (b"  \n", "the body is empty"),
        (b"{", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":Infinity}', "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_in_plain_words(body: bytes, why: str) -> None:
    with pytest.raises(InvalidJson, match=why):
        read_json(body)


def test_of_duplicate_keys_the_last_wins() -> None:
    assert read_json(b'{"a":1,"a":2}') == {"a": 2}


def test_nesting_is_read_down_to_the_limit_and_refused_below_it() -> None:
    at_limit = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    below = b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"

    assert "a" in read_json(at_limit)
    with pytest.raises(InvalidJson, match="nested deeper than 128"):
        read_json(below)


def test_absurd_nesting_is_refused_without_recursion() -> None:
    with pytest.raises(InvalidJson):
        read_json(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_the_router_keys_are_read_and_leave_the_document() -> None:
    document = {"profile": "fast", "mode": None, "router": {"x": 1}, "model": "m"}

    keys = take_router_keys(document)

    assert keys == RouterKeys(profile="fast")
    assert document == {"model": "m"}


@pytest.mark.parametrize("body", [{"profile": 5}, {"mode": ["a"]}])
def test_a_router_key_of_the_wrong_type_is_named(body: dict[str, object]) -> None:
    (key,) = body

    with pytest.raises(InvalidRequest) as caught:
        take_router_keys(body)

    assert caught.value.param == key


@pytest.mark.parametrize("value", [None, "", "application/json", "Application/JSON; charset=utf-8", "application/x+json"])
def test_json_types_and_no_type_are_read(value: str | None) -> None:
    check_content_type(value)


@pytest.mark.parametrize("value", ["text/plain", "multipart/form-data; boundary=x", "application/jsonp"])
def test_other_types_are_refused(value: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        check_content_type(value)


@given(text=st.binary(max_size=3000), cut=st.integers(1, 50), members=st.integers(1, 3))
def test_gzip_is_decoded_in_any_cut_and_over_members(text: bytes, cut: int, members: int) -> None:
    packed = gzip.compress(text) * members
    gunzip = BoundedGunzip(len(text) * members)

    decoded = b"".join(gunzip.feed(packed[at : at + cut]) for at in range(0, len(packed), cut))
    gunzip.close()

    assert decoded == text * members


def test_a_gzip_bomb_stops_at_the_decoded_limit() -> None:
    gunzip = BoundedGunzip(1000)

    with pytest.raises(BodyTooLarge):
        gunzip.feed(gzip.compress(b"0" * 50_000_000))


def test_a_gzip_body_exactly_at_the_limit_passes() -> None:
    gunzip = BoundedGunzip(1000)

    assert len(gunzip.feed(gzip.compress(b"0" * 1000))) == 1000
    gunzip.close()


def test_broken_and_cut_gzip_is_the_clients_mistake() -> None:
    with pytest.raises(InvalidJson):
        BoundedGunzip(10).feed(b"no gzip at all")
    cut = BoundedGunzip(1000)
    cut.feed(gzip.compress(json.dumps({"a": 1}).encode())[:-4])
    with pytest.raises(InvalidJson, match="ends early"):
        cut.close()
