"""Wakes everybody who waits at this moment, again and again."""

from __future__ import annotations

import trio
from attrs import define, field


@define(eq=False)
class Pulse:
    """Whoever takes `next` before a look, and waits for it afterwards, misses no touch in between."""

    next: trio.Event = field(factory=trio.Event, init=False)

    def touch(self) -> None:
        """Wake them; who takes `next` from here on waits for another."""
        old, self.next = self.next, trio.Event()
        old.set()
