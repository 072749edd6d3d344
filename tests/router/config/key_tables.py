"""The tables of docs/configuration.md, made from the schema and from what conf/router.toml says of each option.

python -m tests.router.config.key_tables    writes them into the document"""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

import attrs

from router.config.checks import Only
from router.config.structure import table_types
from tests.router.config.default_file import ROOT, default_of, stated

DOCUMENT = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->"

_WORD_LIST = re.compile(r"^[a-z_-]+(?: \| [a-z_-]+)+(?:, |: |$)")
_IN_THE_CODE = re.compile(r"[.;] In the code: .*$")  # the default, which has its own column
_TITLES = {
    "providers": "[[providers]]",
    "profiles": "[[profiles]], [profile_defaults]",
    "prices": "[[prices]]",
    "capability_rules": "[[capability_rules]]",
    "auto_router.rules": "[[auto_router.rules]]",
}


def key_tables() -> str:
    """Return one Markdown table per TOML table, in the order of conf/router.toml, each before its own sub-tables."""
    shown = list(stated())
    paths = [path for path in table_types() if path]
    return "\n".join(map(_table, sorted(paths, key=lambda path: (shown.index(path.partition(".")[0]), shown.index(path)))))


def written_tables() -> str:
    """Return what stands between the marks of the document."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def meaning_of(option: str) -> tuple[str, str]:
    """Return (what its absence means, what it means) from the last comment on the option in conf/router.toml."""
    comment = next((one.comment for one in reversed(stated()[option]) if one.comment), "")
    absence = ""
    if comment.startswith("none: "):
        absence, _, comment = comment.removeprefix("none: ").partition(". ")
    return absence, _IN_THE_CODE.sub("", _WORD_LIST.sub("", comment))


def _table(path: str) -> str:
    cls = table_types()[path]
    rows = [_row(path, attribute) for attribute in attrs.fields(cls) if stated()[f"{path}.{attribute.name}"]]
    title = f"### `{_TITLES.get(path, f'[{path}]')}`"
    return "\n".join([title, "", "| Key | Default | Values | |", "|---|---|---|---|", *rows, ""])


def _row(path: str, attribute: attrs.Attribute[object]) -> str:
    absence, meaning = meaning_of(f"{path}.{attribute.name}")
    default = default_of(attribute)
    shown = ("required" if default is attrs.NOTHING else absence) if default in (None, attrs.NOTHING) else f"`{_toml(default)}`"
    cells = (f"`{attribute.name}`", shown, _values(attribute), meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _values(attribute: attrs.Attribute[object]) -> str:
    for type_ in (attribute.type, *get_args(attribute.type)):
        if get_origin(type_) is Literal:
            return ", ".join(f"`{word}`" for word in get_args(type_))
    check = attribute.validator
    return "" if check is None or isinstance(check, Only) else str(getattr(check, "text"))  # noqa: B009 - every check has it


def _toml(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case str():
            return f'"{default}"'
        case float():
            return f"{default:g}"
        case tuple():
            return "[]"
        case _:
            return str(default)


def main() -> None:
    """Write the tables into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{key_tables()}{END}{after}")


if __name__ == "__main__":
    main()
