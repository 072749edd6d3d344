"""A stage stands between decoder and encoder: neutral events in, neutral events out (wire.md 14, 15)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from router.domain.events import NeutralEvent


class Stage(Protocol):
    """One stage of one answer. What it holds back comes out with a later event, at the latest before `Stopped`."""

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on to the next stage for one event, () to hold it."""

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held, as it came: the stream has failed, and nothing follows."""


@frozen
class Chain:
    """Several stages as one, in their order."""

    stages: tuple[Stage, ...]

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what the last stage lets through for one event."""
        return self._through((event,), self.stages)

    def release(self) -> Sequence[NeutralEvent]:
        """Return what all of them hold: what an earlier one gives back goes through the later ones first."""
        events: list[NeutralEvent] = []
        for place, stage in enumerate(self.stages):
            events += self._through(stage.release(), self.stages[place + 1 :])
        return events

    def _through(self, events: Sequence[NeutralEvent], stages: Iterable[Stage]) -> Sequence[NeutralEvent]:
        for stage in stages:
            events = _fed(stage, events)
        return events


def _fed(stage: Stage, events: Sequence[NeutralEvent]) -> Sequence[NeutralEvent]:
    if len(events) == 1:  # nearly always: one delta in, one out
        return stage.feed(events[0])
    return [passed for event in events for passed in stage.feed(event)]
