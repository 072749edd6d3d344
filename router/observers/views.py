"""What the pages show of what was told: the listeners that count and remember for them, as one value."""

from __future__ import annotations

from collections.abc import Container

from attrs import field, frozen

from router.observers.fanout import Fanout
from router.observers.latest import Latest
from router.observers.metrics import Metrics
from router.observers.recent import Recent
from router.observers.series import Series


@frozen(kw_only=True)
class Views:
    """One per daemon: its listeners outlive every configuration."""

    metrics: Metrics = field(factory=Metrics)
    recent: Recent = field(factory=Recent)
    series: Series = field(factory=Series)
    latest: Latest = field(factory=Latest)

    def listen_to(self, fanout: Fanout) -> None:
        """Let each of them be told everything from now on."""
        fanout.listen("metrics", self.metrics)
        fanout.listen("recent", self.recent)
        fanout.listen("series", self.series)
        fanout.listen("latest", self.latest)

    def keep_only(self, providers: Container[str]) -> None:
        """Forget what is known of providers that are no longer configured."""
        self.recent.keep_only(providers)
        self.series.keep_only(providers)
