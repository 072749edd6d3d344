"""What the pages tell of the daemon, of whatever generation is at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast

import trio
from attrs import field, frozen

from router.assembly import Assembled, TreePorts
from router.config.schema import ProviderConfig
from router.domain.spend import SpendReport
from router.ingress.asgi_types import ASGIApp
from router.ingress.dashboard_hub import Hub
from router.ingress.metrics_body import Watched
from router.ingress.policy_report import FairnessReport, PolicyReport, policy_of
from router.ingress.status_report import ProviderReport, StatusReport
from router.providers.adapter import own_version
from router.providers.capabilities import Capabilities
from router.routing.profile import model_ids


@frozen(kw_only=True)
class DaemonFacts:
    """The facts of `/status`, `/healthz` and `/v1/models`. `current` is what is at work, `number` counts from 1."""

    ports: TreePorts
    started_at: datetime
    current: Callable[[], Assembled]
    number: Callable[[], int]
    began: float = field(factory=trio.current_time)

    def cold_app(self) -> ASGIApp:
        """Return the Quart app over these facts."""
        from router.ingress.quart_app import build_app  # noqa: PLC0415 - 0.2 s and 10 MiB, paid at the first page only

        ports, views, current = self.ports, self.ports.views, self.current
        hub = Hub(
            source=self,
            control=ports.control,
            live=ports.live,
            views=views,
            drain=ports.drain,
            unix_now=ports.outside.unix_now,
        )
        watched = Watched(
            source=self,
            config=lambda: current().loaded.config,
            metrics=views.metrics,
            recent=views.recent,
            unix_now=ports.outside.unix_now,
        )
        app = build_app(hub, watched, ports.observer, lambda: current().front.gate, started_at=self.started_at)
        return cast("ASGIApp", app)

    def report(self) -> StatusReport:
        """Return the daemon as it is now."""
        loaded, generation = self.current().loaded, self.current().generation
        config, default = loaded.config, generation.table.default
        plan = generation.plan(generation.profiles[default], trio.current_time())
        in_flight, processes, spend = self.ports.in_flight(), self.ports.processes(), self.ports.spending.snapshot()
        return StatusReport(
            version=own_version(),
            started_at=self.started_at,
            uptime_s=trio.current_time() - self.began,
            addresses=tuple(self.ports.addresses),
            is_stopping=self.ports.drain.is_started,
            in_flight=self.ports.drain.in_flight,
            default_profile=default,
            is_routable=bool(plan.order),
            is_last_resort=plan.is_last_resort,
            profiles={profile.name: profile.providers for profile in config.profiles},
            providers=tuple(self._provider(provider, in_flight, processes, spend) for provider in config.providers),
            generation=self.number(),
            daemon=self.ports.report(),
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
        return model_ids(self.current().generation.table, self.current().loaded.config)

    def model_window(self, name: str) -> int:
        """Return the context window of whoever is asked first for a model, in tokens."""
        return self._first_for(name).window

    def model_sees(self, name: str) -> bool:
        """Tell whether images may be sent to whoever is asked first for a model, as far as is known."""
        return self._first_for(name).vision.value is not False

    def _first_for(self, name: str) -> Capabilities:
        generation = self.current().generation
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
            status=self.ports.health.status_of(provider.name),
            is_enabled=provider.enabled,
            in_flight=in_flight.get(provider.name, 0),
            process=processes.get(provider.name),
            budget=self.ports.budget(provider.name),
            spend=None if spend is None else spend.providers.get(provider.name),
            policy=self._policy(provider.name),
        )

    def _policy(self, name: str) -> PolicyReport:
        at_work, now = self.current(), trio.current_time()
        return policy_of(at_work.generation, name, at_work.providers[name].keys.report(now), now)
