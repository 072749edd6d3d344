"""The task `state`: what changed goes to disk within half a second, and nobody waits for it (supervision.md 21.10).

`put` and `delete` keep the wanted row in memory and mark it; the task writes all marked rows in one transaction, through
the injected `Execute`, so that a slow or dead disk stops nobody. Level-triggered: the writer knows every wanted row, and
after each opening it writes what the file has otherwise, so a file that was lost or torn is whole again.

    writing ── StateFailed ──> told, raised: keep_running starts `run` anew (0.5 -> 10 s)
       ^                          │ five times in a minute: degrade()
       └── a try succeeds <── degraded: memory only, one try per 30 s, never raises

One writer per file, and each degrades alone, by the rule of `disk.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import inf
from typing import NoReturn

import trio
from attrs import define, field

from router.domain.control import SinkReport
from router.errors import StateFailed, StateTooNew
from router.ports import Observer
from router.state.rows import Change, Key, Opened, encode_row
from supervisors.disk import AGAIN_LATER, CLOSE_S, LAST_FLUSH_S, LOST, NOT_AGAIN, RETRY_S, Disk
from supervisors.seams import Execute, Store, WallClock

COALESCE_S = 0.5  # supervision.md 21.10
MAX_ROWS = 10_000  # distinct keys; a configuration has some hundred at most

PART = "state"  # what `degraded:` calls it


@define(kw_only=True, eq=False)
class StateWriter:
    """The front (`Rows` of seams.py, sync) and the task of one state file; older than every task that puts rows."""

    store: Store
    execute: Execute
    observer: Observer
    wall: WallClock
    on_late: Callable[[Opened], None] = lambda _opened: None  # hears, once, what a file holds that could not be opened first
    _rows: dict[Key, Change] = field(factory=dict)  # every wanted row; json of None: wanted to be away
    _marked: dict[Key, float] = field(factory=dict)  # those that the file may not have so, in order, and since when
    _work: trio.Event = field(factory=trio.Event)
    _is_open: bool = False
    _disk: Disk = field(init=False)
    _dropped_total: int = 0
    _refusal: StateFailed | None = None  # no try will help
    _is_late: bool = False  # `load` has failed, and nobody knows yet what the file holds

    @_disk.default
    def _disk_of_the_file(self) -> Disk:
        return Disk(part=PART, path=self.store.path, execute=self.execute, observer=self.observer, wall=self.wall)

    # ---- the front: sync, never waits, never raises

    def put(self, namespace: str, key: str, row: Mapping[str, object]) -> None:
        """Keep a row; of several for one key the last counts, and one that the file has so already is not written."""
        try:
            json = encode_row(row)
            (namespace + key).encode()
        except (TypeError, ValueError) as error:
            self._drop(namespace, key, str(error))
            return
        self._want(Change(namespace=namespace, key=key, wall=self.wall.now(), json=json))

    def delete(self, namespace: str, key: str) -> None:
        """Forget a row."""
        self._want(Change(namespace=namespace, key=key, wall=self.wall.now(), json=None))

    def has(self, namespace: str, key: str) -> bool:
        """Tell whether there is to be such a row."""
        found = self._rows.get((namespace, key))
        return found is not None and found.json is not None

    def keys(self) -> tuple[Key, ...]:
        """Return the rows that there are to be."""
        return tuple(key for key, change in self._rows.items() if change.json is not None)

    def forget(self, pruned: Iterable[Key]) -> None:
        """Delete the rows of names that are no longer configured, and tell them."""
        names: dict[str, list[str]] = {}
        for namespace, key in pruned:
            self.delete(namespace, key)
            names.setdefault(namespace, []).append(key)
        for namespace, keys in names.items():
            self.observer.event("state-pruned", {"namespace": namespace, "keys": keys})

    def refuse(self, error: StateFailed) -> None:
        """Stay in memory for good: there is no directory that is ours, or its file belongs to a newer version."""
        self._refusal = error
        self._disk.failed(error, pending=len(self._marked), then=NOT_AGAIN)
        self._disk.degrade(NOT_AGAIN)

    def degrade(self) -> None:
        """Go on in memory alone: `run` tries again every 30 s from here on, and raises no more."""
        self._disk.degrade()

    def look_again(self) -> None:
        """Open the file anew, and write there what it lacks: the directory was removed or replaced."""
        self._is_open = False
        self._work.set()

    @property
    def is_degraded(self) -> bool:
        """Whether rows are kept in memory alone."""
        return self._disk.is_degraded

    def sink_report(self) -> SinkReport:
        """Return how far the file is behind."""
        oldest = min(self._marked.values(), default=None)
        lag_s = 0.0 if oldest is None else max(self.wall.now() - oldest, 0.0)
        pending = len(self._marked)
        return SinkReport(name=PART, lag_s=lag_s, pending=pending, dropped=self._dropped_total, error=self._disk.error)

    # ---- the task

    async def load(self) -> Opened:
        """Open the file before the tree starts, and return what it holds; nothing, and degraded, where that fails.

        `run` goes on with the open file. Never raises for the disk."""
        if self._refusal is not None:
            return Opened()
        try:
            return await self._open()
        except StateTooNew as error:
            self.refuse(error)
        except StateFailed as error:
            self._disk.failed(error, pending=len(self._marked), then=AGAIN_LATER)
            self.degrade()
            self._is_late = True
        return Opened()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is marked until cancelled, then write the rest in at most 2 s; one that is degraded begins with its rest.

        Raises StateFailed, told already, unless it is degraded. Started at once: `put` needs no task."""
        task_status.started()
        try:
            await trio.sleep(self._disk.rest_s)
            while True:
                rest_s = await self._write_until_it_fails()
                await trio.sleep(rest_s)
        except trio.Cancelled:
            if self._refusal is None:
                with trio.move_on_after(LAST_FLUSH_S, shield=True):
                    await self._last_flush()
            raise
        finally:
            self._is_open = False
            with trio.move_on_after(CLOSE_S, shield=True):
                await self._disk.close(self.store.close)

    async def flush(self) -> None:
        """Write what is marked, in one transaction; opens the file where it is not open. Raises StateFailed.

        What changes meanwhile stays marked; so does everything, where the write fails or is cancelled."""
        if self._refusal is not None:
            raise self._refusal
        if not self._is_open:
            await self._open()
        keys, self._marked = self._marked, {}
        is_written = False
        try:
            if keys:
                await self._disk.do("write", partial(self.store.write, tuple(self._rows[key] for key in keys)))
            is_written = True
        finally:
            if not is_written:
                self._is_open = False  # opened anew at the next try: that finds out what is wrong with the file
                self._marked = {**keys, **self._marked}
        if self._refusal is None:  # it may have come during the write
            self._disk.recovered()

    async def _write_until_it_fails(self) -> float:
        """Return how long to rest before the next try, seconds; raises StateFailed where somebody else counts the tries."""
        if self._refusal is not None:
            return inf
        try:
            await self._write_on()
        except StateTooNew as error:
            self.refuse(error)
            return inf
        except StateFailed as error:
            self._disk.failed(error, pending=len(self._marked))
            if not self._disk.is_patient:
                raise
            self.degrade()
            return RETRY_S

    async def _write_on(self) -> NoReturn:
        while True:
            await self.flush()
            await self._work.wait()
            await trio.sleep(COALESCE_S)
            self._work = trio.Event()

    async def _last_flush(self) -> None:
        try:
            await self.flush()
        except StateFailed as error:
            self._disk.failed(error, pending=len(self._marked), then=LOST)

    async def _open(self) -> Opened:
        opened = await self._disk.do("open", self.store.open)
        self._is_open = True
        if self._is_late:
            self._is_late = False
            self.on_late(opened)
        self._reconcile(opened)
        fields = {"path": self.store.path, "rows": len(opened.rows), "pending": len(self._marked)}
        again = {} if self._disk.failing_since_wall is None else {"again": True}  # the recovery is what will be news
        self.observer.event("state-store-attached", {**fields, **again})
        if opened.reset_to is not None:
            self.observer.event("state-reset", {"path": self.store.path, "kept_as": opened.reset_to})
        if opened.quarantined:
            keys = [f"{namespace}/{key}" for namespace, key in opened.quarantined]
            self.observer.event("state-quarantined", {"path": self.store.path, "keys": keys})
        return opened

    def _reconcile(self, opened: Opened) -> None:
        """Adopt rows that nobody has spoken of, and mark those that the file has otherwise."""
        on_disk = {(row.namespace, row.key): row for row in opened.rows}
        for key, wanted in self._rows.items():
            found = on_disk.get(key)
            if (found.json if found is not None else None) != wanted.json:
                self._marked.setdefault(key, wanted.wall)
        for key, row in on_disk.items():
            if key not in self._rows:
                self._rows[key] = Change(namespace=row.namespace, key=row.key, wall=row.wall, json=row.json)

    def _want(self, change: Change) -> None:
        key = (change.namespace, change.key)
        known = self._rows.get(key)
        if known is None and len(self._rows) >= MAX_ROWS:
            self._drop(change.namespace, change.key, f"more than {MAX_ROWS} rows")
            return
        if known is not None and known.json == change.json:
            return
        self._rows[key] = change
        self._marked.setdefault(key, change.wall)
        self._work.set()

    def _drop(self, namespace: str, key: str, reason: str) -> None:
        self._dropped_total += 1
        if self._dropped_total == 1:  # once: whatever makes rows like this makes many
            self.observer.event("state-row-dropped", {"namespace": namespace, "key": key, "reason": reason})
