"""`router audit`: lines of the audit file, chosen and put into words (supervision.md 13, routing.md 17.1)."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo

from attrs import frozen
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from router.domain.printable import field_word, printable
from router.reports.plain import plain_table
from router.reports.times import moment

Record = Mapping[str, object]

_LEVELS = {"warning": "yellow", "error": "red", "info": "", "debug": "dim"}
_HEAD = ("ts", "seq", "level", "event")
_INDENT = 4  # of the fields below their event, where they do not fit beside it


@frozen(kw_only=True)
class AuditWanted:
    """Which lines are meant: those whose event has `text` in its name, or a value that is `text`, not before `since`."""

    text: str | None = None
    since: str | None = None
    tail: int | None = None

    def choose(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the lines that are meant, the last `tail` of them; none is kept in memory but these."""
        meant = (record for record in records if self.is_meant(record))
        yield from meant if self.tail is None else deque(meant, self.tail)

    def is_meant(self, record: Record) -> bool:
        """Tell whether a line is meant, whatever its place."""
        if not isinstance(record.get("event"), str):
            return False
        if self.since is not None and str(record.get("ts", "")) < self.since:
            return False
        if self.text is None:
            return True
        text = self.text.casefold()
        return text in str(record["event"]).casefold() or any(_is(value, text) for value in record.values())


def print_line(record: Record, out: Console, zone: tzinfo = UTC) -> None:
    """Print a line as people read it: on a terminal folded between its fields, elsewhere as `[ts] LEVEL event {JSON}`.

    `zone` is that of a terminal's times; elsewhere they are UTC."""
    head = _head_of(record, zone if out.is_terminal else UTC)
    fields = {key: value for key, value in record.items() if key not in _HEAD}
    if not out.is_terminal:
        whole = Text.assemble(head, f" {printable(json.dumps(fields, ensure_ascii=False))}") if fields else head
        out.print(whole, soft_wrap=True)
        return
    told = Text(" ").join(_field(key, value) for key, value in fields.items())
    if head.cell_len + 1 + told.cell_len <= out.width:
        out.print(Text.assemble(head, " ", told) if fields else head)
    else:
        out.print(head)
        out.print(Padding(told, (0, 0, 0, _INDENT)))


def _head_of(record: Record, zone: tzinfo) -> Text:
    level = printable(str(record.get("level", "")).upper())
    stamp = f"[{printable(moment(str(record.get('ts', '')), zone))}] "
    return Text.assemble(stamp, (level, _LEVELS.get(level.lower(), "")), (f" {printable(str(record['event']))}", "bold"))


def _field(key: str, value: object) -> Text:
    return Text.assemble((f"{printable(key)}=", "dim"), field_word(value))


def summary_of(records: Iterable[Record]) -> tuple[dict[str, int], str, str]:
    """Return how often each event was told, most first, and the stamps of the first and the last."""
    counts: Counter[str] = Counter()
    first = last = ""
    for record in records:
        counts[str(record["event"])] += 1
        last = str(record.get("ts", ""))
        first = first or last
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), first, last


def print_summary(counts: Mapping[str, int], first: str, last: str, out: Console, zone: tzinfo = UTC) -> None:
    """Print the counts as a table; `zone` as of a line."""
    out.print(plain_table(("event", "count"), ((printable(event), str(count)) for event, count in counts.items())))
    start, end = (printable(moment(stamp, zone if out.is_terminal else UTC)) for stamp in (first, last))
    out.print(Text(f"{sum(counts.values())} lines from {start} to {end}"))


def _is(value: object, text: str) -> bool:
    """Tell whether a value is the text, or one of a list is, or begins with it as in `provider: why it was passed over`."""
    if isinstance(value, list):
        return any(_is(one, text) or (isinstance(one, str) and one.casefold().startswith(f"{text}:")) for one in value)
    return isinstance(value, str) and value.casefold() == text
