"""Is a Responses body of the right shape (wire.md 3, 10.1); for every request, also one that is passed through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from router.errors import InvalidRequest
from router.wire.openai_responses.tools import ADDITIONAL
from router.wire.shape import (
    BOOLEAN,
    LIST,
    MAX_MESSAGES,
    MAX_TOOLS,
    OBJECT,
    REQUIRED,
    STRING,
    Problems,
    check_sampling,
    join,
)

UNSUPPORTED = "unsupported_parameter"

# tuples, since what is looked up in them may be any JSON value
_ROLES = ("user", "assistant", "system", "developer")
_CHOICES = ("auto", "none", "required")
_NAMED_CHOICES = ("function", "custom")
_NAMED_TOOLS = ("function", "custom", "namespace")
_STRING_OR_PARTS = "must be a string or a list of parts"
_NOT_STORED = "answers are not stored here: send the whole conversation in `input`"

# what would change the meaning of the request if it were left out, and why it cannot be taken
_REFUSED = {
    "conversation": _NOT_STORED,
    "background": "background answers are not supported: the client has to wait for its answer",
    "prompt": "prompts stored at a vendor are not available here",
}

# what an item must have to be read; kinds that are not listed are kept as they are
_ITEM_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "function_call": (("call_id", STRING), ("name", STRING)),
    "custom_tool_call": (("call_id", STRING), ("name", STRING)),
    "local_shell_call": (("action", OBJECT),),
    "shell_call": (("call_id", STRING), ("action", OBJECT)),
    "apply_patch_call": (("call_id", STRING), ("operation", OBJECT)),
}
_OUTPUTS = (
    "function_call_output",
    "custom_tool_call_output",
    "local_shell_call_output",
    "shell_call_output",
    "apply_patch_call_output",
)
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def check_request(body: dict[str, Any]) -> None:
    """Raise InvalidRequest with the path of the first mistake; return for a body that can be decoded."""
    _refuse_stored(body)
    problems = Problems()
    check_sampling(body, problems, integers=("max_output_tokens",))
    _check_input(body, problems)
    _check_tools(body, "", problems)
    _check_choice(body.get("tool_choice"), problems)
    _check_settings(body, problems)
    problems.raise_first()


def _refuse_stored(body: dict[str, Any]) -> None:
    if body.get("previous_response_id"):
        raise InvalidRequest(message=_NOT_STORED, param="previous_response_id", code="previous_response_not_found")
    for key, why in _REFUSED.items():
        if body.get(key):
            raise InvalidRequest(message=why, param=key, code=UNSUPPORTED)


def _check_input(body: dict[str, Any], problems: Problems) -> None:
    """Paths are spelled out only for mistakes: histories are long and nearly always right."""
    given = body.get("input")
    problems.expect(body, "instructions", STRING, "")
    if given is None:
        if not body.get("instructions"):
            problems.add("input", REQUIRED)
        return
    if isinstance(given, str):
        return
    if not isinstance(given, list):
        problems.add("input", "must be a string or a list of items")
        return
    if not given and not body.get("instructions"):
        problems.add("input", "must not be empty")
    if len(given) > MAX_MESSAGES:
        problems.add("input", f"must not have more than {MAX_MESSAGES} items")
        return
    for index, item in enumerate(given):
        _check_item(item, index, problems)


def _check_item(item: object, index: int, problems: Problems) -> None:
    if not isinstance(item, dict):
        problems.add(f"input[{index}]", OBJECT)
        return
    kind = item.get("type")
    if kind is not None and not isinstance(kind, str):
        problems.add(f"input[{index}].type", STRING)
    elif kind == "message" or (not kind and "role" in item):
        _check_message(item, index, problems)
    elif not kind:
        problems.add(f"input[{index}].type", REQUIRED)
    elif kind == "item_reference":
        problems.add(f"input[{index}]", f"names a stored item: {_NOT_STORED}")
    elif kind in _ITEM_FIELDS:
        for key, wanted in _ITEM_FIELDS[kind]:
            problems.require(item, key, wanted, f"input[{index}]")
        problems.expect(item, "call_id", STRING, f"input[{index}]")
    elif kind in _OUTPUTS:
        problems.expect(item, "call_id", STRING, f"input[{index}]")
        _check_output(item.get("output"), kind, f"input[{index}].output", problems)
    elif kind == ADDITIONAL:
        _check_tools(item, f"input[{index}]", problems)


def _check_message(item: dict[str, Any], index: int, problems: Problems) -> None:
    if item.get("role") not in _ROLES:
        problems.add(f"input[{index}].role", "must be user, assistant, system or developer")
    content = item.get("content")
    if content is None:
        if item.get("role") == "user":
            problems.add(f"input[{index}].content", REQUIRED)
    elif not isinstance(content, str):
        _check_parts(content, f"input[{index}].content", problems)


def _check_output(output: object, kind: str, path: str, problems: Problems) -> None:
    """Take any object beside the texts and parts of the API: clients wrote their own there for a while."""
    if output is None or isinstance(output, str | dict):
        return
    if kind != "shell_call_output":
        _check_parts(output, path, problems)
    elif not isinstance(output, list):
        problems.add(path, LIST)


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
        elif kind in _TEXTS:
            problems.require(part, _TEXTS[kind], STRING, f"{path}[{index}]")
        elif kind == "input_image":
            _check_image(part, f"{path}[{index}]", problems)


def _check_image(part: dict[str, Any], path: str, problems: Problems) -> None:
    """Take chat's nested form too, which some clients send."""
    image = part.get("image_url")
    if isinstance(image, dict):
        problems.require(image, "url", STRING, f"{path}.image_url")
    elif image is not None or part.get("file_id") is None:
        problems.require(part, "image_url", STRING, path)


def _check_tools(holder: dict[str, Any], path: str, problems: Problems) -> None:
    """Check one list of tools; those inside a namespace count each."""
    tools = holder.get("tools")
    inner = [tool.get("tools") for tool in (tools if isinstance(tools, list) else ()) if isinstance(tool, dict)]
    if sum(max(1, len(found)) if isinstance(found, list) else 1 for found in inner) > MAX_TOOLS:
        problems.add(join(path, "tools"), f"must not have more than {MAX_TOOLS} items")
    else:
        problems.objects(holder, "tools", path, _tool_check(problems))


def _tool_check(problems: Problems, *, is_inner: bool = False) -> Callable[[dict[str, Any], str], None]:
    def check(tool: dict[str, Any], path: str) -> None:
        problems.require(tool, "type", STRING, path)
        if tool.get("type") not in _NAMED_TOOLS:
            return
        problems.require(tool, "name", STRING, path)
        if tool.get("name") == "":
            problems.add(f"{path}.name", "must not be empty")
        problems.expect(tool, "description", STRING, path)
        if tool["type"] == "function":
            problems.expect(tool, "parameters", OBJECT, path)
        elif tool["type"] == "namespace" and not is_inner:
            problems.objects(tool, "tools", path, _tool_check(problems, is_inner=True))

    return check


def _check_choice(choice: object, problems: Problems) -> None:
    if choice is None or choice in _CHOICES:
        return
    if not isinstance(choice, dict):
        problems.add("tool_choice", "must be auto, none, required or an object")
        return
    problems.require(choice, "type", STRING, "tool_choice")
    if choice.get("type") in _NAMED_CHOICES:
        problems.require(choice, "name", STRING, "tool_choice")
    elif choice.get("type") == "allowed_tools":
        problems.expect(choice, "tools", LIST, "tool_choice")


def _check_settings(body: dict[str, Any], problems: Problems) -> None:
    for key in ("reasoning", "text", "stream_options"):
        problems.expect(body, key, OBJECT, "")
    for key in ("reasoning", "text"):
        if isinstance(holder := body.get(key), dict):
            wanted = ("effort", STRING) if key == "reasoning" else ("format", OBJECT)
            problems.expect(holder, *wanted, key)
    problems.expect(body, "user", STRING, "")
    problems.expect(body, "include", LIST, "")
    problems.expect(body, "parallel_tool_calls", BOOLEAN, "")
