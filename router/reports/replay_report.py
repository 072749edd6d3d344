"""`router replay`: the statistics of the journal as tables, and as JSON with the same figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import asdict
from rich.console import Console
from rich.text import Text

from router.domain.printable import printable
from router.reports.plain import fitting_tables, plain_table, width_of
from router.reports.replay import Comparison, Difference, Figures, Total, few_warnings
from router.reports.rows import TIMES, Kind, Outcome
from router.reports.spread import FEW, Interval, Share, Spread
from router.reports.suggest import Suggestion

METHOD = (
    "mean ± half of its 95 % interval (Student's t; differences: Welch); "
    "failure rates, of a provider those of its attempts, with Wilson's interval (Newcombe)"
)
_ATTEMPTS = "failed attempts"  # a column of providers alone: of others the rate is that of their requests
_TABLE = (
    "requests",
    "ok",
    "failed",
    "cancelled",
    "refused",
    _ATTEMPTS,
    "failure rate",
    "mean latency ms",
    "median ms",
    "mean ttft ms",
    "median prompt",
    "median out",
    "mean USD",
    "all USD",
    "cache",
    "stream",
)


def print_figures(figures: Sequence[Figures], total: Total, kind: Kind, out: Console) -> None:
    """Print one row per name, what all come to, and what is too few."""
    rows = list(map(_cells, figures))
    columns = [(title, *cells) for title, *cells in zip((str(kind), *_TABLE), *rows, strict=True)]
    if kind is not Kind.PROVIDER:
        columns = [column for column in columns if column[0] != _ATTEMPTS]
    titles, *told = zip(*columns, strict=True)
    for table in fitting_tables(titles, told, out.width):
        out.print(table)
    out.print(Text(f"{total.requests} requests, {_spent(total.total_usd)}, from {total.first} to {total.last}"))
    out.print(Text(METHOD, "dim"))
    _print_warnings(_few(figures, kind), out)


def print_comparison(comparison: Comparison, out: Console) -> None:
    """Print two names side by side, and what of their difference is more than chance."""
    first, second = printable(comparison.first.name), printable(comparison.second.name)
    head = ("", first, "n", second, "n", f"{second} - {first}", "95 %", "")
    cells = [*map(_difference_cells, comparison.lines), *_cells_without_chance(comparison.first, comparison.second)]
    if width_of(head, cells) <= out.width:
        out.print(plain_table(head, cells))
    else:
        out.print(*fitting_tables(("", "mean, or rate", "n", ""), _below_each_other(head, cells), out.width), sep="")
    out.print(Text(METHOD, "dim"))
    for line in comparison.lines:
        if line.is_clear and line.difference is not None:
            way = "more" if line.difference.value > 0 else "less"
            out.print(Text(f"{line.measure}: {second} has {_by_how_much(line, line.difference.value)} {way} than {first}"))
    if not any(line.is_clear for line in comparison.lines):
        out.print(Text("no difference is statistically significant"))
    sides = ((first, comparison.first), (second, comparison.second))
    out.print(Text("total: " + "; ".join(f"{name} {_spent(one.total_usd)} in {one.requests} requests" for name, one in sides)))
    _print_warnings(comparison.warnings, out)


def print_suggestions(found: Iterable[Suggestion], out: Console) -> None:
    """Print each suggestion with its reason, its figures and its lines."""
    listed = tuple(found)
    for one in listed:
        out.print(Text(f"{one.rule}: {printable(one.subject)}", "bold"))
        out.print(Text(f"  {printable(one.reason)}"))
        out.print(Text(f"  {', '.join(f'{name} {value:.4g}' for name, value in one.figures.items())}", "dim"))
        out.print(Text(one.toml))
    if not listed:
        out.print(Text("nothing to suggest"))


def figures_json(figures: Sequence[Figures], total: Total, kind: Kind) -> dict[str, object]:
    """Return the figures of every name, and of all together, as JSON."""
    told = list(map(_json, figures))
    return {"by": str(kind), "method": METHOD, "figures": told, "total": asdict(total), "warnings": _few(figures, kind)}


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as JSON."""
    return {
        "by": str(comparison.kind),
        "method": METHOD,
        "first": _json(comparison.first),
        "second": _json(comparison.second),
        "lines": [{**asdict(line), "is_clear": line.is_clear} for line in comparison.lines],
        "warnings": comparison.warnings,
    }


def suggestions_json(found: Iterable[Suggestion]) -> dict[str, object]:
    """Return suggestions as JSON."""
    return {"suggestions": [asdict(one) for one in found]}


def _few(figures: Sequence[Figures], kind: Kind) -> tuple[str, ...]:
    """Return a sentence for each name with too few requests; of hours and days one for all."""
    few = few_warnings(figures)
    return few if kind not in TIMES or not few else (f"{len(few)} of {len(figures)} {kind}s have less than {FEW} requests each",)


def _json(figures: Figures) -> dict[str, object]:
    return asdict(figures)


def _cells(figures: Figures) -> tuple[str, ...]:
    counted = (str(figures.outcomes[outcome]) for outcome in Outcome)
    return (
        printable(figures.name),
        str(figures.requests),
        *counted,
        f"{figures.failures.hits} of {figures.failures.n}" if figures.failures.n else "-",
        _share(figures.failures),
        _mean(figures.latency_ms),
        _median(figures.latency_ms),
        _mean(figures.ttft_ms),
        _median(figures.prompt_tokens),
        _median(figures.output_tokens),
        _usd(figures.cost_usd.mean if figures.cost_usd else None),
        _usd(figures.total_usd),
        _ratio(figures.cache_hit_ratio),
        _ratio(figures.streaming_ratio),
    )


def _difference_cells(line: Difference) -> tuple[str, ...]:
    return (
        f"{line.measure}{f' {line.unit}' if line.unit else ''}",
        _value(line.first, line.unit),
        str(line.first.n if line.first else 0),
        _value(line.second, line.unit),
        str(line.second.n if line.second else 0),
        "-" if line.difference is None else _signed(line.difference.value, line.unit),
        "-" if line.difference is None else _between(line.difference, line.unit),
        "clear" if line.is_clear else "",
    )


def _cells_without_chance(one: Figures, other: Figures) -> Iterator[tuple[str, ...]]:
    """Yield lines whose difference has no interval: they are what was, not what to expect."""
    shares = (("cache", one.cache_hit_ratio, other.cache_hit_ratio), ("stream", one.streaming_ratio, other.streaming_ratio))
    for measure, first, second in shares:
        yield measure, _ratio(first), str(one.requests), _ratio(second), str(other.requests), "-", "-", ""


def _below_each_other(head: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield four rows for each line of a comparison: what is measured, both names, their difference."""
    _, first, _, second, _, difference, *_ = head
    for measure, one, one_n, other, other_n, by, between, is_clear in lines:
        yield measure, "", "", ""
        yield f"  {first}", one, one_n, ""
        yield f"  {second}", other, other_n, ""
        yield f"  {difference}", by if by == "-" else f"{by} ({between})", "", is_clear


def _by_how_much(line: Difference, difference: float) -> str:
    if line.percent is None or isinstance(line.first, Share):  # a percentage of a rate of 2 % frightens for nothing
        return _number(abs(difference), line.unit).replace("%", " points")
    return f"{abs(line.percent):.0f} %"


def _value(measured: Spread | Share | None, unit: str) -> str:
    if measured is None or measured.n == 0:
        return "-"
    if isinstance(measured, Share):
        return _share(measured)
    if measured.interval is None:
        return _number(measured.mean, unit)
    half = (measured.interval.high - measured.interval.low) / 2
    return f"{_number(measured.mean, unit)} ± {_number(half, unit)}, median {_number(measured.median, unit)}"


def _between(interval: Interval, unit: str) -> str:
    return f"{_signed(interval.low, unit)} to {_signed(interval.high, unit)}"


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{_number(abs(value), unit)}"


def _number(value: float, unit: str) -> str:
    match unit:
        case "%":
            return f"{value:.1%}"
        case "USD":
            return f"{value:.6f}"
        case _:
            return f"{value:.0f}"


def _share(share: Share) -> str:
    if share.n == 0:
        return "-"
    return f"{share.value:.1%} ({share.interval.low:.1%} to {share.interval.high:.1%})"


def _mean(spread: Spread | None) -> str:
    return _value(spread, "").partition(",")[0]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _median(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.0f}"


def _usd(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"


def _spent(value: float | None) -> str:
    return "price unknown" if value is None else f"{value:.6f} USD"


def _print_warnings(warnings: Iterable[str], out: Console) -> None:
    for warning in warnings:
        out.print(Text(f"warning: {printable(warning)}", "yellow"))
