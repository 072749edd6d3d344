"""The recorded requests of one daemon: their writer, and the task that lets nothing of them grow too old.

    request -> Capture.take -> JsonlWriter -> (in the writer's thread) Rendering.line -> capture.jsonl

The old ones go whether or not requests are recorded now: who switched it off wants no more of it, not all of it for good."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define

from router.config.schema import CaptureConfig
from router.errors import StateFailed
from router.ports import Observer
from router.state.jsonl import Limits
from supervisors.jsonl_writer import JsonlWriter
from supervisors.seams import AgedLines, Execute, WallClock

EXPIRE_S = 3600.0  # nothing is kept for longer than allowed by more than this
MAX_BUFFER_BYTES = 16 * 1024 * 1024  # two of the largest bodies, and all of a usual second; past it requests are not recorded
BATCH_LINES = 1  # of megabytes, with a second of work for each: the writer takes a call of 10 s for a disk that hangs
_A_DAY_S = 86_400.0
_PART = "capture"
_NOT_EXPIRED = f"old recordings stay, and their removal is retried every {EXPIRE_S / 60:g} minutes"


@define(kw_only=True, eq=False)
class Recordings:
    """One file of recorded requests; older than every task that records. `execute` is the writer's own, too."""

    writer: JsonlWriter
    file: AgedLines
    execute: Execute
    observer: Observer
    is_refused: bool = False
    _error: str = ""

    @classmethod
    def of(cls, file: AgedLines, *, execute: Execute, observer: Observer, wall: WallClock) -> Recordings:
        """Return recordings that are off."""
        writer = JsonlWriter(
            part=_PART,
            started_event="capture-started",
            stopped_event="capture-stopped",
            file=file,
            execute=execute,
            observer=observer,
            wall=wall,
            max_buffer_bytes=MAX_BUFFER_BYTES,
            batch_lines=BATCH_LINES,
        )
        return cls(writer=writer, file=file, execute=execute, observer=observer)

    def configure(self, config: CaptureConfig) -> None:
        """Record what this configuration asks for, and keep it as long as it says."""
        self.file.max_age_s = config.max_age_days * _A_DAY_S
        limits = Limits(max_bytes=config.max_bytes, backups=config.backups)
        self.writer.configure(limits if config.enabled else None)

    def refuse(self, error: StateFailed) -> None:
        """Touch no file: the directory is not ours."""
        self.is_refused = True
        self.writer.refuse(error)

    async def expire(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delete what is too old, now and every hour, until cancelled. Started at once; raises nothing for the disk."""
        task_status.started()
        while True:
            if not self.is_refused:
                await self._expire()
            await trio.sleep(EXPIRE_S)

    async def _expire(self) -> None:
        error = await self._tried(self.file.expire)
        if error and error != self._error:
            fields = {"path": self.file.path, "operation": "expire", "error": error, "pending": 0, "then": _NOT_EXPIRED}
            self.observer.event("state-store-failed", fields)
        self._error = error

    async def _tried(self, work: Callable[[], None]) -> str:
        """Return why a piece of work failed, "" where it did not."""
        try:
            await self.execute(work)
        except StateFailed as failed:
            return str(failed)
        except RuntimeError as error:  # the machine gives no thread
            return str(error)
        return ""
