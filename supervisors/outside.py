"""Everything that the tree takes from outside of itself, as one value: the simulator gives another (supervision.md 21.12).

A part takes only what it needs of it (`wall`, `dial`, ...), never the whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import trio
from attrs import field, frozen

from router.assembly import Sources
from router.config.kill_scope import own_cgroup
from router.ingress.exchange import hex_id
from router.providers.h1 import Dial
from router.state.store import SqliteStore
from supervisors.health_board import Applied
from supervisors.ingress import Door, SocketDoor
from supervisors.keep_running import Wrap, as_it_is
from supervisors.process_runner import GuardedRunner, Runner
from supervisors.reload import Load, Stamp
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


def _nothing_changes() -> object:
    return None


@frozen(kw_only=True)
class Seams:
    """The outside world; the defaults are the real one.

    `dial` connects to a host and port, `door` is where clients come in, `runner` is given the directory of the logs,
    `open_signals` is trio's receiver of signals, `new_id` gives 24 hex digits. `hold` locks the state directory while its
    context is open, `store` is what is kept in it, `execute` runs what blocks. `load` reads the configuration again (None:
    it cannot be), `stamp` tells whether it has changed. `cgroup` is what the service manager has put us into. `on_applied`
    watches the board, `wrap` is the Keeper's."""

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
    load: Load | None = None
    stamp: Stamp = _nothing_changes
    cgroup: Callable[[], str] = own_cgroup
    on_applied: Applied | None = None
    wrap: Wrap = as_it_is

    def sources(self) -> Sources:
        """Return the part that `router/` needs."""
        return Sources(random=self.random.random, unix_now=self.wall.now, new_id=self.new_id, dial=self.dial)
