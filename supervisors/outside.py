"""Everything that the tree takes from outside of itself, as one value: the simulator gives another (supervision.md 21.12).

A part takes only what it needs of it (`wall`, `dial`, ...), never the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from math import inf
from pathlib import Path
from typing import Protocol

import trio
from attrs import field, frozen

from router.assembly import Outside
from router.config.kill_scope import own_cgroup
from router.config.options import ServeOptions, load_for_serving
from router.config.schema import LoadedConfig
from router.ingress.exchange import hex_id
from router.ports import Observer
from router.providers.h1 import Dial
from router.state.aged_file import AgedFile
from router.state.jsonl import JsonlFile, Limits
from router.state.store import SqliteStore
from supervisors.disk import WorkerThread
from supervisors.health_board import Applied
from supervisors.ingress import Door, SocketDoor
from supervisors.keep_running import Wrap, as_it_is
from supervisors.process_runner import GuardedRunner, Runner
from supervisors.reload import WATCH_S
from supervisors.seams import AgedLines, Execute, LineFile, Lock, Random, Store, SystemRandom, SystemWallClock, WallClock
from supervisors.service import OpenSignals
from supervisors.state_lock import locked


def guarded_runner(directory: Path, observer: Observer) -> Runner:
    """Return the runner of real processes; their logs go to `directory`."""
    return GuardedRunner(directory=directory, observer=observer)


def sqlite_store(directory: Path, wall: WallClock) -> Store:
    """Return the state file of that directory, not opened."""
    return SqliteStore(directory=directory, wall=wall.now)


def line_file(directory: Path, name: str) -> LineFile:
    """Return a file of lines in that directory, not opened; its writer sets the limits."""
    return JsonlFile(directory=directory, name=name, limits=Limits(max_bytes=0, backups=0))


def aged_file(directory: Path, name: str, render: Callable[[bytes], bytes], wall: WallClock) -> AgedLines:
    """Return the file of recorded requests in that directory, not opened; `render` makes a line of what is added."""
    limits = Limits(max_bytes=0, backups=0)
    return AgedFile(directory=directory, name=name, limits=limits, render=render, now=wall.now, max_age_s=inf)


class ConfigSource(Protocol):
    """Where the configuration comes from, again and again."""

    @property
    def watch_s(self) -> float:
        """How often its stamp is looked at, seconds; infinity for never."""

    def stamp(self) -> object:
        """Return what compares unequal when the file has changed. Never raises."""

    async def load(self) -> LoadedConfig:
        """Read it. Raises ConfigError with every mistake."""


@frozen(kw_only=True)
class FileSource:
    """The file that the command line names, read in a worker thread; its environment is that of the process."""

    options: ServeOptions
    path: Path
    execute: Execute
    watch_s: float = WATCH_S

    def stamp(self) -> object:
        """Return what the file system says of the file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    async def load(self) -> LoadedConfig:
        """Read and check the file. Raises ConfigError."""
        return await self.execute(partial(load_for_serving, self.options, tell=lambda _line: None))


@frozen(kw_only=True)
class OneConfig:
    """A configuration that never changes."""

    loaded: LoadedConfig
    watch_s: float = inf

    def stamp(self) -> object:
        """Return the same at every time."""
        return None

    async def load(self) -> LoadedConfig:
        """Return it again."""
        await trio.lowlevel.checkpoint()
        return self.loaded


@frozen(kw_only=True)
class Seams:
    """The outside world; the defaults are the real one.

    `dial` connects to a host and port, `door` is where clients come in, `runner` is given the directory of the logs,
    `open_signals` is trio's receiver of signals, `new_id` gives 24 hex digits. `hold` locks the state directory while its
    context is open (None: there is nothing to look after), `store` is what is kept in it, `lines` a file of lines there,
    `aged_lines` one that forgets. `execute` runs what blocks, `new_execute` makes another that waits for nobody else's.
    `cgroup` is what the service manager has put us into. `on_applied` watches the board, `wrap` is the Keeper's."""

    wall: WallClock = field(factory=SystemWallClock)
    random: Random = field(factory=SystemRandom)
    new_id: Callable[[], str] = hex_id
    dial: Dial = trio.open_tcp_stream
    door: Door = field(factory=SocketDoor)
    runner: Callable[[Path, Observer], Runner] = guarded_runner
    open_signals: OpenSignals = trio.open_signal_receiver
    hold: Callable[[Path], AbstractContextManager[Lock | None]] = locked
    store: Callable[[Path, WallClock], Store] = sqlite_store
    lines: Callable[[Path, str], LineFile] = line_file
    aged_lines: Callable[[Path, str, Callable[[bytes], bytes], WallClock], AgedLines] = aged_file
    execute: Execute = field(factory=WorkerThread)
    new_execute: Callable[[], Execute] = WorkerThread
    cgroup: Callable[[], str] = own_cgroup
    on_applied: Applied | None = None
    wrap: Wrap = as_it_is

    def outside(self) -> Outside:
        """Return the part that `router/` needs."""
        return Outside(random=self.random.random, unix_now=self.wall.now, new_id=self.new_id, dial=self.dial)
