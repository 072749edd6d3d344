"""Which cells there are, when a turn was right, and what the table says of it."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from router.config.load import Surroundings, load
from tests.clients.agents import AGENTS
from tests.clients.cells import Case, Cell, Result, asked_line, cells, problem_at_a_model, problem_of
from tests.clients.line import DEFAULTS, embedded_config, next_kind, provider_of
from tests.clients.matrix import table, tell
from tests.clients.running import Ran
from tests.clients.upstream.script import sentence_with
from tests.clients.upstream.server import KINDS

SENTENCE = sentence_with("ab12")
ROWS = [(agent.name, model) for agent in AGENTS for model in agent.models]


def ran(code: int | None = 0, stdout: str = SENTENCE, stderr: str = "") -> Ran:
    """Return a client that ended so."""
    return Ran(code=code, stdout=stdout, stderr=stderr, took_s=1.0)


def result(cell: Cell, problem: str = "", **given: Any) -> Result:  # noqa: ANN401 - fields of Result
    """Return how a cell went."""
    return Result(cell=cell, problem=problem, words="so it said", took_s=1.23, directory=Path("kept"), **given)


def drawn(case: Case, results: list[Result]) -> str:
    """Return the printed table."""
    out = io.StringIO()
    Console(file=out, width=300).print(table(case, results))
    return out.getvalue()


@pytest.mark.parametrize("case", [Case.TOOL, Case.KILL_HEAD, Case.KILL_TEXT])
def test_every_client_meets_every_kind_of_upstream(case: Case) -> None:
    found = cells([case], AGENTS, KINDS)

    assert [(cell.agent.name, cell.model, cell.kind) for cell in found] == [(*row, kind) for row in ROWS for kind in KINDS]


def test_the_kinds_are_those_of_the_providers() -> None:
    assert set(KINDS) == {"openai_compat", "anthropic", "openai_responses", "gemini", "ollama"}
    assert {agent.kind for agent in AGENTS} <= set(KINDS)


def test_without_the_router_each_client_meets_its_own_api_once() -> None:
    assert {(cell.agent.name, cell.kind) for cell in cells([Case.DIRECT], AGENTS, KINDS)} == {
        ("claude", "anthropic"),
        ("codex", "openai_responses"),
        ("gemini", "gemini"),
    }


def test_the_provider_that_takes_over_speaks_another_api() -> None:
    assert all(next_kind(kind) in KINDS and next_kind(kind) != kind for kind in KINDS)


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (ran(), ""),
        (ran(stdout=f"I have read\n{SENTENCE.replace(' ', chr(10))}\n"), ""),
        (ran(stdout="I cannot read files."), "another answer"),
        (ran(stdout=sentence_with("cd34")), "another answer"),
        (ran(code=1), "exit code 1"),
        (ran(code=None), "out of time"),
    ],
)
def test_a_turn_is_right_when_it_ends_well_and_tells_the_word(how: Ran, problem: str) -> None:
    assert problem_of(how, SENTENCE) == problem


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (ran(stdout="Whatever."), ""),
        (ran(code=1, stdout="", stderr="API Error: too long"), ""),
        (ran(stdout="", stderr="a warning"), "ended without a word"),
        (ran(code=1, stdout="", stderr=""), "ended without a word"),
        (ran(code=None), "out of time"),
    ],
)
def test_with_a_real_model_it_has_to_end_by_itself_and_say_something(how: Ran, problem: str) -> None:
    assert problem_at_a_model(how) == problem


def test_no_cell_of_the_table_is_empty() -> None:
    found = cells([Case.TOOL], AGENTS, KINDS)
    results = [result(cell, "exit code 1" if cell.kind == "ollama" else "") for cell in found[:-1]]

    text = drawn(Case.TOOL, results)

    assert text.count("pass 1.2 s, 0 requests") == (len(KINDS) - 1) * len(ROWS)
    assert text.count("FAIL: exit code 1") == len(ROWS) - 1
    assert text.count("not run") == 1


def test_a_failed_cell_says_why_and_where_its_files_are() -> None:
    (cell, *_) = cells([Case.TOOL], AGENTS, KINDS)
    out = io.StringIO()

    tell(Console(file=out, width=300), result(cell, "exit code 1", rejected=("GET /x -> 404",), asked=("a:ok",)))

    for word in ("FAIL: exit code 1", "so it said", "refused: GET /x -> 404", "asked: a:ok", "kept"):
        assert word in out.getvalue()


def test_what_was_asked_is_told_from_the_routers_log() -> None:
    event = {
        "chain": ["a:connection", "b:ok"],
        "stream": True,
        "outcome": "ok",
        "ttft_ms": 2513.4,
        "input_tokens": 9,
        "output_tokens": 3,
    }

    assert asked_line(event) == "a:connection > b:ok (streamed, ok, first token 2.5 s, 9 tokens in, 3 out)"
    assert "no token" in asked_line(event | {"ttft_ms": None})


def test_the_embedded_model_is_run_as_the_default_configuration_runs_it() -> None:
    text = embedded_config(DEFAULTS.read_text(), port=9001, model_port=9002)
    config = load(text, path=Path("router.toml"), around=Surroundings()).config

    (provider,) = config.providers
    assert provider.base_url == "http://127.0.0.1:9002/v1"
    assert provider.max_context_tokens == 32768
    assert provider.restart is not None
    assert ("--port", "9002") in pairwise(provider.restart.argv)
    assert config.server.port == 9001


def test_an_upstreams_address_ends_as_its_kind_wants_it() -> None:
    addresses = {kind: provider_of(kind, 80, name="x")["base_url"].removeprefix("http://127.0.0.1:80") for kind in KINDS}

    assert addresses == {"openai_compat": "/v1", "anthropic": "", "openai_responses": "/v1", "gemini": "", "ollama": ""}
