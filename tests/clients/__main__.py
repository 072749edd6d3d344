"""`python -m tests.clients`, which is `make clients`: real coding agents against the router, and a matrix of how it went.

Ends with 1 if a cell failed. `--keep DIR` leaves what each client sent, printed and was answered."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from rich.console import Console

from tests.clients.agents import AGENTS, missing, pinned
from tests.clients.cells import Case, Cell, Result, cells, run_cell
from tests.clients.matrix import table, tell
from tests.clients.upstream.server import KINDS

WIDTH = 200  # of a row with five kinds; a narrower terminal wraps it
# `all` is what needs no model: the embedded one takes most of an hour
CASES = {
    "direct": (Case.DIRECT,),
    "tool": (Case.TOOL,),
    "kill": (Case.KILL_HEAD, Case.KILL_TEXT),
    "embedded": (Case.EMBEDDED,),
    "all": (Case.DIRECT, Case.TOOL, Case.KILL_HEAD, Case.KILL_TEXT),
}


async def run_all(console: Console, wanted: Sequence[Cell], directory: Path) -> list[Result]:
    """Run the cells one after the other; each has a directory of its own."""
    results: list[Result] = []
    for number, cell in enumerate(wanted, 1):
        scratch = directory / f"{number:03}-{cell.case}-{cell.agent.name}-{cell.model}-{cell.kind}"
        scratch.mkdir(parents=True)
        result = await run_cell(cell, scratch)
        tell(console, result)
        results.append(result)
    return results


def has_model() -> bool:
    """Tell whether the extra `local` is installed."""
    return importlib.util.find_spec("xllamacpp") is not None


def report(console: Console, results: Sequence[Result]) -> None:
    """Print the matrices."""
    for case in dict.fromkeys(result.cell.case for result in results):
        console.print(table(case, [result for result in results if result.cell.case is case]))
    failed = sum(bool(result.problem) for result in results)
    console.print(f"{len(results)} cells, {failed} failed.")


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--client", choices=[agent.name for agent in AGENTS], action="append", help="only this one; repeatable")
    parser.add_argument("--model", help="only this model's row")
    parser.add_argument("--upstream", choices=KINDS, action="append", help="only this kind; repeatable")
    parser.add_argument("--case", choices=CASES, default="all")
    parser.add_argument("--keep", type=Path, help="leave everything there, an empty directory")
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True, width=WIDTH)
    if given.case == "embedded" and not has_model():
        console.print("The embedded model is not installed. Run `make setup-local`.")
        return 1
    if absent := missing():
        console.print(f"Not installed: {', '.join(absent)}. Run `make clients`.")
        return 1
    agents = [agent for agent in AGENTS if not given.client or agent.name in given.client]
    for agent in agents:
        console.print(f"{agent.name}: {agent.package} {pinned(agent)}")
    wanted = cells(CASES[given.case], agents, given.upstream or KINDS)
    wanted = [cell for cell in wanted if given.model in {None, cell.model}]
    with TemporaryDirectory(prefix="clients-") as scratch:
        results = trio.run(run_all, console, wanted, given.keep or Path(scratch))
    report(console, results)
    return int(not results or any(result.problem for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
