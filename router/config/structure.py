"""Plain data into the frozen values of the schema: strict, closed, and every mistake of every table at once (style.md 8)."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from types import GenericAlias
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from router.config.checks import NOT_A_STRING
from router.config.commands import needs_shell
from router.config.document import Fault
from router.config.locate import KeyPath
from router.config.schema import CommandLine, RouterConfig
from router.config.schema_provider import KeepAlive

Hook = Callable[[Any, Any], Any]
_T = TypeVar("_T")

_JSON_LEAST, _JSON_MOST = -(2**63), 2**64 - 1  # what orjson writes
_NULL = {"$null": True}  # TOML has no null (routing.md 19.1)
_DURATION = re.compile(r"[+-]?(?:0|(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h)){1,6})")
_TOML_WORDS = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "an array", dict: "a table"}


class Misfit(ValueError):
    """A value that does not fit; `below` is the way from the value looked at to the part that is wrong."""

    def __init__(self, message: str, below: KeyPath = ()) -> None:
        super().__init__(message)
        self.below = below


def structure(data: object, cls: type[_T]) -> _T | tuple[Fault, ...]:
    """Return the value, or everything that is wrong with the data."""
    try:
        return _CONVERTER.structure(data, cls)
    except (ClassValidationError, Misfit) as error:
        return tuple(_faults(error, ()))


def keys_of(cls: type[attrs.AttrsInstance]) -> tuple[str, ...]:
    """Return the TOML keys of one table, in the order of the schema."""
    return tuple(attribute.name for attribute in attrs.fields(cls))


def table_types() -> Mapping[str, type[attrs.AttrsInstance]]:
    """Return {path: class} of every table of the schema: `server`, `providers.restart`, `auto_router.rules.match`."""
    found: dict[str, type[attrs.AttrsInstance]] = {}
    todo: list[tuple[str, type[attrs.AttrsInstance]]] = [("", RouterConfig)]
    while todo:
        path, cls = todo.pop()
        found[path] = cls
        for attribute in attrs.fields(attrs.resolve_types(cls)):
            inner = _table_in(attribute.type)
            if inner is not None and inner is not cls:
                todo.append((f"{path}.{attribute.name}".lstrip("."), inner))
    return found


def unknown_key(key: str, known: tuple[str, ...]) -> str:
    """Return the complaint about a key that a table does not have: the one table that has it, else the likeliest key."""
    if f"{key}s" in known:
        return f"unknown key, did you mean {key}s?"
    homes = [path for path, cls in table_types().items() if path and key in keys_of(cls)]
    if len(homes) == 1:
        return f"unknown key, it belongs in [{homes[0]}]"
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"unknown key, did you mean {close[0]}?" if close else "unknown key"


def _table_in(type_: Any) -> type[attrs.AttrsInstance] | None:  # noqa: ANN401 - any annotation of the schema
    """Return the attrs class inside `X`, `X | None` or `tuple[X, ...]`."""
    for candidate in (type_, *get_args(type_)):
        if isinstance(candidate, type) and attrs.has(candidate):
            return candidate
    return None


def _faults(error: BaseException, path: KeyPath) -> Iterator[Fault]:
    match error:
        case ClassValidationError():
            keys, whole = error.group_exceptions()
            for inner, key in keys:
                yield from _faults(inner, (*path, key.name))
            for inner in whole:
                yield from _faults(inner, path)
        case IterableValidationError():
            members, _ = error.group_exceptions()
            for inner, member in members:
                yield from _faults(inner, (*path, member.index))
        case ForbiddenExtraKeysError():
            for name in sorted(error.extra_fields):
                yield Fault((*path, name), unknown_key(name, keys_of(error.cl)))
        case KeyError():
            yield Fault(path, "required key is missing")
        case Misfit():
            yield Fault((*path, *error.below), str(error))
        case _:
            yield Fault(path, str(error))


def _expected(what: str, value: object) -> Misfit:
    found = next((word for type_, word in _TOML_WORDS.items() if type(value) is type_), "a date or time")
    return Misfit(f"expected {what}, found {found}")


def _str(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _expected("a string", value)
    return value


def _bool(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _expected("true or false", value)
    return value


def _int(value: object, _: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _expected("an integer", value)
    if not _JSON_LEAST <= value <= _JSON_MOST:
        raise Misfit("is out of bounds: a number of at most 64 bits")
    return value


def _float(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _expected("a number", value)
    if not math.isfinite(value):
        raise Misfit("expected a finite number")
    return float(value)


def _word(value: object, literal: object) -> str:
    """Return one word of a closed set."""
    known = get_args(literal)
    if not isinstance(value, str):
        raise _expected(f"one of {', '.join(known)}", value)
    if value not in known:
        close = get_close_matches(value, known, n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        raise Misfit(f"{value!r} is not one of {', '.join(known)}{hint}")
    return value


def _switch_or_words(value: object, _: object) -> bool | tuple[str, ...]:
    """Return a switch, or the levels that it is on for."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _expected("true, false or an array of strings", value)


def _keep_alive(value: object, _: object) -> KeepAlive:
    """Return a duration, or a number of seconds: what Go's reader takes, which refuses the whole request for anything else."""
    if isinstance(value, str):
        if not _DURATION.fullmatch(value):
            raise Misfit(f'{value!r} is not a duration: write it as "10m" or "1h30m", or as a number of seconds')
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _expected("a duration or a number of seconds", value)
    if not math.isfinite(value):
        raise Misfit("expected a finite number")
    return value


def _command(value: object, _: object) -> CommandLine:
    """Return the words of a command; a string that only a shell could run is refused (supervision.md 21.6)."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return CommandLine(tuple(value))
    if not isinstance(value, str):
        raise _expected("a string or a non-empty array of strings", value)
    if needs_shell(value):
        raise Misfit("needs a shell, but none is used: write the program and its arguments as an array")
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise Misfit(f"cannot be split into words: {error}") from error
    if not words:
        raise Misfit("is empty: a program is needed")
    return CommandLine(words)


def _string_table(value: object, _: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _expected("a table of strings", value)
    for key, item in value.items():
        if not isinstance(item, str):
            raise Misfit(str(_expected("a string", item)), (key,))
    return dict(value)


def _json_table(value: object, _: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _expected("a table", value)
    return {key: _json(item, (key,)) for key, item in value.items()}


def _json(value: object, path: KeyPath) -> object:
    """Return the JSON value of a TOML one. Raises Misfit for what has none: dates, inf, nan, more than 64 bits."""
    match value:
        case dict() if value == _NULL:
            return None
        case dict():
            return {key: _json(item, (*path, key)) for key, item in value.items()}
        case list():
            return [_json(item, (*path, index)) for index, item in enumerate(value)]
        case bool() | str():
            return value
        case int() if _JSON_LEAST <= value <= _JSON_MOST:
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise Misfit("cannot be written as JSON", path)


def _build_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for type_, hook in ((str, _str), (bool, _bool), (int, _int), (float, _float)):
        converter.register_structure_hook(type_, hook)
    converter.register_structure_hook(CommandLine, _command)
    converter.register_structure_hook(bool | tuple[str, ...], _switch_or_words)
    converter.register_structure_hook(KeepAlive | None, _keep_alive)
    converter.register_structure_hook_func(_is_word_set, _word)
    converter.register_structure_hook_func(lambda type_: type_ == Mapping[str, str], _string_table)
    converter.register_structure_hook_func(lambda type_: type_ == Mapping[str, object], _json_table)
    converter.register_structure_hook_factory(_is_array, _array_hook)
    converter.register_structure_hook_factory(attrs.has, _table_hook)
    return converter


def _is_word_set(type_: object) -> bool:
    return get_origin(type_) is Literal


def _is_array(type_: object) -> bool:
    return get_origin(type_) is tuple


def _array_hook(type_: Any, converter: Converter) -> Hook:  # noqa: ANN401 - any tuple of the schema
    """Refuse what is no array: cattrs would take a string for an array of characters."""
    list_type: Any = GenericAlias(list, get_args(type_)[:1])
    as_list = converter.get_structure_hook(list_type)

    def to_tuple(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _expected("an array", value)
        return tuple(as_list(value, list_type))

    return to_tuple


def _table_hook(cls: type[attrs.AttrsInstance], converter: Converter) -> Hook:
    """Check each key by itself: attrs alone would stop a table at its first value out of bounds."""
    attrs.resolve_types(cls)
    checked = {a.name: override(struct_hook=_checked(a, converter)) for a in attrs.fields(cls) if a.validator is not None}
    from_dict = make_dict_structure_fn(cls, converter, **checked)  # type: ignore[arg-type]  # the keywords are field names

    def to_table(value: object, _: object) -> Any:  # noqa: ANN401 - an instance of `cls`
        if not isinstance(value, dict):
            raise _expected("a table", value)
        return from_dict(value, cls)

    return to_table


def _checked(attribute: attrs.Attribute[Any], converter: Converter) -> Hook:
    def hook(value: object, type_: Any) -> Any:  # noqa: ANN401 - whatever the field holds
        if isinstance(value, str) and NOT_A_STRING in attribute.metadata:
            raise Misfit(f"is a string: {attribute.metadata[NOT_A_STRING]}")
        result = converter.structure(value, attribute.type if attribute.type is not None else type_)
        if attribute.validator is not None:
            attribute.validator(None, attribute, result)
        return result

    return hook


_CONVERTER = _build_converter()
