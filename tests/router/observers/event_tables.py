"""The tables of docs/events.md, made from EVENTS and from what `event_words.py` says of each.

python -m tests.router.observers.event_tables    writes them into the document"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from router.observers.events import EVENTS, EventSpec
from router.observers.journal import QUOTING
from tests.router.observers.event_words import SECTIONS

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"
BEGIN, END = "<!-- events: begin -->\n", "<!-- events: end -->"
_HEAD = ("| Event | Level | Audited | Says | Fields |", "|---|---|---|---|---|")


def event_tables() -> str:
    """Return one table per section, with every event that the words know."""
    return "\n".join(line for title in SECTIONS for line in _section(title)) + "\n"


def written_tables() -> str:
    """Return what stands between the marks of the document."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def _section(title: str) -> Iterator[str]:
    yield from (f"### {title}", "", *_HEAD)
    yield from (_row(name, EVENTS[name], says) for name, says in SECTIONS[title].items())
    yield ""


def _row(name: str, spec: EventSpec, says: str) -> str:
    fields = ", ".join(f"`{one}`" for one in dict.fromkeys(spec.fields))
    return f"| `{name}` | {_level(spec)} | {_audited(name, spec)} | {says} | {fields} |"


def _level(spec: EventSpec) -> str:
    level = logging.getLevelName(spec.level).lower()
    return level if spec.quiet_if is None else f"{level}; debug where `{spec.quiet_if}`"


def _audited(name: str, spec: EventSpec) -> str:
    if not spec.audited:
        return ""
    return "yes, no quotes" if name in QUOTING else "yes"


def main() -> None:
    """Write the tables into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{event_tables()}{END}{after}")


if __name__ == "__main__":
    main()
