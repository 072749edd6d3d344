"""An Ollama body as a neutral request (wire.md 3, 12.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.domain.messages import Tool, VendorTool
from router.domain.request import DialectName, NeutralRequest, Note, OutputSchema, ThinkingMode
from router.wire.ollama.check import check_request
from router.wire.ollama.decode_messages import MessageDecoder
from router.wire.ollama.options import decode_options, limit_of
from router.wire.shape import as_number

_KNOWN = frozenset({"model", "messages", "tools", "stream", "format", "think", "options"})


def decode_request(body: dict[str, Any]) -> NeutralRequest:
    """Return the neutral request. Raises InvalidRequest with the path of the first mistake; the body is not changed."""
    check_request(body)
    notes: list[Note] = []
    system, messages = MessageDecoder(notes).decode(body["messages"])
    options = body.get("options") or {}
    notes += [
        Note(path=f"options.{key}", reason="number sent as text")
        for key in ("num_predict", "temperature", "top_p")
        if isinstance(options.get(key), str)
    ]
    stop = options.get("stop") or ()
    thinking, effort = _thinking(body)
    extras = {key: value for key, value in body.items() if key not in _KNOWN and value is not None}
    return NeutralRequest(
        dialect=DialectName.OLLAMA,
        model=body.get("model") or "",
        system=system,
        messages=messages,
        tools=tuple(_tools(body)),
        max_tokens=limit_of(options),
        temperature=as_number(options.get("temperature")),
        top_p=as_number(options.get("top_p")),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stream=body.get("stream") is not False,
        include_usage=True,
        thinking=thinking,
        reasoning_effort=effort,
        output_schema=_output_schema(body.get("format")),
        extras=extras | decode_options(options),
        notes=tuple(notes),
    )


def _thinking(body: dict[str, Any]) -> tuple[ThinkingMode | None, str | None]:
    """Return the mode and the level: a level asks for reasoning as `true` does."""
    think = body.get("think")
    if not think:
        return (None if think is None else ThinkingMode.DISABLED), None
    return ThinkingMode.ENABLED, think if isinstance(think, str) else None


def _output_schema(wanted: dict[str, Any] | str | None) -> OutputSchema | None:
    if not wanted and wanted != {}:
        return None
    return OutputSchema(schema={} if isinstance(wanted, str) else wanted)


def _tools(body: dict[str, Any]) -> Iterator[Tool | VendorTool]:
    for index, tool in enumerate(body.get("tools") or ()):
        path = f"tools[{index}]"
        kind = tool.get("type") or "function"
        if kind != "function":
            yield VendorTool(dialect=DialectName.OLLAMA, kind=kind, name="", raw=tool, is_server_tool=True, path=path)
            continue
        function = tool["function"]
        yield Tool(
            name=function["name"],
            description=function.get("description"),
            schema=function.get("parameters") or {},
            path=path,
        )
