"""Lines of the audit file: which are meant, and how people read them."""

from __future__ import annotations

from typing import Any

import pytest

from router.reports.audit import AuditWanted, line_of, summary_of


def line(number: int, event: str = "fallback-occurred", **fields: object) -> dict[str, Any]:
    return {"ts": f"2026-01-0{number}T00:00:00.000Z", "seq": number, "level": "warning", "event": event, **fields}


LINES = [
    line(1, "router-startup"),
    line(2, provider="Near"),
    line(3, request_id="id-3"),
    line(4, "config-reload", detail="near it"),
]


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


def test_a_person_reads_time_level_event_and_the_other_fields() -> None:
    assert line_of(LINES[1]).plain == '[2026-01-02T00:00:00.000Z] WARNING fallback-occurred {"provider": "Near"}'
    assert line_of(LINES[0]).plain == "[2026-01-01T00:00:00.000Z] WARNING router-startup"


def test_no_line_commands_a_terminal() -> None:
    shown = line_of(line(1, "\x1b[2Jx", **{"\x9b": "\u202e\x07"})).plain

    assert shown.isprintable()


def test_a_summary_counts_the_most_frequent_first() -> None:
    assert summary_of(LINES) == (
        {"fallback-occurred": 2, "config-reload": 1, "router-startup": 1},
        "2026-01-01T00:00:00.000Z",
        "2026-01-04T00:00:00.000Z",
    )
