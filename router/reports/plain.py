"""How reports print: plain columns, the same text on a terminal and through a pipe, nothing of a cell taken for markup."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NO_TERMINAL_WIDTH = 10_000  # who reads a pipe wants one line per row
_GAP = 2  # between two columns of a table

THE_SERVERS = "(the server's)"  # in the place of a model that the configuration leaves to the server


def plain_console() -> Console:
    """Return a console on stdout; without a terminal nothing is folded, unless COLUMNS says so."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a report is read without its blocks and dots, too
    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if has_width else _NO_TERMINAL_WIDTH)


def print_sentence(line: str, out: Console) -> None:
    """Print a line of words: on a terminal folded between them, elsewhere whole, however narrow its tables have to be."""
    out.print(Text(line), soft_wrap=not out.is_terminal)


def width_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Return how many columns of a terminal a table takes where nothing in it is folded."""
    return sum(_widths(columns, rows)) + _GAP * (len(columns) - 1)


def fitting_tables(columns: Sequence[str], rows: Iterable[Iterable[str]], width: int) -> Iterator[Table]:
    """Yield the table, where it is wider than so many columns as several to print one below the other, with one first column.

    Only what is in the first column is ever folded."""
    cells = [tuple(row) for row in rows]
    widths = _widths(columns, cells)
    first = min(widths[0], width // 3)
    parts: list[list[int]] = [[]]
    used = first
    for place, needed in enumerate(widths[1:], 1):
        used += _GAP + needed
        if used > width and parts[-1]:
            parts.append([])
            used = first + _GAP + needed
        parts[-1].append(place)
    for part in parts:
        table = plain_table([columns[at] for at in (0, *part)], ([row[at] for at in (0, *part)] for row in cells))
        table.columns[0].max_width = first
        for column in table.columns[1:]:
            column.no_wrap = True
        yield table


def _widths(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[int]:
    return list(map(max, zip(*(map(cell_len, row) for row in (columns, *rows)), strict=True)))


def plain_table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, has_head: bool = True) -> Table:
    """Return a table without lines."""
    table = Table(box=None, pad_edge=False, show_header=has_head)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def shown_url(url: str) -> str:
    """Return a URL without its query, which may hold a key."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
