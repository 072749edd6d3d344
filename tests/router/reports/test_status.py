from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from router.reports.actions import action_line, is_good_probe, probe_line, reload_lines
from router.reports.status import print_status
from router.reports.words import duration_words

WELL: dict[str, Any] = {
    "name": "ollama",
    "state": "configured",
    "word": "healthy",
    "in_flight": 2,
    "process": "ready",
    "health": {"state": "healthy", "admission": "admitted"},
}
EXCLUDED: dict[str, Any] = {
    "name": "a-name-that-is-longer-than-its-column/at-80",
    "state": "configured",
    "word": "excluded",
    "in_flight": 0,
    "health": {"state": "unhealthy", "admission": "excluded", "since": "2026-01-02T03:04:05Z", "next_probe_in_s": 41.3},
    "why": "connection refused",
    "restarts": {"used": 1, "max": 3, "window_s": 900.0},
}
KEYLESS: dict[str, Any] = {"name": "paid", "state": "unconfigured", "reason": "missing-credential", "detail": "set KEY"}
BODY: dict[str, Any] = {
    "status": "running",
    "version": "9.9",
    "uptime_s": 7500.0,
    "addresses": ["http://127.0.0.1:8088"],
    "in_flight": 2,
    "default_profile": "coding",
    "default_profile_routable": True,
    "providers": [WELL, EXCLUDED, KEYLESS],
    "warnings": ["server.x: not yet"],
    "generation": 3,
    "degraded": ["state"],
    "degraded_why": {"state": "/s/router.db: cannot write: No space left on device"},
    "config_rejected": ["router.toml:3: server.port: expected an integer"],
    "supervisors": [{"name": "probes", "state": "running", "restarts": 1}],
}


HEAD_LINE = (
    "daemon running version=9.9 addresses=http://127.0.0.1:8088 generation=3 uptime_s=7500.0 in_flight=2"
    " default_profile=coding routable=yes"
)
EXCLUDED_LINE = (
    "provider a-name-that-is-longer-than-its-column/at-80 state=excluded health=unhealthy in_flight=0"
    " next_probe_in_s=41.3 restarts=1/3 why: connection refused, since 2026-01-02T03:04:05Z"
)


def printed(body: dict[str, Any], *, is_terminal: bool, width: int = 80) -> str:
    out = Console(file=io.StringIO(), force_terminal=is_terminal, width=width if is_terminal else 10_000, highlight=False)
    print_status(body, out)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_pipe_gets_a_line_per_fact() -> None:
    assert printed(BODY, is_terminal=False).splitlines() == [
        HEAD_LINE,
        "degraded state why: /s/router.db: cannot write: No space left on device",
        "provider ollama state=healthy health=healthy in_flight=2 process=ready",
        EXCLUDED_LINE,
        "provider paid state=unconfigured why: missing-credential, set KEY",
        "supervisor probes state=running restarts=1",
        "config-rejected router.toml:3: server.port: expected an integer",
        "warning server.x: not yet",
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_a_terminal_gets_tables_that_fit(width: int) -> None:
    shown = Text.from_ansi(printed(BODY, is_terminal=True, width=width)).plain

    assert max(map(len, shown.splitlines())) <= width
    for words in (
        "up 2.1 h",
        "in 41 s",
        "1/3",
        "connection refused",
        "configuration refused",
        "probes",
        "degraded: state: /s/router",
    ):
        assert words in shown
    assert "No space left on device" in " ".join(shown.split())


def test_a_terminal_is_told_only_of_parts_with_which_something_is_amiss() -> None:
    calm = {"state": "running", "restarts": 0}
    parts = [{"name": f"part-{number}", **calm} for number in range(9)]
    lost = {"name": "lost", "state": "exhausted", "restarts": 4}

    well = printed({**BODY, "supervisors": parts}, is_terminal=True)
    shown = Text.from_ansi(printed({**BODY, "supervisors": [*parts, lost]}, is_terminal=True)).plain

    assert "all 9 supervised parts are running, none was restarted" in well
    assert "part-" not in well + shown
    assert [line.split() for line in shown.splitlines() if "exhausted" in line or "others" in line] == [
        ["lost", "exhausted", "4"],
        ["9", "others", "running", "0"],
    ]


def test_what_has_passed_is_told_by_the_clock_of_the_page_however_long_the_daemon_is_up() -> None:
    body = {**BODY, "started_at": "2026-01-02T09:00:00Z", "uptime_s": 7500.0, "now": "2026-01-02T03:05:00Z"}

    shown = Text.from_ansi(printed({**body, "providers": [EXCLUDED]}, is_terminal=True, width=200)).plain

    assert "connection refused, for 55 s" in shown


def test_an_action_hands_no_words_of_others_to_the_terminal_as_commands() -> None:
    words = "\x1b]0;pwned\x07\x1b[2Joops\r\udce9"
    bad = {"provider": "a", "verdict": "failed", "cls": "models", "status": None, "latency_ms": 4.0, "message": words}
    told = [
        action_line({**WELL, "name": words}),
        probe_line({**bad, "reason": "upstream-5xx"}),
        *reload_lines({"result": "rejected", "generation": 1, "messages": [words]}),
    ]

    assert [line for line in told if not line.isprintable()] == []
    assert told[1] == r"a: failed (models, 4 ms): upstream-5xx: \x1b]0;pwned\x07\x1b[2Joops\r\udce9"


def test_an_exclusion_says_for_how_long_and_what_is_left_to_be_tried() -> None:
    body = {**BODY, "started_at": "2026-01-02T01:00:00Z", "uptime_s": 7500.0}  # 55 s after it was excluded
    spent = {**EXCLUDED, "restarts": {"used": 3, "max": 3, "window_s": 900.0}}

    shown = Text.from_ansi(printed({**body, "providers": [spent]}, is_terminal=True, width=200)).plain

    assert "connection refused, for 55 s, 3 of 3 restarts used in 15 min, none is left" in shown


def a_why(word: str, *, is_terminal: bool, **keys: object) -> str:
    health = {"since": "2026-01-02T03:00:00Z", "last_error": "kaboom", "last_error_at": "2026-01-02T03:04:59Z"}
    body = {**BODY, "started_at": "2026-01-02T01:00:00Z", "uptime_s": 7500.0}  # it is 03:05:00
    one = {"name": "near", "state": "configured", "word": word, "health": health, **keys}
    shown = Text.from_ansi(printed({**body, "providers": [one]}, is_terminal=is_terminal, width=200)).plain
    line = next(line for line in shown.splitlines() if "kaboom" in line)
    return line.partition(" why: ")[2] if not is_terminal else " ".join(line.split()[1:])


def test_the_last_error_of_one_that_is_well_is_told_as_that_with_its_own_time() -> None:
    assert a_why("healthy", is_terminal=True) == "last error 1.0 s ago: kaboom"
    assert a_why("healthy", is_terminal=False) == "last error at 2026-01-02T03:04:59Z: kaboom"


@pytest.mark.parametrize(
    ("word", "keys", "why"),
    [
        ("degraded", {}, "kaboom, for 5 min"),
        (
            "cooldown",
            {"state": "cooldown", "cooldown_left_s": 19.0, "reason": "rate-limited"},
            "rests for another 19 s, rate-limited, kaboom",
        ),
        ("passive", {}, "kaboom"),
    ],
)
def test_since_when_is_told_of_the_word_that_it_belongs_to(word: str, keys: dict[str, object], why: str) -> None:
    assert a_why(word, is_terminal=True, why="kaboom", **keys) == why


@pytest.mark.parametrize(("width", "columns"), [(80, ["provider", "state"]), (100, ["provider", "state", "health"])])
def test_a_column_that_says_nothing_is_left_out_and_health_where_it_is_narrow(width: int, columns: list[str]) -> None:
    quiet = {**WELL, "in_flight": 0, "process": None}

    shown = Text.from_ansi(printed({**BODY, "providers": [quiet]}, is_terminal=True, width=width)).plain

    assert columns in [line.split() for line in shown.splitlines()]


def test_words_of_an_upstream_do_not_steer_the_terminal() -> None:
    shown = printed({**BODY, "providers": [{**EXCLUDED, "why": "\x1b]0;owned\x07gone"}]}, is_terminal=True)

    assert "\x1b]0" not in shown


@pytest.mark.parametrize(("is_loaded", "word"), [(True, "loaded"), (False, "unloaded"), (None, None)])
def test_a_server_that_tells_of_its_model_has_it_in_memory_or_not(*, is_loaded: bool | None, word: str | None) -> None:
    one = {"name": "q", "state": "configured", "model_state": {"is_loaded": is_loaded, "loaded_window": 4096}}

    line = printed({"providers": [one]}, is_terminal=False)
    shown = printed({**BODY, "providers": [one]}, is_terminal=True)

    assert (f" model={word}" in line, f"model {word}" in shown) == (word is not None,) * 2
    assert ("model" in line) is (word is not None)


def test_what_is_well_is_green_and_what_is_out_is_red() -> None:
    shown = printed(BODY, is_terminal=True)

    assert "\x1b[32mhealthy" in shown
    assert "\x1b[31mexcluded" in shown


def test_nothing_of_a_name_is_taken_for_markup() -> None:
    body = {**BODY, "providers": [{**WELL, "name": "[red]x"}]}

    assert "[red]x" in printed(body, is_terminal=True)


def test_an_answer_with_half_of_the_fields_is_shown_all_the_same() -> None:
    assert "provider a state=configured" in printed({"providers": [{"name": "a", "state": "configured"}]}, is_terminal=False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (8.94, "8.9 s"), (41.3, "41 s"), (119.4, "119 s"), (150, "2 min"), (7500, "2.1 h"), (200_000, "2 d")],
)
def test_a_duration_is_told_as_a_person_says_it(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_an_action_says_where_the_provider_is_now() -> None:
    assert action_line({**EXCLUDED, "name": "a"}) == "a: excluded, probed in 41.3 s"
    assert action_line(WELL) == "ollama: healthy"


def test_a_probe_says_what_it_showed() -> None:
    good = {"provider": "a", "verdict": "ok", "cls": "models", "status": 200, "latency_ms": 4.4, "reason": None, "message": ""}
    bad = {**good, "verdict": "failed", "status": None, "reason": "connection", "message": "refused"}

    assert [probe_line(body) for body in (good, bad)] == [
        "a: ok (models, status 200, 4 ms)",
        "a: failed (models, 4 ms): connection: refused",
    ]
    assert [is_good_probe(body) for body in (good, bad)] == [True, False]


def test_a_reload_says_which_configuration_is_at_work() -> None:
    rejected = {"result": "rejected", "generation": 1, "messages": ["router.toml:3: x"]}

    assert list(reload_lines(rejected)) == ["rejected: configuration 1 is still active", "router.toml:3: x"]
    assert list(reload_lines({"result": "applied", "generation": 2})) == ["applied: configuration 2 is active"]


HALF: dict[str, Any] = {"spent_usd": 1.256, "reserved_usd": 0.5, "cap_usd": 20.0}
UNCAPPED: dict[str, Any] = {"spent_usd": 0.25, "reserved_usd": 0.0, "cap_usd": None}
SPENDING: dict[str, Any] = {
    **BODY,
    "providers": [WELL, {**EXCLUDED, "spend": HALF}],
    "spend": {
        "month": "2026-01",
        "day": "2026-01-15",
        "timezone": "UTC",
        "monthly": HALF,
        "daily": UNCAPPED,
        "profiles": {"coding": {**UNCAPPED, "spent_usd": 0.0, "cap_usd": 0.0}},
    },
}


def test_a_pipe_gets_a_line_per_budget() -> None:
    lines = printed(SPENDING, is_terminal=False).splitlines()

    assert [line for line in lines if line.startswith("budget ")] == [
        "budget month period=2026-01 spent_usd=1.256 reserved_usd=0.5 cap_usd=20.0",
        "budget day period=2026-01-15 spent_usd=0.25 reserved_usd=0.0",
        "budget profile/coding period=2026-01 spent_usd=0.0 reserved_usd=0.0 cap_usd=0.0",
    ]
    assert " restarts=1/3 spent_usd=1.256 reserved_usd=0.5 cap_usd=20.0 why: " in lines[3]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_a_table_of_what_was_spent_of_what(width: int) -> None:
    shown = Text.from_ansi(printed(SPENDING, is_terminal=True, width=width)).plain

    assert max(map(len, shown.splitlines())) <= width
    rows = [line.split() for line in shown.splitlines() if "2026-01" in line]
    assert rows[1:] == [
        ["month", "2026-01", "1.26", "0.50", "20"],
        ["day", "2026-01-15", "0.25", "-", "-"],
        ["profile/coding", "2026-01", "0.00", "-", "0"],
        [rows[4][0], "2026-01", "1.26", "0.50", "20"],
    ]
    assert rows[4][0].startswith("provider/a-name-that-is-longer")  # folded where it is narrow


def test_where_nothing_costs_anything_nothing_is_said_of_it() -> None:
    nothing = {"spent_usd": 0.0, "reserved_usd": 0.0, "cap_usd": None}
    body = {**BODY, "spend": {**SPENDING["spend"], "monthly": nothing, "daily": nothing, "profiles": {}}}

    assert "spent" not in printed(body, is_terminal=True)


@pytest.mark.parametrize(("profiles", "whose"), [([], "of every profile"), (["coding", "fast"], "of coding,fast")])
def test_that_requests_are_recorded_is_said_to_everybody(profiles: list[str], whose: str) -> None:
    body = {**BODY, "recording_requests": {"profiles": profiles, "max_age_days": 7}}

    assert f"recording requests {whose} max_age_days=7" in printed(body, is_terminal=False).splitlines()
    assert f"recording requests {whose}, kept for 7 days" in printed(body, is_terminal=True)
