"""The JSON schemas of tools as an upstream takes them (wire.md 5, 19.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.messages import JsonObject

# Keys that make a server refuse the whole request. `none` is for servers that ignore what they do not know.
_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "$anchor", "examples", "deprecated", "readOnly", "writeOnly"})
_CONDITIONS = frozenset({"if", "then", "else", "not", "dependentSchemas", "dependentRequired", "unevaluatedProperties"})
_REFUSED: Mapping[str, frozenset[str]] = {
    "openai": _ANNOTATIONS | _CONDITIONS | {"format", "propertyNames", "patternProperties", "contains"},
    "gemini": _ANNOTATIONS
    | _CONDITIONS
    | {"additionalProperties", "const", "default", "exclusiveMaximum", "exclusiveMinimum", "format", "multipleOf"}
    | {"patternProperties", "propertyNames", "contains", "uniqueItems", "title"},
    # llama.cpp turns the schema into a grammar: unanchored patterns are errors, big counts exceed its repetition limit
    "llama_cpp": _ANNOTATIONS | _CONDITIONS | {"format", "pattern", "maxLength", "minLength", "maxItems"},
}
_MAPS_OF_SCHEMAS = frozenset({"properties", "$defs", "definitions", "patternProperties"})  # keys inside are names
_DATA = frozenset({"enum", "const", "default", "required", "examples"})  # values inside are data
_ROOTS = frozenset({"properties", "anyOf", "oneOf", "allOf", "$ref"})


def function_schema(schema: JsonObject, profile: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the schema for one function, and the keys that the profile took out of it, sorted.

    `$schema` goes for every profile; a schema without a type is one of an object; an object names its properties, since
    OpenAI refuses one that does not."""
    fitted = {key: value for key, value in schema.items() if key != "$schema"}
    refused = _REFUSED.get(profile, frozenset())
    removed: set[str] = set()
    if refused:
        fitted = _without(fitted, refused, removed)
    if not fitted.get("type"):  # null, and what spoiled documents have there
        fitted["type"] = "object"
    if fitted["type"] == "object" and _ROOTS.isdisjoint(fitted):
        fitted["properties"] = {}
    return fitted, tuple(sorted(removed))


def _without(schema: Mapping[str, Any], refused: frozenset[str], removed: set[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key not in refused:
            kept[key] = _fitted_value(key, value, refused, removed)
            continue
        removed.add(key)
        if key == "const":
            kept["enum"] = [value]
    return kept


def _fitted_value(key: str, value: Any, refused: frozenset[str], removed: set[str]) -> Any:
    if key in _DATA:
        return value
    if isinstance(value, list):
        return [_without(item, refused, removed) if isinstance(item, dict) else item for item in value]
    if not isinstance(value, dict):
        return value
    if key in _MAPS_OF_SCHEMAS:
        return {name: _without(inner, refused, removed) if isinstance(inner, dict) else inner for name, inner in value.items()}
    return _without(value, refused, removed)
