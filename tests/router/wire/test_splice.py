"""Edits in the client's own bytes (wire.md 21, 24 row 13)."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.splice import Splicer, joined, scan_members, split_items

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
_HOSTILE = st.sampled_from(['"', "\\", '\\"', '\\\\"', "}", "]", "{", "[", ",", ":", "a\nb", "\\u0022", "", " "])
_STRINGS = st.lists(st.one_of(_HOSTILE, st.text(max_size=3)), max_size=6).map("".join)
_VALUES = st.recursive(
    st.one_of(_SCALARS, _STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_STRINGS, inner, max_size=4)),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(st.one_of(_STRINGS, st.sampled_from(["model", "stream", "messages"])), _VALUES, max_size=6)
_LAYOUTS = st.sampled_from(
    [{"separators": (",", ":")}, {}, {"indent": 2}, {"separators": (" ,\t", "\n: ")}, {"ensure_ascii": False}]
)


def _dump(document: object, layout: dict[str, Any]) -> bytes:
    return json.dumps(document, **layout).encode("utf-8", "surrogatepass")


@pytest.mark.slow
@given(document=_OBJECTS, layout=_LAYOUTS, key=st.sampled_from(["model", "new", ""]), value=_VALUES)
def test_a_set_equals_the_edit_of_the_parsed_document(
    document: dict[str, Any], layout: dict[str, Any], key: str, value: object
) -> None:
    edited = Splicer(_dump(document, layout)).set_raw(key, _dump(value, layout)).result()

    assert list(json.loads(edited).items()) == list({**document, key: value}.items())


@pytest.mark.slow
@given(document=_OBJECTS, layout=_LAYOUTS)
def test_a_removal_equals_the_edit_of_the_parsed_document(document: dict[str, Any], layout: dict[str, Any]) -> None:
    edited = Splicer(_dump(document, layout)).remove("model").remove("absent").result()

    assert json.loads(edited) == {key: value for key, value in document.items() if key != "model"}


@pytest.mark.slow
@given(document=_OBJECTS, layout=_LAYOUTS)
def test_members_that_are_not_edited_keep_their_bytes(document: dict[str, Any], layout: dict[str, Any]) -> None:
    before = _dump(document, layout)
    after = Splicer(before).set("model", "m").result()

    def raws(text: bytes) -> list[bytes]:
        return [text[member.start : member.end] for member in scan_members(text) if member.key != "model"]

    assert raws(after) == raws(before)


@pytest.mark.slow
@given(items=st.lists(_VALUES, max_size=6), layout=_LAYOUTS)
def test_the_items_of_an_array_are_found_whole(items: list[Any], layout: dict[str, Any]) -> None:
    text = _dump(items, layout)

    assert [json.loads(item) for item in split_items(text)] == items
    assert json.loads(joined(split_items(text))) == items


@pytest.mark.slow
@given(depth=st.integers(1, 150), document=_OBJECTS)
def test_values_nested_deeper_than_the_pattern_are_skipped_too(depth: int, document: dict[str, Any]) -> None:
    deep: object = document
    for level in range(depth):
        deep = [deep] if level % 2 else {"k": deep, "s": '}]"\\'}
    text = _dump({"model": "a", "deep": deep, "stream": True}, {})

    assert json.loads(Splicer(text).set("stream", value=False).result()) == {"model": "a", "deep": deep, "stream": False}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [60, 127])
def test_a_megabyte_of_deep_values_is_skipped_without_a_step_per_bracket(depth: int) -> None:
    one = b"[" * depth + b"1" + b"]" * depth
    text = b'{"deep":[' + b",".join([one] * (1_000_000 // len(one))) + b'],"model":"a"}'
    assert Splicer(b'{"a":' + one + b"}").keys()  # the deep pattern is compiled

    begun_at = process_time()
    edited = Splicer(text).set("model", "b").result()

    assert edited.endswith(b'"model":"b"}')
    assert process_time() - begun_at < 0.2  # 0.02 s; bracket by bracket it was 0.4 s


def test_number_spelling_order_nulls_and_unknown_members_survive() -> None:
    body = b'{ "temperature" : 1.0, "seed":1e3 ,"unknown":{"z":1,"a":null}, "model":"x", "stop":null}'

    edited = Splicer(body).set("model", "y").result()

    assert edited == b'{"temperature" : 1.0,"seed":1e3,"unknown":{"z":1,"a":null},"model":"y","stop":null}'


def test_every_duplicate_of_a_key_is_set_and_removed() -> None:
    body = b'{"model":"a","n":1,"model":"b"}'

    assert Splicer(body).raw("model") == b'"b"'
    assert Splicer(body).set("model", "c").result() == b'{"model":"c","n":1,"model":"c"}'
    assert Splicer(body).remove("model").result() == b'{"n":1}'


def test_a_key_written_with_escapes_is_the_same_key() -> None:
    assert Splicer(rb'{"m\u006fdel":"a"}').set("model", "c").result() == rb'{"m\u006fdel":"c"}'


def test_without_edits_the_document_is_handed_back_itself() -> None:
    body = b' { "a" : [1, 2] } '

    assert Splicer(body).result() is body
    assert list(Splicer(body).keys()) == ["a"]


def test_edits_are_read_back_before_the_result() -> None:
    splicer = Splicer(b'{"a":1,"b":2}').set("a", [3]).remove("b").set_raw("c", b"4")

    assert (splicer.raw("a"), splicer.raw("b"), splicer.raw("c"), splicer.raw("d")) == (b"[3]", None, b"4", None)
    assert list(splicer.keys()) == ["a", "c"]
    assert splicer.result() == b'{"a":[3],"c":4}'


@pytest.mark.parametrize("body", [b"{}", b" { } "])
def test_the_empty_object_can_be_filled(body: bytes) -> None:
    assert Splicer(body).set("a", 1).result() == b'{"a":1}'


@pytest.mark.parametrize("name", ["claude_code", "codex", "gemini_cli"])
def test_a_captured_body_changes_only_where_it_is_edited(name: str) -> None:
    capture = json.loads((CAPTURES / f"{name}_tool_result.json").read_bytes())["requests"][0]["body"]
    body = orjson.dumps(capture)

    edited = Splicer(body).set("model", "other").result()

    assert orjson.loads(edited) == {**capture, "model": "other"}
    assert edited.replace(b'"model":"other"', b"", 1) in (
        body.replace(b'"model":' + orjson.dumps(capture.get("model")), b"", 1),
        body[:-1] + b",}",
    )
