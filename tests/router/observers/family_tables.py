"""The tables of docs/metrics.md, made from the families.

python -m tests.router.observers.family_tables    writes them into the document"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from router.observers.families import COUNTED, Family, Label, Names
from router.observers.state_families import AXES, READ

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
BEGIN, END = "<!-- families: begin -->\n", "<!-- families: end -->"
_HEAD = ["| Family | Kind | Labels | |", "|---|---|---|---|"]


def family_tables() -> str:
    """Return the families that events count and those that are read at the scrape, and the states of each axis."""
    axes = [f"| `{axis}` | {_listed(states)} |" for axis, states in AXES.items()]
    lines = [
        "### Counted by events",
        "",
        *_table(COUNTED),
        "",
        "### Read at each scrape",
        "",
        *_table(READ),
        "",
        "### The axes of `router_provider_state`",
        "",
        "| Axis | States |",
        "|---|---|",
        *axes,
    ]
    return "\n".join(lines) + "\n"


def written_tables() -> str:
    """Return what stands between the marks of the document."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def _table(families: Iterable[Family]) -> list[str]:
    return [*_HEAD, *(f"| `{one.name}` | {one.kind} | {'; '.join(map(_label, one.labels))} | {one.about} |" for one in families)]


def _label(label: Label) -> str:
    if label.words is None or isinstance(label.words, Names):
        return f"`{label.name}`"
    return f"`{label.name}`: {_listed(label.words)}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def main() -> None:
    """Write the tables into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{family_tables()}{END}{after}")


if __name__ == "__main__":
    main()
