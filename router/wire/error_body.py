"""What an upstream's error body says, whichever server wrote it.

Shapes seen in the wild: `{"error": {...}}` and `{"type": "error", "error": {...}}` of the vendors, `{"error": "text"}` of
Ollama, `{"object": "error", ...}` of vLLM, `{"detail": ...}` of FastAPI servers, `{"message": {"detail": [...]}}` of Mistral,
a list around it (Gemini), the error of a vendor as text inside another's (OpenRouter's `metadata.raw`), HTML of a gateway,
plain text, and any of them cut."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

import orjson
from attrs import frozen

MAX_TEXT_CHARS = 8192

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_CUT_MESSAGE = re.compile(r'"(?:message|error|detail)"\s*:\s*"((?:[^"\\]|\\.)+)')
_TEXT_KEYS = ("message", "msg", "detail", "error_description", "reason", "title")


@frozen(kw_only=True)
class ErrorText:
    """An upstream's words: `text` is all of them (at most 8,192 characters), `words` its code and type in lower case.

    `param` is the request field that the upstream names, as a path (`tools[0].type`, `stream_options`)."""

    text: str = ""
    words: frozenset[str] = frozenset()
    param: str | None = None


def read_error(body: bytes) -> ErrorText:
    """Return what an error body says; an empty text for an empty one. Never raises."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ErrorText(text=_plain(body.decode("utf-8", "replace")))
    return error_text(document)


def error_text(document: object) -> ErrorText:
    """Return what an error says that was parsed already: an object, a list of them, or a bare text."""
    if isinstance(document, str):
        return ErrorText(text=document[:MAX_TEXT_CHARS])
    objects = list(_error_objects(document))
    texts = dict.fromkeys(text for found in objects for text in _texts(found))
    named = (found.get(key) for found in objects for key in ("code", "type", "status"))
    return ErrorText(
        text=": ".join(texts)[:MAX_TEXT_CHARS],
        words=frozenset(str(word).lower() for word in named if isinstance(word, str | int)),
        param=next((param for found in objects if (param := _param(found)) is not None), None),
    )


def _error_objects(node: object, depth: int = 8) -> Iterator[Mapping[str, object]]:
    """Yield the objects that describe the error, outermost first. `depth` bounds a hostile nesting."""
    if depth == 0:
        return
    if isinstance(node, list):
        for item in node[:5]:
            yield from _error_objects(item, depth - 1)
    elif isinstance(node, dict):
        yield node
        for key in ("error", "errors", "detail", "metadata", "message"):
            yield from _error_objects(node.get(key), depth - 1)
        yield from _error_objects(_embedded(node.get("raw")), depth - 1)


def _embedded(raw: object) -> object:
    """Return the vendor's own error that OpenRouter hands on as text; a text that is no JSON as a message."""
    if not isinstance(raw, str):
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {"message": raw}


def _texts(found: Mapping[str, object]) -> Iterator[str]:
    for key in ("error", *_TEXT_KEYS):
        if isinstance(text := found.get(key), str) and text.strip():
            yield text.strip()
            return


def _param(found: Mapping[str, object]) -> str | None:
    """Return the field that the error names: `param` (OpenAI), or `loc` of a validation error."""
    if isinstance(param := found.get("param"), str) and param:
        return param
    if isinstance(loc := found.get("loc"), list):
        path = [str(part) for part in loc if isinstance(part, str | int) and part != "body"]
        return ".".join(path) or None
    return None


def _plain(text: str) -> str:
    """Return the sense of a body that is no JSON: the message of one that was cut, the title of a page, the text."""
    if text.lstrip().startswith(("{", "[")) and (cut := _CUT_MESSAGE.search(text)) is not None:
        return cut[1]
    if (title := _TITLE.search(text)) is not None:
        text = title[1]
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())[:MAX_TEXT_CHARS]
