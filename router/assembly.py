"""Build one Generation from a configuration and the ports that the tree provides, and the app in front of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

import trio
from attrs import asdict, define, field, frozen

from router.config.redact import Redactor
from router.config.schema import LoadedConfig, ProviderConfig, RouterConfig
from router.domain.control import DaemonReport, RestartBudget
from router.domain.spend import SpendReport
from router.ingress.asgi import Front
from router.ingress.asgi_types import ASGIApp, Receive, Scope, Send
from router.ingress.canary import CanaryDoor, open_canary_door
from router.ingress.chat import handle
from router.ingress.count_tokens import count_tokens
from router.ingress.dashboard_hub import Hub
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange, hex_id
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.generation import Generation
from router.ingress.live_requests import LiveRequests
from router.ingress.metrics_body import Watched
from router.ingress.policy_report import FairnessReport, PolicyReport, policy_of
from router.ingress.routes import ModelRoute, Operation
from router.ingress.status_report import ProviderReport, StatusReport
from router.observers.capture import Capture
from router.observers.views import Views
from router.ports import Backends, Control, HealthView, Observer, OutcomeSink, Spending
from router.providers.adapter import DIALECT_OF_KIND, HttpProvider, build_provider, own_version
from router.providers.capabilities import Capabilities, unsuitable_profiles
from router.providers.h1 import Dial
from router.providers.http import KEEP_ALIVE_S
from router.routing.dispatch import Upstreams
from router.routing.limits import Fairness, FairnessRules
from router.routing.memory import Memory
from router.routing.profile import ProfileTable, model_ids
from router.routing.unbooked import Unbooked
from router.wire.dialect import Minting
from router.wire.registry import DIALECTS


def no_budget(_provider: str) -> RestartBudget | None:
    """Say of a provider that it has no restart table."""
    return None


@frozen(kw_only=True)
class Sources:
    """What no program has in itself: chance, the time of day (unix seconds), ids (hex digits), and connections to others."""

    random: Callable[[], float] = random.SystemRandom().random
    unix_now: Callable[[], float] = time.time
    new_id: Callable[[], str] = hex_id
    dial: Dial = trio.open_tcp_stream


@frozen(kw_only=True)
class Tree:
    """What the nursery tree lends to `router/`. `addresses` are the bound base URLs, known once ingress listens.

    `canary` and `memory` are one per process: what is reloaded keeps its secret, and knows its sessions.
    `record` takes a request that is recorded, and never waits. `is_exported`: an exporter runs, until the daemon's end.
    Read for `/status` only: `in_flight` gives attempts by provider, `processes` the managed server's state by provider,
    `budget` a provider's restart budget (None without a restart table), `report` what the tree says of itself."""

    health: HealthView
    sink: OutcomeSink
    backends: Backends
    observer: Observer
    drain: Drain
    in_flight: Callable[[], Mapping[str, int]]
    processes: Callable[[], Mapping[str, str]]
    control: Control
    spending: Spending = field(factory=Unbooked)
    budget: Callable[[str], RestartBudget | None] = no_budget
    report: Callable[[], DaemonReport] = DaemonReport
    addresses: list[str] = field(factory=list)
    canary: CanaryDoor = field(factory=open_canary_door)
    memory: Memory = field(factory=Memory)
    fairness: Fairness = field(factory=Fairness)
    record: Callable[[bytes], None] = lambda _taken: None
    is_exported: bool = False
    views: Views = field(factory=Views)  # listeners of whoever observes
    live: LiveRequests = field(factory=LiveRequests)
    sources: Sources = field(factory=Sources)
    hop: str = field(factory=hex_id)  # by which this process knows its own requests


@define(eq=False, kw_only=True)
class Assembled:
    """The app over one configuration, and what has to be closed after it. `in_use` counts the requests that began on it."""

    loaded: LoadedConfig
    front: Front
    generation: Generation
    providers: Mapping[str, HttpProvider]
    in_use: int = 0


@define(eq=False, kw_only=True)
class Deployed:
    """The ASGI app of the daemon: the generation at work, and the older ones that still answer requests.

    A request keeps the generation that it began with; the connections of an older one are closed when its last request
    has ended. Written by `replace` and `tidy_connections`, in one go each."""

    tree: Tree
    current: Assembled
    number: int = 1
    _retired: list[Assembled] = field(factory=list)

    @classmethod
    def of(cls, loaded: LoadedConfig, tree: Tree) -> Deployed:
        """Deploy the first generation; opens no connection."""
        facts = Source(tree=tree, started_at=datetime.fromtimestamp(tree.sources.unix_now(), UTC))
        deployed = cls(tree=tree, current=assemble(loaded, tree, ColdApp(facts.cold_app)))
        facts.deployed = deployed
        _take_over(tree, loaded.config)
        _warn_of_unsuitable(deployed.current.generation)
        return deployed

    @property
    def retired(self) -> int:
        """How many older generations are still open: they answer requests, or have just ended."""
        return len(self._retired)

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
        self.current = assemble(loaded, self.tree, old.front.cold, old)
        _take_over(self.tree, loaded.config)
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


def _take_over(tree: Tree, config: RouterConfig) -> None:
    """Let what lives as long as the daemon keep to another configuration; called once all of it could be assembled."""
    tree.memory.take_over(config.providers)
    tree.memory.sticky.ttl_s = config.routing.sticky_ttl_s
    tree.fairness.change(FairnessRules.of(config.server))
    tree.views.metrics.configure(config)
    tree.views.keep_only({provider.name for provider in config.providers})


def _warn_of_unsuitable(generation: Generation) -> None:
    """Tell of profiles for agents whose models are known to be unfit for them (routing.md 8.5)."""
    for found in unsuitable_profiles(generation.config.profiles, generation.upstreams.configs, generation.capabilities):
        generation.observer.event("chain-claude-code-suitability-degraded", asdict(found))


async def _close(providers: Iterable[HttpProvider], *, kept: Iterable[HttpProvider]) -> None:
    needed = set(map(id, kept))
    for provider in providers:
        if id(provider) not in needed:
            await provider.aclose()


def assemble(loaded: LoadedConfig, tree: Tree, cold: ColdApp, previous: Assembled | None = None) -> Assembled:
    """Return the daemon's app over one configuration; opens no connection.

    A provider that has not changed since `previous` goes on as it is: its connections, its slots, what it has refused."""
    config, sources = loaded.config, tree.sources
    providers = {p.name: _provider(p, loaded, tree, previous) for p in config.providers}
    generation = Generation(
        config=config,
        profiles={profile.name: profile for profile in config.profiles},
        table=ProfileTable.of(config),
        dialects=DIALECTS,
        upstreams=Upstreams(
            providers=providers,
            configs={provider.name: provider for provider in config.providers},
            dialects={p.name: DIALECTS[DIALECT_OF_KIND[p.kind]] for p in config.providers},
            sink=tree.sink,
            spending=tree.spending,
            observer=tree.observer,
            random=sources.random,
            redact=Redactor.of(loaded.secrets.sensitive).redact,
        ),
        health=tree.health,
        observer=tree.observer,
        minting=Minting(new_id=lambda prefix: prefix + sources.new_id(), now=lambda: int(sources.unix_now())),
        memory=tree.memory,
        fairness=tree.fairness,
        capture=Capture.of(config.capture, tree.record, sources.unix_now),
        live=tree.live,
        is_exported=tree.is_exported,
    )
    return Assembled(loaded=loaded, front=_front(loaded, generation, tree, cold), generation=generation, providers=providers)


def _provider(config: ProviderConfig, loaded: LoadedConfig, tree: Tree, previous: Assembled | None) -> HttpProvider:
    old = None if previous is None else previous.providers.get(config.name)
    auth_cooldown_s = loaded.config.routing.auth_cooldown_s
    if old is not None and previous is not None and is_same_provider(config.name, previous.loaded, loaded):
        old.keys.auth_cooldown_s = auth_cooldown_s
        return old.knowing(loaded.secrets)
    same_server = old if old is not None and old.config.base_url == config.base_url else None
    return build_provider(
        config,
        loaded.secrets,
        tree.backends,
        tree.observer,
        dial=tree.sources.dial,
        unix_now=tree.sources.unix_now,
        auth_cooldown_s=auth_cooldown_s,
        keys_before=None if same_server is None else same_server.keys,
        slots_before=None if same_server is None else same_server.slots,
        hop=tree.hop,
    )


def is_same_provider(name: str, old: LoadedConfig, new: LoadedConfig) -> bool:
    """Tell whether two configurations say the same of one provider, its credential and headers included."""
    said = [
        (
            [provider for provider in loaded.config.providers if provider.name == name],
            loaded.secrets.keys_of(name),
            loaded.secrets.headers.get(name),
            loaded.secrets.unconfigured.get(name),
        )
        for loaded in (old, new)
    ]
    return said[0] == said[1]


def _front(loaded: LoadedConfig, generation: Generation, tree: Tree, cold: ColdApp) -> Front:
    server = loaded.config.server

    async def answer_model(exchange: Exchange, route: ModelRoute) -> None:
        if route.operation is Operation.COUNT_TOKENS:
            await count_tokens(exchange, generation, route)
        else:
            await handle(exchange, tree.canary.generation if tree.canary.admits(exchange.headers) else generation, route)

    tokens = [token.reveal() for token in loaded.secrets.client_tokens]
    return Front(
        gate=FrontGate.of(
            bind_host=server.host,
            allowed_hosts=server.allowed_hosts,
            admin_token=admin.reveal() if (admin := loaded.secrets.admin_token) is not None else None,
            metrics_token=looks.reveal() if (looks := loaded.secrets.metrics_token) is not None else None,
            tokens=[*tokens, tree.canary.secret] if tokens else (),
            unix_now=tree.sources.unix_now,
        ),
        drain=tree.drain,
        observer=tree.observer,
        answer_model=answer_model,
        cold=cold,
        max_in_flight=server.max_in_flight,
        version=own_version(),
        is_canary=tree.canary.admits,
        hop=tree.hop,
        new_id=tree.sources.new_id,
        redact=generation.upstreams.redact,
    )


@define(eq=False, kw_only=True)
class Source:
    """The facts of `/status`, `/healthz` and `/v1/models`, of whatever generation is at work. `deployed` is set once."""

    tree: Tree
    started_at: datetime
    deployed: Deployed = field(init=False)

    def cold_app(self) -> ASGIApp:
        """Return the Quart app over these facts."""
        from router.ingress.quart_app import build_app  # noqa: PLC0415 - 0.2 s and 10 MiB, paid at the first page only

        tree, views, deployed = self.tree, self.tree.views, self.deployed
        hub = Hub(
            source=self,
            control=tree.control,
            live=tree.live,
            views=views,
            drain=tree.drain,
            unix_now=tree.sources.unix_now,
        )
        watched = Watched(
            source=self,
            config=lambda: deployed.current.loaded.config,
            metrics=views.metrics,
            recent=views.recent,
            unix_now=tree.sources.unix_now,
        )
        app = build_app(hub, watched, tree.observer, lambda: deployed.current.front.gate, started_at=self.started_at)
        return cast("ASGIApp", app)

    def report(self) -> StatusReport:
        """Return the daemon as it is now."""
        loaded, generation = self.deployed.current.loaded, self.deployed.current.generation
        config, default = loaded.config, generation.table.default
        plan = generation.plan(generation.profiles[default], trio.current_time())
        in_flight, processes, spend = self.tree.in_flight(), self.tree.processes(), self.tree.spending.snapshot()
        return StatusReport(
            version=own_version(),
            started_at=self.started_at,
            addresses=tuple(self.tree.addresses),
            is_stopping=self.tree.drain.is_started,
            in_flight=self.tree.drain.in_flight,
            default_profile=default,
            is_routable=bool(plan.order),
            is_last_resort=plan.is_last_resort,
            profiles={profile.name: profile.providers for profile in config.profiles},
            providers=tuple(self._provider(provider, in_flight, processes, spend) for provider in config.providers),
            generation=self.deployed.number,
            daemon=self.tree.report(),
            grammar_violations={str(dialect): count for dialect, count in generation.tally.violations.items()}
            if config.server.grammar_check
            else None,
            spend=spend,
            timezone=config.server.display_timezone or "UTC",
            fairness=FairnessReport.of(generation.fairness),
            capture=config.capture if config.capture.enabled else None,
            warnings=tuple(f"{warning.path}: {warning.message}" for warning in loaded.warnings),
            mode_source=loaded.mode_source,
        )

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids of `GET /v1/models`."""
        return model_ids(self.deployed.current.generation.table, self.deployed.current.loaded.config)

    def model_window(self, name: str) -> int:
        """Return the context window of whoever is asked first for a model, in tokens."""
        return self._first_for(name).window

    def model_sees(self, name: str) -> bool:
        """Tell whether images may be sent to whoever is asked first for a model, as far as is known."""
        return self._first_for(name).vision.value is not False

    def _first_for(self, name: str) -> Capabilities:
        generation = self.deployed.current.generation
        match = generation.table.match_of(name)
        named = generation.table.modes.get(name) if match is None else match.profile
        profile = generation.profiles[named or generation.table.default]
        return generation.capabilities[profile.providers[0]]

    def _provider(
        self,
        provider: ProviderConfig,
        in_flight: Mapping[str, int],
        processes: Mapping[str, str],
        spend: SpendReport | None,
    ) -> ProviderReport:
        return ProviderReport(
            kind=provider.kind,
            model=provider.model,
            status=self.tree.health.status_of(provider.name),
            is_enabled=provider.enabled,
            in_flight=in_flight.get(provider.name, 0),
            process=processes.get(provider.name),
            budget=self.tree.budget(provider.name),
            spend=None if spend is None else spend.providers.get(provider.name),
            policy=self._policy(provider.name),
        )

    def _policy(self, name: str) -> PolicyReport:
        at_work, now = self.deployed.current, trio.current_time()
        return policy_of(at_work.generation, name, at_work.providers[name].keys.report(now), now)
