"""What conf/router.toml shows of every option, commented out or not."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import attrs
import tomlkit

from router.config.structure import table_types

ROOT = Path(__file__).parents[3]
DEFAULT_FILE = ROOT / "conf" / "router.toml"

COMMENTED_OUT = re.compile(r'^#(?=[\[a-z"])', re.MULTILINE)  # an option; text has a blank after the #
_HEADER = re.compile(r"\[\[?([a-z_.]+)\]\]?$")
_KEY = re.compile(r"([a-z_0-9]+) = ")


@attrs.frozen
class Stated:
    """One option as the file shows it."""

    value: object
    comment: str


@cache
def stated() -> dict[str, list[Stated]]:
    """Return {table.key: how it is shown}, whether commented out or not; a table alone is there with nothing."""
    found: dict[str, list[Stated]] = defaultdict(list)
    table = ""
    for line in COMMENTED_OUT.sub("", DEFAULT_FILE.read_text()).splitlines():
        if header := _HEADER.fullmatch(line.partition(" #")[0]):
            table = {"profile_defaults": "profiles"}.get(header.group(1), header.group(1))
            found[header.group(1)] = []
        elif key := _KEY.match(line):
            document = tomlkit.parse(line)
            value = document.unwrap()[key.group(1)]
            comment = document.body[0][1].trivia.comment.removeprefix("# ")
            found[f"{table}.{key.group(1)}"].append(Stated(tuple(value) if isinstance(value, list) else value, comment))
    return dict(found)


def options() -> list[tuple[str, object]]:
    """Return (table.key, default) of every option of the schema."""
    return [
        (f"{path}.{attribute.name}".lstrip("."), default_of(attribute))
        for path, cls in table_types().items()
        for attribute in attrs.fields(cls)
    ]


def default_of(attribute: attrs.Attribute[object]) -> object:
    """Return the default of one option, NOTHING for one that is required."""
    factory = getattr(attribute.default, "factory", None)
    return attribute.default if factory is None else factory()
