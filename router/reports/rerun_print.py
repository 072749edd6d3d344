"""How a run of recorded requests is told: a line or a bar while it goes, and the report behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from router.domain.printable import printable
from router.domain.rerun import Answered, Pair
from router.reports.medians import Median
from router.reports.plain import plain_table
from router.reports.rerun import Comparison, Side

OnPair = Callable[[Pair], None]
_NOTHING = "-"


@contextmanager
def open_progress(total: int, spent_usd: Callable[[], float], out: Console) -> Iterator[OnPair]:
    """Yield who hears of each pair: a bar on a terminal, elsewhere a line for each."""
    if not out.is_terminal:
        yield partial(_print_line, out, iter(range(1, total + 1)), total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("asking", total=total)
        yield lambda _pair: bar.update(task, advance=1, description=f"asking, ${spent_usd():.4f} spent")


def _print_line(out: Console, numbers: Iterator[int], total: int, pair: Pair) -> None:
    answers = ", ".join(_word(answer) for answer in (pair.first, pair.second))
    out.print(_text(f"{next(numbers)}/{total} {pair.request_id}: {answers}"), soft_wrap=True)


def _text(line: str) -> Text:
    """Return a line that may hold words of a model or a client, none of which a terminal obeys."""
    return Text(printable(line))


def _word(answer: Answered) -> str:
    took = _NOTHING if answer.total_s is None else f"{answer.total_s:.2f} s"
    return f"{answer.provider} {answer.failure or 'ok'} in {took} for ${answer.cost_usd:.6f}"


def print_comparison(comparison: Comparison, out: Console) -> None:
    """Print the report: the providers side by side, where they agree, the requests to look at."""
    first, second = comparison.sides
    rows = [(word, tell(first), tell(second)) for word, tell in _ROWS]
    titles = _titles(first, second)
    out.print(plain_table(("", *map(printable, titles)), rows))
    for title, side in zip(titles, comparison.sides, strict=True):
        for word, count in (*side.failures.items(), *side.misfits.items()):
            out.print(_text(f"{title}: {count} x {word}"))
    for line in _lines(comparison):
        out.print(_text(line))


def _titles(first: Side, second: Side) -> tuple[str, str]:
    """Return the names of both; one that was asked twice has two."""
    if first.provider != second.provider:
        return first.provider, second.provider
    return f"{first.provider} (1st)", f"{second.provider} (2nd)"


def _lines(comparison: Comparison) -> Iterator[str]:
    agreement = comparison.agreement
    if agreement.with_calls:
        yield (
            f"tools: of {agreement.with_calls} requests with a call, {agreement.same_tools} with the same tools, "
            f"{agreement.same_calls} with the same arguments as well"
        )
    if agreement.text is not None:
        yield f"texts: median similarity {agreement.text:.2f} over {agreement.n - agreement.with_calls} (1: the same)"
    for one in agreement.most_different:
        yield f"differs: {one.request_id}, {one.alike:.2f} alike: {one.how}"
    for why, count in comparison.left_out.items():
        yield f"left out: {count} x {why}"
    if comparison.bad_records:
        yield f"left out: {comparison.bad_records} lines that are not records"
    yield f"spent at most ${comparison.spent_usd:.6f} of ${comparison.max_usd:.2f}"
    if comparison.ended:
        yield f"ended early: {comparison.ended}"
    if comparison.warning:
        yield f"warning: {comparison.warning}"


def _seconds(found: Median | None) -> str:
    if found is None:
        return _NOTHING
    between = "" if found.low is None or found.high is None else f" ({found.low:.3f} to {found.high:.3f})"
    return f"{found.value:.3f} s{between}"


def _fit(side: Side) -> str:
    return f"{side.fit} of {side.calls}" if side.calls else _NOTHING


_ROWS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("requests", lambda side: str(side.n)),
    ("answered", lambda side: str(side.answered)),
    ("first content, median (95 %)", lambda side: _seconds(side.ttft_s)),
    ("whole answer, median (95 %)", lambda side: _seconds(side.total_s)),
    ("prompt tokens", lambda side: str(side.prompt_tokens)),
    ("of these from a cache", lambda side: str(side.cache_read_tokens)),
    ("output tokens", lambda side: str(side.output_tokens)),
    ("usage estimated", lambda side: str(side.estimated)),
    ("cost", lambda side: f"${side.cost_usd:.6f}" + (f", {side.guessed_costs} guessed" if side.guessed_costs else "")),
    ("valid tool calls", _fit),
)
