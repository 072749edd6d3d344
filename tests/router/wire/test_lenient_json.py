"""JSON as models write it (wire.md 14.3)."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.lenient_json import arguments_object, parse

_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


@given(value=_VALUES)
def test_strict_json_reads_as_itself(value: object) -> None:
    assert parse(json.dumps(value)) == value


@given(value=_VALUES)
def test_trailing_commas_and_a_byte_order_mark_change_nothing(value: object) -> None:
    assert parse("\ufeff [" + json.dumps(value) + " , ]") == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'file_path': '/a',}", {"file_path": "/a"}),
        ("{“a”: “b”, \u2018c\u2019: „d“}", {"a": "b", "c": "d"}),
        ("{a: 1, b-c_2: [2,],}", {"a": 1, "b-c_2": [2]}),
        ('{"a": True, "b": False, "c": None}', {"a": True, "b": False, "c": None}),
        ('{"a": "x\n\ty"}', {"a": "x\n\ty"}),
        (r"""{"a": "it\'s \d+ \u0041 \n"}""", {"a": "it's \\d+ A \n"}),
        (r"{'a': '\ud83d\ude00'}", {"a": "😀"}),
        (r"{'a': '\ud83d'}", {"a": "\ufffd"}),
        ('{{"a": {{"b": [1, {{}}]}}}}', {"a": {"b": [1, {}]}}),
        ("[{{'a': {{}}}}, {'b': {}}]", [{"a": {}}, {"b": {}}]),
        ('\ufeff{"a": 1}', {"a": 1}),
        ("{'a': 'say \"x\"'}", {"a": 'say "x"'}),
        ("[-0.5e3, 10]", [-500.0, 10]),
        ("{'n': 18446744073709551616}", {"n": 1.8446744073709552e19}),
        ('{"a": 1, "a": 1,}', {"a": 1}),
        ("{}", {}),
        (" [ ] ", []),
    ],
)
def test_slips_that_leave_no_doubt_are_read(text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"a": ls}',
        '{"a": 1 // comment\n}',
        '{"a": 1 "b": 2}',
        "{'a': 1, 'a': 2}",
        "{'a': 1} and more",
        "[1 2]",
        "{'a': 01}",
        "{'a': 1.}",
        "{'a': +1}",
        "{'a': .5}",
        "{'a': NaN}",
        "{'a': 'open}",
        "{'a'}",
        "{1: 2}",
        "[,]",
        "{,}",
        "{{'a': {'b': 1}}}",
        "__import__('os')",
        "['a'][0]",
        "[1,",
        "[" * 500 + "]" * 500 + "x",
        "[" * 5000 + "'",
    ],
)
def test_what_stays_in_doubt_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"at character|char"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "missing", "value"),
    [
        ('{"a": [1, {"b": 2', 3, {"a": [1, {"b": 2}]}),
        ('{"a": 1,', 1, {"a": 1}),
        ('{"a": [[[1', 3, None),
        ('{"a": "open', 3, None),
    ],
)
def test_as_many_closers_as_allowed_may_be_missing_at_the_end(text: str, missing: int, value: object) -> None:
    if value is None:
        with pytest.raises(ValueError, match="at character"):
            parse(text, missing_closers=missing)
    else:
        assert parse(text, missing_closers=missing) == value


DEEP = '{"a":' * 300 + "1" + "}" * 300  # which orjson reads, and would refuse to write


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        (" \n", {}),
        ('{"a":1}', {"a": 1}),
        ("{'a':1}", {"a": 1}),
        ("file a", {"_raw": "file a"}),
        ("[1]", {"_raw": "[1]"}),
        ('"text"', {"_raw": '"text"'}),
        ("null", {"_raw": "null"}),
        (DEEP, {"_raw": DEEP}),
    ],
)
def test_arguments_are_always_an_object(text: str, arguments: object) -> None:
    assert arguments_object(text) == arguments


@given(text=st.text(alphabet="{}[]'\",:\\ \na1“”", max_size=60))
def test_any_text_gives_a_value_or_a_value_error(text: str) -> None:
    arguments_object(text)


def cpu_s(text: str) -> float:
    """Return what one parse costs of the processor, whatever else the machine does: the least of three."""
    costs = []
    for _ in range(3):
        begun = time.process_time()
        arguments_object(text)
        costs.append(time.process_time() - begun)
    return min(costs)


@pytest.mark.slow
@pytest.mark.parametrize(("start", "again"), [("", "{"), ("", "['"), ("'", "\\'"), ("", "[1,"), ("[", "1,")])
def test_hostile_texts_take_linear_time(start: str, again: str) -> None:
    once, eightfold = (cpu_s(start + again * times) for times in (12_500, 100_000))

    assert eightfold < 24 * once + 0.005  # squared it would be 64 times
