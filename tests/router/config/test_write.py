from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.write import to_toml

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_SCALAR = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_VALUE = st.recursive(
    _SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(_TEXT, _VALUE, max_size=4))
def test_what_is_written_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document


@pytest.mark.parametrize(
    "text", ["one\ntwo", "\nfirst", "last\n", 'a "quote"\n""" and three', "back\\slash\n\\", "\r\n", "\x00\n\x7f"]
)
def test_a_text_of_several_lines_is_read_back_as_it_was(text: str) -> None:
    assert tomllib.loads(to_toml({"a": text, "b": {"c": text}, "d": [{"e": text}]})) == {
        "a": text,
        "b": {"c": text},
        "d": [{"e": text}],
    }


def test_tables_stand_under_headers_and_what_is_deeper_on_one_line() -> None:
    document = {
        "routing": {"default_profile": "a"},
        "providers": [
            {"name": "x", "extra_body": {"options": {"num_ctx": 1}}, "model": "m"},
            {"name": "y"},
        ],
        "auto_router": {"rules": [{"id": "r", "match": {"has_image": True}}], "disabled": False},
    }

    assert (
        to_toml(document)
        == """\
[routing]
default_profile = "a"

[[providers]]
name = "x"
model = "m"

[providers.extra_body]
options = { num_ctx = 1 }

[[providers]]
name = "y"

[auto_router]
disabled = false

[[auto_router.rules]]
id = "r"
match = { has_image = true }
"""
    )


def test_a_long_array_stands_on_several_lines() -> None:
    names = [f"provider-number-{number}" for number in range(8)]

    text = to_toml({"profiles": [{"providers": names}]})

    assert text.splitlines()[1:3] == ["providers = [", '    "provider-number-0",']
    assert tomllib.loads(text) == {"profiles": [{"providers": names}]}


def test_the_head_and_the_remarks_are_comments() -> None:
    text = to_toml({"a": {"b": 1}}, head=("Who wrote it.", ""), remarks={("a", "b"): "why"})

    assert text == "# Who wrote it.\n#\n\n[a]\nb = 1  # why\n"
