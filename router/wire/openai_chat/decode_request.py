"""A chat body as a neutral request (wire.md 3, 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field

from router.domain.messages import ChoiceMode, JsonObject, Tool, ToolChoice, ToolKind, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note, OutputSchema
from router.errors import InvalidRequest
from router.wire.openai_chat.check import check_request
from router.wire.openai_chat.decode_messages import MessageDecoder
from router.wire.shape import as_integer, read_integer, read_number

_KNOWN = frozenset(
    {"model", "messages", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls", "n", "stop"}
    | {"max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options", "reasoning_effort"}
    | {"response_format", "user"}
)
_MODES = {"required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE}
_INPUT_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
_MAX_GRAMMAR = 8192  # characters of a free-form tool's grammar that go into its description (wire.md 10.1)


def decode_request(body: dict[str, Any]) -> NeutralRequest:
    """Return the neutral request. Raises InvalidRequest with the path of the first mistake; the body is not changed."""
    check_request(body)
    if (as_integer(body.get("n")) or 1) > 1:
        raise InvalidRequest(message="only one answer can be requested", param="n")
    return _Decoder(body=body).decode()


@define(kw_only=True)
class _Decoder:
    """Reads one checked body; the notes grow on the way."""

    body: dict[str, Any]
    notes: list[Note] = field(factory=list)

    def decode(self) -> NeutralRequest:
        body, notes = self.body, self.notes
        system, messages = MessageDecoder(notes).decode(body["messages"])
        tools = (*_tools(body), *_legacy_tools(body))
        choice, allowed = _choice(body)
        stop = body.get("stop")
        return NeutralRequest(
            dialect=DialectName.OPENAI_CHAT,
            model=body.get("model") or "",
            system=system,
            messages=messages,
            tools=tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed),
            tool_choice=choice,
            parallel_tools=body.get("parallel_tool_calls"),
            max_tokens=self._max_tokens(),
            temperature=read_number(body, "temperature", notes),
            top_p=read_number(body, "top_p", notes),
            stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
            stream=body.get("stream") is True,
            include_usage=(body.get("stream_options") or {}).get("include_usage") is True,
            reasoning_effort=body.get("reasoning_effort"),
            output_schema=_output_schema(body),
            user=body.get("user"),
            extras=_extras(body),
            notes=tuple(notes),  # last: by now everything has been read
        )

    def _max_tokens(self) -> int | None:
        limit = read_integer(self.body, "max_completion_tokens", self.notes)
        return limit if limit is not None else read_integer(self.body, "max_tokens", self.notes)


def _tools(body: dict[str, Any]) -> Iterator[Tool | VendorTool]:
    for index, tool in enumerate(body.get("tools") or ()):
        path = f"tools[{index}]"
        kind = tool.get("type") or "function"
        if kind == "function":
            yield _function(tool["function"], path)
        elif kind == "custom":
            yield _custom(tool["custom"], path)
        else:
            dialect = DialectName.OPENAI_CHAT
            yield VendorTool(dialect=dialect, kind=kind, name="", raw=tool, is_server_tool=True, path=path)


def _legacy_tools(body: dict[str, Any]) -> Iterator[Tool]:
    for index, function in enumerate(body.get("functions") or ()):
        yield _function(function, f"functions[{index}]")


def _function(function: dict[str, Any], path: str) -> Tool:
    strict = function.get("strict")
    return Tool(
        name=function["name"],
        description=function.get("description"),
        schema=function.get("parameters") or {},
        strict=strict if isinstance(strict, bool) else None,
        path=path,
    )


def _custom(custom: dict[str, Any], path: str) -> Tool:
    """Return a free-form tool as a function of one text; its grammar goes into the description (wire.md 10.1)."""
    description = custom.get("description") or ""
    wanted = custom.get("format")
    grammar = wanted.get("grammar") if isinstance(wanted, dict) else None
    if isinstance(grammar, dict):
        definition = str(grammar.get("definition", ""))[:_MAX_GRAMMAR]
        description += f"\n\nThe input must match this {grammar.get('syntax', '')} grammar:\n{definition}"
    return Tool(name=custom["name"], description=description or None, schema=_INPUT_SCHEMA, kind=ToolKind.CUSTOM, path=path)


def _choice(body: dict[str, Any]) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """Return the choice, and the names of the tools that it allows, None for all."""
    choice = body.get("tool_choice")
    if choice is None:
        legacy = body.get("function_call")
        choice = {"type": "function", "function": legacy} if isinstance(legacy, dict) else legacy
    if choice is None:
        return None, None
    if not isinstance(choice, dict):
        return ToolChoice(mode=_MODES.get(choice, ChoiceMode.AUTO)), None
    chosen = choice[choice["type"]]
    if choice["type"] != "allowed_tools":
        return ToolChoice(mode=ChoiceMode.NAMED, name=chosen["name"]), None
    mode = ChoiceMode.REQUIRED if chosen.get("mode") == "required" else ChoiceMode.AUTO
    return ToolChoice(mode=mode), _allowed_names(chosen.get("tools") or [])


def _allowed_names(tools: list[Any]) -> frozenset[str]:
    named = (tool.get("custom" if tool.get("type") == "custom" else "function") for tool in tools if isinstance(tool, dict))
    return frozenset(tool["name"] for tool in named if isinstance(tool, dict) and isinstance(tool.get("name"), str))


def _output_schema(body: dict[str, Any]) -> OutputSchema | None:
    wanted = (body.get("response_format") or {}).get("json_schema")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("schema"), dict):
        return None
    name, strict = wanted.get("name"), wanted.get("strict")
    return OutputSchema(
        schema=wanted["schema"],
        name=name if isinstance(name, str) else None,
        strict=strict if isinstance(strict, bool) else None,
    )


def _extras(body: dict[str, Any]) -> dict[str, Any]:
    extras = {key: value for key, value in body.items() if key not in _KNOWN and value is not None}
    wanted = body.get("response_format")
    if wanted is not None and wanted.get("type") != "text" and _output_schema(body) is None:
        extras["response_format"] = wanted
    return extras
