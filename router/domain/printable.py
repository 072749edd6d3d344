"""Words of others on a terminal, and behind a key."""

from __future__ import annotations

import json
import re

import orjson

NOTHING = "-"  # in a cell of a table
# words that JSON reads as something that is no text
_OTHER_JSON = re.compile(r"null|true|false|NaN|-?Infinity|-?\d+(\.\d+)?([eE][+-]?\d+)?|[\[{].*", re.ASCII)


def printable(text: str) -> str:
    """Return the text with what a terminal could take for a command written out."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def field_word(value: object) -> str:
    """Return a value as it stands behind `key=`: one word as it is, everything else as JSON, printable too.

    So no value can be read as a key of its own, and no word as what it is not: the text `null` has its quotes."""
    if isinstance(value, str) and value != "" and value.isprintable() and not any(one in ' "=' for one in value):
        return json.dumps(value) if _OTHER_JSON.fullmatch(value) else value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def cell_word(word: str | None) -> str:
    """Return what a cell of a table has of a name: `-` for none, and a name that reads so with its quotes."""
    return f'"{word}"' if word == NOTHING else word or NOTHING


def json_document(value: object) -> bytes:
    """Return a value as JSON, indented; of what is no UTF-8, such as a path, there is a `?` for each byte."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, indent=2).encode(errors="replace")
