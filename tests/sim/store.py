"""The state file of a world: rows in memory that outlive the daemon, on a disk that can fill up, fail, tear or be slow."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import StrEnum

import trio
from attrs import define, field

from router.errors import StateFailed
from router.state.rows import Change, Key, Opened, Row, decode_row
from supervisors.seams import T


class Disk(StrEnum):
    """How the disk is."""

    WELL = "well"
    FULL = "full"  # no write succeeds
    GONE = "gone"  # not even an open does
    SLOW = "slow"  # each call takes seconds


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
        found = []
        for (namespace, key), change in self.rows.items():
            json = change.json or b""
            value = decode_row(json)
            if value is not None:
                found.append(Row(namespace=namespace, key=key, wall=change.wall, json=json, value=value))
        return Opened(rows=tuple(found))

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
        return work()


@define(eq=False)
class LifeStore:
    """The store as one life of the daemon has it: after `kill -9` nothing of it reaches the disk any more."""

    store: MemoryStore
    is_dead: bool = False

    @property
    def path(self) -> str:
        """The file, for events."""
        return self.store.path

    def open(self) -> Opened:
        """Open the store."""
        return self.store.open()

    def write(self, changes: Sequence[Change]) -> None:
        """Write, unless this life is over."""
        if not self.is_dead:
            self.store.write(changes)

    def close(self) -> None:
        """Close the store."""
        if not self.is_dead:
            self.store.close()
