"""`python -m tests.soak --minutes 10`, which is `make soak`: whether the daemon stays as small as it was.

Prints what it holds at a tenth, at half and at the end of the time (1, 5 and 10 minutes of ten), and a verdict; ends with 0
for flat, 1 otherwise. The same seed draws the same faults; their moments are those of the machine."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.soak.figures import Soaked, complaints, lines
from tests.soak.soak import Plan, run

LONGEST_MINUTES = 24 * 60.0
SHORTEST_MINUTES = 0.1
AROUND_S = 300.0  # beside the load: the start, three rests, the stop


def main() -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(description="Keep a real daemon busy and broken, and see whether it stays flat.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="draws faults and actions (default: the time)")
    options = parser.parse_args()
    if not SHORTEST_MINUTES <= options.minutes <= LONGEST_MINUTES:
        parser.error(f"--minutes: {SHORTEST_MINUTES} to {LONGEST_MINUTES}")
    plan = Plan(seconds=60 * options.minutes, seed=options.seed)
    print(f"soak of {options.minutes:g} minutes, seed {options.seed}", flush=True)
    with TemporaryDirectory() as scratch:
        soaked = trio.run(partial(_bounded, plan, Path(scratch)))
    print("\n".join(lines(soaked)))
    return 1 if any(complaints(soaked)) else 0


async def _bounded(plan: Plan, directory: Path) -> Soaked:
    with trio.fail_after(plan.seconds + AROUND_S):
        return await run(plan, directory=directory, say=partial(print, flush=True))


if __name__ == "__main__":
    sys.exit(main())
