"""The tools of a Responses body, and the choice among them (wire.md 10.1). The body has been checked.

What has no neutral word keeps its own object beside a function of the same meaning, so that an upstream of this dialect
is offered what the client offered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.domain.messages import ChoiceMode, JsonObject, Tool, ToolChoice, ToolKind, VendorTool
from router.domain.request import DialectName, Note
from router.wire.openai_responses.decode_items import KINDS
from router.wire.openai_responses.tools import CALL_TYPES, Entry, Form, ToolBook, declared, entries

MAX_GRAMMAR = 8192  # characters of a free-form tool's grammar that go into its description

_MODES = {"required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE}
_KNOWN = {
    Form.FUNCTION: frozenset({"type", "name", "description", "parameters", "strict"}),
    Form.CUSTOM: frozenset({"type", "name", "description", "format"}),
}
_STRING: JsonObject = {"type": "string"}
_INTEGER: JsonObject = {"type": "integer"}
_STRINGS: JsonObject = {"type": "array", "items": _STRING}
_INPUT: JsonObject = {"type": "object", "properties": {"input": _STRING}, "required": ["input"], "additionalProperties": False}
_SCHEMAS: dict[Form, JsonObject] = {
    Form.CUSTOM: _INPUT,
    Form.LOCAL_SHELL: {
        "type": "object",
        "properties": {"command": _STRINGS, "timeout_ms": _INTEGER, "working_directory": _STRING},
        "required": ["command"],
    },
    Form.SHELL: {
        "type": "object",
        "properties": {"commands": _STRINGS, "timeout_ms": _INTEGER, "max_output_length": _INTEGER},
        "required": ["commands"],
    },
    Form.APPLY_PATCH: {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            "path": _STRING,
            "diff": _STRING,
        },
        "required": ["type", "path"],
    },
}
_DESCRIPTIONS = {
    Form.LOCAL_SHELL: "Run a command on the local machine.",
    Form.SHELL: "Run shell commands on the local machine, one after the other.",
    Form.APPLY_PATCH: "Create, update or delete one file. `diff` is the whole new file, or hunks that begin with @@ and whose"
    " lines begin with a blank, + or -.",
}


def decode_tools(body: dict[str, Any], notes: list[Note]) -> tuple[Tool | VendorTool, ...]:
    """Return the tools in the client's order; keys that have no neutral word are noted."""
    tools: list[Tool | VendorTool] = []
    by_path = {entry.path: entry for entry in entries(body)}
    for path, raw in declared(body):
        if raw.get("type") == "namespace":
            tools += [_tool(entry, notes) for entry in _inner(by_path, path, raw)]
        elif (entry := by_path.get(path)) is not None:
            tools.append(_tool(entry, notes))
        elif isinstance(kind := raw.get("type"), str) and kind not in CALL_TYPES:
            tools.append(_hosted(raw, path))
    return tuple(tools)


def decode_choice(body: dict[str, Any], book: ToolBook) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Return the choice, and the names of the tools that it allows, None for all."""
    choice = body.get("tool_choice")
    if choice is None:
        return None, None
    if isinstance(choice, str):
        return ToolChoice(mode=_MODES.get(choice, ChoiceMode.AUTO)), None
    if choice["type"] == "allowed_tools":
        mode = ChoiceMode.REQUIRED if choice.get("mode") == "required" else ChoiceMode.AUTO
        listed = (tool for tool in choice.get("tools") or () if isinstance(tool, dict))
        return ToolChoice(mode=mode), frozenset(_chosen(tool, book) for tool in listed)
    return ToolChoice(mode=ChoiceMode.NAMED, name=_chosen(choice, book)), None


def _inner(by_path: dict[str, Entry], path: str, raw: dict[str, Any]) -> Iterator[Entry]:
    inner = raw.get("tools")
    for index in range(len(inner) if isinstance(inner, list) else 0):
        if (entry := by_path.get(f"{path}.tools[{index}]")) is not None:
            yield entry


def _chosen(choice: dict[str, Any], book: ToolBook) -> str:
    """Return the name that a choice means: a tool's, or the type of one that has no other name."""
    name = choice.get("name")
    return book.flat(name, choice.get("namespace")) if isinstance(name, str) else str(choice.get("type"))


def _tool(entry: Entry, notes: list[Note]) -> Tool | VendorTool:
    form, is_inner = entry.named.form, entry.named.namespace is not None
    raw = entry.raw["tools"][0] if is_inner else entry.raw
    others = [key for key in raw if key not in _KNOWN.get(form, raw) and raw[key] is not None]
    notes += [Note(path=f"{entry.path}.{key}") for key in others]
    function = _function(entry, raw)
    if form is Form.FUNCTION and not is_inner and not others:
        return function
    kind = "namespace" if is_inner else form.value
    dialect = DialectName.OPENAI_RESPONSES
    return VendorTool(dialect=dialect, kind=kind, name=entry.flat, raw=entry.raw, function=function, path=entry.path)


def _function(entry: Entry, raw: dict[str, Any]) -> Tool:
    form = entry.named.form
    description, strict = raw.get("description"), raw.get("strict")
    if form is Form.CUSTOM:
        description = _with_grammar(description or "", raw.get("format")) or None
    return Tool(
        name=entry.flat,
        description=_DESCRIPTIONS.get(form, description),
        schema=_SCHEMAS[form] if form in _SCHEMAS else raw.get("parameters") or {},
        kind=KINDS.get(form, ToolKind.FUNCTION),
        strict=strict if isinstance(strict, bool) else None,
        path=entry.path,
    )


def _with_grammar(description: str, wanted: object) -> str:
    if not isinstance(wanted, dict) or wanted.get("type") != "grammar":
        return description
    definition = str(wanted.get("definition", ""))[:MAX_GRAMMAR]
    return f"{description}\n\nThe input must match this {wanted.get('syntax', '')} grammar:\n{definition}".lstrip()


def _hosted(raw: dict[str, Any], path: str) -> VendorTool:
    """Return a tool that the vendor runs, or that nobody here knows; it is called by its type."""
    kind = raw["type"]
    dialect = DialectName.OPENAI_RESPONSES
    return VendorTool(dialect=dialect, kind=kind, name=kind, raw=raw, is_server_tool=True, path=path)
