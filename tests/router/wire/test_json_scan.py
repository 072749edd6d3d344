"""The scanner finds the end of a JSON value in any cut."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.json_scan import JsonScan

OBJECTS = st.dictionaries(
    st.text(alphabet='a"\\{}[]é ', max_size=4),
    st.recursive(
        st.text(alphabet='a"\\{}[]\né', max_size=6) | st.integers(-9, 9) | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def end_of(pieces: list[str]) -> int | None:
    """Return the offset of the end over all pieces."""
    scan = JsonScan()
    before = 0
    for piece in pieces:
        if (end := scan.feed(piece)) is not None:
            return before + end
        before += len(piece)
    return None


@given(value=OBJECTS, junk=st.text(max_size=4), data=st.data())
def test_end_is_found_in_any_cut_whatever_follows(value: dict[str, object], junk: str, data: st.DataObject) -> None:
    text = orjson.dumps(value).decode()
    whole = text + junk
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert end_of(pieces) == len(text)


@given(value=OBJECTS, before=st.text(max_size=4), data=st.data())
def test_what_stands_before_its_start_is_not_looked_at(value: dict[str, object], before: str, data: st.DataObject) -> None:
    text = orjson.dumps(value).decode()
    cut = data.draw(st.integers(0, len(text)))
    scan = JsonScan()

    first = scan.feed(before + text[:cut], len(before))
    found = first if first is not None else scan.feed(before + text[cut:], len(before))

    assert found == len(before) + (len(text) if first is not None else len(text) - cut)


@given(value=OBJECTS)
def test_no_proper_prefix_is_complete(value: dict[str, object]) -> None:
    text = orjson.dumps(value).decode()

    assert all(end_of([text[:at]]) is None for at in range(len(text)))


@pytest.mark.parametrize("text", ["", "  ", "12", "true", "}", "]]", '"a', r'"\"', "{'a"])
def test_what_has_no_end_stays_open(text: str) -> None:
    assert end_of([text]) is None


def test_string_at_the_top_ends_with_its_quote() -> None:
    assert end_of(['"a', '\\"', 'b" ']) == 6
