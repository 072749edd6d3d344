"""One run of trio whose schedule and time depend on a seed alone.

Two private names of trio, which is pinned to its minor: `_ALLOW_DETERMINISTIC_SCHEDULING` sorts every batch of runnable tasks
before it is shuffled, `_r` shuffles it. The clock is a public one: trio asks it for the time to sleep exactly when no task
can run, so that is where the world is quiet, and where time leaps."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TypeVar

import trio
from attrs import define
from trio._core import _run

T = TypeVar("T")

VAIN_LOOKS = 1_000
LOOKS = 200_000  # a busy moment takes some thousand
START = 1_000.0  # of the virtual clock, seconds: not 0, which would hide a "never" that is written as one


class NothingLeft(Exception):
    """Every task waits for something that no clock brings: the world would stand still for ever."""


class StandsStill(BaseException):
    """Some task turns round and round without ever waiting for time to pass; no handler of the product may take it."""


@define(eq=False)
class VirtualClock(trio.abc.Clock):
    """Leaps to the next deadline whenever no task can run; `on_quiet` is called before each leap and may not change the world."""

    on_quiet: Callable[[], None]
    now: float = START
    _vain: int = 0
    _looks: int = 0  # at the clock, since it moved

    def start_clock(self) -> None:
        """Begin at START."""

    def current_time(self) -> float:
        """Return the virtual time, seconds. Raises StandsStill where everybody works and no time passes."""
        self._looks += 1
        if self._looks > LOOKS:
            raise StandsStill
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Leap to the deadline instead of sleeping. Raises NothingLeft where there is none."""
        if deadline == inf:  # trio's own clean-up at the end of a run waits for its wake-up pipe
            self._vain += 1
            if self._vain > VAIN_LOOKS:
                raise NothingLeft
        elif deadline > self.now:
            self.on_quiet()
            self.now = deadline
            self._vain = self._looks = 0
        return 0.0


@contextmanager
def deterministic_schedule(seed: int | str) -> Iterator[None]:
    """Let every `trio.run` inside shuffle its tasks by the seed."""
    was, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()  # noqa: SLF001 - see the top of the file
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001 - see the top of the file
    _run._r.seed(seed)  # noqa: SLF001 - see the top of the file
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = was  # type: ignore[misc]  # noqa: SLF001 - see the top of the file
        _run._r.setstate(state)  # noqa: SLF001 - see the top of the file


def run(main: Callable[[], Awaitable[T]], seed: int | str, on_quiet: Callable[[], None] = lambda: None) -> T:
    """Return what `main` returns, run under the seed on a virtual clock."""
    with deterministic_schedule(seed):
        return trio.run(main, clock=VirtualClock(on_quiet))


def source(*words: object) -> random.Random:
    """Return a random source of its own for one purpose, so that a draw more in one place moves nothing in another."""
    return random.Random("/".join(map(str, words)))
