"""Conversations of a coding agent, in neutral words."""

from __future__ import annotations

from collections.abc import Iterator

from router.domain.messages import Block, JsonObject, Message, Role, Text, ToolResult, ToolUse
from router.domain.request import DialectName, NeutralRequest
from router.wire.anthropic.history import recent_calls


def says(*blocks: Block | str) -> Message:
    """Return a message of the user."""
    return Message(role=Role.USER, content=tuple(Text(block) if isinstance(block, str) else block for block in blocks))


def calls(name: str, /, **arguments: object) -> Message:
    """Return a turn of the model that makes one call."""
    return Message(role=Role.ASSISTANT, content=(Text("Let me see."), ToolUse(id="c", name=name, input=arguments)))


def calls_with(name: str, arguments: JsonObject) -> Message:
    """Return a turn of the model with arguments of any keys."""
    return Message(role=Role.ASSISTANT, content=(ToolUse(id="c", name=name, input=arguments),))


RESULT = says(ToolResult(call_id="c", content=(Text("nothing"),)))
REMINDER = "<system-reminder>\nmind the gap\n</system-reminder>"


def agent(*turns: Message, asked: str = "fix it") -> tuple[Message, ...]:
    """Return a conversation in which every turn of the model was answered by its tool."""
    return (says(asked), *_answered(turns))


def asking(*messages: Message) -> NeutralRequest:
    """Return a request with nothing but a conversation."""
    return NeutralRequest(dialect=DialectName.ANTHROPIC, messages=messages)


def made_since(*messages: Message) -> list[ToolUse]:
    """Return the calls since the last message of a person, the oldest first, as they are read from a client's body."""
    body = [{"role": str(message.role), "content": [*map(_written, message.content)]} for message in messages]
    return [*recent_calls({"messages": body})][::-1]


def _written(block: Block) -> dict[str, object]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case ToolUse():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResult():
            return {"type": "tool_result", "tool_use_id": block.call_id}
    raise TypeError(block)  # no conversation of these tests holds another kind


def _answered(turns: tuple[Message, ...]) -> Iterator[Message]:
    for turn in turns:
        yield turn
        yield RESULT
