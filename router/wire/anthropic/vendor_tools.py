"""The tools that Anthropic names by a dated type instead of a schema (wire.md 5).

Those that the client itself runs have a function of the same shape for other vendors' models; those that Anthropic's
servers run have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.messages import Tool, VendorTool
from router.domain.request import DialectName

_SERVER_TOOLS = ("web_search_", "web_fetch_", "code_execution_", "tool_search_", "mcp_toolset", "advisor_")

_STRING: Mapping[str, Any] = {"type": "string"}
_INTEGER: Mapping[str, Any] = {"type": "integer"}
_RANGE: Mapping[str, Any] = {"type": "array", "items": _INTEGER}


def _object(properties: Mapping[str, Any], required: list[str] | None = None) -> Mapping[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    return schema | ({"required": required} if required else {})


def _commands(*commands: str) -> Mapping[str, Any]:
    return {"type": "string", "enum": list(commands)}


_EDITOR_FIELDS = {
    "path": _STRING,
    "file_text": _STRING,
    "old_str": _STRING,
    "new_str": _STRING,
    "insert_line": _INTEGER,
    "view_range": _RANGE,
}
_EDITOR_COMMANDS = ("view", "create", "str_replace", "insert")
# the editors before 2025-04-29 could undo and call the inserted text new_str
_OLD_EDITOR = _object({"command": _commands(*_EDITOR_COMMANDS, "undo_edit"), **_EDITOR_FIELDS}, ["command", "path"])
_EDITOR = _object({"command": _commands(*_EDITOR_COMMANDS), **_EDITOR_FIELDS, "insert_text": _STRING}, ["command", "path"])
_MEMORY = _object(
    {
        "command": _commands(*_EDITOR_COMMANDS, "delete", "rename"),
        **_EDITOR_FIELDS,
        "insert_text": _STRING,
        "old_path": _STRING,
        "new_path": _STRING,
    },
    ["command"],
)
_BASH = _object({"command": _STRING, "restart": {"type": "boolean"}})

# by the start of the type, newest form last in each family: (start, name, description, schema)
_FUNCTIONS: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("bash_", "bash", "Run a command in a persistent bash session.", _BASH),
    ("text_editor_20241022", "str_replace_editor", "View, create and edit text files.", _OLD_EDITOR),
    ("text_editor_20250124", "str_replace_editor", "View, create and edit text files.", _OLD_EDITOR),
    ("text_editor_", "str_replace_based_edit_tool", "View, create and edit text files.", _EDITOR),
    ("memory_", "memory", "Read and keep notes under /memories across conversations.", _MEMORY),
)


def vendor_tool(raw: dict[str, Any], path: str) -> VendorTool:
    """Return a typed tool of the client's, with its function where one is known."""
    kind = raw["type"]
    function = _function(kind, raw)
    name = raw.get("name") or (function.name if function else raw.get("mcp_server_name", ""))
    return VendorTool(
        dialect=DialectName.ANTHROPIC,
        kind=kind,
        name=name if isinstance(name, str) else "",
        raw=raw,
        is_server_tool=kind.startswith(_SERVER_TOOLS),
        function=function,
        path=path,
    )


def _function(kind: str, raw: dict[str, Any]) -> Tool | None:
    known = next((row for row in _FUNCTIONS if kind.startswith(row[0])), None)
    if known is None:
        return None
    _, name, description, schema = known
    return Tool(name=raw.get("name") or name, description=description, schema=schema)
