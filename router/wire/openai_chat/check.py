"""Is a chat body of the right shape (wire.md 3, 6); for every request, also one that is passed through."""

from __future__ import annotations

from typing import Any

from router.wire.shape import (
    BOOLEAN,
    LIST,
    OBJECT,
    REQUIRED,
    STRING,
    Problems,
    check_limits,
    check_sampling,
)

# tuples, since what is looked up in them may be any JSON value
_ROLES = ("user", "assistant", "system", "developer", "tool", "function")
_CHOICES = ("auto", "none", "required")
_STRING_OR_PARTS = "must be a string or a list of parts"
_STRING_OR_LIST = "must be a string or a list of strings"

# what a part must have to be read; kinds that are not listed are kept as they are
_PART_FIELDS: dict[str, tuple[str, str]] = {
    "text": ("text", STRING),
    "refusal": ("refusal", STRING),
    "file": ("file", OBJECT),
    "input_audio": ("input_audio", OBJECT),
}


def check_request(body: dict[str, Any]) -> None:
    """Raise InvalidRequest with the path of the first mistake; return for a body that can be decoded."""
    problems = Problems()
    check_sampling(body, problems, integers=("max_completion_tokens", "max_tokens", "n"))
    check_limits(body, problems, ("tools", "functions"))
    _check_messages(body.get("messages"), problems)
    problems.objects(body, "tools", "", lambda tool, path: _check_tool(tool, path, problems))
    problems.objects(body, "functions", "", lambda function, path: _check_function(function, path, problems))
    _check_choice(body.get("tool_choice"), problems)
    _check_settings(body, problems)
    problems.raise_first()


def _check_messages(messages: object, problems: Problems) -> None:
    """Paths are spelled out only for mistakes: histories are long and nearly always right."""
    if not isinstance(messages, list):
        if messages is not None:
            problems.add("messages", LIST)
        return
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            problems.add(f"messages[{index}]", OBJECT)
        elif message.get("role") not in _ROLES:
            problems.add(f"messages[{index}].role", "must be developer, system, user, assistant, tool or function")
        else:
            _check_message(message, index, problems)


def _check_message(message: dict[str, Any], index: int, problems: Problems) -> None:
    content, role = message.get("content"), message["role"]
    if content is None:
        if role == "user":
            problems.add(f"messages[{index}].content", REQUIRED)
    elif not isinstance(content, str):
        _check_parts(content, f"messages[{index}].content", problems)
    if role == "user" and len(message) <= len(("role", "content")):
        return
    path = f"messages[{index}]"
    problems.expect(message, "tool_call_id", STRING, path)
    problems.expect(message, "name", STRING, path)
    problems.expect(message, "refusal", STRING, path)
    problems.objects(message, "tool_calls", path, lambda call, where: _check_call(call, where, problems))
    problems.expect(message, "function_call", OBJECT, path)
    if isinstance(call := message.get("function_call"), dict):
        problems.require(call, "name", STRING, f"{path}.function_call")


def _check_parts(content: object, path: str, problems: Problems) -> None:
    if not isinstance(content, list):
        problems.add(path, _STRING_OR_PARTS)
        return
    for index, part in enumerate(content):
        if not isinstance(part, dict):
            problems.add(f"{path}[{index}]", OBJECT)
            continue
        kind = part.get("type")
        if not isinstance(kind, str):
            problems.add(f"{path}[{index}].type", REQUIRED if kind is None else STRING)
        elif kind in _PART_FIELDS:
            problems.require(part, *_PART_FIELDS[kind], f"{path}[{index}]")
        elif kind == "image_url":
            _check_image(part.get("image_url"), f"{path}[{index}].image_url", problems)


def _check_image(image: object, path: str, problems: Problems) -> None:
    """Take the bare URL too, which some clients send."""
    if isinstance(image, dict):
        problems.require(image, "url", STRING, path)
    elif not isinstance(image, str):
        problems.add(path, REQUIRED if image is None else OBJECT)


def _check_call(call: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(call, "id", STRING, path)
    key = "custom" if call.get("type") == "custom" else "function"
    problems.require(call, key, OBJECT, path)
    if isinstance(called := call.get(key), dict):
        problems.require(called, "name", STRING, f"{path}.{key}")


def _check_tool(tool: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(tool, "type", STRING, path)
    kind = tool.get("type") or "function"
    if kind not in ("function", "custom"):
        return
    problems.require(tool, kind, OBJECT, path)
    if isinstance(described := tool.get(kind), dict):
        _check_function(described, f"{path}.{kind}", problems)


def _check_function(function: dict[str, Any], path: str, problems: Problems) -> None:
    problems.require(function, "name", STRING, path)
    problems.expect(function, "description", STRING, path)
    problems.expect(function, "parameters", OBJECT, path)


def _check_choice(choice: object, problems: Problems) -> None:
    if choice is None or choice in _CHOICES:
        return
    if not isinstance(choice, dict):
        problems.add("tool_choice", "must be auto, none, required or an object")
        return
    kind = choice.get("type")
    if kind not in ("function", "custom", "allowed_tools"):
        problems.add("tool_choice.type", "must be function, custom or allowed_tools")
        return
    problems.require(choice, kind, OBJECT, "tool_choice")
    if not isinstance(chosen := choice.get(kind), dict):
        return
    if kind == "allowed_tools":
        problems.expect(chosen, "tools", LIST, "tool_choice.allowed_tools")
    else:
        problems.require(chosen, "name", STRING, f"tool_choice.{kind}")


def _check_settings(body: dict[str, Any], problems: Problems) -> None:
    for key in ("stream_options", "response_format"):
        problems.expect(body, key, OBJECT, "")
    for key in ("user", "reasoning_effort"):
        problems.expect(body, key, STRING, "")
    problems.expect(body, "parallel_tool_calls", BOOLEAN, "")
    stop = body.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        problems.add("stop", _STRING_OR_LIST)
    call = body.get("function_call")
    if call is not None and not isinstance(call, str):
        problems.expect(body, "function_call", OBJECT, "")
        if isinstance(call, dict):
            problems.require(call, "name", STRING, "function_call")
