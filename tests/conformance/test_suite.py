"""The suite as a whole: its list of checks, how it is chosen from, how results are told, and that it stands alone."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest
import trio

from tests.conformance.bench import Bench, Check, Failed, Needs, NotApplicable, NotOffered
from tests.conformance.http import Target
from tests.conformance.report import as_json_text, line, listing, summary
from tests.conformance.suite import GROUPS, Outcome, Result, all_checks, chosen, run

FOLDER = Path(__file__).parent
ALLOWED = {"attrs", "h11", "trio"}  # beside the standard library; the tests of the suite have pytest, too


def a_bench() -> Bench:
    return Bench(target=Target.parse("http://127.0.0.1:1"), model="m")


def a_check(name: str, error: Exception | None = None, needs: Needs = Needs.SERVER) -> Check:
    async def ends(_bench: Bench) -> None:
        if error is not None:
            raise error

    return Check(id=name, claim="It holds.", source="a page", run=ends, needs=needs)


def test_no_two_checks_have_the_same_id_and_all_are_in_a_group() -> None:
    ids = [one.id for one in all_checks()]

    assert len(ids) == len(set(ids))
    assert {one.group for one in all_checks()} == set(GROUPS)


def test_every_check_has_a_sentence_for_a_claim_and_a_source() -> None:
    assert [one.id for one in all_checks() if not (one.claim.endswith(".") and " " in one.claim and one.source)] == []


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["gateway"], {"gateway"}),
        (["chat.stream", "ollama.tags"], {"chat", "ollama"}),
        ([], set(GROUPS)),
    ],
)
def test_checks_are_chosen_by_group_or_by_the_beginning_of_their_id(patterns: list[str], expected: set[str]) -> None:
    assert {one.group for one in chosen(patterns)} == expected


def test_a_whole_id_chooses_one_check() -> None:
    assert [one.id for one in chosen(["gateway.head-root"])] == ["gateway.head-root"]


def test_a_pattern_that_fits_no_check_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="gatewy"):
        chosen(["chat", "gatewy"])


@pytest.mark.parametrize(
    ("check", "optional", "result"),
    [
        (a_check("chat.x"), (), Result.PASS),
        (a_check("chat.x", Failed("seen")), (), Result.FAIL),
        (a_check("chat.x", NotOffered("404")), (), Result.FAIL),
        (a_check("chat.x", NotOffered("404")), ("chat",), Result.NOT_APPLICABLE),
        (a_check("chat.x", NotOffered("404")), ("gemini",), Result.FAIL),
        (a_check("chat.x", Failed("seen")), ("chat",), Result.FAIL),
        (a_check("chat.x", NotApplicable("why")), (), Result.NOT_APPLICABLE),
        (a_check("chat.x", needs=Needs.UPSTREAM), (), Result.NOT_APPLICABLE),
        (a_check("chat.x", needs=Needs.NATIVE), (), Result.NOT_APPLICABLE),
    ],
)
async def test_a_check_ends_as_what_it_raised(check: Check, optional: tuple[str, ...], result: Result) -> None:
    outcomes = await run(a_bench(), [check], optional=frozenset(optional))

    assert [outcome.result for outcome in outcomes] == [result]


async def test_each_outcome_is_told_as_it_comes() -> None:
    told: list[Outcome] = []

    outcomes = await run(a_bench(), [a_check("chat.x"), a_check("chat.y", Failed("seen"))], tell=told.append)

    assert told == outcomes


async def test_a_check_that_hangs_ends_at_its_limit(autojump_clock: object) -> None:

    async def hangs(_bench: Bench) -> None:
        await trio.sleep_forever()

    [outcome] = await run(a_bench(), [Check(id="chat.x", claim="It holds.", source="a page", run=hangs)])

    assert (outcome.result, outcome.seen) == (Result.FAIL, "not done after 300 s")


def test_a_failure_is_told_in_full_and_a_pass_in_one_line() -> None:
    seen = "a long story " * 30
    failed = Outcome(check=a_check("chat.x"), result=Result.FAIL, seen=seen)
    passed = Outcome(check=a_check("chat.x"), result=Result.PASS)

    assert line(failed, 80).endswith(seen)
    assert len(line(passed, 80)) <= 80


def test_the_summary_counts_each_group_and_all() -> None:
    outcomes = [
        Outcome(check=a_check("chat.x"), result=Result.PASS),
        Outcome(check=a_check("chat.y"), result=Result.FAIL, seen="no"),
        Outcome(check=a_check("gemini.x"), result=Result.NOT_APPLICABLE, seen="why"),
    ]

    rows = [row.split() for row in summary(outcomes).splitlines() if row]

    assert rows[1:] == [["chat", "1", "1", "0"], ["gemini", "0", "0", "1"], ["all", "1", "1", "1"]]


def test_the_json_names_check_result_and_what_was_seen() -> None:
    [row] = json.loads(as_json_text([Outcome(check=a_check("chat.y"), result=Result.FAIL, seen="no", took_s=1.23456)]))

    assert row == {"id": "chat.y", "result": "fail", "claim": "It holds.", "source": "a page", "seen": "no", "took_s": 1.235}


def test_the_list_says_what_a_check_needs() -> None:
    assert "native" in listing(chosen(["gateway.beta-header-passes"]))
    assert "needs" not in listing(chosen(["gateway.head-root"]))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:8088", Target(host="localhost", port=8088)),
        ("http://localhost:8088/", Target(host="localhost", port=8088)),
        ("https://api.example.com/proxy/", Target(host="api.example.com", port=443, prefix="/proxy", is_tls=True)),
        ("http://[::1]:80", Target(host="::1", port=80)),
    ],
)
def test_a_base_url_is_host_port_and_prefix(url: str, target: Target) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize("url", ["", "localhost:8088", "ftp://localhost", "http://"])
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        Target.parse(url)


def test_the_suite_imports_nothing_of_this_project() -> None:
    """It is of use to those who have another router, as a folder beside their own code."""
    foreign: list[str] = []
    for path in FOLDER.rglob("*.py"):
        if path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign += [f"{path.name}: {name}" for name in names if not is_allowed(name)]

    assert foreign == []


def is_allowed(name: str) -> bool:
    root = name.partition(".")[0]
    return name.startswith("tests.conformance") or root in ALLOWED or root in sys.stdlib_module_names
