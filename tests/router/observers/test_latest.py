"""The last events as lines: what a page gets of them, and what it never gets."""

from __future__ import annotations

import logging

import pytest

from router.domain.told import Told
from router.observers.latest import KEPT, MAX_VALUE_CHARS, Latest

SECRET = "sk-ant-canary-0123456789"


def tell(latest: Latest, number: int, level: int = logging.INFO, **fields: object) -> None:
    latest.told(Told(number, 1_800_000_000.0 + number, level, "request-complete", fields))


def test_a_line_has_its_provider_and_request_apart_and_the_rest_as_text() -> None:
    latest = Latest()
    tell(latest, 7, logging.WARNING, request_id="req_1", provider="a", outcome="ok", detail="", total_ms=0, skipped=())

    ((line,), lost) = latest.since(0)
    assert (line.seq, line.level, line.name, line.provider, line.request_id) == (7, "warning", "request-complete", "a", "req_1")
    assert (line.text, lost) == ("outcome=ok total_ms=0", 0)


def test_what_says_most_stands_first() -> None:
    latest = Latest()
    tell(latest, 1, stream=False, chain=("a:timeout", "b:ok"), outcome="ok")

    assert latest.since(0)[0][0].text == "outcome=ok chain=a:timeout, b:ok stream=false"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (8.1e-05, "0.000081"), (3.0, "3"), (0.5, "0.5"), (12, "12"), (1e-9, "0.000000001")],
)
def test_values_are_written_as_people_write_them(value: object, text: str) -> None:
    latest = Latest()
    tell(latest, 1, detail=value)

    assert latest.since(0)[0][0].text == f"detail={text}"


def test_what_is_no_utf_8_is_shown_as_far_as_it_goes() -> None:
    latest = Latest()
    tell(latest, 1, provider="caf\udce9", config=["/srv/caf\udce9/router.toml", "\ud83d"])
    ((line,), _) = latest.since(0)

    assert (line.provider, line.text) == ("caf?", "config=/srv/caf?/router.toml, ?")


def test_details_for_debugging_are_left_out() -> None:
    latest = Latest()
    tell(latest, 1, logging.DEBUG)

    assert latest.count == 0


def test_a_reader_gets_what_is_new_and_is_told_what_it_was_too_slow_for() -> None:
    latest = Latest()
    for number in range(1, 6):
        tell(latest, number)
    assert [line.seq for line in latest.since(3)[0]] == [4, 5]
    assert latest.since(5) == ((), 0)

    for number in range(6, 6 + KEPT + 20):
        tell(latest, number)
    lines, lost = latest.since(5)
    assert ([line.seq for line in lines][:: len(lines) - 1], lost) == ([26, KEPT + 25], 20)


def test_nothing_is_kept_beyond_its_size() -> None:
    latest = Latest()
    for number in range(KEPT * 3):
        tell(latest, number)

    assert len(latest.since(0)[0]) == KEPT


def test_no_secret_is_in_a_line_not_even_half_of_one() -> None:
    latest = Latest(redact=lambda text: text.replace(SECRET, "***"))
    filler = "x" * (MAX_VALUE_CHARS - 10)
    tell(latest, 1, error=f"{filler}{SECRET}", provider=SECRET, request_id=SECRET, others=[SECRET])

    ((line,), _) = latest.since(0)
    assert SECRET[:8] not in repr(line)
    assert line.provider == line.request_id == "***"


def test_long_values_are_cut_and_many_fields_left_out() -> None:
    latest = Latest()
    fields = {f"field_{number}": "y" * 10_000 for number in range(100)}
    latest.told(Told(1, 0.0, logging.INFO, "request-complete", fields))

    ((line,), _) = latest.since(0)
    assert len(line.text) < 12 * (MAX_VALUE_CHARS + 20)
