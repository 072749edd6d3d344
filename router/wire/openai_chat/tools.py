"""Functions, calls and the choice among them as a chat upstream reads them (wire.md 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from router.domain.messages import ChoiceMode, Tool, ToolChoice, ToolUse, VendorTool
from router.domain.request import Note
from router.wire.schema_profile import function_schema

_WORDS = {ChoiceMode.AUTO: "auto", ChoiceMode.REQUIRED: "required", ChoiceMode.NONE: "none"}


def encode_tools(
    tools: Sequence[Tool | VendorTool], names: Mapping[str, str], profile: str, notes: list[Note]
) -> list[dict[str, Any]]:
    """Return the `tools` list; schema keys that the profile takes out are noted."""
    return [encode_tool(tool, names, profile, notes) if isinstance(tool, Tool) else dict(tool.raw) for tool in tools]


def encode_tool(tool: Tool, names: Mapping[str, str], profile: str, notes: list[Note]) -> dict[str, Any]:
    """Return one function; a missing description is left out."""
    schema, removed = function_schema(tool.schema, profile)
    if removed:
        notes.append(Note(path=tool.path, reason=f"schema keys {', '.join(removed)} removed"))
    if tool.strict is not None:  # few servers know it, and some refuse what they do not know
        notes.append(Note(path=f"{tool.path}.strict"))
    function: dict[str, Any] = {"name": names.get(tool.name, tool.name)}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = schema
    return {"type": "function", "function": function}


def encode_choice(choice: ToolChoice, names: Mapping[str, str]) -> str | dict[str, Any]:
    """Return the `tool_choice`."""
    if choice.mode is ChoiceMode.NAMED and choice.name is not None:
        return {"type": "function", "function": {"name": names.get(choice.name, choice.name)}}
    return _WORDS[choice.mode]


def encode_call(call: ToolUse, names: Mapping[str, str]) -> dict[str, Any]:
    """Return one entry of `tool_calls`: arguments as compact JSON text, unicode kept."""
    function = {"name": names.get(call.name, call.name), "arguments": orjson.dumps(call.input).decode()}
    return {"id": call.id, "type": "function", "function": function}
