from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.reports.bars import bars


@pytest.mark.parametrize(
    ("values", "height", "lines"),
    [
        ([0, 1, 2, 4, 8], 1, [" ▁▂▄█"]),
        ([0, 1, 2, 4, 8], 2, ["    █", " ▂▄██"]),
        ([1], 1, ["    █"]),
        ([9, 9, 1, 1, 1, 1, 1], 1, ["█████"]),  # what went out at the left counts no more
        ([], 2, ["     ", "     "]),
        ([1000, 1], 1, ["   █▁"]),
        ([3], 0, []),
    ],
)
def test_the_newest_value_stands_at_the_right_and_the_largest_fills_the_height(
    values: list[float], height: int, lines: list[str]
) -> None:
    assert bars(values, width=5, height=height) == lines


def test_a_terminal_without_blocks_gets_other_characters() -> None:
    assert bars([0, 1, 2, 4, 8], width=5, height=1, is_ascii=True) == [" _.-#"]


@given(
    values=st.lists(st.floats(min_value=0, max_value=1e12), max_size=50),
    width=st.integers(min_value=1, max_value=60),
    height=st.integers(min_value=1, max_value=9),
)
def test_a_chart_has_its_size_and_shows_whatever_is_above_0(values: list[float], width: int, height: int) -> None:
    lines = bars(values, width=width, height=height)

    assert [len(line) for line in lines] == [width] * height
    shown = [0.0] * (width - len(values)) + values[-width:]
    assert [char != " " for char in lines[-1]] == [value > 0 for value in shown]
