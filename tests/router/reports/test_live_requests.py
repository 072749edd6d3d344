"""What `requests` and `cancel` print of the daemon's page."""

from __future__ import annotations

import io
import shlex
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from router.reports.live_requests import cancel_line, is_cancelled, named, print_live_requests

ASKING = {
    "id": "req_123456789012345678901234",
    "age_s": 3.4,
    "phase": "asking",
    "session": "1f0c5a8e-77aa-4c55-9f3e-0123456789ab",
    "request_class": "main",
    "dialect": "anthropic",
    "profile": "coding",
    "provider": "workshop",
    "model": "qwen3\x1b[31m",
    "attempts": 2,
    "stream": True,
    "ttft_ms": None,
    "can_cancel": True,
}
READING = {
    **dict.fromkeys(ASKING),
    "id": "build-42",
    "age_s": 130.0,
    "phase": "reading",
    "dialect": "ollama",
    "attempts": 0,
    "stream": False,
    "can_cancel": True,
}
ANSWERING = {**ASKING, "id": "req_9", "phase": "answering", "ttft_ms": 812.0}
PAGE = {"requests": [ASKING, READING, ANSWERING]}


def printed(body: dict[str, Any], *, is_terminal: bool, width: int = 80) -> list[str]:
    out = Console(
        file=io.StringIO(), force_terminal=is_terminal, no_color=True, width=width if is_terminal else 10_000, highlight=False
    )
    print_live_requests(body, out)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in Text.from_ansi(out.file.getvalue()).plain.splitlines()]


@pytest.mark.parametrize("width", [46, 60, 80, 200])
def test_an_id_is_never_broken_what_says_less_goes_first(width: int) -> None:
    lines = printed(PAGE, is_terminal=True, width=width)

    assert lines[1].startswith("req_123456789012345678901234")
    assert ("first token" in lines[0]) == (width >= 80)
    assert len(lines) == 4


def test_a_terminal_of_80_columns_shows_every_id_whole() -> None:
    assert printed(PAGE, is_terminal=True) == [
        "request                       age    phase      profile  provider  first token",
        "req_123456789012345678901234  3.4 s  asking     coding   workshop  -",
        "build-42                      2 min  reading    -        -         -",
        "req_9                         3.4 s  answering  coding   workshop  0.8 s",
    ]


def test_where_there_is_room_it_shows_who_asks() -> None:
    lines = printed(PAGE, is_terminal=True, width=140)

    assert "session" in lines[0]
    assert lines[1].split() == [
        *("req_123456789012345678901234", "3.4", "s", "asking", "1f0c5a8e-77aa-4c55-9f3e-0123456789ab", "main"),
        *("coding", "workshop", "-"),
    ]


def test_a_pipe_gets_a_line_for_each_with_all_that_is_known_and_no_control_characters() -> None:
    lines = printed(PAGE, is_terminal=False)

    assert lines[0] == (
        "request req_123456789012345678901234 age_s=3.4 phase=asking session=1f0c5a8e-77aa-4c55-9f3e-0123456789ab "
        'request_class=main dialect=anthropic profile=coding provider=workshop model="qwen3\\u001b[31m" attempts=2 '
        "stream=yes can_cancel=yes"
    )
    assert lines[1] == "request build-42 age_s=130.0 phase=reading dialect=ollama attempts=0 stream=no can_cancel=yes"


def test_no_word_of_a_client_is_read_as_a_key_of_its_own() -> None:
    (line,) = printed({"requests": [{**READING, "asked_model": "x provider=evil", "session": 'a"b=c'}]}, is_terminal=False)

    assert [word.partition("=")[0] for word in shlex.split(line)[2:]] == [
        *("age_s", "phase", "session", "dialect", "attempts", "stream", "can_cancel", "asked_model")
    ]
    assert r'session="a\"b=c"' in line
    assert 'asked_model="x provider=evil"' in line


def test_nobody_is_told_to_a_person_and_is_no_line_for_a_script() -> None:
    nobody: dict[str, Any] = {"requests": []}

    assert printed(nobody, is_terminal=True) == ["no live requests"]
    assert printed(nobody, is_terminal=False) == []


def test_a_word_means_the_request_that_it_is_else_those_that_begin_so() -> None:
    twins = {"requests": [{"id": one} for one in ("req_1", "req_12", "req_13", "req_13", "other")]}

    assert named(twins, "req_1") == ("req_1",)
    assert named(twins, "req_12") == ("req_12",)
    assert named(twins, "o") == ("other",)
    assert named(twins, "req_") == ("req_1", "req_12", "req_13")
    assert named(twins, "x") == ()


def test_one_that_was_at_its_end_is_not_called_cancelled() -> None:
    cancelled, ending = ({"id": "req_1", "result": result} for result in ("cancelled", "ending"))

    assert (cancel_line(cancelled), is_cancelled(cancelled)) == ("req_1: cancelled", True)
    assert (cancel_line(ending), is_cancelled(ending)) == ("req_1: not cancelled, it is already ending", False)


@pytest.mark.parametrize("word", ["null", "true", "12", "-1.5e3", "NaN", "[" * 100_000, "{}"])
def test_a_name_that_json_would_read_as_something_else_has_its_quotes(word: str) -> None:
    (line,) = printed({"requests": [{**ASKING, "model": word}]}, is_terminal=False)[:1]

    assert f'model="{word[:60]}' in line


@pytest.mark.parametrize("word", ["nullable", "1.5b", "qwen3:4b", "-"])
def test_a_name_that_is_one_word_has_none(word: str) -> None:
    (line,) = printed({"requests": [{**ASKING, "model": word}]}, is_terminal=False)

    assert f" model={word} " in line


def test_a_session_that_reads_like_none_is_told_from_none_on_a_terminal() -> None:
    _, named, unnamed = printed({"requests": [{**ASKING, "session": "-"}, READING]}, is_terminal=True, width=200)

    assert (named.split()[4], unnamed.split()[4]) == ('"-"', "-")
