"""Gemini contents as neutral messages (wire.md 11). The body has been checked and camel-cased."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import orjson
from attrs import define, field

from router.domain.messages import Block, Message, Role, Text, Thinking, ThinkingOrigin, ToolResult, ToolUse
from router.domain.request import Note
from router.wire.gemini.decode_parts import SIGNATURE, decode_media
from router.wire.gemini.signatures import of_its_vendor

_CONTENT_KEYS = frozenset({"role", "parts"})


@define
class _Waiting:
    """The calls of one turn of the model that nothing has answered yet, oldest first."""

    by_id: dict[str, deque[ToolUse]] = field(factory=dict)
    by_name: dict[str, deque[ToolUse]] = field(factory=dict)
    answers: set[str] = field(factory=set)  # the paths of the calls that have one
    claimed: frozenset[str] = frozenset()  # the ids that results of the content at hand give

    def add(self, call: ToolUse) -> None:
        self.by_id.setdefault(call.id, deque()).append(call)
        self.by_name.setdefault(call.name, deque()).append(call)

    def answered(self, call_id: str, name: str) -> str:
        """Return the id of the call that a result belongs to, which does not wait any longer.

        A result without an id, or with one that no call has, belongs to the oldest call of its name that no other claims."""
        call = self._oldest(self.by_id.get(call_id)) or self._oldest(self.by_name.get(name), self.claimed)
        if call is None:
            return call_id or name
        self.answers.add(call.path)
        return call.id

    def _oldest(self, calls: deque[ToolUse] | None, others: frozenset[str] = frozenset()) -> ToolUse | None:
        while calls:
            call = calls.popleft()
            if call.path not in self.answers and call.id not in others:
                return call
        return None


@define
class ContentDecoder:
    """Decodes the contents of one body, in their order; notes go to `notes`."""

    notes: list[Note]
    _waiting: _Waiting = field(init=False, factory=_Waiting)
    _is_answering: bool = field(init=False, default=False)

    def decode(self, contents: list[dict[str, Any]]) -> tuple[Message, ...]:
        """Return the messages."""
        return tuple([self._message(content, f"contents[{index}]") for index, content in enumerate(contents)])

    def system(self, instruction: str | dict[str, Any] | None) -> tuple[str, ...]:
        """Return the texts of the instruction; anything else in it is noted."""
        if isinstance(instruction, str):
            return (instruction,) if instruction else ()
        texts: list[str] = []
        for index, part in enumerate((instruction or {}).get("parts") or ()):
            path = f"systemInstruction.parts[{index}]"
            block = decode_media(part, path, self.notes)
            if isinstance(block, Text):
                texts.append(block.text)
            elif block is not None:
                self.notes.append(Note(path=path, reason="not text", kind="item"))
        return tuple(texts)

    def _message(self, content: dict[str, Any], path: str) -> Message:
        if not content.keys() <= _CONTENT_KEYS:
            self.notes += [Note(path=f"{path}.{key}") for key in content if key not in _CONTENT_KEYS and content[key] is not None]
        is_model = content.get("role") == "model"
        if is_model and self._is_answering:
            self._waiting = _Waiting()
        self._is_answering = not is_model
        parts = content.get("parts") or []
        self._waiting.claimed = frozenset(_result_ids(parts))
        blocks = tuple(self._blocks(parts, path))
        return Message(role=Role.ASSISTANT if is_model else Role.USER, content=blocks, path=path)

    def _blocks(self, parts: list[dict[str, Any]], path: str) -> Iterator[Block]:
        for index, part in enumerate(parts):
            block = self._block(part, f"{path}.parts[{index}]")
            if block is not None:
                yield block

    def _block(self, part: dict[str, Any], path: str) -> Block | None:
        if part.get("functionCall") is not None:
            return self._call(part, path)
        if part.get("functionResponse") is not None:
            return self._result(part["functionResponse"], path)
        if part.get("thought") is True and part.get("text") is not None:
            return _thought(part["text"], part.get(SIGNATURE) or "", path)
        return decode_media(part, path, self.notes)

    def _call(self, part: dict[str, Any], path: str) -> ToolUse:
        called = part["functionCall"]
        call = ToolUse(
            id=called.get("id") or _minted_id(path),
            name=called["name"],
            input=called.get("args") or {},
            signature=of_its_vendor(part.get(SIGNATURE)),
            path=path,
        )
        self._waiting.add(call)
        return call

    def _result(self, response: dict[str, Any], path: str) -> ToolResult:
        text, is_error = _said(response.get("response"))
        content: list[Block] = [Text(text)] if text else []
        for index, part in enumerate(response.get("parts") or ()):
            block = decode_media(part, f"{path}.functionResponse.parts[{index}]", self.notes)
            if block is not None:
                content.append(block)
        call_id = self._waiting.answered(response.get("id") or "", response.get("name") or "")
        return ToolResult(call_id=call_id, content=tuple(content), is_error=is_error, path=path)


def _result_ids(parts: list[dict[str, Any]]) -> Iterator[str]:
    results = (part.get("functionResponse") for part in parts)
    return (result["id"] for result in results if result is not None and result.get("id"))


def _thought(text: str, signature: str, path: str) -> Thinking | None:
    if not text and not signature:
        return None
    return Thinking(text=text, signature=signature, origin=ThinkingOrigin.GEMINI, path=path)


def _said(response: dict[str, Any] | None) -> tuple[str, bool]:
    """Return the words of a result, and whether they are an error's: a lone `output` or `error` is used bare."""
    told = {key: value for key, value in (response or {}).items() if value is not None}
    if not told:
        return "", False
    is_error = "error" in told and "output" not in told
    if len(told) == 1 and isinstance(bare := told.get("output", told.get("error")), str):
        return bare, is_error
    return orjson.dumps(told).decode(), is_error


def _minted_id(path: str) -> str:
    """Return an id that depends on the call's place only, so that it is the same in every later turn of the session."""
    return "call_" + sha256(path.encode()).hexdigest()[:24]
