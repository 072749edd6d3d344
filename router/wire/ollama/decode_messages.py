"""Ollama's messages as neutral messages (wire.md 12). The body has been checked."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from attrs import define, field

from router.domain.messages import Block, Image, Message, Role, Text, Thinking, ThinkingOrigin, ToolResult, ToolUse
from router.domain.request import Note
from router.wire.lenient_json import arguments_object
from router.wire.media import parse_data_uri

_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.USER}
_KNOWN_KEYS = frozenset(
    {"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id", "name"}  # `name`: before `tool_name`
)
# an image has no type here: its first bytes tell it, in base64
_IMAGE_HEADS = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
_DEFAULT_IMAGE = "image/png"


@define
class MessageDecoder:
    """Decodes the messages of one body, in their order; notes go to `notes`.

    `_waiting` holds the calls of the latest assistant turn that no message has answered: a result names its call by the
    id, as newer servers give one, by the tool, or not at all."""

    notes: list[Note]
    _waiting: _Waiting = field(init=False, factory=lambda: _Waiting(()))

    def decode(self, raws: list[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[Message, ...]]:
        """Return the instructions at the head, and the messages after them."""
        system: list[str] = []
        messages: list[Message] = []
        for index, raw in enumerate(raws):
            path = f"messages[{index}]"
            if not raw.keys() <= _KNOWN_KEYS:
                self.notes += [Note(path=f"{path}.{key}") for key in raw if key not in _KNOWN_KEYS and raw[key] is not None]
            message = Message(role=_ROLES[raw["role"]], content=tuple(self._blocks(raw, path)), path=path)
            if message.role is Role.SYSTEM and not messages:
                system += [block.text for block in message.content if isinstance(block, Text)]
            else:
                messages.append(message)
        return tuple(system), tuple(messages)

    def _blocks(self, raw: dict[str, Any], path: str) -> Iterator[Block]:
        said = [*([Text(raw["content"])] if raw.get("content") else ()), *_images(raw, path)]
        if raw["role"] == "tool":
            yield ToolResult(call_id=self._answered(raw), content=tuple(said), path=path)
            return
        if raw["role"] == "assistant" and raw.get("thinking"):
            yield Thinking(text=raw["thinking"], origin=ThinkingOrigin.ROUTER, path=f"{path}.thinking")
        yield from said
        calls = [_call(call, f"{path}.tool_calls[{n}]") for n, call in enumerate(raw.get("tool_calls") or ())]
        if calls:
            self._waiting = _Waiting(calls)
        yield from calls

    def _answered(self, raw: dict[str, Any]) -> str:
        """Return the id of the call that a result belongs to, and do not let the call wait any longer."""
        call_id, name = raw.get("tool_call_id"), raw.get("tool_name") or raw.get("name")
        call = self._waiting.take(call_id=call_id or "", name=name or "")
        return (call_id or name or "") if call is None else call.id


class _Waiting:
    """Calls that wait for their results: each is looked for in one step, however many there are."""

    def __init__(self, calls: Iterable[ToolUse]) -> None:
        self._calls = dict(enumerate(calls))
        self._order = deque(self._calls)
        self._by_id: defaultdict[str, deque[int]] = defaultdict(deque)
        self._by_name: defaultdict[str, deque[int]] = defaultdict(deque)
        for place, call in self._calls.items():
            self._by_id[call.id].append(place)
            self._by_name[call.name].append(place)

    def take(self, *, call_id: str, name: str) -> ToolUse | None:
        """Return the first call of that id, else of that name, else of all, which waits no longer; None for no such call."""
        named = self._by_name.get(name) if name else self._order
        places = self._by_id.get(call_id) if call_id else named
        while places:
            if (call := self._calls.pop(places.popleft(), None)) is not None:
                return call
        return None


def _images(raw: dict[str, Any], path: str) -> Iterator[Image]:
    """Yield the images: a message does not say where in its text they belong. Some clients write them as data URIs."""
    for index, data in enumerate(raw.get("images") or ()):
        media_type, content = parse_data_uri(data) or ("", data)
        yield Image(media_type=media_type or _media_type(content), data=content, path=f"{path}.images[{index}]")


def _media_type(data: str) -> str:
    return next((media_type for head, media_type in _IMAGE_HEADS if data.startswith(head)), _DEFAULT_IMAGE)


def _call(call: dict[str, Any], path: str) -> ToolUse:
    function = call["function"]
    return ToolUse(
        id=call.get("id") or _minted_id(path), name=function["name"], input=_arguments(function.get("arguments")), path=path
    )


def _arguments(arguments: object) -> dict[str, Any]:
    """Return the argument object; some clients write the text that the chat API has there."""
    if isinstance(arguments, dict):
        return arguments
    if isinstance(arguments, str):
        return arguments_object(arguments)
    return {} if arguments is None else {"_raw": arguments}


def _minted_id(path: str) -> str:
    """Return an id that depends on the call's place only, so that it is the same in every later turn of the session."""
    return "toolu_" + sha256(path.encode()).hexdigest()[:24]
