"""Fairness among requests: how many run at once, in all and of one session, and who waits for a place.

A place is held from before the chain until the answer has ended. A request that finds no place in time is told to come
again later: 429 where its own session is at its limit, overloaded (529, 503 for OpenAI) where the daemon is. The same
waiting room stands before the slots of a provider (`providers/adapter.py`). Source: issue 4 Fairness, wire.md 17.2."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import fmean

import trio
from attrs import define, field, frozen

from router.config.schema import ServerConfig
from router.errors import ErrorKind, QueueFull
from router.providers.fair_slots import FairSlots
from router.providers.waiting_room import RoomRules

REMEMBERED = 32  # requests that the usual length of one is taken from
SHORTEST_S, LONGEST_S = 1.0, 30.0  # Claude Code asks again at once below the one, and gives up far above the other
UNKNOWN_S = 5.0  # before the first request has ended


@frozen(kw_only=True)
class FairnessRules:
    """`[server]`: places in all and per session, how many may wait, and for how long."""

    max_running: int | None = None
    session_max_in_flight: int | None = None
    queue_max: int = 256
    queue_timeout_s: float = 60.0

    @classmethod
    def of(cls, server: ServerConfig) -> FairnessRules:
        """Return what a configuration says."""
        return cls(
            max_running=server.max_running,
            session_max_in_flight=server.session_max_in_flight or None,
            queue_max=server.queue_max,
            queue_timeout_s=server.queue_timeout_s,
        )

    @property
    def room(self) -> RoomRules:
        """The rules of the places."""
        return RoomRules(places=self.max_running, per_session=self.session_max_in_flight)


@define(eq=False)
class Fairness:
    """The places of the daemon; one per daemon, older than its configurations. Its state changes synchronously."""

    rules: FairnessRules = field(factory=FairnessRules)
    _slots: FairSlots = field(init=False)
    _lengths_s: deque[float] = field(factory=lambda: deque(maxlen=REMEMBERED), init=False)

    def __attrs_post_init__(self) -> None:
        self._slots = FairSlots.of(self.rules.room)

    @property
    def running(self) -> int:
        """How many hold a place."""
        return self._slots.room.inside

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return self._slots.room.waiting

    def change(self, rules: FairnessRules) -> None:
        """Take other rules from now on; who runs goes on, and who waits keeps to the time that it came with."""
        self.rules = rules
        self._slots.change(rules.room)

    @asynccontextmanager
    async def slot(self, session: str | None, request_class: str) -> AsyncIterator[None]:
        """Hold a place inside the context. Raises QueueFull when there is none within `queue_timeout_s`, or too many wait.

        `request_class` is a word of `request_class` in the configuration: main before compaction, auxiliary and unknown,
        before subagent and workflow."""
        rules = self.rules
        room = self._slots.place(session, request_class, wait_s=rules.queue_timeout_s, max_waiting=rules.queue_max)
        async with room as place:
            if not place.is_mine:
                raise self._full(session, is_own_limit=place.is_own_limit)
            began = trio.current_time()
            try:
                yield
            finally:
                self._lengths_s.append(trio.current_time() - began)

    def _full(self, session: str | None, *, is_own_limit: bool) -> QueueFull:
        if is_own_limit and session is not None:
            limit = self.rules.session_max_in_flight or 1
            kept = ", the last one not for sub-agents" if limit > 1 else ""
            message = f"this session has no place free: it may have {limit} requests in progress at once{kept}"
            return QueueFull(kind=ErrorKind.RATE_LIMITED, message=message, retry_after_s=self._wait_s(limit))
        message = f"{self.running} requests are in progress and {self.waiting} are waiting"
        return QueueFull(kind=ErrorKind.ALL_OVERLOADED, message=message, retry_after_s=self._wait_s(max(self.running, 1)))

    def _wait_s(self, places: int) -> float:
        """Return when a place is likely: the usual length of a request, shared by the places, times who waits already."""
        usual_s = fmean(self._lengths_s) if self._lengths_s else UNKNOWN_S
        return min(max(usual_s * (self.waiting + 1) / places, SHORTEST_S), LONGEST_S)
