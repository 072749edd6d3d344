"""What the router remembers from one request to the next, beside the health of its providers: nothing of it is stored.

One per daemon, so that a reload forgets nothing but what was learnt of a backend that is gone. All of it is sync and
written by the pumps of requests, in one go each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, field

from router.config.schema import ProviderConfig
from router.guards.calibration import Calibrations
from router.guards.whole_arguments import CallHistory
from router.routing.adaptive import Adaptive
from router.routing.drift_watch import DriftWatch
from router.routing.origins import Origins
from router.routing.servers import Servers
from router.routing.signatures import CallSignatures
from router.routing.sticky import Sticky

Backend = tuple[str, str, str, str]


@define(eq=False, kw_only=True)
class Memory:
    """Fast and failing providers, sessions, counts of tokens, drift, signatures, calls that were no JSON, servers' windows."""

    adaptive: Adaptive = field(factory=Adaptive)
    sticky: Sticky = field(factory=Sticky)
    calibrations: Calibrations = field(factory=Calibrations)
    drift: DriftWatch = field(factory=DriftWatch)
    origins: Origins = field(factory=Origins)
    calls: CallHistory = field(factory=CallHistory)
    signatures: CallSignatures = field(factory=CallSignatures)
    servers: Servers = field(factory=Servers)
    _backends: Mapping[str, Backend] = field(factory=dict)

    def take_over(self, providers: Iterable[ProviderConfig]) -> None:
        """Keep to these providers from now on; what was learnt of those that are gone, or of another backend, is dropped."""
        before, self._backends = self._backends, {provider.name: backend_of(provider) for provider in providers}
        for name, backend in before.items():
            if self._backends.get(name) != backend:
                self.adaptive.forget(name)
                self.calibrations.forget(name)
                self.drift.forget(name)
                self.calls.forget(name)
                self.servers.forget(name)

    def learns_of(self, provider: ProviderConfig) -> bool:
        """Tell whether what an answer of this provider shows says anything: it may have outlived its configuration."""
        return not self._backends or self._backends.get(provider.name) == backend_of(provider)


def backend_of(provider: ProviderConfig) -> Backend:
    """Return what a provider is known by: where one of these is another, what was learnt of it says nothing any more."""
    return provider.name, provider.kind, provider.base_url, provider.model
