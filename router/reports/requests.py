"""`router replay --requests`: a line for each request of the journal, how it ended and why, the newest last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from router.domain.printable import NOTHING, cell_word, printable
from router.reports.plain import plain_table, width_of
from router.reports.rows import Outcome, Row

_INDENT = 4  # of the second line of a request, where one has no room for all
_STYLES = {Outcome.FAILED: "red", Outcome.CANCELLED: "yellow", Outcome.REFUSED: "yellow"}
_TITLES = ("time", "id", "session", "class", "profile", "outcome", "reason", "chain", "status", "ms", "USD")
_HEAD = ("time", "outcome", "status", "ms", "USD")  # of a request that takes two lines or more


def print_journal(rows: Sequence[Row], out: Console) -> None:
    """Print a table, or where that is wider than the terminal each request in lines of its own."""
    cells = [tuple(map(printable, _cells(row))) for row in rows]
    if width_of(_TITLES, cells) <= out.width:
        out.print(plain_table(_TITLES, cells))
        return
    for row, words in zip(rows, cells, strict=True):
        told = {title: word for title, word in zip(_TITLES, words, strict=True) if word != NOTHING}
        out.print(Text(" ").join(_head(row, told)))
        fields = [Text.assemble((f"{title}=", "dim"), word) for title, word in told.items() if title not in _HEAD]
        out.print(Padding(Text(" ").join(fields), (0, 0, 0, _INDENT)))


def requests_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return the requests with the keys of the journal."""
    return [
        {
            "ts": row.ts,
            "request_id": row.request_id,
            "session": row.session,
            "request_class": row.request_class,
            "model": row.model,
            "dialect": row.dialect,
            "profile": row.profile,
            "why": row.why,
            "outcome": row.outcome,
            "reason": row.reason,
            "provider": row.provider,
            "chain": [f"{provider}:{word}" for provider, word in row.chain],
            "skipped": row.skipped,
            "moved": row.moved,
            "status": row.status,
            "streaming": row.streaming,
            "ttft_ms": row.ttft_ms,
            "total_ms": row.total_ms,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "estimated": row.estimated,
            "cache_read_input_tokens": row.cache_read,
            "cache_creation_input_tokens": row.cache_creation,
            "cost_usd": row.cost_usd,
            "cost_savings_usd": row.savings_usd,
            "chain_costs_usd": row.chain_costs or None,
            "chain_savings_usd": row.chain_savings or None,
        }
        for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.ts,
        cell_word(row.request_id),
        cell_word(row.session),
        cell_word(row.request_class),
        cell_word(row.profile),
        row.outcome,
        row.reason or NOTHING,
        _chain(row),
        NOTHING if row.status is None else f"{row.status:.0f}",
        NOTHING if row.total_ms is None else f"{row.total_ms:.0f}",
        NOTHING if row.cost_usd is None else f"{row.cost_usd:.6f}",
    )


def _chain(row: Row) -> str:
    """Return who was asked, one after the other, and how each ended; where nobody was, who was passed over.

    Who was not asked at its place stands behind them: it is why these were asked."""
    if row.chain:
        moved = f" ({', '.join(row.moved)})" if row.moved else ""
        return " > ".join(f"{provider}:{word}" for provider, word in row.chain) + moved
    return f"skipped {', '.join(row.skipped)}" if row.skipped else NOTHING


def _head(row: Row, told: dict[str, str]) -> Iterator[Text]:
    """Yield what a request begins with, each with its unit."""
    yield Text(told["time"])
    yield Text(told["outcome"], _STYLES.get(row.outcome, ""))
    for title, form in (("status", "{}"), ("ms", "{} ms"), ("USD", "${}")):
        if title in told:
            yield Text(form.format(told[title]))
