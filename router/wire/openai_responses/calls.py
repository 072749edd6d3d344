"""The arguments of a call as the item of its tool has them, both ways (wire.md 10.1, 10.2).

A free text, a command or a patch is an object of arguments everywhere else; models that only know functions fill it
more or less as asked, so that what comes back is read with some patience."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from router.wire.lenient_json import arguments_object
from router.wire.openai_responses.tools import Form, Named

_INPUT = "input"
_SHELL = ("bash", "-lc")  # what a command in one string needs to run
_NUMBERS = {Form.LOCAL_SHELL: ("timeout_ms",), Form.SHELL: ("timeout_ms", "max_output_length")}


def arguments_of(item: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """Return the argument object of a call item. Any shape is read."""
    match form:
        case Form.FUNCTION:
            arguments = item.get("arguments")
            if isinstance(arguments, str):
                return arguments_object(arguments)
            return arguments if isinstance(arguments, dict) else {}
        case Form.CUSTOM:
            return {_INPUT: _string(item.get("input"))}
        case Form.LOCAL_SHELL:
            return {key: value for key, value in _object(item.get("action")).items() if key not in ("type", "env")}
        case Form.SHELL:
            return {key: value for key, value in _object(item.get("action")).items() if value is not None}
        case Form.APPLY_PATCH:
            return dict(_object(item.get("operation")))


def arguments_text(item: Mapping[str, Any], form: Form) -> str:
    """Return the JSON text of a call item's arguments: the model's own text where the item has it."""
    told = item.get("arguments")
    if form is Form.FUNCTION and isinstance(told, str):
        return told
    return orjson.dumps(arguments_of(item, form)).decode()


def call_fields(named: Named, text: str) -> dict[str, Any]:
    """Return what the item of a call says beyond its ids, from the JSON text of the arguments."""
    match named.form:
        case Form.FUNCTION:
            return {**_names(named), "arguments": text or "{}"}
        case Form.CUSTOM:
            return {**_names(named), "input": free_text(text)}
        case Form.LOCAL_SHELL:
            return {"action": _local_action(arguments_object(text))}
        case Form.SHELL:
            return {"action": _shell_action(arguments_object(text))}
        case Form.APPLY_PATCH:
            return {"operation": _operation(arguments_object(text))}


def begun_fields(named: Named) -> dict[str, Any]:
    """Return what the item of a call says when it begins; only the forms that have deltas begin so."""
    return {**_names(named), ("arguments" if named.form is Form.FUNCTION else "input"): ""}


def free_text(text: str) -> str:
    """Return the text that a free-form tool gets: `input`, else the one string under another name, else all as it is."""
    arguments = arguments_object(text)
    if isinstance(told := arguments.get(_INPUT), str):
        return told
    strings = [value for value in arguments.values() if isinstance(value, str)]
    return strings[0] if len(strings) == 1 else text


def _names(named: Named) -> dict[str, Any]:
    return {"name": named.name} | ({} if named.namespace is None else {"namespace": named.namespace})


def _local_action(arguments: Mapping[str, Any]) -> dict[str, Any]:
    command = arguments.get("command")
    argv = [*_SHELL, command] if isinstance(command, str) else _strings(command)
    action: dict[str, Any] = {"type": "exec", "command": argv, "env": {}, **_numbers(arguments, Form.LOCAL_SHELL)}
    if isinstance(directory := arguments.get("working_directory"), str):
        action["working_directory"] = directory
    return action


def _shell_action(arguments: Mapping[str, Any]) -> dict[str, Any]:
    told = arguments.get("commands", arguments.get("command"))
    commands = [told] if isinstance(told, str) else _strings(told)
    return {"commands": commands, **_numbers(arguments, Form.SHELL)}


def _operation(arguments: Mapping[str, Any]) -> dict[str, Any]:
    told = arguments.get("operation")
    operation = _object(told) if isinstance(told, dict) else arguments  # some models repeat the item's own nesting
    known = {key: value for key in ("type", "path", "diff") if isinstance(value := operation.get(key), str)}
    return {"type": "update_file", "path": "", **known}


def _numbers(arguments: Mapping[str, Any], form: Form) -> dict[str, int]:
    told = {key: arguments.get(key) for key in _NUMBERS[form]}
    return {key: value for key, value in told.items() if isinstance(value, int) and not isinstance(value, bool)}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
