"""Calls that are forced by a schema of the answer."""

from __future__ import annotations

import json

import pytest

from router.domain.events import (
    NeutralEvent,
    SaidCall,
    SaidText,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    fold,
)
from router.domain.messages import Tool, ToolKind
from router.guards.forced_call import ForcedCall, forced_schema

BASH_SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
BASH = Tool(name="Bash", schema=BASH_SCHEMA)
READ = Tool(name="Read", schema={"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}})
STARTED = Started(id="a", model="m", created=1)


def said(*pieces: str, reason: StopReason = StopReason.END) -> tuple[list[NeutralEvent], StopReason]:
    stage = ForcedCall([BASH, READ])
    events: list[NeutralEvent] = []
    said_events: list[NeutralEvent] = [STARTED, *map(TextDelta, pieces), Stopped(reason=reason)]
    for event in said_events:
        events += stage.feed(event)
    reply = fold(events)
    return events, reply.reason


def test_the_whole_text_becomes_the_call() -> None:
    events, _ = said('{"name": "Bash", "argu', 'ments": {"command": "größe"}}')

    assert events == [
        STARTED,
        ToolStarted(slot=0, id="", name="Bash"),
        ToolDelta(0, '{"command":"größe"}'),
        ToolDone(0),
        Stopped(reason=StopReason.TOOL_USE),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "Bash", "arguments": {"command": "ls"}}\n```',
        "{'name': 'Bash', 'arguments': {'command': 'ls',}}",
        '\n {"name": "bash", "arguments": "{\\"command\\": \\"ls\\"}"}\n',
    ],
)
def test_slips_are_forgiven(text: str) -> None:
    events, _ = said(text)

    assert fold(events).blocks == (SaidCall(id="", name="Bash", json_text='{"command":"ls"}'),)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Delete", "arguments": {}}',
        '{"name": "Bash", "arguments": {"comm',
        "I cannot do that.",
        '{"answer": 42}',
        "[]",
        "",
    ],
)
def test_what_is_no_call_of_a_declared_tool_stays_text(text: str) -> None:
    events, reason = said(*text)

    assert fold(events).blocks == ((SaidText(text=text),) if text else ())
    assert reason is StopReason.END


def test_an_answer_that_hit_the_limit_says_so_still() -> None:
    _, reason = said('{"name": "Bash", "arguments": {"command": "ls"}}', reason=StopReason.LENGTH)

    assert reason is StopReason.LENGTH


def test_reasoning_passes_and_a_native_call_lets_the_text_go() -> None:
    stage = ForcedCall([BASH])
    call = ToolStarted(slot=0, id="x", name="Bash")

    assert stage.feed(ThinkingDelta("hm")) == (ThinkingDelta("hm"),)
    assert stage.feed(TextDelta("{")) == ()
    assert stage.feed(call) == (TextDelta("{"), call)
    assert stage.feed(TextDelta("after")) == (TextDelta("after"),)


def test_a_stream_that_fails_lets_the_text_go() -> None:
    stage = ForcedCall([BASH])
    stage.feed(TextDelta('{"name"'))

    assert stage.release() == (TextDelta('{"name"'),)
    assert stage.release() == ()


def one(name: str, arguments: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def test_the_schema_allows_any_declared_function() -> None:
    custom = Tool(name="apply_patch", kind=ToolKind.CUSTOM)

    assert forced_schema([BASH, custom, READ]) == {"anyOf": [one("Bash", BASH_SCHEMA), one("Read", READ.schema)]}


def test_the_schema_of_one_tool_needs_no_choice() -> None:
    assert forced_schema([BASH]) == one("Bash", BASH_SCHEMA)
    assert forced_schema([Tool(name="now")]) == one("now", {"type": "object"})


def test_definitions_of_two_tools_do_not_meet() -> None:
    def tool(name: str, kind: str) -> Tool:
        item = {"$ref": "#/$defs/Item"}
        schema = {"type": "object", "properties": {"items": {"type": "array", "items": item}}, "$defs": {"Item": {"type": kind}}}
        return Tool(name=name, schema=schema)

    schema = forced_schema([tool("a", "string"), tool("b", "integer")])

    assert schema["$defs"] == {"0_Item": {"type": "string"}, "1_Item": {"type": "integer"}}
    assert '"#/$defs/1_Item"' in json.dumps(schema["anyOf"])
    assert '"#/$defs/Item"' not in json.dumps(schema)
