"""`python -m tests.bench`, which is `make bench`: direct, bare proxy and router in one run, the table into the docs.

Load generator and mock upstream share one core, the measured process has the other. The default takes about five
minutes, `--quick` about one; `--no-router` measures the bare proxy alone."""

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the router against going direct and a bare proxy.")
    parser.add_argument("--quick", action="store_true", help="one short round; the document is left alone")
    parser.add_argument("--no-router", action="store_true", help="direct and the bare proxy only; as --quick, no document")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else 3
    run = partial(main, rounds=rounds, seconds=0.8 if arguments.quick else 2.0, with_router=not arguments.no_router)
    result = trio.run(run)
    parts = [render(result, rounds=rounds), guards.render(guards.measure())]
    if not arguments.no_router:
        parts.append(observing.render(observing.measure(seconds=0.5 if arguments.quick else 1.0)))
    text = "\n\n".join(parts)
    print(text)
    if not arguments.quick and not arguments.no_router:
        write_into(DOCUMENT, text)
    sys.exit(1 if result.errors else 0)
