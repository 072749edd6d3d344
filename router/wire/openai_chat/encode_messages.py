"""The conversation as chat messages (wire.md 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define

from router.domain.messages import Block, Document, Image, Opaque, Role, Text, Thinking, ToolResult, ToolUse
from router.wire.dialect import UpstreamTarget
from router.wire.fit import NOT_SUPPORTED
from router.wire.media import data_uri, image_placeholder
from router.wire.openai_chat.tools import encode_call
from router.wire.turns import Turn, result_media, result_text

PDF = "application/pdf"


@define(kw_only=True)
class MessageEncoder:
    """Writes the turns of one request for one provider; `names` are the tool names that had to be changed."""

    target: UpstreamTarget
    names: Mapping[str, str]

    def messages(self, system: Sequence[str], turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Return the messages: one system message, then each turn; a user turn's results come before its words."""
        messages: list[dict[str, Any]] = []
        if system:
            messages.append({"role": "system", "content": "\n".join(system)})
        for turn in turns:
            if turn.role is Role.ASSISTANT:
                messages.append(self._assistant(turn.blocks))
            else:
                messages += self._user(turn)
        return messages

    def _assistant(self, blocks: Sequence[Block]) -> dict[str, Any]:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        for block in blocks:
            match block:
                case Text(text):
                    texts.append(text)
                case ToolUse():
                    calls.append(encode_call(block, self.names))
                case Thinking():
                    thoughts.append(block.text)
                case Image():
                    texts.append(image_placeholder(block, NOT_SUPPORTED))
        message: dict[str, Any] = {"role": "assistant", "content": "\n".join(texts)}
        if not texts and calls:
            message["content"] = "" if self.target.null_content == "empty" else None
        if thoughts or (calls and self.target.reasoning == "echo"):  # "" where there was none: without the field it is refused
            message["reasoning_content"] = "\n".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        return message

    def _user(self, turn: Turn) -> list[dict[str, Any]]:
        messages = [self._tool_message(result) for result in turn.results]
        said: list[Block] = []
        for result in turn.results:
            if media := result_media(result):
                said += [Text(f"Image from tool result {result.call_id}:"), *media]
        said += turn.blocks
        if said:
            messages.append({"role": "user", "content": _content(said)})
        return messages

    def _tool_message(self, result: ToolResult) -> dict[str, Any]:
        text = result_text(result) or self.target.empty_result_text
        return {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _content(blocks: Sequence[Block]) -> str | list[dict[str, Any]]:
    """Return one string for texts alone, since many local servers refuse part lists; else parts in their order."""
    texts = [block.text for block in blocks if isinstance(block, Text)]
    if len(texts) == len(blocks):
        return "\n".join(texts)
    return [part for block in blocks if (part := _part(block)) is not None]


def _part(block: Block) -> dict[str, Any] | None:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            url = block.url or data_uri(block.media_type, block.data or "")
            return {"type": "image_url", "image_url": {"url": url}}
        case Document():
            file = {"filename": block.title or "document.pdf", "file_data": data_uri(PDF, block.data or "")}
            return {"type": "file", "file": file}
        case Opaque():
            return dict(block.raw)
    return None
