"""`router requests` and `cancel`: who is being answered by the running daemon, and what became of the wish to end one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from router.domain.printable import NOTHING, cell_word, field_word, printable
from router.reports.plain import plain_table, width_of
from router.reports.words import duration_words, fact_words

_LESS = ("session", "class", "profile", "first token", "provider")  # what goes where there is no room, the first one first


def print_live_requests(body: Mapping[str, Any], out: Console) -> None:
    """Print the body of `/admin/requests`: on a terminal a table, else one line per request, `request ID key=value ...`.

    There a value that is no single word is JSON."""
    requests = body["requests"]
    if not out.is_terminal:
        for one in requests:
            out.print(Text(printable(_line(one))), soft_wrap=True)
        return
    if not requests:
        out.print(Text("no live requests"))
        return
    rows = [_cells(one) for one in requests]
    titles, less = list(rows[0]), iter(_LESS)
    while width_of(titles, [[row[title] for title in titles] for row in rows]) > out.width and (last := next(less, None)):
        titles.remove(last)
    out.print(plain_table(titles, ([printable(row[title]) for title in titles] for row in rows)))


def named(body: Mapping[str, Any], word: str) -> tuple[str, ...]:
    """Return the ids that a word means: the one that it is, else those that begin so."""
    ids = dict.fromkeys(str(one["id"]) for one in body["requests"])
    return (word,) if word in ids else tuple(one for one in ids if one.startswith(word))


def cancel_line(body: Mapping[str, Any]) -> str:
    """Return what became of a request."""
    return f"{body['id']}: {'cancelled' if is_cancelled(body) else 'not cancelled, it is already ending'}"


def is_cancelled(body: Mapping[str, Any]) -> bool:
    """Tell whether the command has ended the request; one that was at its end is left to it."""
    return body.get("result") == "cancelled"


def _cells(one: Mapping[str, Any]) -> dict[str, str]:
    ttft_ms = one.get("ttft_ms")
    return {
        "request": str(one["id"]),
        "age": duration_words(one["age_s"]),
        "phase": str(one["phase"]),
        "session": cell_word(one.get("session")),
        "class": cell_word(one.get("request_class")),
        "profile": cell_word(one.get("profile")),
        "provider": cell_word(one.get("provider")),
        "first token": NOTHING if ttft_ms is None else duration_words(ttft_ms / 1000),
    }


def _line(one: Mapping[str, Any]) -> str:
    return " ".join([f"request {one['id']}", *_pairs(one)])


def _pairs(one: Mapping[str, Any]) -> Iterator[str]:
    for key, value in one.items():
        if key != "id" and value is not None:
            yield f"{key}={field_word(fact_words(value))}"
