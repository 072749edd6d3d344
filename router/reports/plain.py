"""How reports print: plain columns, the same text on a terminal and through a pipe, nothing of a cell taken for markup."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
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


def width_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Return how many columns of a terminal a table takes where nothing in it is folded."""
    return sum(map(max, zip(*(map(cell_len, row) for row in (columns, *rows)), strict=True))) + _GAP * (len(columns) - 1)


def plain_table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, has_head: bool = True) -> Table:
    """Return a table without lines."""
    table = Table(box=None, pad_edge=False, show_header=has_head)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def shown(text: str) -> str:
    """Return foreign text without control characters: an upstream's words must not steer the terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def shown_url(url: str) -> str:
    """Return a URL without its query, which may hold a key."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
