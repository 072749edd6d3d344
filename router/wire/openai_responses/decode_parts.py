"""The content parts of messages and results as neutral blocks (wire.md 10.1). The body has been checked."""

from __future__ import annotations

from typing import Any

from router.domain.messages import Block, Document, Image, Opaque, Text
from router.domain.request import DialectName, Note
from router.wire.fit import NOT_SUPPORTED
from router.wire.media import parse_data_uri

_DEFAULT_IMAGE = "image/png"
_DEFAULT_FILE = "application/pdf"
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def decode_content(content: object, path: str, notes: list[Note], *, role: str = "user") -> tuple[Block, ...]:
    """Return the blocks of a content value: a text, or a list of parts."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    parts = content if isinstance(content, list) else ()
    return tuple([decode_part(part, f"{path}[{index}]", notes, role=role) for index, part in enumerate(parts)])


def decode_part(part: dict[str, Any], path: str, notes: list[Note], *, role: str) -> Block:
    """Return one part; one of an unknown kind as an item of its own, which is where an upstream can read it again."""
    kind = part["type"]
    if kind in _TEXTS:
        return Text(part[_TEXTS[kind]])
    match kind:
        case "input_image":
            return _image(part, path, notes)
        case "input_file":
            return _document(part, path)
        case "input_audio":
            return _opaque(part, path, role, text=f"[audio omitted: {NOT_SUPPORTED}]", loss="audio")
    return _opaque(part, path, role)


def _image(part: dict[str, Any], path: str, notes: list[Note]) -> Image:
    told = part.get("image_url")
    url = told["url"] if isinstance(told, dict) else told
    if part.get("detail") not in (None, "auto"):
        notes.append(Note(path=f"{path}.detail"))
    if not url:  # a file that was stored with the vendor
        return Image(path=path)
    inline = parse_data_uri(url)
    if inline is None:
        return Image(url=url, path=path)
    media_type, data = inline
    return Image(media_type=media_type or _DEFAULT_IMAGE, data=data, path=path)


def _document(part: dict[str, Any], path: str) -> Document:
    title, content, url = (_string(part, key) for key in ("filename", "file_data", "file_url"))
    if not content:
        return Document(title=title, url=url or None, path=path)
    media_type, data = parse_data_uri(content) or (_DEFAULT_FILE, content)
    return Document(title=title, media_type=media_type or _DEFAULT_FILE, data=data, path=path)


def _opaque(part: dict[str, Any], path: str, role: str, *, text: str = "", loss: str = "item") -> Opaque:
    item = {"type": "message", "role": role, "content": [part]}
    kind = part["type"]
    return Opaque(dialect=DialectName.OPENAI_RESPONSES, kind=kind, raw=item, text=text, loss=loss, path=path)


def _string(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
