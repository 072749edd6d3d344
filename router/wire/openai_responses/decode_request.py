"""A Responses body as a neutral request (wire.md 3, 10.1)."""

from __future__ import annotations

from typing import Any

from router.domain.request import DialectName, NeutralRequest, Note, OutputSchema
from router.wire.openai_responses.check import check_request
from router.wire.openai_responses.decode_items import ItemDecoder
from router.wire.openai_responses.decode_tools import decode_choice, decode_tools
from router.wire.openai_responses.tools import ToolBook
from router.wire.shape import read_integer, read_number

_KNOWN = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens"}
    | {"temperature", "top_p", "stream", "reasoning", "text", "user"}
    | {"previous_response_id", "conversation", "background", "prompt"}  # they say nothing, or were refused
)


def decode_request(body: dict[str, Any]) -> NeutralRequest:
    """Return the neutral request. Raises InvalidRequest with the path of the first mistake; the body is not changed."""
    check_request(body)
    notes: list[Note] = []
    book = ToolBook.of(body)
    system, messages = ItemDecoder(notes, book).decode(body.get("input"))
    instructions = body.get("instructions")
    tools = decode_tools(body, notes)
    choice, allowed = decode_choice(body, book)
    return NeutralRequest(
        dialect=DialectName.OPENAI_RESPONSES,
        model=body.get("model") or "",
        system=(instructions, *system) if instructions else system,
        messages=messages,
        tools=tools if allowed is None else tuple(tool for tool in tools if tool.name in allowed),
        tool_choice=choice,
        parallel_tools=body.get("parallel_tool_calls"),
        max_tokens=read_integer(body, "max_output_tokens", notes),
        temperature=read_number(body, "temperature", notes),
        top_p=read_number(body, "top_p", notes),
        stream=body.get("stream") is True,
        include_usage=True,
        reasoning_effort=(body.get("reasoning") or {}).get("effort"),
        output_schema=_output_schema(body),
        user=body.get("user"),
        extras=_extras(body),
        notes=tuple(notes),  # last: by now everything has been read
    )


def _output_schema(body: dict[str, Any]) -> OutputSchema | None:
    wanted = (body.get("text") or {}).get("format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        return None
    name, strict = wanted.get("name"), wanted.get("strict")
    return OutputSchema(
        schema=wanted["schema"],
        name=name if isinstance(name, str) else None,
        strict=strict if isinstance(strict, bool) else None,
    )


def _extras(body: dict[str, Any]) -> dict[str, Any]:
    """Return the client's other fields; of those that are neutral in part, the other part."""
    extras = {key: value for key, value in body.items() if key not in _KNOWN and value is not None}
    text = dict(body.get("text") or {})
    if _output_schema(body) is not None or (text.get("format") or {}).get("type") in (None, "text"):
        text.pop("format", None)
    reasoning = {key: value for key, value in (body.get("reasoning") or {}).items() if key != "effort"}
    rests = {"text": text, "reasoning": reasoning}
    return extras | {key: rest for key, rest in rests.items() if any(value is not None for value in rest.values())}
