"""Words of others on a terminal, and behind a key."""

from __future__ import annotations

import json

import orjson


def printable(text: str) -> str:
    """Return the text with what a terminal could take for a command written out."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def field_word(value: object) -> str:
    """Return a value as it stands behind `key=`: one word as it is, everything else as JSON, printable too.

    So no value can be read as a key of its own."""
    if isinstance(value, str) and value != "" and value.isprintable() and not any(one in ' "=' for one in value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def json_document(value: object) -> bytes:
    """Return a value as JSON, indented; of what is no UTF-8, such as a path, there is a `?` for each byte."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, indent=2).encode(errors="replace")
