"""Everything that the tree takes from outside of itself, as one value: the simulator gives another (supervision.md 21.12).

A part takes only what it needs of it (`wall`, `dial`, ...), never the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import trio
from attrs import field, frozen

from router.assembly import Sources
from router.ingress.exchange import hex_id
from router.providers.h1 import Dial
from router.state.store import SqliteStore
from supervisors.ingress import Door, SocketDoor
from supervisors.process_runner import GuardedRunner, Runner
from supervisors.seams import Execute, Random, Store, SystemRandom, SystemWallClock, WallClock
from supervisors.service import OpenSignals
from supervisors.state_lock import locked
from supervisors.state_writer import WorkerThread


def guarded_runner(directory: Path) -> Runner:
    """Return the runner of real processes; their logs go to `directory`."""
    return GuardedRunner(directory=directory)


def sqlite_store(directory: Path, wall: WallClock) -> Store:
    """Return the state file of that directory, not opened."""
    return SqliteStore(directory=directory, wall=wall.now)


@frozen(kw_only=True)
class Seams:
    """The outside world; the defaults are the real one.

    `dial` connects to a host and port, `door` is where clients come in, `runner` is given the directory of the logs,
    `open_signals` is trio's receiver of signals, `new_id` gives 24 hex digits. `hold` locks the state directory while its
    context is open, `store` is what is kept in it, `execute` runs what blocks."""

    wall: WallClock = field(factory=SystemWallClock)
    random: Random = field(factory=SystemRandom)
    new_id: Callable[[], str] = hex_id
    dial: Dial = trio.open_tcp_stream
    door: Door = field(factory=SocketDoor)
    runner: Callable[[Path], Runner] = guarded_runner
    open_signals: OpenSignals = trio.open_signal_receiver
    hold: Callable[[Path], AbstractContextManager[None]] = locked
    store: Callable[[Path, WallClock], Store] = sqlite_store
    execute: Execute = field(factory=WorkerThread)

    def sources(self) -> Sources:
        """Return the part that `router/` needs."""
        return Sources(random=self.random.random, unix_now=self.wall.now, new_id=self.new_id, dial=self.dial)
