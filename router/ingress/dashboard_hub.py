"""Everybody who looks at the dashboard, served from one snapshot a second.

The snapshot is taken by whoever needs it first; the others of that second get the same bytes. A viewer has no queue: it
remembers which version of each part it has, and how far it has read the events. So a slow one holds nothing up and costs
nothing; what it was too slow for it is told as a number.

What is dear is made in turns, a provider at a time, with a checkpoint between: 60 providers with an hour behind them are
60 ms of work, and the requests shall not stand still for it. The facts are read first, in one go, but for the tree, whose
walk is a turn of its own; what passes during the turns is told again in the next tick, so that nothing is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import orjson
import trio
from attrs import asdict, define, field

from router.errors import OverCapacity
from router.ingress.dashboard_parts import (
    MAX_TREE,
    Clock,
    Part,
    daemon_part,
    live_part,
    providers_part,
    spend_part,
    traffic_part,
    tree_part,
)
from router.ingress.drain import Drain
from router.ingress.live_requests import LiveRequest, LiveRequests
from router.ingress.status_report import StatusReport, StatusSource
from router.observers.series import EVERYTHING, WINDOWS
from router.observers.views import Views
from router.ports import Control

TICK_S = 1.0  # a change shows within two
BEAT_EVERY = 5  # ticks without news, then a sign of life: the page calls itself stale after 12 s
MAX_VIEWERS = 32  # each may hold one snapshot's bytes in the server's buffers


@define(eq=False, kw_only=True)
class Snapshot:
    """The newest version of each part, as JSON; replaced by the next one as a whole."""

    taken_at: float = float("-inf")
    number: int = 0
    parts: Mapping[str, tuple[int, bytes]] = field(factory=dict)  # by name: the snapshot that brought it, and its bytes
    points: dict[int, tuple[int, bytes]] = field(factory=dict)  # by where a viewer is: where it is after them, and their bytes


@define(eq=False, kw_only=True)
class Hub:
    """One per daemon. `unix_now` gives the time of day."""

    source: StatusSource
    control: Control
    live: LiveRequests
    views: Views
    drain: Drain
    unix_now: Callable[[], float]
    tick_s: float = TICK_S
    _viewers: set[Viewer] = field(factory=set)
    _snapshot: Snapshot = field(factory=Snapshot)
    _looking: trio.Lock = field(factory=trio.Lock)  # one makes what all get; the others wait for it

    def check_place(self) -> None:
        """Let one more viewer in. Raises OverCapacity."""
        if len(self._viewers) >= MAX_VIEWERS:
            raise OverCapacity(message=f"{MAX_VIEWERS} dashboards are already open")

    def enter(self) -> Viewer:
        """Give a viewer its place, which it gives back with `leave`."""
        viewer = Viewer(hub=self)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Take a place back; as often as somebody likes."""
        self._viewers.discard(viewer)

    @property
    def viewers(self) -> tuple[Viewer, ...]:
        """Who looks at this moment."""
        return tuple(self._viewers)

    async def wait_tick(self) -> bool:
        """Wait until the next snapshot is due; True where the daemon stops instead."""
        with trio.move_on_at(self._snapshot.taken_at + self.tick_s):
            await self.drain.wait_started()
        return self.drain.is_started

    async def snapshot(self) -> Snapshot:
        """Return the snapshot of this tick."""
        async with self._looking:
            now, old = trio.current_time(), self._snapshot
            if now >= old.taken_at + self.tick_s:
                clock, number, parts = self._clock(), old.number + 1, dict(old.parts)
                report, live = self.source.report(), self.live.shown()
                await self._read_totals(clock.wall)
                for name, part in self._look(report, live, clock):
                    told = orjson.dumps(part)
                    if name not in parts or parts[name][1] != told:
                        parts[name] = (number, told)
                    await trio.lowlevel.checkpoint()
                self._snapshot = Snapshot(taken_at=now, number=number, parts=parts)
            return self._snapshot

    async def points(self, snapshot: Snapshot, after: int) -> tuple[int, bytes]:
        """Return the `seq` of the series up to which the second value holds the charts' points that have changed since `after`.

        All viewers of a tick get what the first one got: what has changed since then is told in the next tick."""
        async with self._looking:
            if after not in snapshot.points:
                seq, wall, told = self.views.series.seq, self.unix_now(), list[bytes]()
                for name in (EVERYTHING, *self.views.series.names()):
                    if points := list(self.views.series.points_of(name, wall, after)):
                        told.append(orjson.dumps([asdict(point, recurse=False) for point in points])[1:-1])
                        await trio.lowlevel.checkpoint()
                snapshot.points[after] = (seq, b"[%b]" % b",".join(told))
            return snapshot.points[after]

    async def _read_totals(self, wall: float) -> None:
        """Have the series read every window, which keeps what it has read: the part is then made in one short go."""
        series = self.views.series
        for name in (EVERYTHING, *series.names()):
            for window in WINDOWS:
                series.totals(name, window, wall)
            await trio.lowlevel.checkpoint()

    def _clock(self) -> Clock:
        return Clock(now=trio.current_time(), wall=self.unix_now())

    def _look(self, report: StatusReport, live: tuple[LiveRequest, ...], clock: Clock) -> Iterator[tuple[str, Part]]:
        yield "daemon", daemon_part(report)
        yield "providers", providers_part(report, clock)
        yield "live", live_part(live, clock)
        yield "spend", spend_part(report.spend)
        yield "traffic", traffic_part(self.views.series, clock.wall)
        tasks = trio.lowlevel.current_statistics().tasks_living
        yield "tree", tree_part(self.control.tree(MAX_TREE), tasks, self._clock())


@define(eq=False, kw_only=True)
class Viewer:
    """One open page; its owner is the request that streams to it."""

    hub: Hub
    told: int = -1  # the number of the last event that it was told of
    _number: int = 0  # of the last snapshot that was sent
    _series: int = -1
    _quiet: int = 0

    async def next(self) -> bytes:
        """Return what is new as one server-sent event, b"" for nothing; the first call returns everything."""
        snapshot = await self.hub.snapshot()
        parts = {name: told for name, (number, told) in snapshot.parts.items() if number > self._number}
        news = {**await self._news_of_series(snapshot), **self._news_of_events()}
        self._number = snapshot.number
        if not parts and not news:
            self._quiet += 1
            return self._message("beat", {}) if self._quiet % BEAT_EVERY == 0 else b""
        self._quiet = 0
        return self._message("news", {"parts": {name: orjson.Fragment(told) for name, told in parts.items()}, **news})

    async def _news_of_series(self, snapshot: Snapshot) -> Mapping[str, object]:
        series = self.hub.views.series
        if series.seq == self._series:
            return {}
        self._series, points = await self.hub.points(snapshot, max(self._series, 0))
        return {"points": orjson.Fragment(points)}

    def _news_of_events(self) -> Mapping[str, object]:
        latest = self.hub.views.latest
        if latest.count == self.told:
            return {}
        lines, lost = latest.since(max(self.told, 0))
        is_first, self.told = self.told < 0, latest.count
        return {"events": [asdict(line, recurse=False) for line in lines], "lost": 0 if is_first else lost}

    def _message(self, kind: str, body: Mapping[str, object]) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"now": self.hub.unix_now(), **body}))
