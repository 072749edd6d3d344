"""The calls of an Ollama history, read from its end: cheap, however long the session is."""

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
        if message.get("role") == "user" and _is_human(message):
            return
        if message.get("role") == "assistant":
            yield from _calls(message)


def _calls(message: Mapping[str, Any]) -> Iterator[ToolUse]:
    calls = message.get("tool_calls")
    made: list[Any] = calls if isinstance(calls, list) else []
    for call in reversed(made):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            arguments = function.get("arguments")
            read = arguments_object(arguments) if isinstance(arguments, str) else arguments
            yield ToolUse(id=str(call.get("id") or ""), name=name, input=read if isinstance(read, dict) else {})


def _is_human(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return bool(message.get("images")) or (isinstance(content, str) and bool(without_reminders(content)))
