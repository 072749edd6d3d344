"""The calls of a Messages history, read from its end: cheap, however long the session is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.messages import ToolUse
from router.wire.human import without_reminders
from router.wire.lenient_json import arguments_object


def recent_calls(body: Mapping[str, Any]) -> Iterator[ToolUse]:
    """Yield the calls since the last human turn, the newest first. Any shape is read; never raises."""
    messages = body.get("messages")
    history: list[Any] = messages if isinstance(messages, list) else []
    for message in reversed(history):
        if not isinstance(message, dict):
            continue
        content = message.get("content")
        if message.get("role") == "user" and _is_human(content):
            return
        if message.get("role") == "assistant" and isinstance(content, list):
            yield from _calls(content)


def _calls(content: list[Any]) -> Iterator[ToolUse]:
    for block in reversed(content):
        if isinstance(block, dict) and block.get("type") == "tool_use" and isinstance(name := block.get("name"), str):
            arguments = block.get("input")
            read = arguments_object(arguments) if isinstance(arguments, str) else arguments
            yield ToolUse(id=str(block.get("id")), name=name, input=read if isinstance(read, dict) else {})


def _is_human(content: object) -> bool:
    if isinstance(content, str):
        return bool(without_reminders(content))
    return any(_is_said(block) for block in (content if isinstance(content, list) else ()) if isinstance(block, dict))


def _is_said(block: Mapping[str, Any]) -> bool:
    kind = str(block.get("type"))
    if kind == "text":
        return bool(without_reminders(str(block.get("text") or "")))
    return not kind.endswith(("tool_result", "thinking"))  # results of the client's tools, and of the vendor's own
