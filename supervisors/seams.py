"""What the simulator replaces: Protocols for everything in the tree that is not trio itself (supervision.md 21.12)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import frozen

from router.domain.probe import ProbeClass, ProbePlan, ProbeResult
from router.state.jsonl import Limits
from router.state.rows import Change, Opened

T = TypeVar("T")


class WallClock(Protocol):
    """Unix seconds, for stored stamps only; delays are trio's clock."""

    def now(self) -> float:
        """Return unix seconds."""


class MonotonicClock(Protocol):
    """The machine's clock that never jumps, for the service manager only; delays are trio's clock."""

    def now_us(self) -> int:
        """Return microseconds of CLOCK_MONOTONIC."""


class Random(Protocol):
    """The source of every jitter."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


class Prober(Protocol):
    """Asks one provider something small; `router/providers/probe.py` does it over HTTP."""

    def plan(self, provider: str) -> ProbePlan | None:
        """Return how the provider may be probed, None for one that is not configured."""

    async def probe(self, provider: str, cls: ProbeClass) -> ProbeResult:
        """Return what one probe showed. Never raises for anything that the provider does; the caller bounds the time."""


class Rows(Protocol):
    """Where changed state goes: `supervisors/state_writer.py`. Never waits, never raises: a disk is not the request's."""

    def put(self, namespace: str, key: str, row: Mapping[str, object]) -> None:
        """Keep a row; of several for one key the last counts."""

    def delete(self, namespace: str, key: str) -> None:
        """Forget a row."""


class Store(Protocol):
    """What is kept on disk: blocking calls, one at a time, each through an `Execute`."""

    @property
    def path(self) -> str:
        """The file, for events."""

    def open(self) -> Opened:
        """Open it, again too, and return what it holds. Raises StateFailed."""

    def write(self, changes: Sequence[Change]) -> None:
        """Write all changes or none. Raises StateFailed."""

    def close(self) -> None:
        """Close it. Never raises."""


class LineFile(Protocol):
    """A file of JSON lines, `router/state/jsonl.py`: blocking calls, one at a time, each through an `Execute`.

    `written_total` counts the lines that it has for good; `limits` may be replaced at any time."""

    limits: Limits

    @property
    def path(self) -> str:
        """The file, for events."""

    @property
    def written_total(self) -> int:
        """How many lines were added since this object was made."""

    def open(self) -> None:
        """Open it, again too. Raises StateFailed."""

    def append(self, first: int, lines: Sequence[bytes]) -> None:
        """Add lines, of which the first is the `first`th of all; passes over those that it has already. Raises StateFailed."""

    def close(self) -> None:
        """Close it. Never raises."""


class AgedLines(LineFile, Protocol):
    """A file of lines of which nothing is kept that is older than `max_age_s`: `router/state/aged_file.py`."""

    max_age_s: float

    def expire(self) -> None:
        """Delete what is too old. Raises StateFailed."""


class Lock(Protocol):
    """The hold on a state directory, `state_lock.py`: blocking calls, one at a time, each through an `Execute`."""

    @property
    def directory(self) -> Path:
        """The directory, for events."""

    def renew(self) -> bool:
        """Take it anew where the directory was removed or replaced; tell whether that was so.

        Raises StateLocked where somebody else has it by now, StateFailed where there can be no lock."""


class Execute(Protocol):
    """Runs blocking work where it stops nobody: a worker thread, or inline in the simulator."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what the work returns, raise what it raises; a cancellation leaves it behind."""


_MACHINE = random.Random()  # noqa: S311 - it spreads moments and guards nothing; the system's own costs a call per event


@frozen
class SystemWallClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return unix seconds."""
        return time.time()


@frozen
class SystemMonotonicClock:
    """The machine's own clock since it was started."""

    def now_us(self) -> int:
        """Return microseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() // 1000


@frozen
class SystemRandom:
    """The machine's own randomness."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return _MACHINE.random()


@frozen
class NoRows:
    """Keeps nothing: memory only."""

    def put(self, namespace: str, key: str, row: Mapping[str, object]) -> None:
        """Drop it."""

    def delete(self, namespace: str, key: str) -> None:
        """Drop it."""
