"""What `/status` and `/healthz` say, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from attrs import field, frozen

from router.domain.control import DaemonReport, RestartBudget
from router.domain.health import ProviderStatus
from router.ingress.healing_report import daemon_part, degraded_parts, healing_part, state_word


@frozen(kw_only=True)
class ProviderReport:
    """One configured provider. `process` is the state of its managed server, None where it has none."""

    kind: str
    model: str
    status: ProviderStatus
    is_enabled: bool = True
    in_flight: int = 0
    process: str | None = None
    budget: RestartBudget | None = None


@frozen(kw_only=True)
class StatusReport:
    """The daemon at one moment. `is_routable` tells whether a request to the default profile would have a provider.

    `profiles` maps each name to its chain. `addresses` are base URLs. `in_flight` counts requests to models."""

    version: str
    started_at: datetime
    addresses: tuple[str, ...]
    is_stopping: bool
    in_flight: int
    default_profile: str
    is_routable: bool
    profiles: Mapping[str, tuple[str, ...]]
    providers: tuple[ProviderReport, ...]
    warnings: tuple[str, ...] = field(default=())
    daemon: DaemonReport = field(factory=DaemonReport)

    @property
    def degraded(self) -> tuple[str, ...]:
        """The parts that have given up while the rest goes on."""
        return degraded_parts(self.daemon, (provider.status for provider in self.providers))


class StatusSource(Protocol):
    """Where the pages get their facts; `router/assembly.py` gives one."""

    def report(self) -> StatusReport:
        """Return the daemon as it is now."""

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids of `GET /v1/models`."""


def status_body(report: StatusReport, *, now: float, wall: datetime) -> dict[str, object]:
    """Return the body of `/status`; `now` on trio's clock, `wall` aware."""
    return {
        "status": "stopping" if report.is_stopping else "running",
        "version": report.version,
        "started_at": rfc3339(report.started_at),
        "uptime_s": round((wall - report.started_at).total_seconds(), 1),
        "addresses": report.addresses,
        "in_flight": report.in_flight,
        "default_profile": report.default_profile,
        "default_profile_routable": report.is_routable,
        "profiles": report.profiles,
        "providers": [provider_part(provider, now=now) for provider in report.providers],
        "warnings": report.warnings,
        **daemon_part(report.daemon),
        "degraded": report.degraded,
    }


def provider_body(provider: ProviderReport, *, now: float) -> dict[str, object]:
    """Return one provider's part of `/status`: `state` is configured, disabled, unconfigured or cooldown, and why.

    Whether it answers is not known here: nobody asks it for that until probes do."""
    status = provider.status
    body: dict[str, object] = {"name": status.name, "kind": provider.kind, "model": provider.model, "state": "configured"}
    if not provider.is_enabled:
        body["state"] = "disabled"
    elif status.unconfigured is not None:
        body |= {"state": "unconfigured", "reason": status.unconfigured.reason, "detail": status.unconfigured.detail}
    elif status.cooldown is not None and status.cooldown.until > now:
        left_s = round(status.cooldown.until - now, 1)
        body |= {"state": "cooldown", "reason": status.cooldown.reason.value, "cooldown_left_s": left_s}
    body["in_flight"] = provider.in_flight
    if provider.process is not None:
        body["process"] = provider.process
    return body


def provider_part(provider: ProviderReport, *, now: float) -> dict[str, object]:
    """Return one provider's part of `/status` whole: its configuration, its health, and what is done about it."""
    return provider_body(provider, now=now) | healing_part(provider.status.health, provider.budget, now=now)


def health_body(report: StatusReport, *, now: float) -> tuple[int, dict[str, object]]:
    """Return status and body of `/healthz`: 503 when a request to the default profile would find nobody.

    With a part that has given up it is `degraded`, but it answers, so the status stays 200."""
    is_well = report.is_routable and not report.is_stopping
    body: dict[str, object] = {
        "status": "stopping" if report.is_stopping else "ok" if is_well and not report.degraded else "degraded",
        "version": report.version,
        "default_profile": report.default_profile,
        "default_profile_routable": report.is_routable,
        "degraded": report.degraded,
        "providers": {one.status.name: state_word(one.status, is_enabled=one.is_enabled, now=now) for one in report.providers},
    }
    return (200 if is_well else 503), body


def rfc3339(moment: datetime) -> str:
    """Return an aware time as UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
