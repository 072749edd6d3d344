"""The calls of a Gemini history, read from its end: cheap, however long the session is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.messages import ToolUse
from router.wire.gemini.decode_parts import kind_of
from router.wire.gemini.spelling import cased_part
from router.wire.human import without_reminders


def recent_calls(body: Mapping[str, Any]) -> Iterator[ToolUse]:
    """Yield the calls since the last human turn, the newest first. Any shape is read; never raises."""
    contents = body.get("contents")
    history: list[Any] = contents if isinstance(contents, list) else []
    for content in reversed(history):
        if not isinstance(content, dict):
            continue
        told = content.get("parts")
        parts = [cased_part(part) for part in (told if isinstance(told, list) else ()) if isinstance(part, dict)]
        if content.get("role") == "model":
            yield from _calls(parts)
        elif any(map(_is_said, parts)):
            return


def _calls(parts: list[dict[str, Any]]) -> Iterator[ToolUse]:
    for part in reversed(parts):
        call = part.get("functionCall")
        if isinstance(call, dict) and isinstance(name := call.get("name"), str):
            arguments = call.get("args")
            yield ToolUse(id=str(call.get("id")), name=name, input=arguments if isinstance(arguments, dict) else {})


def _is_said(part: dict[str, Any]) -> bool:
    """Tell whether a person says this: no results, no calls, no thoughts, and no more than a reminder of the client."""
    if part.get("functionResponse") is not None or part.get("functionCall") is not None or part.get("thought") is True:
        return False
    text = part.get("text")
    if isinstance(text, str):
        return bool(without_reminders(text))
    return kind_of(part) is not None
