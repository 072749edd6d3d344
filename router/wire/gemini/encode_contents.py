"""The conversation as Gemini contents (wire.md 11.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve

from router.domain.messages import Block, Document, Image, Opaque, Role, Text, Thinking, ToolResult, ToolUse
from router.wire.gemini.decode_parts import SIGNATURE, guessed_image
from router.wire.gemini.signatures import STAND_IN
from router.wire.turns import Turn, result_media, result_text

_ROLES = {Role.USER: "user", Role.ASSISTANT: "model"}
_CONTINUE = "(continue)"  # in front of a conversation that does not begin with its user
_PLAIN = "text/plain"


@define(kw_only=True)
class ContentEncoder:
    """Writes the turns of one request; `names` are the tool names that had to be changed."""

    names: Mapping[str, str]

    def contents(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Return the contents; a user turn's results come before its words."""
        contents: list[dict[str, Any]] = []
        if not turns or turns[0].role is Role.ASSISTANT:
            contents.append({"role": "user", "parts": [{"text": _CONTINUE}]})
        called: dict[str, str] = {}  # the names of the calls that a turn answers, by their id
        for turn in turns:
            if turn.role is Role.ASSISTANT:
                called = {block.id: block.name for block in turn.blocks if isinstance(block, ToolUse)}
                parts = self._model_parts(turn.blocks)
            else:
                parts = [self._result(result, called) for result in turn.results]
                parts += [part for block in _said(turn) if (part := self._part(block)) is not None]
            contents.append({"role": _ROLES[turn.role], "parts": parts})
        return contents

    def _model_parts(self, blocks: Sequence[Block]) -> list[dict[str, Any]]:
        """Return the parts of one turn. Its first call needs a signature, or the word that stands in for one."""
        parts: list[dict[str, Any]] = []
        has_called = False
        for block in blocks:
            part = self._part(block)
            if part is None:
                continue
            if isinstance(block, ToolUse):
                if signature := block.signature or ("" if has_called else STAND_IN):
                    part[SIGNATURE] = signature
                has_called = True
            parts.append(part)
        return parts

    def _part(self, block: Block) -> dict[str, Any] | None:
        match block:
            case Text(text):
                return {"text": text}
            case ToolUse():
                return {"functionCall": {"id": block.id, "name": self._name(block.name), "args": block.input}}
            case Image():
                return _image(block)
            case Document():
                return _document(block)
            case Thinking():
                return {"text": block.text, "thought": True} | ({SIGNATURE: block.signature} if block.signature else {})
            case Opaque():
                return dict(block.raw)
        return None

    def _result(self, result: ToolResult, called: Mapping[str, str]) -> dict[str, Any]:
        text = result_text(evolve(result, is_error=False))
        response = {"error" if result.is_error else "output": text}
        return {"functionResponse": {"id": result.call_id, "name": self._name(called[result.call_id]), "response": response}}

    def _name(self, name: str) -> str:
        return self.names.get(name, name)


def _said(turn: Turn) -> list[Block]:
    """Return what follows the results: the media in them, then the user's words."""
    said: list[Block] = []
    for result in turn.results:
        if media := result_media(result):
            said += [Text(f"From the result of tool call {result.call_id}:"), *media]
    return said + turn.blocks


def _image(image: Image) -> dict[str, Any]:
    if image.data is not None:
        return {"inlineData": {"mimeType": image.media_type, "data": image.data}}
    return _file(image.media_type or guessed_image(image.url or ""), image.url)


def _document(document: Document) -> dict[str, Any]:
    if document.text is not None:
        data = base64.b64encode(document.text.encode("utf-8", "replace")).decode()
        return {"inlineData": {"mimeType": document.media_type or _PLAIN, "data": data}}
    if document.data is not None:
        return {"inlineData": {"mimeType": document.media_type, "data": document.data}}
    return _file(document.media_type, document.url)


def _file(media_type: str, url: str | None) -> dict[str, Any]:
    return {"fileData": ({"mimeType": media_type} if media_type else {}) | {"fileUri": url}}
