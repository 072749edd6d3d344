"""Lines of the audit file: which are meant, and how people read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from router.reports.audit import AuditWanted, print_line, print_summary, summary_of


def line(number: int, event: str = "fallback-occurred", **fields: object) -> dict[str, Any]:
    return {"ts": f"2026-01-0{number}T00:00:00.000Z", "seq": number, "level": "warning", "event": event, **fields}


LINES = [
    line(1, "router-startup"),
    line(2, provider="Near"),
    line(3, request_id="id-3"),
    line(4, "config-reload", detail="near it"),
]


def test_a_list_has_who_stands_in_it_also_with_the_reason() -> None:
    lists = [
        line(1, blocked_providers=["far", "Near"]),
        line(2, skipped=["near: excluded"]),
        line(3, skipped=["nearby: excluded"]),
        line(4, detail="near: no list"),
    ]

    assert [one["seq"] for one in AuditWanted(text="near").choose(lists)] == [1, 2]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (AuditWanted(), [1, 2, 3, 4]),
        (AuditWanted(tail=2), [3, 4]),
        (AuditWanted(text="RELOAD"), [4]),
        (AuditWanted(text="near"), [2]),
        (AuditWanted(text="id-3"), [3]),
        (AuditWanted(since="2026-01-03"), [3, 4]),
        (AuditWanted(text="fallback", since="2026-01-02", tail=1), [3]),
        (AuditWanted(text="nothing"), []),
    ],
)
def test_lines_are_meant_by_event_or_value_by_time_and_then_by_their_place(wanted: AuditWanted, numbers: list[int]) -> None:
    assert [one["seq"] for one in wanted.choose([*LINES, {"no": "event"}])] == numbers


def printed(record: Mapping[str, object], width: int = 80, *, is_terminal: bool = True, zone: tzinfo = UTC) -> list[str]:
    """Return the lines that one record takes at a width; colours are left out."""
    out = Console(file=StringIO(), width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    with out.capture() as captured:
        print_line(record, out, zone)
    return [row.rstrip() for row in captured.get().splitlines()]


def test_through_a_pipe_a_line_is_time_level_event_and_the_other_fields_as_json() -> None:
    fields = {"provider": "Near", "reason": "a" * 90}
    assert printed(line(2, **fields), is_terminal=False) == [
        f"[2026-01-02T00:00:00.000Z] WARNING fallback-occurred {json.dumps(fields)}"
    ]
    assert printed(LINES[0], is_terminal=False) == ["[2026-01-01T00:00:00.000Z] WARNING router-startup"]


def test_on_a_terminal_short_fields_stand_beside_their_event() -> None:
    assert printed(line(2, provider="Near", why=None)) == [
        "[2026-01-02T00:00:00.000Z] WARNING fallback-occurred provider=Near why=null"
    ]
    assert printed(LINES[0]) == ["[2026-01-01T00:00:00.000Z] WARNING router-startup"]


def test_a_terminal_is_told_times_of_the_zone_that_is_named_with_their_offset_and_a_pipe_utc() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")

    assert printed(LINES[0], zone=tokyo) == ["[2026-01-01T09:00:00.000+09:00] WARNING router-startup"]
    assert printed(LINES[0], zone=tokyo, is_terminal=False) == ["[2026-01-01T00:00:00.000Z] WARNING router-startup"]
    assert printed({**LINES[0], "ts": "now"}, zone=tokyo) == ["[now] WARNING router-startup"]


def test_a_summary_tells_a_person_first_and_last_in_that_zone() -> None:
    out = Console(file=StringIO(), width=120, force_terminal=True, color_system=None, highlight=False)
    with out.capture() as captured:
        print_summary(*summary_of(LINES), out, ZoneInfo("Asia/Tokyo"))

    assert captured.get().splitlines()[-1] == "4 lines from 2026-01-01T09:00:00.000+09:00 to 2026-01-04T09:00:00.000+09:00"


def test_what_does_not_fit_stands_below_folded_between_its_fields() -> None:
    rows = printed(line(2, request_id="req_0123456789abcdef01234567", reason="rate limited", to_provider="vendor", hop_index=1))

    assert rows == [
        "[2026-01-02T00:00:00.000Z] WARNING fallback-occurred",
        '    request_id=req_0123456789abcdef01234567 reason="rate limited"',
        "    to_provider=vendor hop_index=1",
    ]


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_row_is_wider_than_the_terminal_and_no_letter_is_lost(width: int) -> None:
    rows = printed(line(1, model="m" * 300, text="a b"), width)

    assert all(len(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "").count("m" * 300) == 1


@pytest.mark.parametrize("value", ["a b", "a=b", 'a"b', "", "a\x1b[2J", "a\x7f"])
def test_a_value_that_is_not_one_word_is_json(value: str) -> None:
    (row,) = printed(line(2, why=value))

    assert row.isprintable()
    assert json.loads(row.partition(" why=")[2]) == value


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_line_commands_a_terminal(*, is_terminal: bool) -> None:
    shown = printed(line(1, "\x1b[2Jx", **{"\x9b": "\u202e\x07"}), is_terminal=is_terminal)

    assert all(row.isprintable() for row in shown)


def test_a_summary_counts_the_most_frequent_first() -> None:
    assert summary_of(LINES) == (
        {"fallback-occurred": 2, "config-reload": 1, "router-startup": 1},
        "2026-01-01T00:00:00.000Z",
        "2026-01-04T00:00:00.000Z",
    )
