"""The comparer of the wire vectors keeps its placeholder rules."""

from __future__ import annotations

import pytest

from tests.vectors import assert_matches


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        ("{{any}}", "x"),
        ("{{any:req_}}", "req_1"),
        ("{{int}}", 5),
        ("{{any}} try again in 7s", "rate limited, try again in 7s"),
        (["{{id:a}}", "{{id:a}}", "{{id:b}}"], ["x", "x", "y"]),
        ('{"n":"{{int}}"}', '{"n":"12"}'),
    ],
)
def test_equal_up_to_placeholders_matches(expected: object, actual: object) -> None:
    assert_matches(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1, "b": None}, {"a": 1}),
        ([1, 2], [1]),
        ("{{any}}", ""),
        ("{{any:req_}}", "res_1"),
        ("{{int}}", True),
        ("{{int}}", "5"),
        (1, True),
        (["{{id:a}}", "{{id:a}}"], ["x", "y"]),
    ],
)
def test_any_other_difference_fails(expected: object, actual: object) -> None:
    with pytest.raises(AssertionError, match="does not match"):
        assert_matches(expected, actual)
