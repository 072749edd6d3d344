"""Runs one client for one question, alone in a home directory of its own, and says what it printed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import trio
from attrs import frozen

from tests.clients.agents import Agent

LEAVE_S = 5.0  # between TERM and KILL for a client that is out of time
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@frozen(kw_only=True)
class Ran:
    """How a client ended; `code` is None where it was out of time."""

    code: int | None
    stdout: str
    stderr: str
    took_s: float

    @property
    def last_words(self) -> str:
        """What it said last, on stdout where it said anything there: for a cell of the table."""
        for text in (self.stdout, self.stderr):
            if lines := [line.strip() for line in text.splitlines() if line.strip()]:
                return " / ".join(lines[-3:])
        return "(it printed nothing)"


async def run_agent(agent: Agent, *, prompt: str, model: str, url: str, directory: Path, limit_s: float) -> Ran:
    """Run a client in `directory`, which gets its home; it and all its children are gone afterwards."""
    home, work = directory / "home", directory / "work"
    work.mkdir(exist_ok=True)
    agent.prepare(home, url)
    out_path, err_path = directory / "stdout", directory / "stderr"
    started_at = time.monotonic()
    code: int | None = None
    with out_path.open("wb") as out, err_path.open("wb") as err:
        process = await trio.lowlevel.open_process(
            agent.command(prompt, model=model, url=url),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=work,
            env=agent.environment(home, url),
            start_new_session=True,  # so that a signal reaches what a launcher in JavaScript has started
        )
    try:
        with trio.move_on_after(limit_s):
            code = await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)
    took_s = time.monotonic() - started_at
    return Ran(code=code, stdout=_text(out_path), stderr=_text(err_path), took_s=took_s)


async def _end(process: trio.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break  # nobody of the group is left
        with trio.move_on_after(LEAVE_S):
            await process.wait()
            if number is signal.SIGTERM:
                await trio.sleep(0.1)  # children that its death lets go; KILL is for those that stay
    await process.wait()


def _text(path: Path) -> str:
    return _ANSI.sub("", path.read_text(errors="replace"))
