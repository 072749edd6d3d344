"""The calls of a history, read from its end: cheap, however long the session is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.domain.messages import ToolKind, ToolUse
from router.wire.human import without_reminders
from router.wire.openai_responses.calls import arguments_of
from router.wire.openai_responses.decode_items import KINDS
from router.wire.openai_responses.tools import FORMS, Form, ToolBook

_TEXTS = ("input_text", "text")


def recent_calls(body: Mapping[str, Any]) -> Iterator[ToolUse]:
    """Yield the calls since the last human turn, the newest first. Any shape is read; never raises."""
    given = body.get("input")
    history: list[Any] = given if isinstance(given, list) else []
    book: ToolBook | None = None
    for item in reversed(history):
        if not isinstance(item, dict):
            continue
        if item.get("role") == "user" and _is_human(item.get("content")):
            return
        kind = item.get("type")
        if isinstance(kind, str) and kind in FORMS:
            book = book or ToolBook.of(body)
            yield _call(item, FORMS[kind], book)


def _call(item: dict[str, Any], form: Form, book: ToolBook) -> ToolUse:
    name = form.value
    if form in (Form.FUNCTION, Form.CUSTOM):
        name = book.flat(str(item.get("name")), item.get("namespace"))
    call_id = item.get("call_id") or item.get("id")
    return ToolUse(id=str(call_id), name=name, input=arguments_of(item, form), kind=KINDS.get(form, ToolKind.FUNCTION))


def _is_human(content: object) -> bool:
    if isinstance(content, str):
        return bool(without_reminders(content))
    return any(
        part.get("type") not in _TEXTS or bool(without_reminders(str(part.get("text") or "")))
        for part in (content if isinstance(content, list) else ())
        if isinstance(part, dict)
    )
