"""A store without a disk, for the virtual clock: what was written survives `close`, and every trouble of a disk is a switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import trio
from attrs import define, field

from router.errors import StateFailed
from router.state.rows import Change, Key, Opened, Row, decode_row

T = TypeVar("T")


async def inline(work: Callable[[], T]) -> T:
    """Run the work here; a checkpoint, as every `Execute` is one."""
    await trio.lowlevel.checkpoint()
    return work()


@define
class MemoryStore:
    """Implements `Store`. `failing` is why every call fails, None while they succeed; `max_rows` is when it is full."""

    path: str = "memory"
    failing: str | None = None
    max_rows: int = 1_000_000
    rows: dict[Key, Change] = field(factory=dict)
    batches: list[tuple[float, tuple[Change, ...]]] = field(factory=list)  # with the trio time of each
    opened_total: int = 0
    is_open: bool = False
    _before_last: dict[Key, Change] = field(factory=dict)

    def open(self) -> Opened:
        """Hand out what is kept."""
        self._fail_if_asked("open")
        self.opened_total += 1
        self.is_open = True
        return Opened(rows=tuple(row for change in self.rows.values() if (row := _read(change)) is not None))

    def write(self, changes: Sequence[Change]) -> None:
        """Keep the batch, or nothing of it."""
        assert self.is_open, "written to a closed store"
        self._fail_if_asked("write")
        after = dict(self.rows)
        for change in changes:
            after.pop((change.namespace, change.key), None)
            if change.json is not None:
                after[change.namespace, change.key] = change
        if len(after) > self.max_rows:
            raise StateFailed(path=self.path, operation="write", message="database or disk is full")
        self._before_last, self.rows = self.rows, after
        self.batches.append((trio.current_time(), tuple(changes)))

    def close(self) -> None:
        """Close; the rows stay."""
        self.is_open = False

    def tear(self) -> None:
        """Lose the last batch, as a power cut does to what was not synced."""
        self.rows = self._before_last

    def texts(self) -> dict[str, bytes | None]:
        """Return {namespace/key: JSON} of what is kept."""
        return {"/".join(key): change.json for key, change in self.rows.items()}

    def _fail_if_asked(self, operation: str) -> None:
        if self.failing is not None:
            raise StateFailed(path=self.path, operation=operation, message=self.failing)


def _read(change: Change) -> Row | None:
    value = None if change.json is None else decode_row(change.json)
    if change.json is None or value is None:
        return None
    return Row(namespace=change.namespace, key=change.key, wall=change.wall, json=change.json, value=value)
