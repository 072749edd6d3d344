"""The tables of `replay`: whole where there is room, below each other where there is none, no cell split in either."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import pytest
from rich.console import Console

from router.reports.replay import compare, figures_by, total_of
from router.reports.replay_report import print_comparison, print_figures
from router.reports.rows import Kind, Row
from tests.router.reports.journal_rows import answers, record, rows_of, seeded

ROWS = rows_of(seeded())
WIDTHS = [60, 80, 120, 200, 300]
NAMES = ["fast", "slow"]


def printed(rows: Sequence[Row], kind: Kind, width: int) -> str:
    out = StringIO()
    print_figures(figures_by(rows, kind), total_of(rows), kind, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def figures(kind: Kind, width: int) -> list[str]:
    """Return the lines of the table, or of all of them."""
    return printed(ROWS, kind, width).partition("400 requests")[0].splitlines()


def comparison(width: int) -> list[str]:
    out = StringIO()
    print_comparison(compare(ROWS, Kind.PROVIDER, *NAMES), Console(file=out, width=width, highlight=False))
    return out.getvalue().splitlines()


def cells(lines: list[str]) -> set[str]:
    """Return what stands between two spaces or more."""
    return {cell.strip() for line in lines for cell in line.split("  ") if cell.strip()}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_fits_and_has_every_cell_whole(kind: Kind, width: int) -> None:
    lines = figures(kind, width)

    assert max(map(len, lines)) <= width
    assert cells(figures(kind, 1000)) <= cells(lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_fits_and_has_every_figure_whole(width: int) -> None:
    lines = comparison(width)

    assert max(map(len, lines)) <= width
    for line in compare(ROWS, Kind.PROVIDER, *NAMES).lines:
        assert any(line.measure in printed for printed in lines)
    whole = " ".join(lines)
    for number in " ".join(comparison(1000)).replace("(", " ").replace(")", " ").split():
        assert number in whole


def test_the_rate_of_a_provider_stands_beside_the_attempts_that_it_is_of() -> None:
    made_good = record(provider="mid", chain=["near:timeout", "mid:ok"])
    rows = [*answers(20, "near"), *rows_of([made_good] * 8)]

    (near,) = [line for line in printed(rows, Kind.PROVIDER, 300).splitlines() if line.startswith("near ")]

    assert "8 of 28" in near
    assert "28.6%" in near


def test_a_name_of_any_length_leaves_room_for_its_figures() -> None:
    lines = printed(answers(3, "long-" * 30), Kind.PROVIDER, 80).splitlines()

    assert max(map(len, lines)) <= 80
    assert "0 of 3" in " ".join(lines)


def test_hours_and_days_are_rows_in_their_order() -> None:
    hours = [line.split()[0] for line in figures(Kind.HOUR, 300) if line.startswith("20")]
    days = [line.split()[0] for line in figures(Kind.DAY, 300) if line.startswith("20")]

    assert hours == [f"2025-06-15T{hour}" for hour in range(15, 22)]  # 400 requests, one a minute
    assert days == ["2025-06-15"]


def test_few_requests_in_many_hours_are_one_warning() -> None:
    rows = rows_of([record(ts=f"2026-01-31T{hour}:00:00.000Z") for hour in range(10, 20)])

    assert printed(rows, Kind.HOUR, 300).count("warning") == 1
    assert "10 of 10 hours have less than 30 requests each" in printed(rows, Kind.HOUR, 300)


def test_all_requests_are_summed_with_the_time_from_which_to_which_they_went() -> None:
    (line,) = [line for line in printed(ROWS, Kind.PROVIDER, 200).splitlines() if line.startswith("400 requests")]

    usd = sum(row.cost_usd or 0.0 for row in ROWS)
    assert line == f"400 requests, {usd:.6f} USD, from {ROWS[0].ts} to {ROWS[-1].ts}"
    assert "price unknown" in printed(answers(3), Kind.PROVIDER, 200)


def test_a_comparison_says_what_both_have_cost_and_read_from_a_cache_in_all() -> None:
    lines, (fast, slow) = comparison(300), figures_by(ROWS, Kind.PROVIDER)

    told = {line.split("  ")[0]: line for line in lines}
    assert f"{slow.cache_hit_ratio:.0%}" in told["cache"]
    assert f"{slow.streaming_ratio:.0%}" in told["stream"]
    assert f"total: fast {fast.total_usd:.6f} USD in {fast.requests} requests; slow {slow.total_usd:.6f} USD" in lines[-1]
