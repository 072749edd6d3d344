"""Is an Ollama body of the right shape (wire.md 3, 12.1); for every request, also one that is passed through."""

from __future__ import annotations

from typing import Any

from router.wire.shape import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Problems,
    as_integer,
    as_number,
    check_limits,
    check_sampling,
)

_ROLES = ("user", "assistant", "system", "tool")  # a tuple, since what is looked up in it may be any JSON value
_STRINGS = "must be a list of strings"


def check_request(body: dict[str, Any]) -> None:
    """Raise InvalidRequest with the path of the first mistake; return for a body that can be decoded."""
    problems = Problems()
    check_sampling(body, problems, integers=())
    check_limits(body, problems, ("tools",))
    problems.objects(body, "messages", "", lambda message, path: _check_message(message, path, problems))
    problems.objects(body, "tools", "", lambda tool, path: _check_tool(tool, path, problems))
    _check_settings(body, problems)
    _check_options(body, problems)
    problems.raise_first()


def _check_message(message: dict[str, Any], path: str, problems: Problems) -> None:
    if message.get("role") not in _ROLES:
        problems.add(f"{path}.role", "must be system, user, assistant or tool")
        return
    for key in ("content", "thinking", "tool_name", "tool_call_id", "name"):
        problems.expect(message, key, STRING, path)
    images = message.get("images")
    if images is not None and not _is_strings(images):
        problems.add(f"{path}.images", _STRINGS)
    problems.objects(message, "tool_calls", path, lambda call, where: _check_call(call, where, problems))


def _check_call(call: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(call, "id", STRING, path)
    problems.require(call, "function", OBJECT, path)
    if isinstance(function := call.get("function"), dict):
        problems.require(function, "name", STRING, f"{path}.function")


def _check_tool(tool: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(tool, "type", STRING, path)
    if (tool.get("type") or "function") != "function":
        return
    problems.require(tool, "function", OBJECT, path)
    if isinstance(function := tool.get("function"), dict):
        problems.require(function, "name", STRING, f"{path}.function")
        problems.expect(function, "description", STRING, f"{path}.function")
        problems.expect(function, "parameters", OBJECT, f"{path}.function")


def _check_settings(body: dict[str, Any], problems: Problems) -> None:
    think, wanted, keep_alive = body.get("think"), body.get("format"), body.get("keep_alive")
    if think is not None and not isinstance(think, bool | str):
        problems.add("think", f"{BOOLEAN}, or a level")
    if wanted not in (None, "", "json") and not isinstance(wanted, dict):
        problems.add("format", "must be json or a schema")
    if keep_alive is not None and (isinstance(keep_alive, bool) or not isinstance(keep_alive, str | int | float)):
        problems.add("keep_alive", "must be a duration or a number of seconds")


def _check_options(body: dict[str, Any], problems: Problems) -> None:
    problems.expect(body, "options", OBJECT, "")
    options = body.get("options")
    if not isinstance(options, dict):
        return
    if options.get("num_predict") is not None and as_integer(options["num_predict"]) is None:
        problems.add("options.num_predict", INTEGER)
    for key in ("temperature", "top_p"):
        if options.get(key) is not None and as_number(options[key]) is None:
            problems.add(f"options.{key}", NUMBER)
    stop = options.get("stop")
    if stop is not None and not isinstance(stop, str) and not _is_strings(stop):
        problems.add("options.stop", _STRINGS)


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
