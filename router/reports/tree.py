"""`router tree`: the live nursery tree of the running daemon, every task with what it waits for (supervision.md 21.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.reports.words import STYLES, duration_words

_STATE = 12  # columns of the longest state, or of `3.5 h left`
_GAP = 2  # between columns
_LEAST_WAITS = 22  # what is left of it on 80 columns is a class and a method
_WAITING = "waiting"
_CHILDREN = "NurseryManager.__aexit__"  # a task that waits for those in its nursery


@frozen(kw_only=True)
class TreeLine:
    """One task as a line: `task` is its name behind the branches that lead to it, `where` the short form of `waits`."""

    task: str
    state: str
    waits: str
    where: str
    left: str


def tree_lines(node: Mapping[str, Any], stem: str = "", branch: str = "") -> Iterator[TreeLine]:
    """Yield a line per task, parents first, as a picture of the tree."""
    deadline_in_s = node.get("deadline_in_s")
    left = "" if deadline_in_s is None else duration_words(deadline_in_s)
    yield TreeLine(
        task=f"{stem}{branch}{node['name']}", state=str(node["state"]), waits=_waits(node), where=_where(node), left=left
    )
    below = stem + {"├─ ": "│  ", "└─ ": "   ", "": ""}[branch]
    children = node.get("children", ())
    for number, child in enumerate(children, start=1):
        yield from tree_lines(child, below, "└─ " if number == len(children) else "├─ ")


def print_tree(body: Mapping[str, Any], out: Console) -> None:
    """Print the body of `/admin/tree`: on a terminal a table as wide as it is, else one whole line per task."""
    lines = list(tree_lines(body["tree"]))
    if not out.is_terminal:
        for line in lines:
            out.print(Text("  ".join(filter(None, (line.task, line.state, line.waits, line.left and f"{line.left} left")))))
        return
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    room = max(out.width - _STATE - 2 * _GAP, 2 * _LEAST_WAITS)
    task_width = min(max(len(line.task) for line in lines), room - _LEAST_WAITS)
    waits_width = room - task_width
    for title, width in zip(("task", "state", "waits in"), (task_width, _STATE, waits_width), strict=True):
        table.add_column(title, no_wrap=True, overflow="ellipsis", width=width)
    for line in lines:
        waits = line.waits if len(line.waits) <= waits_width else line.where
        table.add_row(Text(line.task), _state(line), Text(waits, "dim"))
    out.print(table)
    out.print(Text(f"{len(lines)} tasks, besides trio's own", "dim"))


def _state(line: TreeLine) -> Text:
    """Return a task's state; one that waits for so long at most is told by the time."""
    if line.left and line.state == _WAITING:
        return Text(f"{line.left} left")
    return Text(line.state, STYLES.get(line.state, ""))


def _where(node: Mapping[str, Any]) -> str:
    return "its children" if node.get("waits_for") == _CHILDREN else str(node.get("waits_in", ""))


def _waits(node: Mapping[str, Any]) -> str:
    where, what = node.get("waits_in", ""), node.get("waits_for", "")
    if what == _CHILDREN:
        return f"{where}, for its children"
    return f"{where}, for {what}" if where and what else where
