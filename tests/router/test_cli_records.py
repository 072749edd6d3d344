"""`audit` and `replay` as they are called: over generations, with what is missing, unknown or broken."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE

import orjson
import pytest
import trio
from click.testing import CliRunner, Result

from router.__main__ import main
from router.state.jsonl import AUDIT_FILE, JOURNAL_FILE, JsonlFile, Limits
from tests.e2e.daemon import ROOT
from tests.router.config.texts import SMALL
from tests.router.reports.journal_rows import record, seeded

AUDITED = [
    {"ts": f"2026-01-0{n}T00:00:00.000Z", "seq": n, "level": "info", "event": event}
    for n, event in enumerate(("router-startup", "admin-action", "admin-action", "router-shutdown"), 1)
]


def run(directory: Path, *words: str, more: str = "") -> Result:
    (directory / "router.toml").write_text(f'[server]\nstate_dir = "{directory}/state"\n{SMALL}{more}')
    return CliRunner().invoke(main, [*words, "--config", str(directory / "router.toml")])


def write(directory: Path, name: str, records: Sequence[Mapping[str, object]], max_bytes: int = 10_000) -> Path:
    """Write records over as many generations as they need."""
    file = JsonlFile(directory=directory / "state", name=name, limits=Limits(max_bytes=max_bytes, backups=99))
    file.append(0, [orjson.dumps(record) for record in records])
    file.close()
    return Path(file.path)


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    write(tmp_path, AUDIT_FILE, AUDITED, max_bytes=150)
    return tmp_path


@pytest.fixture
def journalled(tmp_path: Path) -> Path:
    write(tmp_path, JOURNAL_FILE, seeded())
    return tmp_path


def test_audit_reads_every_generation_in_its_order(audited: Path) -> None:
    lines = run(audited, "audit").output.splitlines()

    assert len(list((audited / "state").iterdir())) > 1
    assert [line.split()[2] for line in lines] == [record["event"] for record in AUDITED]


def test_audit_finds_its_file_by_what_can_be_read_of_a_configuration_with_mistakes(audited: Path) -> None:
    result = run(audited, "audit", "--tail", "1", more="sticky = 1\n")

    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert "profiles[0].sticky: expected true or false" in result.stderr


def test_audit_reads_no_other_routers_file_for_a_directory_that_is_said(audited: Path) -> None:
    more = "[server]\nstate_dir = 1\n"

    unnamed = run(audited, "audit", more=more)
    named = run(audited, "audit", "--tail", "1", "--state-dir", str(audited / "state"), more=more)

    assert (unnamed.exit_code, unnamed.stdout) == (78, "")
    assert "[server].state_dir cannot be read: use --state-dir" in unnamed.stderr
    assert (named.exit_code, len(named.stdout.splitlines())) == (0, 1)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("--tail", "1"), [4]),
        (("--filter", "admin"), [2, 3]),
        (("--since", "2026-01-03"), [3, 4]),
        (("--tail", "9"), [1, 2, 3, 4]),
    ],
)
def test_audit_shows_the_lines_that_are_meant(audited: Path, words: tuple[str, ...], numbers: list[int]) -> None:
    result = run(audited, "audit", "--json", *words)

    assert [json.loads(line)["seq"] for line in result.output.splitlines()] == numbers


def test_audit_counts(audited: Path) -> None:
    counted = json.loads(run(audited, "audit", "--summary", "--json").output)

    assert counted["events"] == {"admin-action": 2, "router-shutdown": 1, "router-startup": 1}
    assert "admin-action" in run(audited, "audit", "--summary").output


def test_lines_that_cannot_be_read_are_counted(audited: Path) -> None:
    with (audited / "state" / AUDIT_FILE).open("a") as file:
        file.write('nonsense\n{"cut": ')

    result = run(audited, "audit")

    assert result.exit_code == 0
    assert "2 lines cannot be read" in result.stderr


@pytest.mark.parametrize(("command", "table"), [("audit", "[audit]"), ("replay", "[request_log]")])
def test_without_a_file_it_is_said_what_writes_one(tmp_path: Path, command: str, table: str) -> None:
    result = run(tmp_path, command)

    assert result.exit_code == 1
    assert f"enabled = true in {table}" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--follow", "--summary"),
        ("audit", "--since", "yesterday"),
        ("audit", "--since", "2026-13-45"),
        ("audit", "--tail", "0"),
        ("audit", "--tail", "9" * 20),
        ("replay", "--since", "2026-W48"),
        ("replay", "--limit", "9" * 20),
        ("replay", "--compare", "fast", "slow", "--suggest-rules"),
        ("replay", "--requests", "--suggest-rules"),
        ("replay", "--requests", "--by", "profile"),
        ("replay", "--outcome", "bad"),
        ("replay", "--provider", "nobody"),
        ("replay", "--class", "nobody"),
        ("replay", "--compare", "fast", "coding"),
        ("replay", "--by", "model", "--compare", "fast", "slow"),
    ],
)
def test_wrong_usage_ends_with_2(journalled: Path, words: tuple[str, ...]) -> None:
    write(journalled, AUDIT_FILE, AUDITED)

    result = run(journalled, *words)

    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_replay_has_a_row_for_each_provider_and_names_its_method(journalled: Path) -> None:
    output = run(journalled, "replay").output

    assert [line.split()[0] for line in output.splitlines()[:3]] == ["provider", *sorted(("fast", "slow"), key=output.index)]
    assert "Wilson" in output
    assert "Student" in output


def test_replay_in_json_has_the_figures_of_those_that_are_meant(journalled: Path) -> None:
    (figures,) = json.loads(run(journalled, "replay", "--profile", "coding", "--by", "profile", "--json").output)["figures"]

    assert figures["requests"] == sum(one["profile"] == "coding" for one in seeded())
    assert figures["latency_ms"]["interval"]["low"] < figures["latency_ms"]["mean"]


def test_replay_lists_what_became_of_each_request(tmp_path: Path) -> None:
    ended = [
        ("id-1", "ok", None, ["near:timeout", "mid:ok"]),
        ("id-2", "failed", "all_failed", ["near:timeout"]),
        ("id-3", "failed", "midstream", ["near:connection"]),
        ("id-4", "refused", "invalid_json", []),
    ]
    keys = ("request_id", "outcome", "reason", "chain")
    write(tmp_path, JOURNAL_FILE, [record(**dict(zip(keys, one, strict=True))) for one in ended])

    lines = run(tmp_path, "replay", "--requests").output.splitlines()
    failed = json.loads(run(tmp_path, "replay", "--requests", "--outcome", "failed", "--json").output)["requests"]

    assert [line.split()[1] for line in lines] == ["id", "id-1", "id-2", "id-3", "id-4"]
    assert "near:timeout > mid:ok" in lines[1]
    assert [tuple(one[key] for key in keys) for one in failed] == [*ended[1:3]]


def test_a_request_that_nothing_was_noted_of_is_found_by_what_audit_says(audited: Path) -> None:
    write(audited, JOURNAL_FILE, [record(request_id="id-1"), record(request_id="id-2")])

    said = run(audited, "audit", "--filter", "id-2").stderr
    output = run(audited, "replay", "--requests", "--id", "id-2").output

    assert "the audit file has no line with 'id-2'" in said
    assert "replay --requests" in said
    assert "id-2" in output
    assert "id-1" not in output


def test_replay_says_that_the_journal_has_no_such_request(journalled: Path) -> None:
    result = run(journalled, "replay", "--requests", "--id", "nobody's", "--json")

    assert json.loads(result.stdout) == {"requests": []}
    assert "no such request in the journal" in result.stderr


def test_a_journal_without_a_line_is_said_to_be_none_yet_where_nothing_was_chosen(tmp_path: Path) -> None:
    (journal := tmp_path / "state" / JOURNAL_FILE).parent.mkdir()
    journal.touch()

    every, chosen = run(tmp_path, "replay", "--limit", "3"), run(tmp_path, "replay", "--since", "2h")

    assert every.stderr == "the journal has no request yet; each is written within 2 s of its end\n"
    assert "no such request" in chosen.stderr
    assert (every.exit_code, chosen.exit_code) == (0, 0)


def test_replay_compares_and_says_what_is_more_than_chance(journalled: Path) -> None:
    output = run(journalled, "replay", "--compare", "fast", "slow").output
    lines = json.loads(run(journalled, "replay", "--compare", "fast", "slow", "--json").output)["lines"]

    assert re.search(r"latency: slow has \d+ % more than fast", output)
    assert re.search(r"failure rate: slow has \d+\.\d points more than fast", output)
    assert {line["measure"]: line["is_clear"] for line in lines}["latency"] is True


def test_replay_warns_of_few_requests(journalled: Path) -> None:
    assert "below 30" in run(journalled, "replay", "--limit", "9").output


def test_replay_takes_another_journal_and_counts_its_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "another.jsonl"
    lines = [*map(json.dumps, seeded(count=40)), "nonsense", '{"ts": "2026", "outcome": "unheard of"}', '{"outcome": null}']
    path.write_text("\n".join(lines))

    result = run(tmp_path, "replay", "--log", str(path), "--json")

    assert json.loads(result.stdout)["bad_lines"] == 3
    assert "3 lines" in result.stderr


def test_replay_says_that_there_is_nothing_to_suggest_or_what(journalled: Path) -> None:
    output = run(journalled, "replay", "--suggest-rules").output
    suggested = json.loads(run(journalled, "replay", "--suggest-rules", "--json").output)

    assert output == "nothing to suggest\n"
    assert suggested["suggestions"] == []


@pytest.mark.slow
async def test_audit_follows_what_is_written_over_a_rotation_until_interrupted(audited: Path) -> None:
    words = ("audit", "--follow", "--json", "--tail", "1", "--state-dir", str(audited / "state"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(audited), "PYTHONPATH": str(ROOT)}
    run_it = partial(trio.run_process, [sys.executable, "-m", "router", *words], stdout=PIPE, env=environment)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(run_it)
            first = await numbers_of(process, 1)
            file = JsonlFile(directory=audited / "state", name=AUDIT_FILE, limits=Limits(max_bytes=100, backups=99))
            file.append(0, [orjson.dumps({**AUDITED[0], "seq": number}) for number in (5, 6, 7)])
            file.close()
            following = await numbers_of(process, 3)
            process.send_signal(signal.SIGINT)

    assert (first, following, process.returncode) == ([4], [5, 6, 7], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "first"), [((), range(20, 30)), (("--tail", "3"), range(27, 30)), (("--since", "2020-01-01"), range(30))]
)
async def test_audit_follows_from_the_last_lines_on(tmp_path: Path, more: Sequence[str], first: Sequence[int]) -> None:
    stamp = "2026-01-31T12:00:00.000Z"
    records = [{"ts": stamp, "seq": number, "level": "info", "event": "startup"} for number in range(31)]
    file = JsonlFile(directory=tmp_path / "state", name=AUDIT_FILE, limits=Limits(max_bytes=10**6, backups=1))
    file.append(0, [orjson.dumps(record) for record in records[:30]])
    words = ("audit", "--follow", "--json", *more, "--state-dir", str(tmp_path / "state"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run_it = partial(trio.run_process, [sys.executable, "-m", "router", *words], stdout=PIPE, env=environment)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(run_it)
            shown = await numbers_of(process, len(first))
            file.append(30, [orjson.dumps(records[30])])
            following = await numbers_of(process, 1)
            process.send_signal(signal.SIGINT)
    file.close()

    assert (shown, following) == ([*first], [30])


async def numbers_of(process: trio.Process, count: int) -> list[int]:
    """Return the numbers of the next lines."""
    assert process.stdout is not None
    text = b""
    while text.count(b"\n") < count:
        text += await process.stdout.receive_some()
    return [json.loads(line)["seq"] for line in text.splitlines()]
