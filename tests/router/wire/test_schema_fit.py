from __future__ import annotations

import time
from typing import Any

import pytest

from router.wire.schema_fit import misfit

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "minLength": 1},
        "mode": {"enum": ["r", "w"]},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 3},
        "where": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/point"}]},
        "old": {"type": "string", "nullable": True},
        "exact": {"const": True},
    },
    "required": ["path"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": ["number", "null"]}}, "required": ["x"]}},
}


@pytest.mark.parametrize(
    "value",
    [
        {"path": "a"},
        {"path": "a", "mode": "w", "lines": [1, 2.0], "where": None, "old": None, "exact": True},
        {"path": "a", "where": {"x": None, "more": 1}},
    ],
)
def test_what_fits_has_no_fault(value: object) -> None:
    assert misfit(value, SCHEMA) == ""


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({}, "path: is missing"),
        ([], "arguments: is not of type object"),
        ({"path": 1}, "path: is not of type string"),
        ({"path": ""}, "path: violates its minLength of 1"),
        ({"path": "a", "mode": "x"}, "mode: is not one of the allowed values"),
        ({"path": "a", "lines": [1, 0]}, "lines[1]: violates its minimum of 1"),
        ({"path": "a", "lines": [1, True]}, "lines[1]: is not of type integer"),
        ({"path": "a", "lines": [1, 1.5]}, "lines[1]: is not of type integer"),
        ({"path": "a", "lines": [1, 1, 1, 1]}, "lines: violates its maxItems of 3"),
        ({"path": "a", "where": {}}, "where: matches none of 2 forms"),
        ({"path": "a", "exact": 1}, "exact: is not the allowed value"),
        ({"path": "a", "paht": 1}, "paht: is not a parameter"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: object, fault: str) -> None:
    assert misfit(value, SCHEMA) == fault


@pytest.mark.parametrize("schema", [{}, True, None, {"type": "odd"}, {"$ref": "http://elsewhere"}, {"enum": 1, "required": 2}])
def test_a_schema_that_says_nothing_known_lets_everything_pass(schema: object) -> None:
    assert misfit({"a": 1}, schema) == ""


def test_a_schema_that_refers_to_itself_ends() -> None:
    assert misfit({"a": {"a": 1}}, {"$ref": "#"}) == ""
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}
    assert misfit({"child": {"child": {"odd": 1}}}, tree) == "child.child.odd: is not a parameter"


def test_a_hostile_schema_takes_no_time() -> None:
    forms: dict[str, Any] = {"anyOf": [{"$ref": "#"}] * 50}
    began = time.process_time()

    misfit({"a": ["x"] * 1000}, forms)

    assert time.process_time() - began < 0.5
