"""Build one Generation from a configuration and the ports that the tree provides, and the app in front of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

import trio
from attrs import define, field, frozen

from router.config.redact import Redactor
from router.config.schema import LoadedConfig, ProviderConfig
from router.domain.control import DaemonReport, RestartBudget
from router.ingress.asgi import Front
from router.ingress.canary import CanaryDoor, open_canary_door
from router.ingress.chat import handle
from router.ingress.count_tokens import count_tokens
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange, hex_id
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.generation import Generation
from router.ingress.live_requests import LiveRequests
from router.ingress.routes import ModelRoute, Operation
from router.observers.capture import Capture
from router.observers.views import Views
from router.ports import Backends, Control, HealthView, Observer, OutcomeSink, Spending
from router.providers.adapter import HttpProvider, build_provider, own_version
from router.providers.h1 import Dial
from router.routing.dispatch import Upstreams
from router.routing.limits import Fairness
from router.routing.memory import Memory
from router.routing.unbooked import Unbooked
from router.wire.dialect import Minting


def no_budget(_provider: str) -> RestartBudget | None:
    """Say of a provider that it has no restart table."""
    return None


@frozen(kw_only=True)
class Outside:
    """What no program has in itself: chance, the time of day (unix seconds), ids (hex digits), and connections to others."""

    random: Callable[[], float] = random.SystemRandom().random
    unix_now: Callable[[], float] = time.time
    new_id: Callable[[], str] = hex_id
    dial: Dial = trio.open_tcp_stream


@frozen(kw_only=True)
class TreePorts:
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
    outside: Outside = field(factory=Outside)
    hop: str = field(factory=hex_id)  # by which this process knows its own requests


@define(eq=False, kw_only=True)
class Assembled:
    """The app over one configuration, and what has to be closed after it. `in_use` counts the requests that began on it."""

    loaded: LoadedConfig
    front: Front
    generation: Generation
    providers: Mapping[str, HttpProvider]
    in_use: int = 0


def assemble(loaded: LoadedConfig, ports: TreePorts, cold: ColdApp, previous: Assembled | None = None) -> Assembled:
    """Return the daemon's app over one configuration; opens no connection.

    A provider that has not changed since `previous` goes on as it is: its connections, its slots, what it has refused."""
    config, outside = loaded.config, ports.outside
    providers = {p.name: _provider(p, loaded, ports, previous) for p in config.providers}
    generation = Generation(
        config=config,
        upstreams=Upstreams(
            providers=providers,
            configs={provider.name: provider for provider in config.providers},
            sink=ports.sink,
            spending=ports.spending,
            observer=ports.observer,
            random=outside.random,
            redact=Redactor.of(loaded.secrets.sensitive).redact,
        ),
        health=ports.health,
        observer=ports.observer,
        minting=Minting(new_id=lambda prefix: prefix + outside.new_id(), now=lambda: int(outside.unix_now())),
        memory=ports.memory,
        fairness=ports.fairness,
        capture=Capture.of(config.capture, ports.record, outside.unix_now),
        live=ports.live,
        is_exported=ports.is_exported,
    )
    return Assembled(loaded=loaded, front=_front(loaded, generation, ports, cold), generation=generation, providers=providers)


def _provider(config: ProviderConfig, loaded: LoadedConfig, ports: TreePorts, previous: Assembled | None) -> HttpProvider:
    old = None if previous is None else previous.providers.get(config.name)
    auth_cooldown_s = loaded.config.routing.auth_cooldown_s
    if old is not None and previous is not None and is_same_provider(config.name, previous.loaded, loaded):
        old.keys.auth_cooldown_s = auth_cooldown_s
        return old.knowing(loaded.secrets)
    same_server = old if old is not None and old.config.base_url == config.base_url else None
    return build_provider(
        config,
        loaded.secrets,
        ports.backends,
        ports.observer,
        dial=ports.outside.dial,
        unix_now=ports.outside.unix_now,
        auth_cooldown_s=auth_cooldown_s,
        keys_before=None if same_server is None else same_server.keys,
        slots_before=None if same_server is None else same_server.slots,
        hop=ports.hop,
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


def _front(loaded: LoadedConfig, generation: Generation, ports: TreePorts, cold: ColdApp) -> Front:
    server = loaded.config.server

    async def answer_model(exchange: Exchange, route: ModelRoute) -> None:
        if route.operation is Operation.COUNT_TOKENS:
            await count_tokens(exchange, generation, route)
        else:
            await handle(exchange, ports.canary.generation if ports.canary.admits(exchange.headers) else generation, route)

    tokens = [token.reveal() for token in loaded.secrets.client_tokens]
    return Front(
        gate=FrontGate.of(
            bind_host=server.host,
            allowed_hosts=server.allowed_hosts,
            admin_token=admin.reveal() if (admin := loaded.secrets.admin_token) is not None else None,
            metrics_token=looks.reveal() if (looks := loaded.secrets.metrics_token) is not None else None,
            tokens=[*tokens, ports.canary.secret] if tokens else (),
            unix_now=ports.outside.unix_now,
        ),
        drain=ports.drain,
        observer=ports.observer,
        answer_model=answer_model,
        cold=cold,
        max_in_flight=server.max_in_flight,
        version=own_version(),
        is_canary=ports.canary.admits,
        hop=ports.hop,
        new_id=ports.outside.new_id,
        redact=generation.upstreams.redact,
    )
