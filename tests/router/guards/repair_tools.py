"""The tools of the repair tests: names that are common words, arguments of every type."""

from __future__ import annotations

from typing import Any

from router.domain.messages import Tool

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
TRUTH = {"type": "boolean"}


def tool(name: str, properties: dict[str, Any], *required: str, closed: bool = False) -> Tool:
    """Return a tool with a schema of an object."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": list(required)}
    if closed:
        schema["additionalProperties"] = False
    return Tool(name=name, description=f"The tool {name}", schema=schema)


TASK = {"type": "object", "properties": {"task": TEXT, "done": TRUTH}}
TOOLS = (
    tool("Bash", {"command": TEXT, "timeout": NUMBER, "background": TRUTH}, "command"),
    tool("Read", {"file_path": TEXT, "offset": NUMBER, "limit": NUMBER}, "file_path"),
    tool("Edit", {"file_path": TEXT, "old": TEXT, "new": TEXT, "all": TRUTH}, "file_path", "old", "new", closed=True),
    tool("search", {"query": TEXT, "limit": NUMBER, "tags": {"type": "array", "items": TEXT}}, "query"),
    tool("open", {"path": TEXT, "mode": {"enum": ["r", "w"]}}, "path"),
    tool("get_weather", {"city": TEXT, "days": NUMBER, "scale": {"type": "number"}}, "city"),
    tool("print", {"text": TEXT, "copies": NUMBER}, "text"),
    tool("run", {"code": TEXT, "options": {"type": "object"}}, "code"),
    tool("TodoWrite", {"todos": {"type": "array", "items": TASK}}, "todos"),
    tool("mcp__git__log", {"n": NUMBER, "paths": {"type": "array"}, "since": {"type": ["string", "null"]}}),
)
