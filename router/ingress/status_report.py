"""What `/status` and `/healthz` say, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Protocol

from attrs import field, frozen

from router.config.schema import CaptureConfig
from router.domain.control import DaemonReport, RestartBudget
from router.domain.health import Health, ProviderStatus
from router.domain.health_step import probe_due
from router.domain.spend import SpendReport, Standing
from router.ingress.healing_report import (
    PROFILE,
    daemon_part,
    degraded_parts,
    healing_part,
    rest_of,
    state_word,
    why_degraded,
)
from router.ingress.policy_report import FairnessReport, PolicyReport, fairness_part, policy_part
from router.ingress.spend_report import provider_spend_part, spend_part


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
    spend: Standing | None = None  # None: it costs nothing
    policy: PolicyReport | None = None


@frozen(kw_only=True)
class StatusReport:
    """The daemon at one moment. `is_routable` tells whether a request to the default profile would have a provider.

    `uptime_s` is of trio's clock, so that a wall clock that is set never makes it less; `started_at` is of the wall's.
    `profiles` maps each name to its chain. `addresses` are base URLs. `in_flight` counts requests to models. `mode_source`
    is what has chosen the default profile: `config`, `env` or `command-line`."""

    version: str
    started_at: datetime
    uptime_s: float
    addresses: tuple[str, ...]
    is_stopping: bool
    in_flight: int
    default_profile: str
    is_routable: bool
    profiles: Mapping[str, tuple[str, ...]]
    providers: tuple[ProviderReport, ...]
    warnings: tuple[str, ...] = field(default=())
    is_last_resort: bool = False  # every provider of the default profile is out, and asked all the same
    grammar_violations: Mapping[str, int] | None = None  # by dialect, where `grammar_check` is on
    generation: int = 1  # of the configuration at work; counts the reloads that were applied
    daemon: DaemonReport = field(factory=DaemonReport)
    spend: SpendReport | None = None  # None: nothing is booked
    fairness: FairnessReport | None = None
    timezone: str = "UTC"  # in which people are shown times
    capture: CaptureConfig | None = None  # requests are recorded
    mode_source: str = "config"

    @property
    def degraded(self) -> tuple[str, ...]:
        """The parts that have given up while the rest goes on, and a default profile that only its last resort answers for."""
        out = (f"{PROFILE}{self.default_profile}",) if self.is_last_resort else ()
        return (*degraded_parts(self.daemon, (provider.status for provider in self.providers)), *out)

    @property
    def degraded_why(self) -> Mapping[str, str]:
        """Why each of these parts has given up."""
        return {part: why_degraded(part, self.daemon) for part in self.degraded}


class StatusSource(Protocol):
    """Where the pages get their facts; `router/daemon_facts.py` gives one."""

    def report(self) -> StatusReport:
        """Return the daemon as it is now."""

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids of `GET /v1/models`."""

    def model_window(self, name: str) -> int:
        """Return the context window of whoever is asked first for a model of these, in tokens."""

    def model_sees(self, name: str) -> bool:
        """Tell whether images may be sent to whoever is asked first, as far as is known."""


def status_body(report: StatusReport, *, now: float, wall: datetime) -> dict[str, object]:
    """Return the body of `/status`; `now` on trio's clock, `wall` aware."""
    checked = {} if report.grammar_violations is None else {"grammar_violations": report.grammar_violations}
    return {
        "status": "stopping" if report.is_stopping else "running",
        "version": report.version,
        "started_at": rfc3339(report.started_at),
        "uptime_s": round(report.uptime_s, 1),
        "now": rfc3339(wall),
        "addresses": report.addresses,
        "in_flight": report.in_flight,
        "default_profile": report.default_profile,
        "default_profile_routable": report.is_routable,
        "profiles": report.profiles,
        "providers": [provider_part(provider, now=now) for provider in report.providers],
        **spend_part(report.spend),
        **fairness_part(report.fairness),
        **_recording(report.capture),
        "warnings": report.warnings,
        **checked,
        "generation": report.generation,
        "degraded": report.degraded,
        "degraded_why": report.degraded_why,
        **daemon_part(report.daemon),
    }


def _recording(capture: CaptureConfig | None) -> dict[str, object]:
    """Return the part of `/status` that is there while requests are recorded: whose, and how long they are kept."""
    if capture is None:
        return {}
    return {"recording_requests": {"profiles": capture.profiles, "max_age_days": capture.max_age_days}}


def provider_body(provider: ProviderReport, *, now: float) -> dict[str, object]:
    """Return one provider's part of `/status`: `state` is configured, disabled, unconfigured or cooldown, and why.

    How it answers is under `health`."""
    status = provider.status
    body: dict[str, object] = {"name": status.name, "kind": provider.kind, "model": provider.model, "state": "configured"}
    if not provider.is_enabled:
        body["state"] = "disabled"
    elif status.unconfigured is not None:
        body |= {"state": "unconfigured", "reason": status.unconfigured.reason, "detail": status.unconfigured.detail}
    elif (rest := rest_of(status.health, now)) is not None:
        body |= {"state": "cooldown", "reason": rest.reason, "cooldown_left_s": round(rest.left_s, 1)}
    body["in_flight"] = provider.in_flight
    if provider.process is not None:
        body["process"] = provider.process
    body["health"] = provider_health(status.health, now=now)
    return body


def provider_part(provider: ProviderReport, *, now: float) -> dict[str, object]:
    """Return one provider's part of `/status` whole: what it is and can do, how it is and why, what it has left and costs.

    `word` is the one that says most."""
    word = state_word(provider.status, is_enabled=provider.is_enabled, now=now)
    healing = healing_part(provider.status.health, provider.budget, now=now)
    costs, policy = provider_spend_part(provider.spend), policy_part(provider.policy)
    return provider_body(provider, now=now) | {"word": word} | healing | costs | policy


def provider_health(health: Health, *, now: float) -> dict[str, object]:
    """Return how a provider is doing; `next_probe_in_s` is None where no probe is planned.

    `since`, `last_ok` and `last_error_at` are UTC."""
    due = probe_due(health)
    return {
        "state": str(health.state),
        "admission": str(health.admission),
        "hold_reason": None if health.hold_reason is None else str(health.hold_reason),
        "gen": health.gen,
        "level": health.level,
        "failures": health.failures,
        "since": _stamp(health.since_wall or None),
        "next_probe_in_s": round(max(due - now, 0.0), 1) if due < inf else None,
        "restart_owed": health.restart_owed is not None,
        "loading": health.is_loading,
        "last_ok": _stamp(health.last_ok_wall),
        "last_error": health.last_error,
        "last_error_at": _stamp(health.last_error_wall),
        "passive": health.is_passive,
    }


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


def _stamp(wall: float | None) -> str | None:
    return None if wall is None else rfc3339(datetime.fromtimestamp(wall, UTC))


def rfc3339(moment: datetime) -> str:
    """Return an aware time as UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
