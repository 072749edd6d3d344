"""Images and documents between dialects: data URIs, and the words that stand for what an upstream cannot take (wire.md 5, 6)."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from router.domain.messages import Document, Image

_ALIASES = {"image/jpg": "image/jpeg"}  # what clients write and vendors refuse
_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


def parse_data_uri(uri: str) -> tuple[str, str] | None:
    """Return (media type, base64 text) of a data URI, "" for a media type that it does not name; None for any other URL."""
    head = _DATA_URI.match(uri)
    if head is None:
        return None
    data = uri[head.end() :]
    if ";base64" not in head[2].lower():
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    media_type = head[1].lower()
    return _ALIASES.get(media_type, media_type), data


def data_uri(media_type: str, data: str) -> str:
    """Return the data URI of base64 text."""
    return f"data:{media_type};base64,{data}"


def decode_text(data: str) -> str:
    """Return the text that base64 text holds; what is no UTF-8 reads as U+FFFD. Raises ValueError for what is no base64."""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def image_placeholder(image: Image, why: str) -> str:
    """Return what a model reads in place of the image."""
    return f"[{_named(image.media_type, 'image')} omitted: {why}]"


def image_elsewhere(image: Image) -> str:
    """Return what a tool message says of an image that follows in the next user message."""
    return f"[{_named(image.media_type, 'image')}, see next message]"


def document_placeholder(document: Document, why: str) -> str:
    """Return what a model reads in place of the document."""
    title = f' "{document.title}"' if document.title else ""
    return f"[{_named(document.media_type, 'document')}{title} omitted: {why}]"


def inline_document(document: Document) -> str:
    """Return a text document as a model reads it inside a message."""
    title = ' title="' + document.title.replace('"', "&quot;") + '"' if document.title else ""
    return f"<document{title}>\n{document.text}\n</document>"


def _named(media_type: str, what: str) -> str:
    return f"{media_type} {what}" if media_type else what
