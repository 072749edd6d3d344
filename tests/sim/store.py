"""The state file of a world: rows in memory that outlive the daemon, on a disk that can fill up, fail, tear or be slow."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import StrEnum
from math import inf

import trio
from attrs import define, field

from router.errors import StateFailed
from router.state.rows import Change, Key, Opened, Row, decode_row
from supervisors.seams import T

LOOK_S = 5.0  # how often a call that is stuck looks whether it may go on


class Disk(StrEnum):
    """How the disk is."""

    WELL = "well"
    FULL = "full"  # no write succeeds
    GONE = "gone"  # not even an open does
    SLOW = "slow"  # each call takes seconds
    STUCK = "stuck"  # no call returns


@define(eq=False)
class MemoryStore:
    """Implements Store and Execute. `is_dead`: the daemon was killed, and nothing that it still does reaches the disk."""

    rng: random.Random
    rows: dict[Key, Change] = field(factory=dict)
    disk: Disk = Disk.WELL
    writes: int = 0
    _is_open: bool = False

    @property
    def path(self) -> str:
        """The file, for events."""
        return "memory/router.db"

    def open(self) -> Opened:
        """Return what is there."""
        if self.disk is Disk.GONE:
            raise StateFailed(path=self.path, operation="open", message="Input/output error")
        self._is_open = True
        return Opened(rows=self.found())

    def found(self) -> tuple[Row, ...]:
        """Return every row that is on the disk."""
        found = []
        for (namespace, key), change in self.rows.items():
            json = change.json or b""
            value = decode_row(json)
            if value is not None:
                found.append(Row(namespace=namespace, key=key, wall=change.wall, json=json, value=value))
        return tuple(found)

    def write(self, changes: Sequence[Change]) -> None:
        """Write all or none."""
        if self.disk in (Disk.FULL, Disk.GONE) or not self._is_open:
            raise StateFailed(path=self.path, operation="write", message="database or disk is full")
        self.writes += 1
        for change in changes:
            key = (change.namespace, change.key)
            if change.json is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = change

    def close(self) -> None:
        """Close it."""
        self._is_open = False

    async def execute(self, work: Callable[[], T]) -> T:
        """Do the work here, after as long as the disk takes."""
        await trio.lowlevel.checkpoint()
        if self.disk is Disk.SLOW:
            await trio.sleep(self.rng.uniform(0.1, 20.0))
        while self.disk is Disk.STUCK:  # noqa: ASYNC110 - looked at seldom, and nobody has to say that it is over
            await trio.sleep(LOOK_S)
        return work()


@define(eq=False)
class LifeStore:
    """The store as one life of the daemon has it: after `kill -9` nothing of it reaches the disk any more.

    `opened` is what was found first, None where that failed. `written_to`: the file has everything that was put before
    that virtual time, -inf where this life has written nothing that is still there."""

    store: MemoryStore
    is_dead: bool = False
    opened: Opened | None = None
    written_to: float = -inf
    _asked_at: float = -inf
    _torn: tuple[float, dict[Key, Change | None]] | None = None  # what undoes the last batch

    @property
    def path(self) -> str:
        """The file, for events."""
        return self.store.path

    def open(self) -> Opened:
        """Open the store."""
        opened = self.store.open()
        if self.opened is None:
            self.opened = opened
        return opened

    def write(self, changes: Sequence[Change]) -> None:
        """Write, unless this life is over."""
        if self.is_dead:
            return
        before = {key: self.store.rows.get(key) for key in ((change.namespace, change.key) for change in changes)}
        self.store.write(changes)
        self._torn, self.written_to = (self.written_to, before), self._asked_at

    def tear(self) -> None:
        """Lose the last batch, as a machine does that goes down before the disk has it."""
        if self._torn is None:
            return
        (self.written_to, before), self._torn = self._torn, None
        for key, change in before.items():
            if change is None:
                self.store.rows.pop(key, None)
            else:
                self.store.rows[key] = change

    def rows(self) -> tuple[Row, ...]:
        """Return what the disk holds."""
        return self.store.found()

    async def execute(self, work: Callable[[], T]) -> T:
        """Do the work as the disk does it."""
        self._asked_at = trio.current_time()
        return await self.store.execute(work)

    def close(self) -> None:
        """Close the store."""
        if not self.is_dead:
            self.store.close()
