"""One cell of the matrix: a client, what it is pointed at, and whether its turn came to the right end.

A turn is right when the client ends with 0 and prints a sentence that the upstream could only say after the client had
read the file for it. A real model may answer what it likes: there the client has to end by itself, and say something."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

from attrs import frozen

from tests.clients.agents import Agent
from tests.clients.line import EMBEDDED, next_kind, open_direct, open_embedded, open_scripted
from tests.clients.running import Ran, run_agent
from tests.clients.tap import Exchange, Tap
from tests.clients.upstream.script import note_with, prompt_for, sentence_with
from tests.clients.upstream.server import Death
from tests.e2e.daemon import ProcessFailed

TURN_S = 150.0  # a turn takes 2 to 15 s; Codex and Claude Code retry for longer than a minute before they give up
EMBEDDED_TURN_S = 3600.0  # 20,000 tokens of prompt are read for minutes on two cores, and each turn is two requests at least


class Case(StrEnum):
    """What is tried."""

    DIRECT = "direct"  # without the router, at an upstream of the client's own API: shows that the script is sound
    TOOL = "tool"
    KILL_HEAD = "kill-head"
    KILL_TEXT = "kill-text"
    EMBEDDED = "embedded"


DEATHS = {Case.KILL_HEAD: Death.HEAD, Case.KILL_TEXT: Death.TEXT}


@frozen(kw_only=True)
class Cell:
    """What is to be run."""

    case: Case
    agent: Agent
    model: str
    kind: str


@frozen(kw_only=True)
class Result:
    """How it went. `problem` is "" for a right turn; `asked` is what the router says of each request.

    `rejected` are the requests that the client was refused, by whomever."""

    cell: Cell
    problem: str
    words: str
    took_s: float
    requests: int = 0
    rejected: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    directory: Path


def cells(cases: Sequence[Case], agents: Sequence[Agent], kinds: Sequence[str]) -> list[Cell]:
    """Return the cells of these cases: each client and model at each kind, or at the one end that the case has."""
    found: list[Cell] = []
    for case in cases:
        for agent in agents:
            ends = {Case.DIRECT: [agent.kind], Case.EMBEDDED: [EMBEDDED]}.get(case, kinds)
            found += [Cell(case=case, agent=agent, model=model, kind=kind) for model in agent.models for kind in ends]
    return found


async def run_cell(cell: Cell, directory: Path) -> Result:
    """Run one cell in an empty directory; a router that does not start is the cell's problem, not an exception."""
    word = secrets.token_hex(4)
    note = directory / "work" / "note.txt"
    note.parent.mkdir(parents=True)
    note.write_text(note_with(word))
    limit_s = EMBEDDED_TURN_S if cell.case is Case.EMBEDDED else TURN_S
    try:
        async with _open_line(cell, directory) as tap:
            ran = await run_agent(
                cell.agent, prompt=prompt_for(str(note)), model=cell.model, url=tap.url, directory=directory, limit_s=limit_s
            )
            seen = tap.exchanges()
    except ProcessFailed as failed:
        words = last_line(str(failed))
        return Result(cell=cell, problem="the router did not start", words=words, took_s=0.0, directory=directory)
    _keep(seen, directory)
    return Result(
        cell=cell,
        problem=_problem(cell, ran, word, directory),
        words=ran.last_words,
        took_s=ran.took_s,
        requests=len(seen),
        rejected=tuple(str(exchange) for exchange in seen if not 200 <= exchange.status < 300),
        asked=tuple(asked_line(event) for event in _events(directory) if event["event"] == "request-complete"),
        directory=directory,
    )


def problem_of(ran: Ran, sentence: str) -> str:
    """Return why a turn did not end well, "" where it did."""
    if ran.code is None:
        return "out of time"
    if ran.code:
        return f"exit code {ran.code}"
    return "" if sentence in " ".join(ran.stdout.split()) else "another answer"


def problem_at_a_model(ran: Ran) -> str:
    """Return why a turn with a model that answers as it likes did not end well: it has to end by itself, with a word."""
    if ran.code is None:
        return "out of time"
    return "" if (ran.stdout if not ran.code else ran.stdout + ran.stderr).strip() else "ended without a word"


def asked_line(event: dict[str, Any]) -> str:
    """Return what the router's log says of one request: who was asked, what came of it."""
    first_s = f"{event['ttft_ms'] / 1000:.1f} s" if event["ttft_ms"] is not None else "no token"
    form = "streamed" if event["stream"] else "whole"
    counts = f"{event['input_tokens']} tokens in, {event['output_tokens']} out"
    return f"{' > '.join(event['chain'])} ({form}, {event['outcome']}, first token {first_s}, {counts})"


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def _open_line(cell: Cell, directory: Path) -> AbstractAsyncContextManager[Tap]:
    match cell.case:
        case Case.DIRECT:
            return open_direct(cell.kind, directory)
        case Case.EMBEDDED:
            return open_embedded(directory)
        case Case.TOOL:
            return open_scripted([cell.kind], directory)
        case Case.KILL_HEAD | Case.KILL_TEXT:
            return open_scripted([cell.kind, next_kind(cell.kind)], directory, death=DEATHS[cell.case])
        case never:
            assert_never(never)


def _problem(cell: Cell, ran: Ran, word: str, directory: Path) -> str:
    if cell.case is Case.EMBEDDED:
        return problem_at_a_model(ran)
    return problem_of(ran, sentence_with(word)) or _unproven(cell, directory)


def _unproven(cell: Cell, directory: Path) -> str:
    """Return what is missing at the upstreams: a result brought by the client, and a death where one was asked for."""
    rows = list(_rows(directory.glob("upstream-*.jsonl")))
    if refused := [row for row in rows if row["status"] >= 400]:
        return f"the upstream refused {refused[0]['method']} {refused[0]['target']}"
    if not any(row["results"] for row in rows):
        return "no tool result reached an upstream"
    if cell.case in DEATHS and not (directory / "upstream-1.jsonl").exists():
        return "the first provider answered after all"
    return ""


def _events(directory: Path) -> list[dict[str, Any]]:
    """Return the events of the router's log; no other program here writes such lines."""
    return [row for row in _rows(directory.glob("program-*.log")) if "event" in row]


def _rows(paths: Iterator[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def _keep(seen: Sequence[Exchange], directory: Path) -> None:
    with (directory / "client.jsonl").open("w") as out:
        for exchange in seen:
            row = {"request": str(exchange), "headers": exchange.headers, "body": exchange.body.decode(errors="replace")}
            out.write(json.dumps(row) + "\n")
