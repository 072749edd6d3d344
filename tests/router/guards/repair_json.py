"""JSON with the slips that models make, and calls under the keys that they use."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any


def as_strict(value: object) -> str:
    """Return compact JSON, unicode kept."""
    return json.dumps(value, ensure_ascii=False)


def as_json(rng: random.Random, value: dict[str, Any]) -> str:
    """Return JSON with one slip, or with none."""
    return rng.choice(SLIPS)(value)


def as_object(rng: random.Random, name: str, arguments: dict[str, Any]) -> str:
    """Return the object of one call, under any of the keys and wrappers."""
    keys = (
        ("name", "arguments"),
        ("name", "arguments"),
        ("tool", "parameters"),
        ("tool_name", "args"),
        ("recipient_name", "input"),
    )
    name_key, argument_key = rng.choice((*keys, ("function", "kwargs"), ("name", "tool_input")))
    plain = {name_key: name, argument_key: arguments}
    shapes: tuple[dict[str, Any], ...] = (
        plain,
        plain,
        plain,
        {"type": "function", "function": {"name": name, "arguments": as_strict(arguments)}},
        {"function": {"name": name, "arguments": arguments}},
        {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments},
        {"id": "call_1", "index": 0, "function_call": {"name": name, "arguments": arguments}},
    )
    return as_json(rng, rng.choice(shapes))


def _pretty(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _escaped(value: dict[str, Any]) -> str:
    return json.dumps(value)


def _raw_lines(value: dict[str, Any]) -> str:
    """Put the line breaks and tabs of strings as they are, as long as no backslash of the text itself is near."""
    text = as_strict(value)
    return text if "\\\\" in text else text.replace("\\n", "\n").replace("\\t", "\t")


def _written(value: object, *, quote: str = '"', open_: str = "{", close: str = "}", comma: str = "", bare: bool = False) -> str:
    """Write JSON by hand: other quotes or braces, a comma at the end, bare keys, Python's words."""

    def text(one: str) -> str:
        inner = as_strict(one)[1:-1]
        return quote[0] + (inner.replace('\\"', '"').replace("'", "\\'") if quote == "''" else inner) + quote[-1]

    def write(one: object) -> str:
        if isinstance(one, dict):
            members = (f"{key if bare and key.isidentifier() else text(key)}: {write(inner)}" for key, inner in one.items())
            return open_ + ", ".join(members) + (comma if one else "") + close
        if isinstance(one, list):
            return "[" + ", ".join(map(write, one)) + (comma if one else "") + "]"
        if isinstance(one, str):
            return text(one)
        return repr(one) if quote == "''" else as_strict(one)

    return write(value)


def _typographic(value: dict[str, Any]) -> str:
    text = as_strict(value)
    return text if '\\"' in text or "\u201c" in text or "\u201e" in text else _written(value, quote="\u201c\u201d")


SLIPS: tuple[Callable[[dict[str, Any]], str], ...] = (
    as_strict,
    as_strict,
    _pretty,
    _escaped,
    repr,
    _raw_lines,
    _typographic,
    lambda value: _written(value, comma=","),
    lambda value: _written(value, quote="''"),
    lambda value: _written(value, bare=True),
    lambda value: _written(value, open_="{{", close="}}"),
    lambda value: _written(value, quote="''", comma=" ,"),
)
