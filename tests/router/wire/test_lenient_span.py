"""The end of a JSON value as models write it (wire.md 14.5)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.lenient_span import LenientSpan

_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


def end_of(text: str, *, start: int = 0) -> tuple[int, bool] | None:
    """Return where the value ends and whether it is whole, None if it stays open; the text arrives by single characters."""
    span = LenientSpan.of(start)
    for length in range(start + 1, len(text) + 1):
        if span.advance(text[:length]):
            return span.at, span.is_whole
    return None


@given(values=st.lists(_VALUES, min_size=1), indent=st.sampled_from((None, 1)))
def test_any_json_ends_at_its_last_bracket(values: list[object], indent: int | None) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    at_once = LenientSpan.of(0)

    assert at_once.advance(text + " and ] more }")
    assert (at_once.at, at_once.is_whole) == (len(text), True)
    assert end_of(text + " ]") == (len(text), True)


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 'it\\'s } x'}",
        "{'a': '\"', \"b\": \"'\"}",
        "{“a”: “} ]”}",
        "{{'a': {{'b': 1}}}}",
        "{a: 1, b: it's}",
        '{"a": "\\\\"}',
        '{ "a" : [ "]" , { "b" : "}" } ] }',
    ],
)
def test_slips_do_not_hide_the_end(text: str) -> None:
    assert end_of(f"x{text} y", start=1) == (1 + len(text), True)


@pytest.mark.parametrize("text", ["{", '{"a": "}', "{'a': ['b'}", '{"a": "\\"}'])
def test_what_is_open_has_no_end(text: str) -> None:
    assert end_of(text) is None


def test_a_tag_outside_a_string_breaks_the_value_off() -> None:
    assert end_of('{"a": "<b>", "c": {"d": 1</x>') == (len('{"a": "<b>", "c": {"d": 1'), False)
