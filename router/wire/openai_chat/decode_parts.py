"""The content parts of a chat message as neutral blocks (wire.md 6). The body has been checked."""

from __future__ import annotations

from typing import Any

from router.domain.messages import Block, Document, Image, Opaque, Text
from router.domain.request import DialectName, Note
from router.wire.fit import NOT_SUPPORTED
from router.wire.media import decode_text, parse_data_uri

_DEFAULT_IMAGE = "image/png"
_DEFAULT_FILE = "application/pdf"


def decode_part(part: dict[str, Any], path: str, notes: list[Note]) -> Block:
    """Return one part; keys beside its kind's own are noted."""
    kind = part["type"]
    notes += [Note(path=f"{path}.{key}") for key in part if key not in ("type", kind) and part[key] is not None]
    match kind:
        case "text" | "refusal":
            return Text(part[kind])
        case "image_url":
            return _image(part["image_url"], path, notes)
        case "file":
            return _document(part["file"], path)
        case "input_audio":
            text = f"[{part['input_audio'].get('format', '')} audio omitted: {NOT_SUPPORTED}]".replace("[ ", "[")
            return _opaque(part, path, text=text, loss="audio")
    return _opaque(part, path)


def _image(image: dict[str, Any] | str, path: str, notes: list[Note]) -> Image:
    url = image if isinstance(image, str) else image["url"]
    if isinstance(image, dict) and image.get("detail") is not None:
        notes.append(Note(path=f"{path}.image_url.detail"))
    inline = parse_data_uri(url)
    if inline is None:
        return Image(url=url, path=path)
    media_type, data = inline
    return Image(media_type=media_type or _DEFAULT_IMAGE, data=data, path=path)


def _document(file: dict[str, Any], path: str) -> Document:
    title, content = _string(file, "filename"), _string(file, "file_data")
    if not content:  # a file that was stored with the vendor
        return Document(title=title, path=path)
    media_type, data = parse_data_uri(content) or (_DEFAULT_FILE, content)
    if media_type.startswith("text/"):
        return Document(title=title, media_type=media_type, text=_text(data), path=path)
    return Document(title=title, media_type=media_type or _DEFAULT_FILE, data=data, path=path)


def _text(data: str) -> str:
    try:
        return decode_text(data)
    except ValueError:
        return data


def _opaque(part: dict[str, Any], path: str, *, text: str = "", loss: str = "item") -> Opaque:
    return Opaque(dialect=DialectName.OPENAI_CHAT, kind=part["type"], raw=part, text=text, loss=loss, path=path)


def _string(holder: dict[str, Any], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""
