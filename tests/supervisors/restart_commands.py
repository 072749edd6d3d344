"""Restart commands as real processes: their group, who of them lives, and how they are ended for good."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

from supervisors import guardian
from supervisors.guardian import read_processes
from supervisors.process_probe import HttpProbe
from supervisors.process_runner import GuardedRunner
from supervisors.processes import Processes
from supervisors.restart_config import RestartGroup
from supervisors.restart_job import RestartTools
from supervisors.restart_runner import Restarts
from tests.supervisors.jobs_in_memory import EventLog
from tests.tools import leaks

GONE_S = 1.0  # within one second no descendant lives


@frozen
class Marker:
    """A word that no other process has in its command line or environment."""

    word: str = field(factory=lambda: f"marker-{uuid.uuid4().hex}")

    def living(self) -> list[int]:
        """Return the pids that carry it, dead ones that nobody has reaped left out."""
        return [process.pid for process in read_processes() if process.state not in "ZX" and self._is_on(process.pid)]

    def _is_on(self, pid: int) -> bool:
        try:
            seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return self.word.encode() in seen

    async def wait_living(self, count: int) -> list[int]:
        """Return the pids once so many live."""
        with trio.fail_after(10):
            while len(found := self.living()) < count:  # noqa: ASYNC110 - other processes
                await trio.sleep(0.01)
        return found

    async def wait_gone(self) -> float:
        """Return after how many milliseconds none lives. Raises AssertionError after GONE_S."""
        began = trio.current_time()
        while left := self.living():
            assert trio.current_time() < began + GONE_S, f"still alive: {left}"
            await trio.sleep(0.002)
        return (trio.current_time() - began) * 1000


@contextmanager
def ended_afterwards(marker: Marker) -> Iterator[None]:
    """End what carries the mark when the test is over: a daemon that was let go is nobody's, or ours where we are a subreaper."""
    try:
        yield
    finally:
        for pid in marker.living():
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


@contextmanager
def subreaper() -> Iterator[None]:
    """Make this process a subreaper, as the router is, and none afterwards: other tests rely on init."""
    assert guardian.become_subreaper()
    try:
        yield
    finally:
        leaks.disown_orphans()


@define(kw_only=True, eq=False)
class Commands:
    """Running `Restarts` over real processes."""

    restarts: Restarts
    runner: GuardedRunner
    log: EventLog
    group: RestartGroup
    marker: Marker

    def told(self) -> Any:  # noqa: ANN401 - the fields of an event
        """Return the one event that a restart is told with."""
        (found,) = [fields for _, name, fields in self.log.events if name == "self-healing-restart"]
        return found

    @property
    def output(self) -> Path:
        """Where the command writes to."""
        return self.runner.directory / f"{self.group.command.id}.log"

    async def wait_written(self, word: bytes) -> None:
        """Return once the command has written the word."""
        with trio.fail_after(10):
            while not self.output.exists() or word not in self.output.read_bytes():  # noqa: ASYNC110 - another process
                await trio.sleep(0.01)


@asynccontextmanager
async def commands(tmp_path: Path, *argv: str, **fields: Any) -> AsyncIterator[Commands]:  # noqa: ANN401 - any field of the group
    """Yield restarts of provider `a` by `argv`, in which MARK is replaced by the marker, and which inherits it.

    When it is left, no process with the mark lives that the test has not let go."""
    marker, log = Marker(), EventLog()
    runner = GuardedRunner(directory=tmp_path / "logs", observer=log, grace_s=0.3)
    group = RestartGroup(
        **{
            "id": "g",
            "members": ("a",),
            "mode": "oneshot",
            "argv": tuple(word.replace("MARK", marker.word) for word in argv),
            "env": (("MARKER", marker.word), ("PYTHONPATH", "")),
            "timeout_s": 10.0,
            **fields,
        }
    )
    tools = RestartTools(runner=runner, processes=Processes([], observer=log, runner=runner), probe=HttpProbe())
    restarts = Restarts(observer=log, tools=tools, groups=[group])
    with ended_afterwards(marker):
        async with trio.open_nursery() as nursery:
            await nursery.start(restarts.run)
            yield Commands(restarts=restarts, runner=runner, log=log, group=group, marker=marker)
            nursery.cancel_scope.cancel()
