"""The table that a run prints: a row per client and model, a column per kind of upstream, no cell left empty."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.clients.cells import Case, Result


def table(case: Case, results: Sequence[Result]) -> Table:
    """Return the matrix of one case; a cell that was not run says so."""
    kinds = list(dict.fromkeys(result.cell.kind for result in results))
    rows = list(dict.fromkeys((result.cell.agent.name, result.cell.model) for result in results))
    cells = {(r.cell.agent.name, r.cell.model, r.cell.kind): r for r in results}
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
    if result.problem or cell.case in {Case.KILL_HEAD, Case.KILL_TEXT}:
        console.print(f"    it said: {result.words}", markup=False)
        for chain in result.chain:
            console.print(f"    asked: {chain}", markup=False)
    for line in result.rejected:
        console.print(f"    refused: {line}", markup=False)
    if result.problem:
        console.print(f"    kept in {result.kept_in}", markup=False)
