"""Tool schemas as an upstream takes them (wire.md 19.2)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from router.wire.schema_profile import function_schema

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "format": {"type": "string", "format": "uri", "maxLength": 10},
        "const": {"const": {"format": "data"}},
        "list": {"type": "array", "items": {"type": "string", "pattern": "a+"}, "default": [{"format": "data"}]},
        "either": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
    },
    "required": ["format", "const"],
    "additionalProperties": False,
    "$defs": {"pattern": {"type": "string", "not": {}}},
}


def test_without_a_profile_only_the_schemas_own_name_goes() -> None:
    assert function_schema(SCHEMA, "none") == ({key: SCHEMA[key] for key in SCHEMA if key != "$schema"}, ())


@pytest.mark.parametrize(
    ("profile", "removed"),
    [
        ("openai", ("format", "not")),
        ("gemini", ("additionalProperties", "const", "default", "format", "not")),
        ("llama_cpp", ("format", "maxLength", "not", "pattern")),
    ],
)
def test_a_profile_takes_out_keys_but_never_names_of_properties(profile: str, removed: tuple[str, ...]) -> None:
    schema, found = function_schema(SCHEMA, profile)

    assert found == removed
    assert schema["properties"].keys() == SCHEMA["properties"].keys()
    assert schema["required"] == SCHEMA["required"]
    assert schema["$defs"] == {"pattern": {"type": "string"}}


def test_a_constant_becomes_a_choice_of_one() -> None:
    schema, _ = function_schema(SCHEMA, "gemini")

    assert schema["properties"]["const"] == {"enum": [{"format": "data"}]}


def test_the_clients_schema_is_not_changed() -> None:
    before = copy.deepcopy(SCHEMA)

    function_schema(SCHEMA, "gemini")

    assert before == SCHEMA


@pytest.mark.parametrize("schema", [{}, {"type": None}, {"$schema": "s"}])
def test_a_schema_without_a_type_is_one_of_an_object(schema: dict[str, Any]) -> None:
    assert function_schema(schema, "none") == ({"type": "object", "properties": {}}, ())
