"""The conversation as the items of a Responses upstream: the inverse of `decode_items` (wire.md 10.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import define, field

from router.domain.messages import Block, Document, Image, Opaque, Role, Text, Thinking, ToolKind, ToolResult, ToolUse
from router.wire.fit import NOT_SUPPORTED
from router.wire.media import data_uri, document_placeholder, image_placeholder
from router.wire.openai_responses.calls import call_fields
from router.wire.openai_responses.sealed import openai_content
from router.wire.openai_responses.tools import CALL_TYPES, Form, Named, ToolBook
from router.wire.turns import Turn, result_text

_FORM_OF_KIND = {ToolKind.CUSTOM: Form.CUSTOM, ToolKind.LOCAL_SHELL: Form.LOCAL_SHELL}


@define(kw_only=True)
class ItemEncoder:
    """Writes the turns of one request. `book` knows the client's own tools, `names` are those that had to be changed.

    `functions` are offered as functions whatever the history calls them."""

    book: ToolBook
    names: Mapping[str, str]
    functions: frozenset[str] = frozenset()
    _forms: dict[str, Form] = field(factory=dict)  # by the id of the call

    def items(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Return the items; a user turn's results come before its words."""
        items: list[dict[str, Any]] = []
        for turn in turns:
            items += [self._result(result) for result in turn.results]
            items += self._said(turn)
        return items

    def named(self, name: str, kind: ToolKind = ToolKind.FUNCTION) -> Named:
        """Return how the items of a tool are written."""
        if (named := self.book.named(name)) is not None:
            return named
        form = Form.FUNCTION if name in self.functions else _FORM_OF_KIND.get(kind, Form.FUNCTION)
        return Named(name=self.names.get(name, name), form=form)

    def _said(self, turn: Turn) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        parts: list[dict[str, Any]] = []  # of the message that is open
        for block in turn.blocks:
            if (part := _part(block, turn.role)) is not None:
                if not parts:
                    items.append({"type": "message", "role": turn.role.value, "content": parts})
                parts.append(part)
            elif (item := self._item(block)) is not None:
                items.append(item)
                parts = []
        return items

    def _item(self, block: Block) -> dict[str, Any] | None:
        match block:
            case ToolUse():
                return self._call(block)
            case Thinking():
                summary = [{"type": "summary_text", "text": block.text}] if block.text else []
                content = openai_content(block.redacted or block.signature)
                return {"type": "reasoning", "summary": summary, "encrypted_content": content}
            case Opaque():
                return dict(block.raw)
        return None

    def _call(self, call: ToolUse) -> dict[str, Any]:
        named = self.named(call.name, call.kind)
        self._forms[call.id] = named.form
        fields = call_fields(named, orjson.dumps(call.input).decode())
        item: dict[str, Any] = {"type": CALL_TYPES[named.form], "call_id": call.id, **fields}
        if named.form not in (Form.FUNCTION, Form.CUSTOM):
            item["status"] = "completed"
        return item

    def _result(self, result: ToolResult) -> dict[str, Any]:
        form = self._forms.get(result.call_id, Form.FUNCTION)
        item: dict[str, Any] = {"type": CALL_TYPES[form] + "_output", "call_id": result.call_id}
        if form is Form.SHELL:
            outcome = {"type": "exit", "exit_code": int(result.is_error)}
            return item | {"output": [{"stdout": result_text(result), "stderr": "", "outcome": outcome}]}
        if form is Form.APPLY_PATCH:
            return item | {"status": "failed" if result.is_error else "completed", "output": result_text(result)}
        if form is Form.LOCAL_SHELL or all(isinstance(block, Text) for block in result.content):
            return item | {"output": result_text(result)}
        return item | {"output": [part for block in result.content for part in _result_parts(block)]}


def _part(block: Block, role: Role) -> dict[str, Any] | None:
    """Return what stands inside a message; a model's own message holds text only."""
    if role is Role.ASSISTANT:
        text = _text_of_model(block)
        return None if text is None else {"type": "output_text", "text": text}
    match block:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Image():
            return {"type": "input_image", "image_url": block.url or data_uri(block.media_type, block.data or "")}
        case Document():
            return _file(block)
    return None


def _text_of_model(block: Block) -> str | None:
    match block:
        case Text(text):
            return text
        case Image():
            return image_placeholder(block, NOT_SUPPORTED)
        case Document():
            return document_placeholder(block, NOT_SUPPORTED)
    return None


def _file(document: Document) -> dict[str, Any]:
    if document.data is None:
        return {"type": "input_file", "file_url": document.url}
    data = data_uri(document.media_type, document.data)
    return {"type": "input_file", "filename": document.title or "document.pdf", "file_data": data}


def _result_parts(block: Block) -> list[dict[str, Any]]:
    if isinstance(block, Opaque):  # a part that was kept as an item of its own
        content = block.raw.get("content")
        return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    part = _part(block, Role.USER)
    return [] if part is None else [part]
