"""The task of one file of JSON lines, `audit` or `journal`: what is put is in the file 2 s later, and nobody waits for it.

A neighbour of `state_writer.py` in the same shape, and with the same words where the disk fails (W47); each of the
files degrades alone. `put` keeps a line in a bounded buffer; the task hands the buffer to the file every 1.5 s, sooner
where much has come together. A line leaves the buffer when the file has it, so that none is lost or written twice.

    writing ── StateFailed ──> told, raised: keep_running starts `run` anew (0.5 -> 10 s)
       ^                          │ five times in a minute: degrade()
       └── a try succeeds <── degraded: memory only, one try per 30 s, never raises"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import inf
from typing import NoReturn

import trio
from attrs import define, field

from router.domain.control import SinkReport
from router.errors import StateFailed
from router.ports import Observer
from router.state.jsonl import Limits
from supervisors.disk import CLOSE_S, LAST_FLUSH_S, LOST, NOT_AGAIN, RETRY_S, Disk
from supervisors.seams import Execute, LineFile, WallClock

FLUSH_S = 1.5  # W34 allows 2 s from a line to the file; the rest is for the writing
FLUSH_LINES = 500  # a burst is written sooner: it would fill the buffer
BATCH_LINES = 1000  # in one call of the file, so that a hanging disk holds back no more
MAX_BUFFER_BYTES = 8 * 1024 * 1024  # while the disk fails: some 16,000 lines of 500 bytes
LINE_COST_BYTES = 64  # what a line takes in memory beside its bytes


@define(kw_only=True, eq=False)
class JsonlWriter:
    """The front (`put`, sync) and the task of one file; older than every task that puts lines.

    Off until `configure` switches it on. `started_event` is what it tells when it has opened the file, `stopped_event`
    what it tells, and still writes, when it is switched off."""

    part: str
    started_event: str
    stopped_event: str
    file: LineFile
    execute: Execute
    observer: Observer
    wall: WallClock
    max_buffer_bytes: int = MAX_BUFFER_BYTES
    batch_lines: int = BATCH_LINES
    _lines: deque[bytes] = field(factory=deque)
    _buffered_bytes: int = 0
    _waits_since: float = 0.0  # unix seconds: when the first buffered line was put, or the last batch before it was written
    _first: int = 0  # the number of the first buffered line, counted as the file counts
    _work: trio.Event = field(factory=trio.Event)
    _much: trio.Event = field(factory=trio.Event)
    _is_on: bool = False
    _is_told: bool = False  # that it has started, since it was switched on
    _is_open: bool = False
    _is_used: bool = False  # the file was opened once, or somebody has tried to
    _disk: Disk = field(init=False)
    _refusal: StateFailed | None = None  # no try will help
    _dropped_total: int = 0
    _dropped_now: int = 0  # since the last write that succeeded

    @_disk.default
    def _disk_of_the_file(self) -> Disk:
        return Disk(part=self.part, path=self.file.path, execute=self.execute, observer=self.observer, wall=self.wall)

    # ---- the front: sync, never waits, never raises

    @property
    def is_on(self) -> bool:
        """Whether lines are kept."""
        return self._is_on

    @property
    def is_degraded(self) -> bool:
        """Whether lines are kept in memory alone."""
        return self._disk.is_degraded and self._is_on

    def configure(self, limits: Limits | None) -> None:
        """Keep lines from now on, within these limits, or none with None; what was put before is written all the same."""
        if limits is None and self._is_on:
            self.observer.event(self.stopped_event, {"path": self.file.path})
        self._is_told = self._is_told and limits is not None
        self._is_on = limits is not None
        if limits is not None:
            self.file.limits = limits
            self._tell_refusal()
        self._work.set()
        self._much.set()

    def put(self, line: bytes) -> None:
        """Keep one line, JSON without a line end; none while it is off, and none that the buffer has no room for."""
        if not self._is_on:
            return
        cost = len(line) + LINE_COST_BYTES
        if self._buffered_bytes + cost > self.max_buffer_bytes:
            self._drop()
            return
        if not self._lines:
            self._waits_since = self.wall.now()
        self._buffered_bytes += cost
        self._lines.append(line)
        self._work.set()
        if len(self._lines) >= FLUSH_LINES:
            self._much.set()

    def refuse(self, error: StateFailed) -> None:
        """Keep nothing for good: there is no directory that is ours."""
        self._refusal = error
        self._tell_refusal()

    def degrade(self) -> None:
        """Go on in memory alone: `run` tries again every 30 s from here on, and raises no more for the disk."""
        self._disk.degrade()

    def sink_report(self) -> SinkReport:
        """Return how far the file is behind."""
        lag_s = max(self.wall.now() - self._waits_since, 0.0) if self._lines else 0.0
        pending = len(self._lines)
        return SinkReport(name=self.part, lag_s=lag_s, pending=pending, dropped=self._dropped_total, error=self._disk.error)

    # ---- the task

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is put until cancelled, then write the rest in at most 2 s; one that is degraded begins with its rest.

        Raises StateFailed, told already, unless it is degraded. Started at once: `put` needs no task."""
        task_status.started()
        try:
            await trio.sleep(self._disk.rest_s)
            while True:
                rest_s = await self._write_until_it_fails()
                await trio.sleep(rest_s)
        finally:
            with trio.move_on_after(LAST_FLUSH_S + CLOSE_S, shield=True):
                await self._finish()

    async def finish(self) -> None:
        """Write what was told when no task ran any more, and close the file, in at most 2 s."""
        await self._finish(then=LOST)

    async def _finish(self, then: str = "") -> None:
        if self._refusal is None:
            with trio.move_on_after(LAST_FLUSH_S, shield=True):
                try:
                    await self.flush()
                except StateFailed as error:
                    self._disk.failed(error, pending=len(self._lines), then=then)
        if self._is_used:
            await self._close()

    async def flush(self) -> None:
        """Write what is buffered; opens the file where it is not open and something is wanted of it. Raises StateFailed."""
        if self._refusal is not None:
            raise self._refusal
        if not self._is_open and (self._is_on or self._lines):
            self._is_used = True
            await self._disk.do("open", self.file.open)
            self._is_open = True
        if self._is_on and not self._is_told:
            self._is_told = True
            limits = self.file.limits
            fields = {"path": self.file.path, "max_bytes": limits.max_bytes, "backups": limits.backups}
            self.observer.event(self.started_event, fields)
        last = self._first + len(self._lines)  # what is put meanwhile waits for its own turn
        try:
            while self._first < last and self._refusal is None:
                await self._write_batch()
        except BaseException:
            self._is_open = False
            raise
        if self._is_open and self._refusal is None:  # it may have come during the write
            self._recovered()
        if self._is_open and not self._is_on and not self._lines:
            await self._close()

    async def _write_batch(self) -> None:
        first, batch = self._first, tuple(islice(self._lines, self.batch_lines))
        try:
            await self._disk.do("write", lambda: self.file.append(first, batch))
        finally:
            self._forget(self.file.written_total - self._first)

    def _forget(self, count: int) -> None:
        """Let go of lines that the file has."""
        for _ in range(count):
            self._buffered_bytes -= len(self._lines.popleft()) + LINE_COST_BYTES
        self._first += count
        if count:
            self._waits_since = self.wall.now()

    async def _write_until_it_fails(self) -> float:
        """Return how long to rest before the next try, seconds; raises StateFailed where somebody else counts the tries."""
        if self._refusal is not None:
            return inf
        try:
            await self._write_on()
        except StateFailed as error:
            return self._rest_after(error)

    def _rest_after(self, error: StateFailed) -> float:
        if self._refusal is not None:  # told, where anybody misses the lines
            return inf
        self._disk.failed(error, pending=len(self._lines))
        if not self._disk.is_patient:
            raise error
        self.degrade()
        return RETRY_S

    async def _write_on(self) -> NoReturn:
        while True:
            await self.flush()
            await self._work.wait()
            with trio.move_on_after(FLUSH_S):
                await self._much.wait()
            self._work, self._much = trio.Event(), trio.Event()

    async def _close(self) -> None:
        self._is_open = False
        with trio.move_on_after(CLOSE_S, shield=True):
            await self._disk.close(self.file.close)

    def _tell_refusal(self) -> None:
        if self._refusal is not None and self._is_on:
            self._disk.failed(self._refusal, pending=len(self._lines), then=NOT_AGAIN)
            self._disk.degrade(NOT_AGAIN)

    def _drop(self) -> None:
        self._dropped_total += 1
        self._dropped_now += 1
        if self._dropped_now == 1:  # once: the recovery tells how many
            self.observer.event("state-row-dropped", {"namespace": self.part, "key": "", "reason": "the buffer is full"})

    def _recovered(self) -> None:
        dropped, self._dropped_now = self._dropped_now, 0
        self._disk.recovered(dropped=dropped)
