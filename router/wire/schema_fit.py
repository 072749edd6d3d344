"""Whether the arguments of a call fit the schema of its tool, as far as models get it wrong.

Looked at: `type`, `enum`, `const`, `required`, `properties`, `additionalProperties`, `items`, `anyOf`, `oneOf`, `allOf`,
`minimum`, `maximum`, the lengths, and `$ref` into the schema itself. Any other word lets a value pass; so does the rest of a
value once MAX_STEPS are spent, which no schema of a tool comes near to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define

MAX_STEPS = 20_000
_MAX_DEPTH = 64  # a schema may refer to itself

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value)),
}
_BOUNDS: tuple[tuple[str, Callable[[Any], float | None], Callable[[float, float], bool]], ...] = (
    ("minimum", lambda value: value if _TYPES["number"](value) else None, lambda has, limit: has >= limit),
    ("maximum", lambda value: value if _TYPES["number"](value) else None, lambda has, limit: has <= limit),
    ("minLength", lambda value: len(value) if isinstance(value, str) else None, lambda has, limit: has >= limit),
    ("maxLength", lambda value: len(value) if isinstance(value, str) else None, lambda has, limit: has <= limit),
    ("minItems", lambda value: len(value) if isinstance(value, list) else None, lambda has, limit: has >= limit),
    ("maxItems", lambda value: len(value) if isinstance(value, list) else None, lambda has, limit: has <= limit),
)


def misfit(value: object, schema: object) -> str:
    """Return what is wrong with a value, with its path, "" for nothing."""
    return _Fit(root=schema).check(value, schema, "", 0)


@define(kw_only=True)
class _Fit:
    root: object
    steps: int = 0

    def check(self, value: object, schema: object, path: str, depth: int) -> str:
        self.steps += 1
        if not isinstance(schema, dict) or self.steps > MAX_STEPS or depth > _MAX_DEPTH:
            return f"{path or 'arguments'}: nothing is allowed here" if schema is False else ""
        if isinstance(ref := schema.get("$ref"), str):
            return self.check(value, self._referred(ref), path, depth + 1)
        return (
            _own_fault(value, schema, path)
            or self._first(self.check(value, one, path, depth + 1) for one in _schemas(schema, "allOf"))
            or self._alternatives(value, schema, path, depth)
            or self._inside(value, schema, path, depth)
        )

    def _alternatives(self, value: object, schema: Mapping[str, object], path: str, depth: int) -> str:
        for word in ("anyOf", "oneOf"):
            faults = [self.check(value, one, path, depth + 1) for one in _schemas(schema, word)]
            if faults and all(faults):
                return faults[0] if len(faults) == 1 else f"{path or 'arguments'}: matches none of {len(faults)} forms"
        return ""

    def _inside(self, value: object, schema: Mapping[str, object], path: str, depth: int) -> str:
        if isinstance(value, list):
            items = schema.get("items")
            return self._first(self.check(one, items, f"{path}[{index}]", depth + 1) for index, one in enumerate(value))
        if not isinstance(value, dict):
            return ""
        required = schema.get("required")
        known = schema.get("properties")
        properties = known if isinstance(known, dict) else {}
        for name in required if isinstance(required, list) else ():
            if name not in value:
                return f"{_below(path, name)}: is missing"
        others = schema.get("additionalProperties")
        if others is False and (odd := next((name for name in value if name not in properties), None)) is not None:
            return f"{_below(path, odd)}: is not a parameter"
        return self._first(
            self.check(one, properties.get(name, others), _below(path, name), depth + 1) for name, one in value.items()
        )

    def _referred(self, ref: str) -> object:
        here: object = self.root
        for part in ref.removeprefix("#").strip("/").split("/") if ref.startswith("#") else ():
            here = here.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(here, dict) and part else here
        return here if ref.startswith("#") else None

    @staticmethod
    def _first(faults: Iterable[str]) -> str:
        return next(filter(None, faults), "")


def _own_fault(value: object, schema: Mapping[str, object], path: str) -> str:
    """Return what is wrong with the value by itself."""
    where = path or "arguments"
    wanted = schema.get("type")
    types = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    known = [_TYPES[word.lower()] for word in types if isinstance(word, str) and word.lower() in _TYPES]
    if known and not any(fits(value) for fits in known) and not (value is None and schema.get("nullable") is True):
        return f"{where}: is not of type {' or '.join(map(str, types))}"
    if isinstance(words := schema.get("enum"), list) and not any(_same(value, word) for word in words):
        return f"{where}: is not one of the allowed values"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where}: is not the allowed value"
    for word, measure, holds in _BOUNDS:
        limit, has = schema.get(word), measure(value)
        if has is not None and isinstance(limit, int | float) and not holds(has, limit):
            return f"{where}: violates its {word} of {limit:g}"
    return ""


def _schemas(schema: Mapping[str, object], word: str) -> list[object]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) is isinstance(other, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _below(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
