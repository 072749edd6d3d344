"""How the seams come out: `python -m tests.router.routing.seam_figures` prints shares, and why an echo has 24 characters.

1,000 cuts of twelve recorded answers, drawn from one seed over seven kinds of cut, each continued by five scripts."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

from router.routing.echo import is_run
from tests.router.routing.seam_rig import ANSWERS, CutKind, Result, Script, draw_cut, go_on

CUTS = 1000
SEED = 4
Figures = dict[Script, Counter[Result]]


def figures(cuts: int = CUTS, seed: int = SEED) -> Figures:
    """Return how often each result came, script by script; a script that does not apply to a cut is not counted."""
    found: Figures = {script: Counter() for script in Script}
    kinds = list(CutKind)
    for number in range(cuts):
        cut = draw_cut(kinds[number % len(kinds)], Random(f"{seed} {number}"))  # noqa: S311 - no secrets
        for script in Script:
            result = go_on(cut, script, Random(f"{seed} {number} {script}"))  # noqa: S311 - no secrets
            if result is not None:
                found[script][result] += 1
    return found


def longest_repeat(text: str) -> int:
    """Return the most characters that an answer's rest has in common with the end of what stands before it, runs aside.

    Over all cuts: this is what an echo must not be mistaken for."""
    longest = 0
    for at in range(1, len(text)):
        for size in range(longest + 1, min(at, len(text) - at) + 1):
            end = text[at - size : at]
            if text.startswith(end, at) and not is_run(end) and not text[: at - size].endswith(end):
                longest = size
    return longest


def main() -> None:
    """Print the table."""
    for script, results in figures().items():
        total = sum(results.values())
        sys.stdout.write(f"{script}: {total} cuts\n")
        for result, count in sorted(results.items(), key=lambda item: -item[1]):
            words = f"{result.outcome}: {result.reason}" if result.reason else result.outcome
            sys.stdout.write(f"  {count / total:7.1%}  {count:5}  {words}\n")
    sys.stdout.write("longest repetition at any cut, runs aside:\n")
    for name, text in ANSWERS.items():
        sys.stdout.write(f"  {longest_repeat(text):5}  {name}\n")


if __name__ == "__main__":
    main()
