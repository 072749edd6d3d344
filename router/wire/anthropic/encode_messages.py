"""The conversation as Messages turns (wire.md 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define

from router.domain.messages import Block, Document, Image, Opaque, Role, Text, Thinking, ToolResult, ToolUse
from router.wire.turns import Turn

CONTINUE = "(continue)"  # in front of a conversation that does not begin with its user


@define(kw_only=True)
class MessageEncoder:
    """Writes the turns of one request; `names` are the tool names that had to be changed."""

    names: Mapping[str, str]

    def messages(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Return the messages; a user turn's results come before its words."""
        messages = [self._message(turn) for turn in turns]
        if not turns or turns[0].role is Role.ASSISTANT:
            messages.insert(0, {"role": "user", "content": CONTINUE})
        return messages

    def _message(self, turn: Turn) -> dict[str, Any]:
        blocks = [*turn.results, *turn.blocks]
        if len(blocks) == 1 and isinstance(blocks[0], Text):
            return {"role": turn.role.value, "content": blocks[0].text}
        return {"role": turn.role.value, "content": [self._block(block) for block in blocks]}

    def _block(self, block: Block) -> dict[str, Any]:
        match block:
            case Text(text):
                return {"type": "text", "text": text}
            case ToolUse():
                name = self.names.get(block.name, block.name)
                return {"type": "tool_use", "id": block.id, "name": name, "input": block.input}
            case ToolResult():
                return self._result(block)
            case Image():
                return {"type": "image", "source": _source(block.media_type, block.data, block.url)}
            case Document():
                return _document(block)
            case Thinking():
                return _thinking(block)
            case Opaque():
                return dict(block.raw)

    def _result(self, result: ToolResult) -> dict[str, Any]:
        encoded: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call_id}
        texts = [block.text for block in result.content if isinstance(block, Text)]
        if len(texts) == len(result.content):
            encoded["content"] = "\n".join(texts)
        else:
            encoded["content"] = [self._block(block) for block in result.content]
        if result.is_error:
            encoded["is_error"] = True
        return encoded


def _document(document: Document) -> dict[str, Any]:
    if document.text is not None:
        source: dict[str, Any] = {"type": "text", "media_type": "text/plain", "data": document.text}
    else:
        source = _source(document.media_type, document.data, document.url)
    return {"type": "document"} | ({"title": document.title} if document.title else {}) | {"source": source}


def _source(media_type: str, data: str | None, url: str | None) -> dict[str, Any]:
    if data is not None:
        return {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "url", "url": url}


def _thinking(thinking: Thinking) -> dict[str, Any]:
    if thinking.redacted is not None:
        return {"type": "redacted_thinking", "data": thinking.redacted}
    return {"type": "thinking", "thinking": thinking.text, "signature": thinking.signature}
