"""Is a Gemini body of the right shape (wire.md 3, 11); for every request, also one that is passed through."""

from __future__ import annotations

from typing import Any

from router.wire.gemini.spelling import camel_cased
from router.wire.shape import (
    BOOLEAN,
    INTEGER,
    LIST,
    MAX_MESSAGES,
    MAX_TOOLS,
    NUMBER,
    OBJECT,
    REQUIRED,
    STRING,
    Problems,
    as_integer,
    as_number,
    join,
)

# tuples, since what is looked up in them may be any JSON value
_ROLES = ("user", "model", "function")  # the last is an older name for the one who brings results
_STRINGS = "must be a list of strings"
_CONFIG = "generationConfig"

# what a part's object must have to be read
_PART_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "inlineData": (("data", STRING),),
    "fileData": (("fileUri", STRING),),
    "functionCall": (("name", STRING),),
    "functionResponse": (),
}
_OPTIONAL_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "inlineData": (("mimeType", STRING), ("displayName", STRING)),
    "fileData": (("mimeType", STRING), ("displayName", STRING)),
    "functionCall": (("id", STRING), ("args", OBJECT)),
    "functionResponse": (("id", STRING), ("name", STRING), ("response", OBJECT)),
}


def check_request(body: dict[str, Any]) -> None:
    """Raise InvalidRequest with the path of the first mistake; return for a body that can be decoded."""
    checked(body)


def checked(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body camel-cased. Raises as `check_request` does; paths are told in camelCase."""
    problems = Problems()
    cased = camel_cased(body)
    problems.expect(cased, "model", STRING, "")
    problems.expect(cased, "stream", BOOLEAN, "")
    _check_contents(cased.get("contents"), problems)
    _check_system(cased.get("systemInstruction"), problems)
    _check_tools(cased, problems)
    _check_tool_config(cased, problems)
    _check_config(cased, problems)
    problems.expect(cased, "cachedContent", STRING, "")
    problems.raise_first()
    return cased


def _check_contents(contents: object, problems: Problems) -> None:
    if contents is None:
        problems.add("contents", REQUIRED)
    elif not isinstance(contents, list):
        problems.add("contents", LIST)
    elif not contents:
        problems.add("contents", "must not be empty")
    elif len(contents) > MAX_MESSAGES:
        problems.add("contents", f"must not have more than {MAX_MESSAGES} items")
    else:
        for index, content in enumerate(contents):
            _check_content(content, f"contents[{index}]", problems)


def _check_content(content: object, path: str, problems: Problems) -> None:
    if not isinstance(content, dict):
        problems.add(path, OBJECT)
        return
    role = content.get("role")
    if role is not None and role not in _ROLES:
        problems.add(f"{path}.role", "must be user or model")
    problems.objects(content, "parts", path, lambda part, where: _check_part(part, where, problems))


def _check_part(part: dict[str, Any], path: str, problems: Problems) -> None:
    problems.expect(part, "text", STRING, path)
    if len(part) == 1 and "text" in part:
        return
    problems.expect(part, "thought", BOOLEAN, path)
    problems.expect(part, "thoughtSignature", STRING, path)
    for key, required in _PART_FIELDS.items():
        if part.get(key) is None:
            continue
        problems.expect(part, key, OBJECT, path)
        if isinstance(held := part[key], dict):
            _check_fields(held, key, required, f"{path}.{key}", problems)


def _check_fields(held: dict[str, Any], key: str, required: tuple[tuple[str, str], ...], path: str, problems: Problems) -> None:
    for name, kind in required:
        problems.require(held, name, kind, path)
    for name, kind in _OPTIONAL_FIELDS[key]:
        problems.expect(held, name, kind, path)
    if key == "functionResponse":
        problems.objects(held, "parts", path, lambda part, where: _check_part(part, where, problems))


def _check_system(system: object, problems: Problems) -> None:
    if isinstance(system, dict):
        problems.objects(system, "parts", "systemInstruction", lambda part, where: _check_part(part, where, problems))
    elif system is not None and not isinstance(system, str):
        problems.add("systemInstruction", "must be a string or an object with parts")


def _check_tools(body: dict[str, Any], problems: Problems) -> None:
    problems.objects(body, "tools", "", lambda tool, path: _check_tool(tool, path, problems))
    tools = body.get("tools")
    declared = [tool.get("functionDeclarations") for tool in (tools if isinstance(tools, list) else ()) if isinstance(tool, dict)]
    if sum(max(1, len(found)) if isinstance(found, list) else 1 for found in declared) > MAX_TOOLS:
        problems.add("tools", f"must not have more than {MAX_TOOLS} items")


def _check_tool(tool: dict[str, Any], path: str, problems: Problems) -> None:
    problems.objects(tool, "functionDeclarations", path, lambda function, where: _check_function(function, where, problems))


def _check_function(function: dict[str, Any], path: str, problems: Problems) -> None:
    problems.require(function, "name", STRING, path)
    problems.expect(function, "description", STRING, path)
    problems.expect(function, "parameters", OBJECT, path)
    problems.expect(function, "parametersJsonSchema", OBJECT, path)


def _check_tool_config(body: dict[str, Any], problems: Problems) -> None:
    problems.expect(body, "toolConfig", OBJECT, "")
    holder = body.get("toolConfig")
    if not isinstance(holder, dict):
        return
    problems.expect(holder, "functionCallingConfig", OBJECT, "toolConfig")
    calling = holder.get("functionCallingConfig")
    if isinstance(calling, dict):
        path = "toolConfig.functionCallingConfig"
        problems.expect(calling, "mode", STRING, path)
        _check_strings(calling, "allowedFunctionNames", path, problems)


def _check_config(body: dict[str, Any], problems: Problems) -> None:
    problems.expect(body, _CONFIG, OBJECT, "")
    config = body.get(_CONFIG)
    if not isinstance(config, dict):
        return
    for key in ("maxOutputTokens", "candidateCount"):
        _check_number(config, key, INTEGER, _CONFIG, problems)
    for key in ("temperature", "topP"):
        _check_number(config, key, NUMBER, _CONFIG, problems)
    _check_strings(config, "stopSequences", _CONFIG, problems)
    problems.expect(config, "responseMimeType", STRING, _CONFIG)
    for key in ("responseSchema", "responseJsonSchema", "thinkingConfig"):
        problems.expect(config, key, OBJECT, _CONFIG)
    thinking = config.get("thinkingConfig")
    if isinstance(thinking, dict):
        path = f"{_CONFIG}.thinkingConfig"
        problems.expect(thinking, "includeThoughts", BOOLEAN, path)
        _check_number(thinking, "thinkingBudget", INTEGER, path, problems)
        problems.expect(thinking, "thinkingLevel", STRING, path)


def _check_number(holder: dict[str, Any], key: str, kind: str, path: str, problems: Problems) -> None:
    read = as_integer if kind is INTEGER else as_number
    if holder.get(key) is not None and read(holder[key]) is None:
        problems.add(join(path, key), kind)


def _check_strings(holder: dict[str, Any], key: str, path: str, problems: Problems) -> None:
    found = holder.get(key)
    if found is not None and not (isinstance(found, list) and all(isinstance(item, str) for item in found)):
        problems.add(join(path, key), _STRINGS)
