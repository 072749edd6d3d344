"""Waiting for a place: the waiting room of `waiting_room.py` under trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio
from attrs import define, field, frozen

from router.providers.waiting_room import RoomRules, Visitor, WaitingRoom


@frozen(kw_only=True)
class Place:
    """What waiting came to. `is_own_limit`: no place because the session has all that it may have."""

    is_mine: bool
    is_own_limit: bool = False


@define(eq=False)
class FairSlots:
    """Places that requests hold while they run. Tasks wait beside each other; every change of the room is synchronous."""

    room: WaitingRoom
    _calls: dict[Visitor, trio.Event] = field(factory=dict, init=False)

    @classmethod
    def of(cls, rules: RoomRules) -> FairSlots:
        """Return empty places under these rules."""
        return cls(WaitingRoom(rules))

    def change(self, rules: RoomRules) -> None:
        """Take other rules from now on; who holds a place keeps it."""
        self._call(self.room.change(rules))

    @asynccontextmanager
    async def place(
        self, session: str | None, request_class: str, *, wait_s: float, max_waiting: int | None = None
    ) -> AsyncIterator[Place]:
        """Hold a place inside the context, after at most `wait_s`; `is_mine` is False where there was none in that time.

        Also at once where more than `max_waiting` would wait. A waiter that is cancelled gives up its turn, and the
        place too if it was just given one."""
        visitor = self.room.enter(session, request_class)
        try:
            if not visitor.is_in and (max_waiting is None or self.room.waiting <= max_waiting):
                called = self._calls[visitor] = trio.Event()
                with trio.move_on_after(wait_s):
                    await called.wait()
            is_own_limit = not visitor.is_in and self.room.is_full_of_its_own(visitor)
            if not visitor.is_in:
                self._give_back(visitor)
            yield Place(is_mine=visitor.is_in, is_own_limit=is_own_limit)
        finally:
            if visitor.is_in or visitor in self._calls:
                self._give_back(visitor)

    def _give_back(self, visitor: Visitor) -> None:
        self._calls.pop(visitor, None)
        self._call(self.room.leave(visitor))

    def _call(self, admitted: Iterable[Visitor]) -> None:
        for visitor in admitted:
            self._calls.pop(visitor).set()
