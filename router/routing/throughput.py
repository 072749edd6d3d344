"""The throughput guard: does an answer come fast enough to be worth waiting for, before any of it has reached the client.

While the gate holds, the characters of content are counted. Enough of them within the window and the answer is let
through at once; too few by its end and the next provider is asked. An answer that ends earlier is never too slow."""

from __future__ import annotations

from enum import StrEnum
from math import inf

from attrs import define, field


class Speed(StrEnum):
    """What the characters so far mean: hold on, pass everything on, or ask somebody else."""

    HOLD = "hold"
    FAST_ENOUGH = "fast-enough"
    TOO_SLOW = "too-slow"


@define(kw_only=True)
class Throughput:
    """Counts one attempt's characters of content; one owner, the request's pump.

    `floor` is in characters per second, `window_s` counts from the first content: a long prompt is no slow answer."""

    floor: float
    window_s: float
    _chars: int = field(default=0, init=False)
    _first_at: float | None = field(default=None, init=False)

    @property
    def due(self) -> float:
        """When the window ends, so that silence is judged as well; infinity before the first content."""
        return inf if self._first_at is None else self._first_at + self.window_s

    def take(self, chars: int, now: float) -> Speed:
        """Count `chars` more characters, 0 where only time has passed, and return what they come to.

        What arrives as the window ends still counts; after it, nothing makes up for the time."""
        if self._first_at is None:
            if chars <= 0:
                return Speed.HOLD
            self._first_at = now
        if now <= self.due:
            self._chars += chars
        if self._chars >= self.floor * self.window_s:
            return Speed.FAST_ENOUGH
        return Speed.HOLD if now < self.due else Speed.TOO_SLOW
