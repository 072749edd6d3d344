"""The media parts of a Gemini content as neutral blocks (wire.md 4, 11). The body has been checked and camel-cased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from router.domain.messages import Block, Document, Image, Opaque, Text
from router.domain.request import DialectName, Note
from router.wire.fit import FOREIGN_FILE, NOT_SUPPORTED
from router.wire.media import decode_text, document_placeholder, image_placeholder

VENDOR_HOST = "generativelanguage.googleapis.com"
_STORES = ("gs://", "files/")
_IMAGE_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
}
_ALIASES = {"image/jpg": "image/jpeg"}  # what clients write and vendors refuse
_LOSSES = {"audio": "audio", "image": "image", "video": "item"}  # by the first half of a media type
KINDS = ("text", "inlineData", "fileData", "executableCode", "codeExecutionResult")
SIGNATURE = "thoughtSignature"
_BESIDE = frozenset({"thought", SIGNATURE})


def decode_media(part: dict[str, Any], path: str, notes: list[Note]) -> Block | None:
    """Return one part that is no call, no result and no thought; None for one that says nothing.

    A part with a signature stays whole for the vendor, and is its words for everyone else."""
    kind = kind_of(part)
    if kind is None:
        return None
    block = _decoded(part, kind, path)
    if part.get(SIGNATURE):
        return opaque(part, SIGNATURE, path, text=_words(block), loss="signature")
    if len(part) > 1:
        notes += [Note(path=f"{path}.{key}") for key in part if key != kind and key not in _BESIDE and part[key] is not None]
    return block


def kind_of(part: Mapping[str, Any]) -> str | None:
    """Return the key that says what a part is: a known one before others, None for a part without any."""
    for kind in KINDS:
        if part.get(kind) is not None:
            return kind
    return next((key for key in part if part[key] is not None and key not in _BESIDE), None)


def guessed_image(url: str) -> str:
    """Return the media type of an image by the end of its address, "" for what does not look like one."""
    return _IMAGE_SUFFIXES.get(_path_of(url).rpartition(".")[2].lower(), "")


def opaque(part: Mapping[str, Any], kind: str, path: str, *, text: str = "", loss: str | None = "item") -> Opaque:
    """Return a part that only this API knows."""
    return Opaque(dialect=DialectName.GEMINI, kind=kind, raw=part, text=text, loss=loss, path=path)


def code_fence(part: Mapping[str, Any], kind: str) -> str:
    """Return what the vendor's own code runner did, as text: the program, or what it printed."""
    held = part.get(kind)
    if not isinstance(held, dict):
        return ""
    language = held.get("language") if kind == "executableCode" else ""
    text = held.get("code" if kind == "executableCode" else "output")
    return f"```{language.lower() if isinstance(language, str) else ''}\n{text if isinstance(text, str) else ''}\n```"


def _decoded(part: dict[str, Any], kind: str, path: str) -> Block | None:
    match kind:
        case "text":
            return Text(part["text"]) if part["text"] else None
        case "inlineData":
            return _inline(part, path)
        case "fileData":
            return _file(part, path)
        case "executableCode" | "codeExecutionResult":
            return opaque(part, kind, path, text=code_fence(part, kind), loss=None)
    return opaque(part, kind, path)


def _inline(part: dict[str, Any], path: str) -> Block:
    blob = part["inlineData"]
    media_type, title, data = _media_type(blob), blob.get("displayName") or "", blob["data"]
    family = media_type.partition("/")[0]
    if family == "image":
        return Image(media_type=media_type, data=data, path=path)
    if family in ("audio", "video"):
        return opaque(part, "inlineData", path, text=f"[{media_type} omitted: {NOT_SUPPORTED}]", loss=_LOSSES[family])
    if family == "text":
        return Document(title=title, media_type=media_type, text=_text(data), path=path)
    return Document(title=title, media_type=media_type, data=data, path=path)


def _file(part: dict[str, Any], path: str) -> Block:
    held = part["fileData"]
    url, title = held["fileUri"], held.get("displayName") or ""
    media_type = _media_type(held) or guessed_image(url)
    family = media_type.partition("/")[0]
    if url.startswith(_STORES) or _host(url) == VENDOR_HOST:
        words = (
            image_placeholder(Image(media_type=media_type), FOREIGN_FILE)
            if family == "image"
            else document_placeholder(Document(title=title, media_type=media_type), FOREIGN_FILE)
        )
        return opaque(part, "fileData", path, text=words, loss=_LOSSES.get(family, "document"))
    if family in ("audio", "video"):
        return opaque(part, "fileData", path, text=f"[{media_type} omitted: {NOT_SUPPORTED}]", loss=_LOSSES[family])
    if family == "image":
        return Image(media_type=media_type, url=url, path=path)
    return Document(title=title, media_type=media_type, url=url, path=path)


def _words(block: Block | None) -> str:
    match block:
        case Text(text) | Opaque(text=text):
            return text
        case Image():
            return image_placeholder(block, NOT_SUPPORTED)
        case Document():
            return document_placeholder(block, NOT_SUPPORTED)
    return ""


def _media_type(holder: dict[str, Any]) -> str:
    media_type = (holder.get("mimeType") or "").lower()
    return _ALIASES.get(media_type, media_type)


def _text(data: str) -> str:
    try:
        return decode_text(data)
    except ValueError:
        return data


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
