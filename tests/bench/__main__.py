"""`python -m tests.bench`, which is `make bench`: direct, bare proxy and router in one run, the table into the docs.

Load generator and mock upstream share one core, the measured process has the other. The default takes about five
minutes, `--quick` about one; `--no-router` measures the bare proxy alone. Ends with 1 where an answer failed, or where being
watched costs more than it may."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.bench import guards, observing
from tests.bench.measure import Sheet, put_start, round_of_all, warm_memory, warm_up
from tests.bench.table import render, write_into
from tests.bench.targets import BARE, ROUTER, open_bare_proxy, open_measured_router, open_stage, split_cores
from tests.e2e.daemon import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
STARTS = 3


async def main(*, rounds: int, seconds: float, with_router: bool) -> Sheet:
    """Run the bench and return its sheet. The load blocks the loop on purpose: nothing else runs here."""
    sheet = Sheet()
    with TemporaryDirectory() as name:
        directory = Path(name)
        _, proxy_core = split_cores()
        async with open_stage(directory, with_router=with_router) as stage:
            for _ in range(STARTS):
                async with open_bare_proxy(stage.mock_port, directory, proxy_core) as running:
                    put_start(sheet, BARE, running.ready_after_s)
                if with_router:
                    async with open_measured_router(stage.mock_port, directory, proxy_core) as running:
                        put_start(sheet, ROUTER, running.ready_after_s)
            warm_up(stage)
            warm_memory(stage, sheet)
            for number in range(1, rounds + 1):
                round_of_all(stage, sheet, seconds=seconds, say=partial(_say, number, rounds))
    return sheet


def _say(number: int, rounds: int, what: str) -> None:
    print(f"round {number} of {rounds}: {what}", file=sys.stderr, flush=True)


def _measure_all(*, is_quick: bool, with_router: bool) -> int:
    """Print the main tables, and write them unless the run was a short one; 1 if an answer failed."""
    rounds = 1 if is_quick else 3
    sheet = trio.run(partial(main, rounds=rounds, seconds=0.8 if is_quick else 2.0, with_router=with_router))
    text = f"{render(sheet, rounds=rounds)}\n\n{guards.render(guards.measure())}"
    print(text)
    if not is_quick and with_router:
        write_into(DOCUMENT, "bench", text)
    return 1 if sheet.errors else 0


def _measure_observing(*, is_quick: bool) -> int:
    """Print what being watched costs, and write it unless the run was a short one; 1 if that is more than it may."""
    rows = observing.measure(seconds=0.2 if is_quick else 0.5)
    print(observing.render(rows))
    if not is_quick:
        write_into(DOCUMENT, "bench-observing", observing.render(rows))
    return 1 if any(row.ratio(observing.ON) > observing.AT_MOST for row in rows) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the router against going direct and a bare proxy.")
    parser.add_argument("--quick", action="store_true", help="one short round; the document is left alone")
    parser.add_argument("--no-router", action="store_true", help="direct and the bare proxy only; as --quick, no document")
    parser.add_argument("--observing", action="store_true", help="only what being watched costs")
    arguments = parser.parse_args()
    codes = []
    if not arguments.observing:
        codes.append(_measure_all(is_quick=arguments.quick, with_router=not arguments.no_router))
    if not arguments.no_router:
        codes.append(_measure_observing(is_quick=arguments.quick))
    sys.exit(max(codes, default=0))
