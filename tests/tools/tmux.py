"""A terminal of a given size with a shell in it, to type into and to look at: tmux without anybody's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import frozen

ROOT = Path(__file__).parents[2]
POLL_S = 0.05
COMMAND_S = 10.0  # tmux itself answers at once
PROMPT = "$ "

# a real terminal is what is tested; .ci/run installs the program, so these run there
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")


class NotSeen(Exception):
    """What was waited for did not come; the text is the screen as it was."""


@frozen(kw_only=True)
class Shell:
    """A shell in a terminal of its own. `server` is the name of its tmux."""

    server: str

    async def type(self, line: str) -> None:
        """Type a line, and Enter."""
        await self._tmux("send-keys", "-l", line)
        await self._tmux("send-keys", "Enter")

    async def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `q`, `C-c`."""
        await self._tmux("send-keys", *keys)

    async def resize(self, columns: int, rows: int) -> None:
        """Make the terminal larger or smaller."""
        await self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    async def clear(self) -> None:
        """Forget what was on the screen, and what has left it at the top."""
        await self.type("clear")
        await trio.sleep(4 * POLL_S)
        await self._tmux("clear-history")

    async def screen(self, *, colours: bool = False, history: bool = False) -> str:
        """Return what is to be seen, a line per row; with `history` also what has left at the top."""
        flags = [*(["-e"] if colours else []), *(["-S", "-"] if history else [])]
        return await self._tmux("capture-pane", "-p", *flags)

    async def fact(self, name: str) -> str:
        """Return what tmux knows of the terminal: `alternate_on`, `cursor_flag`, `pane_width`."""
        return (await self._tmux("display-message", "-p", f"#{{{name}}}")).strip()

    async def wait_for(self, *texts: str, within_s: float = 20.0, without: str = "") -> str:
        """Return the screen once all the texts are on it, and `without` is not. Raises NotSeen."""
        until = time.monotonic() + within_s
        while True:
            seen = await self.screen()
            if all(text in seen for text in texts) and not (without and without in seen):
                return seen
            if time.monotonic() > until:
                raise NotSeen(f"no {texts} without {without!r} in:\n{seen}")
            await trio.sleep(POLL_S)

    async def _tmux(self, *words: str) -> str:
        with trio.fail_after(COMMAND_S):
            done = await trio.run_process(
                ["tmux", "-L", self.server, *words], capture_stdout=True, capture_stderr=True, stdin=subprocess.DEVNULL
            )
        return done.stdout.decode()


@asynccontextmanager
async def open_shell(columns: int, rows: int, *, directory: Path, env: Mapping[str, str]) -> AsyncIterator[Shell]:
    """Run a shell of that size until the context is left. `nursery-router` in it is this tree's own program."""
    shell = Shell(server=f"nursery-{os.getpid()}-{time.monotonic_ns()}")
    program = directory / "nursery-router"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m router "$@"\n')
    program.chmod(0o755)
    settings = directory / "shrc"
    settings.write_text(f"PS1='{PROMPT}'\n")  # the same for everybody, root included
    words = ["new-session", "-d", "-x", str(columns), "-y", str(rows), "exec sh"]
    environment = {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "ENV": str(settings),
        "TZ": "UTC",
        **env,
    }
    with trio.fail_after(COMMAND_S):
        await trio.run_process(["tmux", "-L", shell.server, "-f", os.devnull, *words], env=environment, cwd=directory)
    try:
        await shell.wait_for(PROMPT.strip())
        yield shell
    finally:
        with trio.move_on_after(COMMAND_S, shield=True):
            await trio.run_process(["tmux", "-L", shell.server, "kill-server"], check=False, stderr=subprocess.DEVNULL)
