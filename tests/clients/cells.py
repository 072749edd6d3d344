"""One cell of the matrix: a client, what it is pointed at, and whether its turn came to the right end.

A turn is right when the client ends with 0 and prints a sentence that the upstream could only say after the client had
read the file for it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.clients.agents import Agent
from tests.clients.running import Ran, run_agent
from tests.clients.tap import Exchange, Tap, open_tap
from tests.clients.upstream.script import note_with, prompt_for, sentence_with
from tests.clients.upstream.server import KINDS, SPEAKERS, Death
from tests.e2e.daemon import ProcessFailed, free_port, open_program, open_router, router_config

TURN_S = 150.0  # a turn takes 2 to 15 s; Codex and Claude Code retry for longer than a minute before they give up
NATIVE = {"claude": "anthropic", "codex": "openai_responses", "gemini": "gemini"}


class Case(StrEnum):
    """What is tried."""

    DIRECT = "direct"  # without the router, at an upstream of the client's own API: shows that the script is sound
    TOOL = "tool"
    KILL_HEAD = "kill-head"
    KILL_TEXT = "kill-text"


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
    """How it went. `problem` is "" for a right turn; `rejected` are the requests that the client was refused."""

    cell: Cell
    problem: str
    words: str
    took_s: float
    requests: int = 0
    rejected: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    kept_in: Path | None = field(default=None)


def cells(cases: Sequence[Case], agents: Sequence[Agent], kinds: Sequence[str]) -> list[Cell]:
    """Return the cells of these cases; those without the router are one for each client and model."""
    found: list[Cell] = []
    for case in cases:
        for agent in agents:
            own = [NATIVE[agent.name]] if case is Case.DIRECT else kinds
            found += [Cell(case=case, agent=agent, model=model, kind=kind) for model in agent.models for kind in own]
    return found


def next_kind(kind: str) -> str:
    """Return the API of the provider that takes over: another one than the first provider's."""
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]


async def run_cell(cell: Cell, directory: Path) -> Result:
    """Run one cell in an empty directory; a router that does not start is the cell's problem, not an exception."""
    word = secrets.token_hex(4)
    note = directory / "work" / "note.txt"
    note.parent.mkdir(parents=True)
    note.write_text(note_with(word))
    try:
        async with _open_line(cell, directory) as tap:
            ran = await run_agent(
                cell.agent, prompt=prompt_for(str(note)), model=cell.model, url=tap.url, directory=directory, limit_s=TURN_S
            )
            seen = tap.exchanges()
    except ProcessFailed as failed:
        return Result(cell=cell, problem="the router did not start", words=_last_line(str(failed)), took_s=0.0, kept_in=directory)
    _keep(seen, directory)
    return Result(
        cell=cell,
        problem=problem_of(ran, sentence_with(word)) or _unproven(cell, directory),
        words=ran.last_words,
        took_s=ran.took_s,
        requests=len(seen),
        rejected=tuple(str(exchange) for exchange in seen if not 200 <= exchange.status < 300),
        chain=_chains(directory),
        kept_in=directory,
    )


def problem_of(ran: Ran, sentence: str) -> str:
    """Return why a turn did not end well, "" where it did."""
    if ran.code is None:
        return "out of time"
    if ran.code:
        return f"exit code {ran.code}"
    if sentence not in " ".join(ran.stdout.split()):
        return "another answer"
    return ""


@asynccontextmanager
async def _open_line(cell: Cell, directory: Path) -> AsyncIterator[Tap]:
    """Open everything between the client and its model: tap, router and upstreams; without the router for DIRECT."""
    async with AsyncExitStack() as stack:
        death = DEATHS.get(cell.case)
        kinds = [cell.kind] if death is None else [cell.kind, next_kind(cell.kind)]
        providers: list[dict[str, Any]] = []
        port = 0
        for number, kind in enumerate(kinds):
            port = free_port()
            argv = ["-m", "tests.clients.upstream", "--kind", kind, "--port", str(port)]
            argv += ["--record", str(directory / f"upstream-{number}.jsonl")]
            argv += ["--death", death] if death is not None and not number else []
            await stack.enter_async_context(open_program(argv, port=port, directory=directory, ready_path="/health"))
            providers.append(provider_of(kind, port, name=f"{'first' if not number else 'second'}"))
        if cell.case is not Case.DIRECT:
            config = router_config(free_port(), providers=providers)
            router = await stack.enter_async_context(open_router(config, directory=directory))
            port = router.port
        yield await stack.enter_async_context(open_tap(port))


def provider_of(kind: str, port: int, *, name: str) -> dict[str, Any]:
    """Return the `[[providers]]` table of a scripted upstream."""
    base_url = f"http://127.0.0.1:{port}{SPEAKERS[kind].base_path}"
    return {"name": name, "kind": kind, "base_url": base_url, "model": "scripted"}


def _unproven(cell: Cell, directory: Path) -> str:
    """Return what is missing at the upstreams: a result brought by the client, and a death where one was asked for."""
    rows = [json.loads(line) for path in sorted(directory.glob("upstream-*.jsonl")) for line in path.read_text().splitlines()]
    if not any(row["results"] and row["status"] == 200 for row in rows):
        return "no tool result reached an upstream"
    if refused := [row for row in rows if row["status"] >= 400]:
        return f"the upstream refused {refused[0]['method']} {refused[0]['target']}"
    if cell.case in DEATHS and not (directory / "upstream-1.jsonl").exists():
        return "the first provider answered after all"
    return ""


def _chains(directory: Path) -> tuple[str, ...]:
    """Return who was asked for each request, from the router's log."""
    lines = [line for path in directory.glob("program-*.log") for line in path.read_text(errors="replace").splitlines()]
    events = [json.loads(line) for line in lines if line.startswith('{"ts"')]
    return tuple(" > ".join(event["chain"]) for event in events if event["event"] == "request-complete")


def _keep(seen: Sequence[Exchange], directory: Path) -> None:
    with (directory / "client.jsonl").open("w") as out:
        for exchange in seen:
            row = {"request": str(exchange), "headers": exchange.headers, "body": exchange.body.decode(errors="replace")}
            out.write(json.dumps(row) + "\n")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
