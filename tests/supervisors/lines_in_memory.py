"""A file of lines without a disk, for the virtual clock; every trouble of a disk is a switch."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import define, field

from router.errors import StateFailed
from router.state.jsonl import Limits


@define(eq=False)
class MemoryLines:
    """Implements `LineFile`. `failing` is why every call fails; `fails_after` is how many lines fit, None for all."""

    path: str = "memory.jsonl"
    limits: Limits = field(factory=lambda: Limits(max_bytes=1_000_000, backups=1))
    failing: str | None = None
    fails_after: int | None = None
    lines: list[bytes] = field(factory=list)
    appends: list[tuple[float, int]] = field(factory=list)  # the trio time of each, and of how many lines
    opened_total: int = 0
    closed_total: int = 0
    is_open: bool = False

    @property
    def written_total(self) -> int:
        """How many lines there are."""
        return len(self.lines)

    def open(self) -> None:
        """Open it."""
        self._fail_if_asked("open")
        self.opened_total += 1
        self.is_open = True

    def append(self, first: int, lines: Sequence[bytes]) -> None:
        """Keep the lines that are new, as many as fit."""
        self._fail_if_asked("write")
        assert self.is_open, "written to a closed file"
        for line in lines[len(self.lines) - first :]:
            if self.fails_after is not None and len(self.lines) >= self.fails_after:
                raise StateFailed(path=self.path, operation="write", message="No space left on device")
            self.lines.append(line)
        self.appends.append((trio.current_time(), len(lines)))

    def close(self) -> None:
        """Close it; the lines stay."""
        self.closed_total += 1
        self.is_open = False

    def _fail_if_asked(self, operation: str) -> None:
        if self.failing is not None:
            raise StateFailed(path=self.path, operation=operation, message=self.failing)


@define(eq=False)
class MemoryAgedLines(MemoryLines):
    """Implements `AgedLines`: it keeps everything, and notes when it was asked not to."""

    max_age_s: float = 0.0
    expired_at: list[float] = field(factory=list)

    def expire(self) -> None:
        """Note the time."""
        self._fail_if_asked("expire")
        self.expired_at.append(trio.current_time())
