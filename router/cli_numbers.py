"""Numbers as options take them: those that nothing can be done with, such as `nan` or a count of twenty digits, are refused."""

from __future__ import annotations

from math import isfinite
from typing import Any

import click

MOST_LINES = 1_000_000_000  # of a file, or requests: more than any has
MOST_USD = 1_000_000.0
MOST_SECONDS = 86_400.0

COUNT = click.IntRange(1, MOST_LINES)


class FiniteRange(click.FloatRange):
    """A range of floats without `nan`, which is neither below nor above any bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's own
        """Return the number, or end the command with 2."""
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            self.fail(f"{value} is not a number that can be used here.", param, ctx)
        return number


USD = FiniteRange(0, MOST_USD)


def seconds(least: float, most: float = MOST_SECONDS) -> FiniteRange:
    """Return the type of an option of seconds."""
    return FiniteRange(least, most)
