"""Everybody who looks at the dashboard, served from one snapshot a second.

The snapshot is taken by whoever needs it first; the others of that second get the same bytes. A viewer has no queue: it
remembers which version of each part it has, and how far it has read the events. So a slow one holds nothing up and costs
nothing; what it was too slow for it is told as a number."""

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
from router.ingress.live_requests import LiveRequests
from router.ingress.status_report import StatusSource
from router.observers.views import Views
from router.ports import Control

TICK_S = 1.0  # a change shows within two
BEAT_EVERY = 5  # ticks without news, then a sign of life: the page calls itself stale after 12 s
MAX_VIEWERS = 32  # each may hold one snapshot's bytes in the server's buffers


@define(eq=False, kw_only=True)
class Snapshot:
    """The newest version of each part, as JSON."""

    taken_at: float = float("-inf")
    number: int = 0
    parts: dict[str, tuple[int, bytes]] = field(factory=dict)  # by name: the snapshot that brought it, and its bytes
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

    def check_place(self) -> None:
        """Let one more viewer in. Raises OverCapacity."""
        if len(self._viewers) >= MAX_VIEWERS:
            raise OverCapacity(message=f"{MAX_VIEWERS} dashboards are open already")

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

    def snapshot(self) -> Snapshot:
        """Return the snapshot of this tick."""
        now, snapshot = trio.current_time(), self._snapshot
        if now >= snapshot.taken_at + self.tick_s:
            snapshot.taken_at, snapshot.number, snapshot.points = now, snapshot.number + 1, {}
            for name, part in self._look(Clock(now=now, wall=self.unix_now())):
                told = orjson.dumps(part)
                if name not in snapshot.parts or snapshot.parts[name][1] != told:
                    snapshot.parts[name] = (snapshot.number, told)
        return snapshot

    def points(self, after: int) -> tuple[int, bytes]:
        """Return the `seq` of the series up to which the second value holds the charts' points that have changed since `after`.

        All viewers of a tick get what the first one got: what has changed since then is told in the next tick."""
        known, series = self._snapshot.points, self.views.series
        if after not in known:
            told = orjson.dumps([asdict(point) for point in series.points(self.unix_now(), after)])
            known[after] = (series.seq, told)
        return known[after]

    def _look(self, clock: Clock) -> Iterator[tuple[str, Part]]:
        report = self.source.report()
        yield "daemon", daemon_part(report)
        yield "providers", providers_part(report, clock)
        yield "live", live_part(self.live.shown(), clock)
        yield "spend", spend_part(report.spend)
        yield "traffic", traffic_part(self.views.series, clock.wall)
        tasks = trio.lowlevel.current_statistics().tasks_living
        yield "tree", tree_part(self.control.tree(MAX_TREE), tasks, clock)


@define(eq=False, kw_only=True)
class Viewer:
    """One open page; its owner is the request that streams to it."""

    hub: Hub
    told: int = -1  # the number of the last event that it was told of
    _number: int = 0  # of the last snapshot that was sent
    _series: int = -1
    _quiet: int = 0

    def next(self) -> bytes:
        """Return what is new as one server-sent event, b"" for nothing; the first call returns everything."""
        snapshot = self.hub.snapshot()
        parts = {name: told for name, (number, told) in snapshot.parts.items() if number > self._number}
        news = {**self._news_of_series(), **self._news_of_events()}
        self._number = snapshot.number
        if not parts and not news:
            self._quiet += 1
            return self._message("beat", {}) if self._quiet % BEAT_EVERY == 0 else b""
        self._quiet = 0
        return self._message("news", {"parts": {name: orjson.Fragment(told) for name, told in parts.items()}, **news})

    def _news_of_series(self) -> Mapping[str, object]:
        series = self.hub.views.series
        if series.seq == self._series:
            return {}
        self._series, points = self.hub.points(max(self._series, 0))
        return {"points": orjson.Fragment(points)}

    def _news_of_events(self) -> Mapping[str, object]:
        latest = self.hub.views.latest
        if latest.count == self.told:
            return {}
        lines, lost = latest.since(max(self.told, 0))
        is_first, self.told = self.told < 0, latest.count
        return {"events": [asdict(line) for line in lines], "lost": 0 if is_first else lost}

    def _message(self, kind: str, body: Mapping[str, object]) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"now": self.hub.unix_now(), **body}))
