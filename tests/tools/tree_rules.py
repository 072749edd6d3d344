"""The six rules of the tree that a reader of syntax trees can keep (supervision.md 21.2), as complaints about one file.

    1 the rules wait for nothing      3 one owner writes a state      5 time and chance are given, never taken
    6 cancellation is the only stop signal; clean-up is bounded; what is caught broadly is caught in few places

Rules 2 (level-triggered) and 4 (generations) are behaviour: tests of D1, D2, D4, D8 and D9 keep them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from attrs import frozen

WAITING = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
UNKNOWN_TO_RULES = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "queue", "random", "secrets", "threading", "time", "trio"}
)
TIME_AND_CHANCE = frozenset({"random", "secrets", "time", "uuid"})
READS_A_CLOCK = frozenset({"now", "today", "utcnow"})  # of datetime and date
STOPS = re.compile(r"(^|_)(stop|stopped|stopping|shut|shutdown|quit|terminate|kill)(_|$)")
BROAD = frozenset({"BaseException", "Exception"})
HAS_LIMIT = frozenset({"fail_after", "fail_at", "move_on_after", "move_on_at"})


@frozen
class Source:
    """One file."""

    path: str
    text: str

    def nodes(self) -> tuple[ast.AST, ...]:
        return _nodes(self.text)

    def place(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def is_explained(self, node: ast.AST) -> bool:
        """Tell whether there is a comment on the node's line, or on the one above it."""
        number: int = getattr(node, "lineno", 1)
        return any("#" in line for line in self.text.splitlines()[max(number - 2, 0) : number])


@cache
def _nodes(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text)))


def imported(source: Source) -> Iterator[tuple[str, ast.AST]]:
    """Yield the first part of each imported module."""
    for node in source.nodes():
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.partition(".")[0], node


def waits(source: Source) -> Iterator[str]:
    """Rule 1: yield each place of a pure file that waits, or knows tasks, threads, time or chance."""
    yield from (f"{source.place(node)}: waits" for node in source.nodes() if isinstance(node, WAITING))
    yield from (f"{source.place(node)}: imports {name}" for name, node in imported(source) if name in UNKNOWN_TO_RULES)


def writes_health(source: Source) -> Iterator[str]:
    """Rule 3: yield each place that runs the reducer, or writes to a cell of the board."""
    for node in source.nodes():
        if isinstance(node, ast.ImportFrom) and node.module == "router.domain.health_step":
            yield from (f"{source.place(node)}: imports step" for alias in node.names if alias.name == "step")
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and _last_name(target.value) in {"cell", "_cell"}:
                yield f"{source.place(node)}: writes cell.{target.attr}"


def takes_time_or_chance(source: Source) -> Iterator[str]:
    """Rule 5: yield what the file takes from the machine for itself: modules, and clocks of datetime."""
    yield from (name for name, _ in imported(source) if name in TIME_AND_CHANCE)
    for node in source.nodes():
        if isinstance(node, ast.Attribute) and node.attr in READS_A_CLOCK and _last_name(node.value) in {"datetime", "date"}:
            yield f"{_last_name(node.value)}.{node.attr}"


def stop_signals(source: Source) -> Iterator[str]:
    """Rule 6: yield each argument and field that hands a stop signal on."""
    for node in source.nodes():
        name, annotation = "", None
        if isinstance(node, ast.arg):
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            name, annotation = _last_name(node.target), node.annotation
        if annotation is not None and STOPS.search(name) and "Event" in ast.unparse(annotation):
            yield f"{source.place(node)}: {name}"


def unbounded_shields(source: Source) -> Iterator[str]:
    """Rule 6: yield each shield without a limit of time that no comment explains."""
    for node in source.nodes():
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg for keyword in node.keywords}
        is_bounded = _last_name(node.func) in HAS_LIMIT or "deadline" in keywords
        if "shield" in keywords and not is_bounded and not source.is_explained(node):
            yield source.place(node)


def catches_broadly(source: Source) -> Iterator[str]:
    """Rule 6: yield each place that swallows any exception at all; to clean up and raise again is allowed everywhere."""
    for node in source.nodes():
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node.body[-1]):
            yield source.place(node)
        if isinstance(node, ast.Call) and _last_name(node.func) == "suppress" and any(map(_is_broad, node.args)):
            yield source.place(node)


def _is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(_is_broad, caught.elts))
    return caught is None or _last_name(caught) in BROAD


def _raises_again(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) and statement.exc is None


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
