"""What can be read of a JSON object that broke off."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.begun_json import MAX_READ_BYTES, begun_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**6) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ('{"a": "one tw', {"a": "one tw"}),
        ('{"a": "one\\', {"a": "one"}),
        ('{"a": "one\\u00', {"a": "one"}),
        ('{"a": "one\\\\', {"a": "one\\"}),
        ('{"a": "one", "b', {"a": "one"}),
        ('{"a": "one", "b":', {"a": "one"}),
        ('{"a": "one", "b": tr', {"a": "one"}),
        ('{"a": "one", "b": 12', {"a": "one"}),  # who knows how it goes on
        ('{"a": "one", "b": 12,', {"a": "one", "b": 12}),
        ('{"a": [{"b": ["x", "y', {"a": [{"b": ["x", "y"]}]}),
        ("{", {}),
        ("", None),
        ("[1", None),
        ("<html>", None),
        ("}{", None),
    ],
)
def test_what_came_is_read_without_what_is_not_whole(data: str, found: dict[str, Any] | None) -> None:
    assert begun_object(data.encode()) == found


def test_a_character_that_came_half_is_left_out() -> None:
    assert begun_object('{"a": "für'.encode()[:-2]) == {"a": "f"}


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.data())
def test_every_beginning_of_an_object_can_be_read_and_its_whole_is_itself(whole: dict[str, Any], draw: st.DataObject) -> None:
    data = orjson.dumps(whole)
    end = draw.draw(st.integers(1, len(data)))

    assert isinstance(begun_object(data[:end]), dict)
    assert begun_object(data) == whole


def test_no_more_than_a_part_is_read_of_one_that_is_very_large() -> None:
    found = begun_object(b'{"a": "' + b"x" * (MAX_READ_BYTES + 10))

    assert found is not None
    assert len(found["a"]) == MAX_READ_BYTES - len('{"a": "')
