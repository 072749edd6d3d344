"""The listing of requests: a table where there is room, else lines that fit, and nothing of it a command."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from router.reports.requests import print_journal, requests_json
from tests.router.reports.journal_rows import record, rows_of

ROWS = rows_of(
    [
        record(
            request_id="req_842b9244a3cc1631bb51b2ff",
            session="dd581324-0adb-4d1e-abd5-74aff1388470",
            outcome="failed",
            reason="all_failed",
            chain=["near:upstream-5xx", "near:timeout", "far:stream-truncated"],
            status=502,
            total_ms=1234.5,
            cost_usd=0.027222,
        ),
        record(request_id="req_2", outcome="refused", provider=None, profile=None, chain=[], skipped=["far: paid-gate"]),
    ]
)
WORDS = (
    "req_842b9244a3cc1631bb51b2ff",
    "dd581324-0adb-4d1e-abd5-74aff1388470",
    "near:upstream-5xx",
    "far:stream-truncated",
    "502",
)


def printed(width: int) -> list[str]:
    out = StringIO()
    print_journal(ROWS, Console(file=out, width=width, highlight=False))
    return out.getvalue().splitlines()


def test_where_there_is_room_each_request_is_a_line() -> None:
    head, failed, refused = printed(300)

    assert head.split()[:2] == ["time", "id"]
    assert all(word in failed for word in (*WORDS, "all_failed", "1234", "0.027222"))
    assert "skipped far: paid-gate" in refused


@pytest.mark.parametrize("width", [80, 60, 200])
def test_where_there_is_none_nothing_is_cut_or_split(width: int) -> None:
    lines = printed(width)

    assert max(map(len, lines)) <= width
    assert all(any(word in line for line in lines) for word in (*WORDS, "1234 ms", "$0.027222", "reason=all_failed"))


def test_who_was_not_asked_at_its_place_stands_behind_those_that_were() -> None:
    out = StringIO()
    rows = rows_of([record(chain=["mid:ok"], moved=["near: adaptive-demoted"])])

    print_journal(rows, Console(file=out, width=300))

    assert "mid:ok (near: adaptive-demoted)" in out.getvalue()
    assert requests_json(rows)[0]["moved"] == ("near: adaptive-demoted",)


def test_words_of_a_journal_steer_no_terminal() -> None:
    out = StringIO()

    print_journal(rows_of([record(request_id="a\x1b[2J")]), Console(file=out, width=80))

    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("width", [40, 300])
def test_an_id_that_reads_like_none_is_told_from_none(width: int) -> None:
    out = StringIO()

    print_journal(rows_of([record(request_id="-")]), Console(file=out, width=width, highlight=False))

    assert '"-"' in out.getvalue()
