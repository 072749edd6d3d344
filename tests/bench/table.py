"""The sheet as a Markdown table, and its place in docs/performance.md."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
from pathlib import Path

from tests.bench.measure import Row, Sheet
from tests.bench.targets import BARE, DIRECT, ROUTER, TRANSLATED

TARGETS = (DIRECT, BARE, ROUTER, TRANSLATED)
RATIOS = ((ROUTER, BARE), (TRANSLATED, BARE), (ROUTER, DIRECT), (TRANSLATED, DIRECT))
STACK = ("trio", "hypercorn", "quart-trio", "httpx", "h11", "orjson")


def render(sheet: Sheet, *, rounds: int) -> str:
    """Return the description of the machine and the table."""
    heads = ["", "unit", *TARGETS, *(f"{over} / {under}" for over, under in RATIOS)]
    rows = [_cells(sheet, row) for row in sheet.values]
    lines = [_line(heads), _line(["---", "---", *["--:"] * (len(heads) - 2)]), *map(_line, rows)]
    end = f"Answers that failed: {_counts(sheet.errors)}. Streams that the time limit cut: {_counts(sheet.cut)}."
    return "\n".join([_machine(rounds), "", *lines, "", end])


def write_into(path: Path, part: str, text: str) -> None:
    """Replace what stands between the two marks of a part. Raises ValueError without them."""
    begin, end = f"<!-- {part}:begin -->", f"<!-- {part}:end -->"
    before, _, rest = path.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"{path} has no {begin} ... {end}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _cells(sheet: Sheet, row: Row) -> list[str]:
    values = {name: sheet.median(row, name) for name in TARGETS}
    cells = [row.title, row.unit, *(_number(values[name], row.digits) for name in TARGETS)]
    return cells + [_ratio(values[over], values[under]) for over, under in RATIOS]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def _ratio(over: float | None, under: float | None) -> str:
    if over is None or not under or math.isnan(over) or math.isnan(under):
        return "-"
    return f"{over / under:.2g}" if over / under < 0.1 else f"{over / under:.2f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine(rounds: int) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in STACK)
    return (
        f"{_cpu_model()}, {os.cpu_count()} cores; {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}; {versions}. "
        f"Medians of {rounds} round{'s' * (rounds > 1)}; targets take turns within each row."
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
