"""A stage stands between decoder and encoder: neutral events in, neutral events out (wire.md 14, 15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.domain.events import NeutralEvent


class Stage(Protocol):
    """One stage of one answer. What it holds back comes out with a later event, at the latest before `Stopped`."""

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on to the next stage for one event, () to hold it."""

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held, as it came: the stream has failed, and nothing follows."""
