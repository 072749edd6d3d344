"""Single values of a providers.yaml as TOML has them: forms that CodeRouter took for one another, JSON with its nulls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

import attrs

from router.config.locate import KeyPath

_TRUE, _FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")
_NULL = {"$null": True}  # TOML has no null (routing.md 19.1)


def lax(value: object, cls: type[attrs.AttrsInstance], key: str) -> object:
    """Return a value in the type of a table's key where CodeRouter took the one for the other: "30" for 30, "yes" for true.

    An `off` without quotes is a boolean in YAML and a word to whoever wrote it. What does not fit is left for the judge."""
    types = _types(cls, key)
    if value is False and "off" in types:
        return "off"
    if bool in types:
        word = str(value).lower() if isinstance(value, str | int) else ""
        return True if word in _TRUE else False if word in _FALSE else value
    if isinstance(value, str) and str not in types and not types.isdisjoint({int, float}):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, float) and int in types and float not in types and value.is_integer():
        return int(value)
    return value


def json_value(value: object) -> Any:  # noqa: ANN401 - any JSON
    """Return a value of `extra_body` as TOML writes it. Keys become the texts that JSON makes of them."""
    if value is None:
        return dict(_NULL)
    if isinstance(value, dict):
        return {_json_key(key): json_value(member) for key, member in value.items()}
    return [json_value(member) for member in value] if isinstance(value, list) else value


def unwritable(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield (path, what is wrong) for everything that no TOML file or JSON body could hold."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from unwritable(member, (*path, str(key)))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from unwritable(member, (*path, index))
    elif isinstance(value, str):
        if not is_text(value):
            yield path, "holds half of a surrogate pair"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, "is not finite"
    elif value is None:
        yield path, "is null"
    elif not isinstance(value, bool | int):
        yield path, "is a value that only YAML can hold (a date, a set, bytes)"


def is_text(value: str) -> bool:
    """Tell whether a text can be written: YAML's escapes can make half a character."""
    return all(not "\ud800" <= char <= "\udfff" for char in value)


def _types(cls: type[attrs.AttrsInstance], key: str) -> set[object]:
    """Return the types that a key takes, and the words where it takes words."""
    type_ = attrs.fields_dict(attrs.resolve_types(cls))[key].type
    found: set[object] = set()
    for one in (type_, *get_args(type_)):
        found |= set(get_args(one)) if get_origin(one) is Literal else {one}
    return found


def _json_key(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)
