"""Lines of a journal, ours and CodeRouter's, good and bad ones; which are meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.reports.rows import Kind, Outcome, UnknownNameError, Wanted, read_row, read_rows, since_stamp, two_names
from tests.router.reports.journal_rows import START, record, seeded

EVERY = Wanted(names={})
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=3)


@given(st.dictionaries(st.sampled_from(sorted(record(total_ms=1, cost_usd=1, streaming=True))), JSON))
def test_no_record_whatever_it_holds_is_more_than_a_bad_line(given_record: dict[str, object]) -> None:
    rows = read_rows([{**record(), **given_record}, record()], EVERY)

    assert len(rows.rows) + rows.bad_total == 2


@pytest.mark.parametrize("number", [1e308, 10**400, 1e16])
@pytest.mark.parametrize("key", ["total_ms", "ttft_ms", "input_tokens", "output_tokens", "cost_usd", "cost_savings_usd"])
def test_a_number_that_nobody_can_have_measured_makes_a_bad_line(key: str, number: float) -> None:
    rows = read_rows([record(), {**record(), key: number}], EVERY)

    assert (len(rows.rows), rows.bad_total) == (1, 1)


def test_a_line_of_coderouter_is_an_answer() -> None:
    line = {"ts": "2026-01-31T12:00:00+00:00", "provider": "near", "input_tokens": 5, "cost_usd": None, "outcome": "no_cache"}

    row = read_row(line)

    assert row is not None
    assert (row.outcome, row.provider, row.input_tokens, row.cost_usd) == (Outcome.OK, "near", 5.0, None)


@pytest.mark.parametrize(
    ("names", "count"),
    [({}, 400), ({Kind.PROFILE: "CODING"}, None), ({Kind.MODEL: "any"}, 400), ({Kind.CLASS: "interactive"}, 400)],
)
def test_names_are_compared_whole_and_without_case(names: dict[Kind, str], count: int | None) -> None:
    records = seeded()
    expected = sum(one["profile"] == "coding" for one in records) if count is None else count

    assert len(read_rows(records, Wanted(names=names)).rows) == expected


def test_the_requests_of_a_provider_are_those_that_it_was_asked_first_or_later() -> None:
    records = [record(), record(provider="slow", chain=["fast:timeout", "slow:ok"]), record(provider="slow", chain=["slow:ok"])]

    assert len(read_rows(records, Wanted(names={Kind.PROVIDER: "Fast"})).rows) == 2
    assert len(read_rows(records, Wanted(names={Kind.PROVIDER: "slow"})).rows) == 2


def test_an_outcome_and_an_id_choose_too() -> None:
    records = [record(request_id="a"), record(request_id="b", outcome="failed"), record(request_id="c", outcome="failed")]

    assert [row.request_id for row in read_rows(records, Wanted(names={}, outcome=Outcome.FAILED)).rows] == ["b", "c"]
    assert [row.outcome for row in read_rows(records, Wanted(names={}, request_id="b")).rows] == [Outcome.FAILED]


def test_the_limit_keeps_the_last_of_those_that_are_meant() -> None:
    records = [record(ts=f"2026-01-0{day}T00:00:00.000Z", provider=name) for day, name in enumerate("abab", 1)]

    kept = read_rows(records, Wanted(names={Kind.PROVIDER: "a"}, since="2026-01-01", limit=1))

    assert [row.ts[:10] for row in kept.rows] == ["2026-01-03"]


def test_a_moment_is_where_it_begins() -> None:
    records = [record(ts=f"2026-01-0{day}T00:00:00.000Z") for day in range(1, 5)]

    assert len(read_rows(records, Wanted(names={}, since="2026-01-03")).rows) == 2
    assert len(read_rows(records, Wanted(names={}, since="2026-01-03T00:00:00.000Z")).rows) == 2


def test_an_unknown_name_is_an_error_that_says_which_there_are() -> None:
    with pytest.raises(UnknownNameError, match="did you mean fast"):
        read_rows(seeded(), Wanted(names={Kind.PROVIDER: "fats"}))
    with pytest.raises(UnknownNameError, match="known: coding, writing"):
        read_rows(seeded(), Wanted(names={Kind.PROFILE: "xyz"}))


@pytest.mark.parametrize("asked", ["fas\x1b[2J", "nothing like it"])
def test_names_of_a_journal_are_no_commands_to_a_terminal(asked: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        read_rows([record(provider="fast\x1b[2J!")], Wanted(names={Kind.PROVIDER: asked}))

    assert str(caught.value).isprintable()
    assert "fast\\x1b[2J!" in str(caught.value)


def test_two_names_are_of_the_first_kind_that_has_both() -> None:
    known = read_rows(seeded(), EVERY).known

    assert two_names(known, None, ("Fast", "slow")) == (Kind.PROVIDER, "fast", "slow")
    assert two_names(known, None, ("coding", "writing")) == (Kind.PROFILE, "coding", "writing")
    with pytest.raises(UnknownNameError, match="'writing'"):
        two_names(known, None, ("fast", "writing"))
    with pytest.raises(UnknownNameError):
        two_names(known, Kind.MODEL, ("fast", "slow"))


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2h", "2025-06-15T13:06:40.000Z"),
        ("7d", "2025-06-08T15:06:40.000Z"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 12:00", "2026-01-31T12:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
        ("2026", "2026"),
        ("2026-11", "2026-11"),
        ("2026-11-29T1", "2026-11-29T1"),
        ("2026-11-29 23:5", "2026-11-29T23:5"),
        ("2024-02-29", "2024-02-29"),
        ("2026-01-31T12:00Z", "2026-01-31T12:00"),
        ("2026-01-31T12:00:59.25", "2026-01-31T12:00:59.25"),
    ],
)
def test_since_takes_a_time_ago_or_a_moment(text: str, stamp: str) -> None:
    assert since_stamp(text, START) == stamp


IMPOSSIBLE = [
    *("2026-13", "2026-13-45", "2026-00", "0000", "2026-02-30", "2023-02-29", "2026-11-31", "2026-02-3", "2026-1-05", "2026-1"),
    *("2026-11-29T25:00", "2026-11-29T24:00", "2026-11-29T3", "2026-11-29T12:60", "2026-11-29T12:7", "2026-11-29T12:00:60"),
    *("2026-W48", "2026W48", "2026-W48-1", "2026-W48-1T12:00+01:00", "\uff12\uff10\uff12\uff16"),
]


@pytest.mark.parametrize("text", ["", "yesterday", "2x", "9" * 60_000, *IMPOSSIBLE])
def test_since_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        since_stamp(text, START)
