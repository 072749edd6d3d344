"""Chat messages as neutral messages (wire.md 6). The body has been checked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from attrs import define, field

from router.domain.messages import Block, Message, Role, Text, ToolKind, ToolResult, ToolUse
from router.domain.request import Note
from router.wire.lenient_json import arguments_object
from router.wire.openai_chat.decode_parts import decode_part

_INSTRUCTIONS = ("system", "developer")
_RESULTS = ("tool", "function")
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
_KNOWN_KEYS = frozenset(
    {"role", "content", "refusal", "tool_calls", "tool_call_id", "function_call", "name", "annotations"} | {*_REASONING}
)


@define
class MessageDecoder:
    """Decodes the messages of one body, in their order; notes go to `notes`.

    `_waiting` holds the calls of the latest assistant turn that no message has answered: results without an id, and
    those of the legacy role `function`, belong to the oldest of them."""

    notes: list[Note]
    _waiting: deque[ToolUse] = field(init=False, factory=deque)

    def decode(self, raws: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[Message, ...]]:
        """Return the instructions at the head, and the messages after them."""
        system: list[str] = []
        messages: list[Message] = []
        for index, raw in enumerate(raws):
            path = f"messages[{index}]"
            self._note_other_keys(raw, path)
            message = self._message(raw, path)
            if message.role is Role.SYSTEM and not messages:
                system += [block.text for block in message.content if isinstance(block, Text)]
            else:
                messages.append(message)
        return tuple(system), tuple(messages)

    def _message(self, raw: dict[str, Any], path: str) -> Message:
        role = raw["role"]
        if role in _RESULTS:
            return Message(role=Role.USER, content=(self._result(raw, path),), path=path)
        content = self._content(raw.get("content"), path)
        if role in _INSTRUCTIONS:
            return Message(role=Role.SYSTEM, content=content, path=path)
        if role == "user":
            return Message(role=Role.USER, content=content, path=path)
        refusal = (Text(raw["refusal"]),) if raw.get("refusal") else ()
        calls = tuple(self._calls(raw, path))
        if calls:
            self._waiting = deque(calls)
        self.notes += [Note(path=f"{path}.{key}", kind="thinking") for key in _REASONING if raw.get(key)]
        return Message(role=Role.ASSISTANT, content=content + refusal + calls, path=path)

    def _content(self, content: str | list[dict[str, Any]] | None, path: str) -> tuple[Block, ...]:
        if isinstance(content, str):
            return (Text(content),) if content else ()
        return tuple([decode_part(part, f"{path}.content[{n}]", self.notes) for n, part in enumerate(content or ())])

    def _result(self, raw: dict[str, Any], path: str) -> ToolResult:
        content = self._content(raw.get("content"), path)
        return ToolResult(call_id=self._answered(raw), content=content, path=path)

    def _answered(self, raw: dict[str, Any]) -> str:
        """Return the id of the call that a result belongs to, and do not let the call wait any longer."""
        call_id, name = raw.get("tool_call_id"), raw.get("name")
        if call_id:
            call = next((call for call in self._waiting if call.id == call_id), None)
        elif raw["role"] == "function":
            call = next((call for call in self._waiting if call.name == name), None)
        else:
            call = self._waiting[0] if self._waiting else None
        if call is None:
            return call_id or name or ""
        self._waiting.remove(call)
        return call.id

    def _calls(self, raw: dict[str, Any], path: str) -> Iterator[ToolUse]:
        for index, call in enumerate(raw.get("tool_calls") or ()):
            yield _call(call, f"{path}.tool_calls[{index}]")
        if function := raw.get("function_call"):
            yield _call({"function": function}, f"{path}.function_call")

    def _note_other_keys(self, raw: dict[str, Any], path: str) -> None:
        if raw.keys() <= _KNOWN_KEYS:
            return
        others = [key for key in raw if key not in _KNOWN_KEYS and raw[key] is not None]
        self.notes += [Note(path=f"{path}.{key}", kind="audio" if key == "audio" else "field") for key in others]


def _call(call: dict[str, Any], path: str) -> ToolUse:
    call_id = call.get("id") or _minted_id(path)
    if call.get("type") == "custom":
        custom = call["custom"]
        arguments = {"input": custom.get("input", "")}
        return ToolUse(id=call_id, name=custom["name"], input=arguments, kind=ToolKind.CUSTOM, path=path)
    function = call["function"]
    return ToolUse(id=call_id, name=function["name"], input=_arguments(function.get("arguments")), path=path)


def _arguments(arguments: object) -> dict[str, Any]:
    """Return the argument object; some servers write an object where the API has its text."""
    if isinstance(arguments, dict):
        return arguments
    if isinstance(arguments, str):
        return arguments_object(arguments)
    return {} if arguments is None else {"_raw": arguments}


def _minted_id(path: str) -> str:
    """Return an id that depends on the call's place only, so that it is the same in every later turn of the session."""
    return "toolu_" + sha256(path.encode()).hexdigest()[:24]
