"""Which parsed JSON is a call, and which is any other document (wire.md 14.6)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from router.guards.repair_tools import RepairedCall, ToolShape, ToolTable
from router.wire.intake import is_too_deep
from router.wire.lenient_json import parse

NAME_KEYS = frozenset({"name", "tool", "tool_name", "function", "recipient_name"})
ARGUMENT_KEYS = frozenset({"arguments", "parameters", "input", "args", "tool_input", "kwargs"})
WRAPPER_KEYS = frozenset({"function", "tool_calls", "function_call"})
OTHER_KEYS = frozenset({"id", "type", "call_id", "index", "status"})
ALL_KEYS = NAME_KEYS | ARGUMENT_KEYS | WRAPPER_KEYS | OTHER_KEYS

# a value of `type` that says something else makes the object a record of something else
TYPES = frozenset({"function", "function_call", "tool", "tool_call", "tool_use"})

Found = tuple[RepairedCall, ...]


def calls_in(value: object, tools: ToolTable, form: str, *, is_tagged: bool) -> Found | None:
    """Return the calls that a parsed value consists of, None if anything in it is not one.

    `is_tagged`: the text around it says that it is a call, so the arguments need not be there, nor fit the schema."""
    if isinstance(value, dict) and value.keys() == {"tool_calls"}:
        value = value["tool_calls"]
    elif isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return None
    found: list[RepairedCall] = []
    for element in value:
        call = _element(element, tools, form, is_tagged=is_tagged)
        if call is None:
            return None
        found.append(call)
    return tuple(found) or None


def call_of(shape: ToolShape, arguments: Mapping[str, object], form: str) -> RepairedCall | None:
    """Return the call, None if its arguments could not be written: too deep, or half characters in them."""
    known = dict(arguments)
    try:
        orjson.dumps(known)
    except orjson.JSONEncodeError:
        return None
    return None if is_too_deep(known) else RepairedCall(name=shape.name, input=known, form=form)


def _element(value: object, tools: ToolTable, form: str, *, is_tagged: bool) -> RepairedCall | None:
    """Return the call of one object, which may be wrapped once."""
    if not isinstance(value, dict) or not _is_clean(value):
        return None
    for key in ("function", "function_call"):
        inner = value.get(key)
        if isinstance(inner, dict):
            if value.keys() - OTHER_KEYS != {key} or not _is_clean(inner):
                return None
            value = inner
            break
    names = value.keys() & NAME_KEYS
    keys = value.keys() & ARGUMENT_KEYS
    if len(names) != 1 or len(keys) > 1 or value.keys() - OTHER_KEYS != names | keys:
        return None
    name = value[names.pop()]
    shape = tools.resolve(name) if isinstance(name, str) else None
    if shape is None:
        return None
    arguments = _arguments(value[keys.pop()]) if keys else _absent(shape, is_tagged=is_tagged)
    return None if arguments is None else call_of(shape, shape.typed_json(arguments), form)


def _is_clean(value: Mapping[str, object]) -> bool:
    kind = value.get("type", "function")
    return value.keys() <= ALL_KEYS and isinstance(kind, str) and kind in TYPES


def _absent(shape: ToolShape, *, is_tagged: bool) -> dict[str, object] | None:
    return {} if is_tagged and not shape.required else None


def _arguments(value: object) -> Mapping[str, object] | None:
    """Return the argument object, None for a tool's definition and for anything that is no object."""
    if isinstance(value, str):
        try:
            value = parse(value)
        except ValueError:
            return None
    if not isinstance(value, dict) or (value.get("type") == "object" and isinstance(value.get("properties"), dict)):
        return None
    return value
