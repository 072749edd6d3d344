"""A Gemini body as a neutral request (wire.md 3, 11).

The address of such a request names its model and says whether it streams; the document has both as `model` and `stream`,
put there before it comes here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.domain.messages import ChoiceMode, Tool, ToolChoice, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note
from router.errors import InvalidRequest
from router.wire.gemini.check import checked
from router.wire.gemini.decode_config import CONFIG, ConfigDecoder
from router.wire.gemini.decode_contents import ContentDecoder
from router.wire.gemini.schemas import json_schema
from router.wire.shape import as_integer

_KNOWN = frozenset({"model", "stream", "contents", "systemInstruction", "tools", "toolConfig", CONFIG, "cachedContent"})
_FUNCTION_KEYS = frozenset({"name", "description", "parameters", "parametersJsonSchema"})
_MODES = {"any": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE}
_CALLING = "functionCallingConfig"


def decode_request(body: dict[str, Any]) -> NeutralRequest:
    """Return the neutral request. Raises InvalidRequest with the path of the first mistake; the body is not changed."""
    body = checked(body)
    config = body.get(CONFIG) or {}
    if (as_integer(config.get("candidateCount")) or 1) > 1:
        raise InvalidRequest(message="only one answer can be requested", param=f"{CONFIG}.candidateCount")
    if body.get("cachedContent"):
        raise InvalidRequest(message="is stored at its vendor and cannot be read here", param="cachedContent")
    notes: list[Note] = []
    read = ConfigDecoder(config, notes)
    contents = ContentDecoder(notes)
    system, messages = contents.system(body.get("systemInstruction")), contents.decode(body["contents"])
    tools = tuple(_tools(body, notes))
    choice, allowed = _choice(body)
    reasoning = read.reasoning()
    return NeutralRequest(
        dialect=DialectName.GEMINI,
        model=body.get("model") or "",
        system=system,
        messages=messages,
        tools=tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed or isinstance(tool, VendorTool)),
        tool_choice=choice,
        max_tokens=read.integer("maxOutputTokens"),
        temperature=read.number("temperature"),
        top_p=read.number("topP"),
        stop=read.stops(),
        stream=body.get("stream") is True,
        include_usage=True,
        thinking=reasoning.mode,
        thinking_budget=reasoning.budget,
        reasoning_effort=reasoning.effort,
        output_schema=read.output_schema(),
        extras=_extras(body) | read.extras(),
        notes=tuple(notes),  # last: by now everything has been read
    )


def _tools(body: dict[str, Any], notes: list[Note]) -> Iterator[Tool | VendorTool]:
    for index, tool in enumerate(body.get("tools") or ()):
        path = f"tools[{index}]"
        for position, function in enumerate(tool.get("functionDeclarations") or ()):
            yield _function(function, f"{path}.functionDeclarations[{position}]", notes)
        for key, value in tool.items():
            if key != "functionDeclarations" and value is not None:
                yield VendorTool(
                    dialect=DialectName.GEMINI,
                    kind=key,
                    name="",
                    raw={key: value},
                    is_server_tool=True,
                    path=f"{path}.{key}",
                )


def _function(function: dict[str, Any], path: str, notes: list[Note]) -> Tool:
    notes += [Note(path=f"{path}.{key}") for key in function if key not in _FUNCTION_KEYS and function[key] is not None]
    schema = function.get("parametersJsonSchema")
    if schema is None:
        schema = json_schema(function.get("parameters") or {})
    return Tool(name=function["name"], description=function.get("description"), schema=schema, path=path)


def _choice(body: dict[str, Any]) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Return the choice, and the names of the functions that it allows, None for all."""
    calling = (body.get("toolConfig") or {}).get(_CALLING)
    if calling is None:
        return None, None
    mode = _MODES.get((calling.get("mode") or "").lower(), ChoiceMode.AUTO)
    names = calling.get("allowedFunctionNames") or []
    if mode is ChoiceMode.REQUIRED and len(names) == 1:
        return ToolChoice(mode=ChoiceMode.NAMED, name=names[0]), None
    return ToolChoice(mode=mode), frozenset(names) if names else None


def _extras(body: dict[str, Any]) -> dict[str, Any]:
    """Return the members that have no neutral word, by their path in the body."""
    extras = {key: value for key, value in body.items() if key not in _KNOWN and value is not None}
    config = body.get("toolConfig") or {}
    extras |= {f"toolConfig.{key}": value for key, value in config.items() if key != _CALLING and value is not None}
    return extras
