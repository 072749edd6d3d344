"""`router stats`: the picture of one look at the daemon, as a screen of any size or as lines (supervision.md 18).

A `Picture` fills a terminal: what does not fit ends in `…`, or is counted. `print_stats` is the dump for pipes and `--once`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from textwrap import wrap
from typing import Any

from attrs import field, frozen
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from router.domain.printable import printable
from router.reports.bars import bars
from router.reports.plain import plain_table
from router.reports.stats_facts import (
    CostRow,
    EventRow,
    Pace,
    ProviderRow,
    Reading,
    cost_rows,
    display_zone,
    event_rows,
    failing,
    gate_rows,
    provider_rows,
    spend_rows,
)
from router.reports.status import degraded_parts, refusals
from router.reports.words import STYLES, duration_words

DUMPED_EVENTS = 10
KEYS = "q quit  p pause  r refresh  f failures only"
_WIDE = 120  # columns from which three panels stand side by side, and providers have columns for probe and restarts
_LEAST = (60, 16)  # columns and rows of a screen with all panels
_NAME, _NAME_WIDE = 20, 60  # columns for the name of a provider or event
_FRAME = 2  # rows of a panel's own
_LEAST_INSIDE = 4  # rows of a panel beside others
_LEAST_CHART = 3  # its words, and two rows of it
_LEAST_EVENTS = 2  # of the newest, where it is low
_NARROW = 80  # columns below which there is no room for what was saved beside a cost
_MOST_WHYS = 4  # lines for the reasons of what is degraded: the files of one full disk
_NOTHING = "-"
_WENT_ON = "fallback-occurred"  # the request was answered all the same, as a rule

Cells = Sequence[Text]


@frozen(kw_only=True)
class View:
    """What is to be seen: a look, the pace up to it, what went wrong with the last one, and what the keys have set."""

    url: str
    interval_s: float
    reading: Reading | None = None
    pace: Pace = field(factory=Pace)
    problem: str = ""
    is_paused: bool = False
    failures_only: bool = False


@frozen
class Picture:
    """A view as something that rich draws, to fill the room that there is."""

    view: View

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the layout for this width and height."""
        yield _layout(self.view, options.max_width, options.height or console.height, is_ascii=options.ascii_only)


def print_stats(reading: Reading, out: Console) -> None:
    """Print one look as plain tables: providers, fallback and gates, recent events, what is spent, cost.

    Where it is no terminal, times are UTC."""
    if refused := tuple(refusals(reading.status)):
        out.print(*(Text(printable(line)) for line in refused), "", sep="\n")
    rows = provider_rows(reading)
    _print_block(out, "Providers", _PROVIDER_HEAD, [_provider_cells(row, is_wide=True) for row in rows], "none")
    _print_block(out, "Fallback and gates", ("", ""), _gates(reading), "none")
    zone = display_zone(reading) if out.is_terminal else UTC
    events = [_event_cells(row) for row in event_rows(reading, zone)[:DUMPED_EVENTS]]
    _print_block(out, f"Recent, {zone}", ("time", "event", "provider", ""), events, "nothing yet")
    spend = [[Text(name), Text(spent)] for name, spent in spend_rows(reading)]
    _print_block(out, "Spent, USD", ("", ""), spend, "nothing yet")
    costs = [_cost_cells(row) for row in cost_rows(reading)]
    _print_block(out, "Cost since the start", ("provider", *_COST_HEAD[1:]), costs, "nothing yet")


def _print_block(out: Console, title: str, head: Sequence[str], rows: Sequence[Cells], nothing: str) -> None:
    out.print(Text(title))
    if not rows:
        out.print(Text(f"  {nothing}"))
    else:
        lines = ((f"  {row[0]}", *map(str, row[1:])) for row in rows)
        out.print(plain_table((f"  {head[0]}", *head[1:]), lines, has_head=any(head)))
    out.print()


def _layout(view: View, width: int, height: int, *, is_ascii: bool) -> RenderableType:
    whole = Layout()
    is_small = width < _LEAST[0] or height < _LEAST[1]
    top = _head(view, 0 if is_small else width)
    parts = [Layout(_stack(top), size=len(top)), Layout(name="body"), Layout(_line(_foot(view)), size=1)]
    whole.split_column(*parts)
    if view.reading is None:
        whole["body"].update(Text(""))
        return whole
    room = height - len(top) - 1
    rows = provider_rows(view.reading)
    rows = [*failing(rows)] if view.failures_only else rows
    providers_rows = room if is_small else min(max(len(rows), 1) + 1 + _FRAME, max(room // 2, 4))
    providers = _providers(rows, is_wide=width >= _WIDE, room=providers_rows - _FRAME - 1)
    if is_small:
        whole["body"].update(providers)
    else:
        below = _below(view, view.reading, width=width, room=room - providers_rows, is_ascii=is_ascii)
        whole["body"].split_column(Layout(providers, size=providers_rows), below)
    return whole


def _below(view: View, reading: Reading, *, width: int, room: int, is_ascii: bool) -> Layout:
    """Return what stands under the providers: three panels over the events where it is wide, else two and two.

    Where that is too low for all of the costs, the chart gives its place to them, and the pace is a figure."""
    is_wide = width >= _WIDE
    gates, spend, costs = _gates(reading), _spend(reading), _costs(reading, is_narrow=width < _NARROW)
    needed = max(len(gates), len(spend) + len(costs), _LEAST_INSIDE) + _FRAME
    has_chart = is_wide or room >= needed + _LEAST_CHART + _FRAME
    if not has_chart:
        gates.insert(0, [Text("requests per second"), Text(f"{view.pace.rates[-1]:.1f}" if view.pace.rates else _NOTHING)])
    first = min(needed, room // 2 if is_wide else max(room - _LEAST_EVENTS - _FRAME, (room + 1) // 2))
    inside = first - _FRAME
    upper, lower, below = Layout(size=first), Layout(), Layout()
    panels = [Layout(_panel("Fallback and gates", _pairs(gates, inside))), Layout(_panel("Cost", _money(spend, costs, inside)))]
    zone = display_zone(reading)
    events = event_rows(reading, zone)
    kept = [row for row in events if row.is_failure] if view.failures_only else events
    title = "Recent failures" if view.failures_only else "Recent"
    recent = Layout(_panel(f"{title}, {zone}", _events(kept, room - first - _FRAME, name_width=_NAME_WIDE if is_wide else _NAME)))
    charts: list[Layout] = []
    if has_chart:
        chart_width = width // 3 - 4
        lines = _chart(view.pace, chart_width, (first if is_wide else room - first) - _FRAME, is_ascii=is_ascii)
        charts.append(Layout(_panel("Requests per second", _stack(lines)), size=None if is_wide else chart_width + 4))
    if is_wide or not charts:
        upper.split_row(*panels, *charts)
        lower = recent
    else:
        upper.split_row(*panels)
        lower.split_row(*charts, recent)
    below.split_column(upper, lower)
    return below


def _head(view: View, width: int) -> list[Text]:
    """Return the lines on top: how the daemon is, and what went wrong with the last look at it.

    `width` is what there is for the reasons of parts that are degraded, 0 where they are left out."""
    if view.reading is None:
        lines = [_line(Text(f"{view.url}: " + ("no answer yet" if view.problem else "asking"), "bold"))]
    else:
        status = view.reading.status
        answers = bool(status.get("default_profile_routable"))
        told = f"up {duration_words(float(status.get('uptime_s', 0)))}  {status.get('in_flight', 0)} in flight"
        waiting = status.get("fairness", {}).get("waiting", 0)
        head = Text.assemble(
            (f"{status.get('status')} {status.get('version')}", "bold"),
            f"  {told}{f', {waiting} waiting' if waiting else ''}  ",
            (f"profile {status.get('default_profile')} ", ""),
            ("has a provider" if answers else "has NO provider", "" if answers else "bold red"),
        )
        if status.get("degraded"):
            head.append(f"  degraded: {', '.join(status['degraded'])}", "yellow")
        lines = [_line(head), *(_whys(status, width) if width else ())]
        if refused := tuple(refusals(status)):
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            lines.append(_line(Text(printable(f"{refused[0]}{more}"), "red")))
    if view.problem:
        lines.append(_line(Text(printable(view.problem), "red")))
    return lines


def _whys(status: Mapping[str, Any], width: int) -> list[Text]:
    """Return why each degraded part is that, in at most `_MOST_WHYS` lines."""
    told = (f"  {part}: {why}" for part, why in degraded_parts(status) if why)
    lines = [line for text in told for line in wrap(printable(text), width, subsequent_indent="    ", break_on_hyphens=False)]
    return [_line(Text(line, "yellow")) for line in lines[:_MOST_WHYS]]


def _foot(view: View) -> Text:
    foot = Text(KEYS, "dim")
    if view.is_paused:
        foot.append("  PAUSED", "bold not dim")
    if view.failures_only:
        foot.append("  FAILURES ONLY", "bold not dim")
    if view.problem:
        foot.append(f"  refreshed every {view.interval_s:g} s", "red not dim")
    return foot


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _stack(lines: Iterable[Text]) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for line in lines:
        grid.add_row(line)
    return grid


def _panel(title: str, inside: RenderableType) -> Panel:
    return Panel(inside, title=Text(title, "bold"), title_align="left", border_style="dim", padding=(0, 1))


_PROVIDER_HEAD = ("provider", "state", "tries", "ok", "failed", "open", "next probe", "restarts", "why")


def _provider_cells(row: ProviderRow, *, is_wide: bool) -> list[Text]:
    ok = Text(_NOTHING) if row.ok is None else Text(f"{row.ok:.0%}", _ok_style(row.ok))
    cells = [
        Text(printable(row.name)),
        Text(row.word, STYLES.get(row.word, "")),
        Text(str(row.attempts)),
        ok,
        Text(str(row.failed)),
    ]
    if not is_wide:
        return [*cells, Text(printable(row.note))]
    return [
        *cells,
        Text(str(row.in_flight)),
        Text(row.probe or _NOTHING),
        Text(row.restarts or _NOTHING),
        Text(printable(row.why)),
    ]


def _ok_style(share: float) -> str:
    return "green" if share >= 0.95 else "yellow" if share >= 0.8 else "red"  # noqa: PLR2004 - the original's bounds (supervision.md 17)


def _providers(rows: Sequence[ProviderRow], *, is_wide: bool, room: int) -> Panel:
    table = Table(box=None, pad_edge=False, expand=True, padding=(0, 2 if is_wide else 1, 0, 0), header_style="dim")
    head = _PROVIDER_HEAD if is_wide else (*_PROVIDER_HEAD[:5], "why")
    for title in head:
        table.add_column(
            title,
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if title in {"tries", "ok", "failed", "open"} else "left",
            ratio=1 if title == "why" else None,
            min_width=len(title),
            max_width=(_NAME_WIDE if is_wide else _NAME) if title == "provider" else None,
        )
    for cells in _fitted([_provider_cells(row, is_wide=is_wide) for row in rows], room):
        table.add_row(*cells)
    if not rows:
        table.add_row(Text("none", "dim"))
    return _panel("Providers", table)


def _pairs(rows: Sequence[Cells], room: int) -> RenderableType:
    """Return rows whose first cell gives way, as many as there is room for; the others stand at the right."""
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    *rows, last = _fitted(rows, room) or [[]]
    is_remark = len(last) == 1  # a line of its own: its words are not those of a column
    rows = rows if is_remark else [*rows, last]
    for _ in range(max((len(row) for row in rows), default=1) - 1):
        grid.add_column(no_wrap=True, justify="right")
    for row in rows:
        grid.add_row(*row)
    return Group(grid, last[0]) if is_remark else grid


def _fitted(rows: Sequence[Cells], room: int) -> list[Cells]:
    """Return as many rows as there is room for; where some are left out, the last says how many."""
    if len(rows) <= room:
        return [*rows]
    left = len(rows) - max(room - 1, 0)
    return [*rows[: max(room - 1, 0)], [Text(f"… and {left} more", "dim")]]


_COST_HEAD = ("since start", "USD", "saved", "cached")


def _cost_cells(row: CostRow) -> list[Text]:
    cached = _NOTHING if row.cached is None else f"{row.cached:.0%}"
    return [Text(printable(row.name)), Text(f"{row.cost_usd:.4f}"), Text(f"{row.saved_usd:.4f}"), Text(cached)]


def _spend(reading: Reading) -> list[Cells]:
    return [[Text(f"spent, {name}"), Text(f"{spent}")] for name, spent in spend_rows(reading)]


def _costs(reading: Reading, *, is_narrow: bool) -> list[Cells]:
    rows = [_cost_cells(row) for row in cost_rows(reading)]
    whole = [[Text(title, "dim") for title in _COST_HEAD], *rows] if rows else []
    return [[name, cost, cached] for name, cost, _saved, cached in whole] if is_narrow else [*whole]


def _money(spend: Sequence[Cells], costs: Sequence[Cells], room: int) -> RenderableType:
    """Return budgets over costs, each a grid of its own; where it is low one under the other, and no more than the costs."""
    if not (spend or costs):
        return Text("nothing yet", "dim")
    if len(spend) + len(costs) > room < len(spend) + _LEAST_INSIDE:
        return _pairs([*spend, *(row[:2] for row in costs[1:])], room)
    return Group(_pairs(spend, room), _pairs(costs, max(room - len(spend), 0)))


def _gates(reading: Reading) -> list[Cells]:
    return [[Text(label), Text(str(count))] for label, count in gate_rows(reading)]


def _chart(pace: Pace, width: int, rows: int, *, is_ascii: bool) -> list[Text]:
    seen = pace.rates[-width:]
    now = f"{seen[-1]:.1f} now, {max(seen):.1f} at most" if seen else "nothing yet"
    lines = bars(seen, width=max(width, 1), height=max(rows - 1, 0), is_ascii=is_ascii)
    return [_line(Text(now)), *(_line(Text(line)) for line in lines)]


def _event_cells(row: EventRow) -> list[Text]:
    style = "" if not row.is_failure else "yellow" if row.name == _WENT_ON else "red"
    return [Text(row.at, "dim"), Text(row.name, style), Text(printable(row.provider)), Text(printable(row.said))]


def _events(rows: Sequence[EventRow], room: int, *, name_width: int) -> RenderableType:
    if not rows:
        return Text("nothing yet", "dim")
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=min(max(len(row.name) for row in rows), name_width))
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for at, name, provider, said in map(_event_cells, rows[: max(room, 0)]):
        grid.add_row(at, name, Text(" ").join(filter(None, (provider, said))))
    return grid
