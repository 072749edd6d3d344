"""The conversation as Ollama's messages (wire.md 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from router.domain.messages import Block, Image, Role, Text, Thinking, ToolResult, ToolUse
from router.wire.dialect import UpstreamTarget
from router.wire.turns import Turn, result_media, result_text


@define(kw_only=True)
class MessageEncoder:
    """Writes the turns of one request for one provider; `names` are the tool names that had to be changed.

    Results name their tool. Servers that know no ids pair them by it and by their order, so they follow the calls' order."""

    target: UpstreamTarget
    names: Mapping[str, str]
    _called: dict[str, str] = field(init=False, factory=dict)  # the tools of the latest assistant turn, by call id

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
        images: list[str] = []
        calls: list[dict[str, Any]] = []
        self._called = {}
        for block in blocks:
            match block:
                case Text(text):
                    texts.append(text)
                case ToolUse():
                    name = self._called[block.id] = self.names.get(block.name, block.name)
                    calls.append({"id": block.id, "function": {"name": name, "arguments": block.input}})
                case Thinking():
                    thoughts.append(block.text)
                case Image():
                    images.append(block.data or "")
        message: dict[str, Any] = {"role": "assistant", "content": "\n".join(texts)}
        if images:
            message["images"] = images
        if thoughts:
            message["thinking"] = "\n".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        return message

    def _user(self, turn: Turn) -> list[dict[str, Any]]:
        order = {call_id: place for place, call_id in enumerate(self._called)}
        results = sorted(turn.results, key=lambda result: order.get(result.call_id, len(order)))
        said: list[Block] = []
        for result in results:
            if media := result_media(result):
                said += [Text(f"Image from tool result {result.call_id}:"), *media]
        return [*map(self._tool_message, results), *_said([*said, *turn.blocks])]

    def _tool_message(self, result: ToolResult) -> dict[str, Any]:
        text = result_text(result) or self.target.empty_result_text
        name = self._called.get(result.call_id, "")
        return {"role": "tool", "content": text, "tool_name": name, "tool_call_id": result.call_id}


def _said(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Return what a user says as messages, each with its texts and its images.

    A message has no order between the two, so it holds texts in a row and images in a row; what comes behind both begins
    another. Neighbours of one role are one turn for the server."""
    said: list[tuple[list[str], list[str]]] = []
    was_image = False
    for block in blocks:
        if not isinstance(block, Text | Image):
            continue
        is_image = isinstance(block, Image)
        if not said or (is_image is not was_image and all(said[-1])):
            said.append(([], []))
        texts, images = said[-1]
        if isinstance(block, Image):
            images.append(block.data or "")
        else:
            texts.append(block.text)
        was_image = is_image
    return [{"role": "user", "content": "\n".join(texts), **({"images": images} if images else {})} for texts, images in said]
