"""The table that a run prints: a row per client and model, a column per kind of upstream, no cell left empty."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.clients.cells import DEATHS, Case, Result

OWN = "its own API"  # the column of the case that has one end per client


def table(case: Case, results: Sequence[Result]) -> Table:
    """Return the matrix of one case; a cell that was not run says so."""
    column_of = {id(result): OWN if case is Case.DIRECT else result.cell.kind for result in results}
    kinds = list(dict.fromkeys(column_of.values()))
    rows = list(dict.fromkeys((result.cell.agent.name, result.cell.model) for result in results))
    cells = {(r.cell.agent.name, r.cell.model, column_of[id(r)]): r for r in results}
    drawn = Table("client", "model", *kinds, title=f"case {case}")
    for name, model in rows:
        drawn.add_row(name, model, *(mark(cells.get((name, model, kind))) for kind in kinds))
    return drawn


def mark(result: Result | None) -> str:
    """Return what stands in a cell."""
    if result is None:
        return "not run"
    if result.problem:
        return f"FAIL: {result.problem}"
    return f"pass {result.took_s:.1f} s, {result.requests} requests"


def tell(console: Console, result: Result) -> None:
    """Print one finished cell: what the client said, what it was refused, who answered."""
    cell = result.cell
    console.print(f"{cell.case} {cell.agent.name} {cell.model} {cell.kind}: {mark(result)}", markup=False)
    if result.problem or cell.case in {*DEATHS, Case.EMBEDDED}:
        console.print(f"    it said: {result.words}", markup=False)
        for line in result.asked:
            console.print(f"    asked: {line}", markup=False)
    for line in result.rejected:
        console.print(f"    refused: {line}", markup=False)
    if result.problem:
        console.print(f"    its files: {result.directory}", markup=False)
