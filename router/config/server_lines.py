"""What can still be read of `[server]` in a text with mistakes, and what it says there and cannot be read."""

from __future__ import annotations

import re

import tomlkit
from tomlkit.exceptions import TOMLKitError

from router.config.document import Document

_FIRST = re.compile(r"""[\s\["']*(\w+)""")
_WORD = re.compile(r"\w+")


def server_table(text: str) -> tuple[Document, set[str]]:
    """Return the table, of a text that is no TOML its lines that are; and the keys that cannot be read.

    A key is rather one too many of those than one too few: who takes its default acts on another machine's router."""
    try:
        whole: Document = tomlkit.parse(text).unwrap()
    except TOMLKitError:
        return _of_lines(text)
    server = whole.get("server")
    table = server if isinstance(server, dict) else {}
    elsewhere = {key for name, part in whole.items() for key in (name, *_keys(part))}  # `[sever]`, `[[server]]`
    return table, elsewhere - table.keys()


def _keys(part: object) -> list[str]:
    """Return the keys of a table, or of every table of an array."""
    members = part if isinstance(part, list) else [part]
    return [key for member in members if isinstance(member, dict) for key in member]


def _of_lines(text: str) -> tuple[Document, set[str]]:
    found: Document = {}
    unread: set[str] = set()
    elsewhere: set[str] = set()  # perhaps of the server, where its header is what is broken
    is_inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            is_inside = line.partition("#")[0].strip() == "[server]"
        read = _read(line) if is_inside else None
        if read is None:
            (unread if is_inside else elsewhere).update(_said(line))
        else:
            unread |= {key for key, value in read.items() if found.get(key, value) != value}  # which of both is meant?
            found |= read
    return found, unread | (elsewhere - found.keys())


def _read(line: str) -> Document | None:
    try:
        return tomlkit.parse(line).unwrap()
    except TOMLKitError:
        return None


def _said(line: str) -> list[str]:
    """Return the key of a line that is not understood; every word of `server.port = 1` and `server = { port = 1 }`."""
    first = _FIRST.match(line)
    if first is None:
        return []
    return _WORD.findall(line) if first[1] == "server" else [first[1]]
