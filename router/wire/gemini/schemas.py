"""The API's own schemas, a subset of OpenAPI's, as JSON schemas (wire.md 11).

Types are written in upper case, a null is allowed by `nullable`, and counts are 64-bit integers, which the vendor's JSON
writes as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_MAPS = frozenset({"properties", "$defs", "definitions"})  # keys inside are names
_SCHEMAS = frozenset({"items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems", "not"})
_UNSAID = frozenset({"propertyOrdering", "nullable"})  # the order in which the vendor's model writes, and what became a type
_UNSPECIFIED = "type_unspecified"


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema that one of the API's own means; what is JSON schema already stays as it is."""
    written: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            _put_type(written, value, is_nullable=schema.get("nullable") is True)
        elif key not in _UNSAID:
            written[key] = _value(key, value)
    if schema.get("nullable") is True and isinstance(choices := written.get("enum"), list) and None not in choices:
        written["enum"] = [*choices, None]
    return written


def _put_type(written: dict[str, Any], kind: Any, *, is_nullable: bool) -> None:
    lowered = kind.lower() if isinstance(kind, str) else kind
    if lowered == _UNSPECIFIED:
        return
    written["type"] = [lowered, "null"] if is_nullable and isinstance(lowered, str) and lowered != "null" else lowered


def _value(key: str, value: Any) -> Any:
    if key in _MAPS and isinstance(value, dict):
        return {name: _each(inner, json_schema) for name, inner in value.items()}
    if key in _SCHEMAS:
        return [_each(item, json_schema) for item in value] if isinstance(value, list) else _each(value, json_schema)
    if key in _COUNTS and isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < len(str(2**63)):
        return int(value)
    return value


def _each(value: Any, convert: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return convert(value) if isinstance(value, dict) else value
