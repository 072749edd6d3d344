"""The daemon's app: the generation at work, and the older ones that still answer requests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import trio
from attrs import asdict, define, field

from router.assembly import Assembled, TreePorts, assemble
from router.config.schema import LoadedConfig, RouterConfig
from router.daemon_facts import DaemonFacts
from router.ingress.asgi_types import Receive, Scope, Send
from router.ingress.front_cold import ColdApp
from router.ingress.generation import Generation
from router.providers.adapter import HttpProvider
from router.providers.capabilities import unsuitable_profiles
from router.providers.http import KEEP_ALIVE_S
from router.routing.limits import FairnessRules


@define(eq=False, kw_only=True)
class Deployed:
    """The ASGI app of the daemon: the generation at work, and the older ones that still answer requests.

    A request keeps the generation that it began with; the connections of an older one are closed when its last request
    has ended. Written by `replace` and `tidy_connections`, in one go each."""

    ports: TreePorts
    current: Assembled
    number: int = 1
    _retired: list[Assembled] = field(factory=list)

    @classmethod
    def of(cls, loaded: LoadedConfig, ports: TreePorts) -> Deployed:
        """Deploy the first generation; opens no connection."""
        facts = DaemonFacts(
            ports=ports,
            started_at=datetime.fromtimestamp(ports.outside.unix_now(), UTC),
            current=lambda: deployed.current,
            number=lambda: deployed.number,
        )
        deployed = cls(ports=ports, current=assemble(loaded, ports, ColdApp(facts.cold_app)))
        _take_over(ports, loaded.config)
        _warn_of_unsuitable(deployed.current.generation)
        return deployed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope by the generation that is at work now."""
        if scope["type"] == "lifespan":  # as long as the daemon: no request, and no reason to keep the first generation
            await self.current.front(scope, receive, send)
            return
        assembled = self.current
        assembled.in_use += 1
        try:
            await assembled.front(scope, receive, send)
        finally:
            assembled.in_use -= 1

    def replace(self, loaded: LoadedConfig) -> None:
        """Put another configuration to work, for every request that comes from now on. Never waits."""
        old = self.current
        self.current = assemble(loaded, self.ports, old.front.cold, old)
        _take_over(self.ports, loaded.config)
        self.number += 1
        self._retired.append(old)
        _warn_of_unsuitable(self.current.generation)

    async def tidy_connections(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Close upstream connections that nobody uses any more, until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(KEEP_ALIVE_S)
            for assembled in tuple(self._retired):
                if not assembled.in_use:
                    self._retired.remove(assembled)
                    await _close(assembled.providers.values(), kept=self._providers())
            for provider in self._providers():
                await provider.close_expired()

    async def aclose(self) -> None:
        """Close the connections to every upstream."""
        await _close(self._providers(), kept=())

    def _providers(self) -> tuple[HttpProvider, ...]:
        every = {id(p): p for assembled in (*self._retired, self.current) for p in assembled.providers.values()}
        return tuple(every.values())


def _take_over(ports: TreePorts, config: RouterConfig) -> None:
    """Let what lives as long as the daemon keep to another configuration; called once all of it could be assembled."""
    ports.memory.take_over(config.providers)
    ports.memory.sticky.ttl_s = config.routing.sticky_ttl_s
    ports.fairness.change(FairnessRules.of(config.server))
    ports.views.metrics.configure(config)
    ports.views.keep_only({provider.name for provider in config.providers})


def _warn_of_unsuitable(generation: Generation) -> None:
    """Tell of profiles for agents whose models are known to be unfit for them (routing.md 8.5)."""
    for found in unsuitable_profiles(generation.config.profiles, generation.upstreams.configs, generation.capabilities):
        generation.observer.event("chain-claude-code-suitability-degraded", asdict(found))


async def _close(providers: Iterable[HttpProvider], *, kept: Iterable[HttpProvider]) -> None:
    needed = set(map(id, kept))
    for provider in providers:
        if id(provider) not in needed:
            await provider.aclose()
