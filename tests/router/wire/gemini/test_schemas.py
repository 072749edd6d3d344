"""The API's own schemas, read as JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest

from router.wire.gemini.schemas import json_schema


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "string", "format": "enum", "enum": ["a"]}, {"type": "string", "format": "enum", "enum": ["a"]}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        ({"type": "INTEGER", "nullable": False}, {"type": "integer"}),
        ({"type": "STRING", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"type": "ARRAY", "minItems": "2", "items": {"type": "NUMBER"}},
            {"type": "array", "minItems": 2, "items": {"type": "number"}},
        ),
        ({"minItems": "two"}, {"minItems": "two"}),
        ({"anyOf": [{"type": "STRING"}, {"type": "NULL"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"enum": [{"type": "STRING"}], "default": {"type": "STRING"}},
            {"enum": [{"type": "STRING"}], "default": {"type": "STRING"}},
        ),
        (
            {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "propertyOrdering": ["type"]},
            {"type": "object", "properties": {"type": {"type": "string"}}},
        ),
        ({"additionalProperties": False, "properties": {"a": True}}, {"additionalProperties": False, "properties": {"a": True}}),
    ],
)
def test_a_schema_is_read(written: dict[str, Any], meant: dict[str, Any]) -> None:
    assert json_schema(written) == meant
