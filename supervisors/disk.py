"""How the disk under one file is doing: one rule for the state file and for the files of lines (W47).

well ── failed() ──> failing, told ── degrade() ──> in memory alone, told
^                     │                              │
└──── recovered() ────┴──────────────────────────────┘  told"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import trio
from attrs import define, field, frozen

from router.errors import StateFailed
from router.ports import Observer
from supervisors.policies import STATE
from supervisors.seams import Execute, T, WallClock

LAST_FLUSH_S = 1.5  # with CLOSE_S the 2 s of supervision.md 21.11, step 5
CLOSE_S = 0.5
RETRY_S = 30.0  # while degraded: a disk gets room again by a person's hand
ANSWER_S = 10.0  # a disk that takes longer hangs: its thread is left behind, and what waits for it goes on in memory

# what happens to what is kept, as the events say it
AGAIN_SOON = f"it stays in memory and is retried within {STATE.longest_delay_s:g} s"  # the policy is that of every writer
AGAIN_LATER = f"it stays in memory only and is retried every {RETRY_S:g} s"
NOT_AGAIN = "it stays in memory only until the next start"
LOST = "it is lost: the router is stopping"


@frozen
class WorkerThread:
    """Runs work in a worker thread, one at a time. A hung one is left behind by a cancellation, and keeps its turn."""

    limiter: trio.CapacityLimiter = field(factory=partial(trio.CapacityLimiter, 1))

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what the work returns, raise what it raises."""
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self.limiter)


@define(kw_only=True, eq=False)
class Disk:
    """The disk as the writer of `path` knows it; `part` is what `degraded:` calls the file.

    `error` is why the last write failed, "" after one that succeeded; `failing_since_wall` is since when, unix seconds.
    `is_patient` says that it was degraded once: nobody restarts its writer any more."""

    part: str
    path: str
    execute: Execute
    observer: Observer
    wall: WallClock
    is_degraded: bool = False
    is_patient: bool = False
    error: str = ""
    failing_since_wall: float | None = None

    @property
    def rest_s(self) -> float:
        """How long a writer that starts waits before its first try: its last one has only just failed where it is degraded."""
        return RETRY_S if self.is_degraded else 0.0

    async def do(self, operation: str, work: Callable[[], T]) -> T:
        """Return what the work returns. Raises StateFailed, also for a disk that does not answer within ANSWER_S."""
        try:
            with trio.fail_after(ANSWER_S):
                return await self.execute(work)
        except trio.TooSlowError as error:
            message = f"no answer within {ANSWER_S:g} s"
            raise StateFailed(path=self.path, operation=operation, message=message) from error
        except RuntimeError as error:  # the machine gives no thread
            raise StateFailed(path=self.path, operation=operation, message=str(error)) from error

    async def close(self, work: Callable[[], None]) -> None:
        """Close the file by `work`; the caller sets the deadline, CLOSE_S. Never raises for the disk."""
        with suppress(RuntimeError):  # without a thread nothing can be closed
            await self.execute(work)

    def failed(self, error: StateFailed, *, pending: int, then: str = "") -> None:
        """Tell a failure, and the same one only once until something else happens; `pending` is in memory alone.

        `then` is what becomes of that, where it is not what usually does."""
        if str(error) == self.error:
            return
        self.error = str(error)
        self._since_now()
        then = then or (AGAIN_LATER if self.is_patient else AGAIN_SOON)
        self.observer.event(
            "state-store-failed",
            {"path": error.path, "operation": error.operation, "error": str(error), "pending": pending, "then": then},
        )

    def degrade(self, then: str = AGAIN_LATER) -> None:
        """Go on in memory alone."""
        self.is_patient = True
        if not self.is_degraded:
            self.is_degraded = True
            self._since_now()
            self.observer.event("state-degraded", {"part": self.part, "path": self.path, "error": self.error, "then": then})

    def recovered(self, **facts: int) -> None:
        """Tell that a write has succeeded again, if one had failed, and `facts` beside it."""
        if self.failing_since_wall is None:
            return
        failing_s = round(max(self.wall.now() - self.failing_since_wall, 0.0), 1)
        fields = {"part": self.part, "path": self.path, "failing_s": failing_s, "was_degraded": self.is_degraded}
        self.is_degraded, self.error, self.failing_since_wall = False, "", None
        self.observer.event("state-recovered", {**fields, **facts})

    def _since_now(self) -> None:
        if self.failing_since_wall is None:
            self.failing_since_wall = self.wall.now()
