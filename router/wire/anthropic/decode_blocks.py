"""The content blocks of a Messages body as neutral blocks (wire.md 4, 5). The body has been checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from router.domain.messages import Block, Document, Image, Opaque, Text, Thinking, ThinkingOrigin, ToolResult, ToolUse
from router.domain.request import DialectName, Note
from router.wire.anthropic.deferred_tools import reference_words
from router.wire.lenient_json import arguments_object
from router.wire.reasoning import SIGNATURE_PREFIX

_KNOWN_KEYS = {
    "text": frozenset({"type", "text"}),
    "image": frozenset({"type", "source"}),
    "document": frozenset({"type", "source", "title"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error"}),
}
_SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_SERVER_RESULT = "_tool_result"


@define
class BlockDecoder:
    """Decodes the blocks of one body; notes go to `notes`, cache marks are only counted."""

    notes: list[Note]
    cache_marks: int = 0
    _decoders: dict[str, Callable[[dict[str, Any], str], Block]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._decoders = {
            "image": _image,
            "document": self._document,
            "thinking": _thinking,
            "redacted_thinking": _redacted_thinking,
            "tool_use": _tool_use,
            "tool_result": self._tool_result,
        }

    def content(self, content: str | list[dict[str, Any]] | None, path: str) -> tuple[Block, ...]:
        """Return the blocks of a message's or a result's content; `path` is that of the content."""
        if isinstance(content, str):
            return (Text(content),) if content else ()
        return tuple([self._block(block, path, index) for index, block in enumerate(content or ())])

    def note_other_keys(self, holder: dict[str, Any], known: frozenset[str], path: str) -> None:
        """Count a cache mark, and note every other key that is not known and not null."""
        for key in holder.keys() - known:
            if key == "cache_control":
                self.cache_marks += holder[key] is not None
            elif holder[key] is not None:
                self.notes.append(Note(path=f"{path}.{key}"))

    def _block(self, block: dict[str, Any], path: str, index: int) -> Block:
        kind = block["type"]
        known = _KNOWN_KEYS.get(kind)
        if known is not None and not block.keys() <= known:
            self.note_other_keys(block, known, f"{path}[{index}]")
        if kind == "text":
            return Text(block["text"])
        decode = self._decoders.get(kind, _opaque)
        return decode(block, f"{path}[{index}]")

    def _tool_result(self, block: dict[str, Any], path: str) -> ToolResult:
        return ToolResult(
            call_id=block["tool_use_id"],
            content=self.content(block.get("content"), f"{path}.content"),
            is_error=block.get("is_error") is True,
            path=path,
        )

    def _document(self, block: dict[str, Any], path: str) -> Document:
        source = block["source"]
        title, media_type = block.get("title") or "", _string(source, "media_type")
        match source.get("type"):
            case "text":
                return Document(title=title, media_type=media_type, text=_string(source, "data"), path=path)
            case "base64":
                return Document(title=title, media_type=media_type, data=_string(source, "data"), path=path)
            case "url":
                return Document(title=title, media_type=media_type, url=_string(source, "url"), path=path)
            case "content":
                return Document(title=title, text=self._flattened(source, path), path=path)
        return Document(title=title, path=path)

    def _flattened(self, source: dict[str, Any], path: str) -> str:
        """Return the texts of a document that is given as content blocks; its images leave notes."""
        content = source.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if isinstance(block, dict) and block.get("type") != "text":
                self.notes.append(Note(path=f"{path}.source.content[{index}]", reason=str(block.get("type")), kind="item"))
        return text_of(source)


def text_of(holder: dict[str, Any]) -> str:
    """Return what a block of any kind says in words: its text, or the texts of its content, one per line."""
    text = holder.get("text")
    if isinstance(text, str):
        return text
    content = holder.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (block.get("text") for block in content if isinstance(block, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _image(block: dict[str, Any], path: str) -> Image:
    source = block["source"]
    match source.get("type"):
        case "base64":
            return Image(media_type=_string(source, "media_type"), data=_string(source, "data"), path=path)
        case "url":
            return Image(media_type=_string(source, "media_type"), url=_string(source, "url"), path=path)
    return Image(path=path)


def _thinking(block: dict[str, Any], path: str) -> Thinking:
    signature = block.get("signature") or ""
    origin = ThinkingOrigin.ROUTER if signature.startswith(SIGNATURE_PREFIX) else ThinkingOrigin.ANTHROPIC
    return Thinking(text=block.get("thinking") or "", signature=signature, origin=origin, path=path)


def _redacted_thinking(block: dict[str, Any], path: str) -> Thinking:
    data = block["data"]
    origin = ThinkingOrigin.ROUTER if data.startswith(SIGNATURE_PREFIX) else ThinkingOrigin.ANTHROPIC
    return Thinking(redacted=data, origin=origin, path=path)


def _tool_use(block: dict[str, Any], path: str) -> ToolUse:
    arguments = block.get("input")
    if not isinstance(arguments, dict):  # what a client kept of a call whose arguments were broken
        arguments = arguments_object(arguments) if isinstance(arguments, str) else {}
    return ToolUse(id=block["id"], name=block["name"], input=arguments, path=path)


def _opaque(block: dict[str, Any], path: str) -> Opaque:
    kind = block["type"]
    if kind in _SERVER_CALLS or kind.endswith(_SERVER_RESULT):
        return Opaque(dialect=DialectName.ANTHROPIC, kind=kind, raw=block, loss="server-tool", path=path)
    if kind == "tool_reference":
        words = reference_words(block)
        return Opaque(dialect=DialectName.ANTHROPIC, kind=kind, raw=block, text=words, loss=None, path=path)
    return Opaque(dialect=DialectName.ANTHROPIC, kind=kind, raw=block, text=text_of(block), loss=None, path=path)


def _string(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
