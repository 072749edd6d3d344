"""A call that is forced by a schema: for backends that have no calls of their own, or lose their way when told to make one.

The upstream is asked for JSON that can be nothing but a call (`forced_schema`), and its answer, one JSON text, is turned
into that call (`ForcedCall`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from attrs import evolve

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    UsageSeen,
)
from router.domain.messages import Tool, ToolKind
from router.guards.repair_shape import calls_in
from router.guards.repair_tools import RepairedCall, ToolTable
from router.wire.lenient_json import parse

FORM = "forced"

_FENCE = re.compile(r"```\w*\s*\n(?P<body>.*?)\n?\s*(?:```\s*)?", re.DOTALL)
_BY_CALLS = frozenset({StopReason.END, StopReason.UNKNOWN, StopReason.STOP_SEQUENCE})
_DEFINITIONS = ("$defs", "definitions")
_REFERENCE = re.compile(r"#/(?:\$defs|definitions)/")


def forced_schema(tools: Sequence[Tool]) -> dict[str, object]:
    """Return the JSON schema of a call of one of the function tools.

    What a tool's schema defines for itself moves to the top, under names of its own: there its references lead."""
    functions = [tool for tool in tools if tool.kind is ToolKind.FUNCTION]
    definitions: dict[str, object] = {}
    calls = [_call_schema(tool, f"{index}_", definitions) for index, tool in enumerate(functions)]
    schema: dict[str, object] = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return {**schema, "$defs": definitions} if definitions else schema


class ForcedCall:
    """A stage (guards/stages.py) for one answer under `forced_schema`: all text waits for the end, and is the call then.

    Text that is no call of a declared tool comes out as text."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = ToolTable.of(tools)
        self._held: list[str] = []
        self._is_native = False  # the upstream made a call of its own after all

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event."""
        match event:
            case TextDelta(text):
                if self._is_native:
                    return (event,)
                self._held.append(text)
                return ()
            case ToolStarted():
                self._is_native = True
                return (*self.release(), event)
            case Stopped():
                return self._stopped(event)
            case Started() | ThinkingDelta() | ThinkingSigned() | ThinkingRedacted() | ToolDelta() | ToolDone() | UsageSeen():
                return (event,)
            case _:
                assert_never(event)

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held as text."""
        text = "".join(self._held)
        self._held = []
        return (TextDelta(text),) if text else ()

    def _stopped(self, event: Stopped) -> Sequence[NeutralEvent]:
        calls = forced_calls("".join(self._held), self._tools)
        if not calls:
            return (*self.release(), event)
        self._held = []
        events = [made for slot, call in enumerate(calls) for made in call.events(slot)]
        if event.reason in _BY_CALLS:
            event = evolve(event, reason=StopReason.TOOL_USE, stop_sequence=None)
        return (*events, event)


def forced_calls(text: str, tools: ToolTable) -> tuple[RepairedCall, ...]:
    """Return the calls that a whole text is, in a fence or not; () if it is anything else."""
    text = text.strip()
    fence = _FENCE.fullmatch(text)
    try:
        value = parse(fence["body"] if fence else text)
    except ValueError:
        return ()
    return calls_in(value, tools, FORM, is_tagged=True) or ()


def _call_schema(tool: Tool, prefix: str, definitions: dict[str, object]) -> dict[str, object]:
    arguments = dict(tool.schema) or {"type": "object"}
    for key in _DEFINITIONS:
        own = arguments.pop(key, None)
        if isinstance(own, Mapping):
            definitions.update({prefix + name: _moved(schema, prefix) for name, schema in own.items()})
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": _moved(arguments, prefix)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(schema: object, prefix: str) -> object:
    """Return a schema whose references lead to where its definitions are now."""
    if isinstance(schema, Mapping):
        return {key: _reference(value, prefix) if key == "$ref" else _moved(value, prefix) for key, value in schema.items()}
    return [_moved(value, prefix) for value in schema] if isinstance(schema, list) else schema


def _reference(value: object, prefix: str) -> object:
    return _REFERENCE.sub(f"#/$defs/{prefix}", value, count=1) if isinstance(value, str) else _moved(value, prefix)
