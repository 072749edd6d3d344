"""Build one Generation from a configuration and the ports that the tree provides, and the app in front of it."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import cast

import trio
from attrs import field, frozen

from router.config.schema import LoadedConfig, ProviderConfig
from router.domain.control import DaemonReport, RestartBudget
from router.ingress.asgi import Front
from router.ingress.asgi_types import ASGIApp
from router.ingress.chat import handle
from router.ingress.count_tokens import count_tokens
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.generation import Generation
from router.ingress.routes import ModelRoute, Operation
from router.ingress.status_report import ProviderReport, StatusReport
from router.ports import Backends, Control, HealthView, Observer, OutcomeSink
from router.providers.adapter import DIALECT_OF_KIND, HttpProvider, build_provider
from router.providers.http import KEEP_ALIVE_S
from router.routing.dispatch import Upstreams
from router.routing.profile import ProfileTable, model_ids
from router.wire.dialect import Minting
from router.wire.registry import DIALECTS

DISTRIBUTION = "nursery-router"


def no_budget(_provider: str) -> RestartBudget | None:
    """Say of a provider that it has no restart table."""
    return None


@frozen(kw_only=True)
class Tree:
    """What the nursery tree lends to `router/`. `addresses` are the bound base URLs, known once ingress listens.

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
    budget: Callable[[str], RestartBudget | None] = no_budget
    report: Callable[[], DaemonReport] = DaemonReport
    addresses: list[str] = field(factory=list)


@frozen(kw_only=True)
class Assembled:
    """The app for the server, and what has to be closed after it."""

    front: Front
    generation: Generation
    providers: tuple[HttpProvider, ...]

    async def tidy_connections(self) -> None:
        """Close upstream connections that nobody uses any more, until cancelled."""
        while True:
            await trio.sleep(KEEP_ALIVE_S)
            for provider in self.providers:
                await provider.close_expired()

    async def aclose(self) -> None:
        """Close the connections to every upstream."""
        for provider in self.providers:
            await provider.aclose()


def assemble(loaded: LoadedConfig, tree: Tree) -> Assembled:
    """Return the daemon's app over one configuration; opens no connection."""
    config = loaded.config
    providers = {p.name: build_provider(p, loaded.secrets, tree.backends, tree.observer) for p in config.providers}
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
            observer=tree.observer,
            random=random.SystemRandom().random,
        ),
        health=tree.health,
        observer=tree.observer,
        minting=Minting(new_id=lambda prefix: prefix + secrets.token_hex(12), now=lambda: int(time.time())),
    )
    return Assembled(front=_front(loaded, generation, tree), generation=generation, providers=tuple(providers.values()))


def _front(loaded: LoadedConfig, generation: Generation, tree: Tree) -> Front:
    server = loaded.config.server
    source = Source(loaded=loaded, generation=generation, tree=tree, started_at=datetime.now(UTC))

    async def answer_model(exchange: Exchange, route: ModelRoute) -> None:
        if route.operation is Operation.COUNT_TOKENS:
            await count_tokens(exchange, generation)
        else:
            await handle(exchange, generation)

    return Front(
        gate=FrontGate.of(
            bind_host=server.host,
            allowed_hosts=server.allowed_hosts,
            tokens=[token.reveal() for token in loaded.secrets.client_tokens],
            admin_token=admin.reveal() if (admin := loaded.secrets.admin_token) is not None else None,
        ),
        drain=tree.drain,
        observer=tree.observer,
        answer_model=answer_model,
        cold=ColdApp(source.cold_app),
        max_in_flight=server.max_in_flight,
        version=version(DISTRIBUTION),
    )


@frozen(kw_only=True)
class Source:
    """The facts of `/status`, `/healthz` and `/v1/models`."""

    loaded: LoadedConfig
    generation: Generation
    tree: Tree
    started_at: datetime

    def cold_app(self) -> ASGIApp:
        """Return the Quart app over these facts."""
        from router.ingress.quart_app import build_app  # noqa: PLC0415 - 0.2 s and 10 MiB, paid at the first page only

        app = build_app(self, self.tree.control, self.tree.observer, started_at=self.started_at)
        return cast("ASGIApp", app)

    def report(self) -> StatusReport:
        """Return the daemon as it is now."""
        config = self.loaded.config
        default = self.generation.table.default
        return StatusReport(
            version=version(DISTRIBUTION),
            started_at=self.started_at,
            addresses=tuple(self.tree.addresses),
            is_stopping=self.tree.drain.is_started,
            in_flight=self.tree.drain.in_flight,
            default_profile=default,
            is_routable=bool(self.generation.plan(self.generation.profiles[default], trio.current_time()).order),
            profiles={profile.name: profile.providers for profile in config.profiles},
            providers=tuple(self._provider(provider) for provider in config.providers),
            warnings=tuple(f"{warning.path}: {warning.message}" for warning in self.loaded.warnings),
            daemon=self.tree.report(),
        )

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids of `GET /v1/models`."""
        return model_ids(self.generation.table, self.loaded.config)

    def _provider(self, provider: ProviderConfig) -> ProviderReport:
        return ProviderReport(
            kind=provider.kind,
            model=provider.model,
            status=self.tree.health.status_of(provider.name),
            is_enabled=provider.enabled,
            in_flight=self.tree.in_flight().get(provider.name, 0),
            process=self.tree.processes().get(provider.name),
            budget=self.tree.budget(provider.name),
        )
