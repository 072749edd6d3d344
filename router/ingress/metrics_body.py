"""What `/metrics.json` says: the keys of CodeRouter over our counters (supervision.md 16.2). Pure.

`requests_total` counts requests, as its name says; there it counted attempts, which are `attempts_total` here (W30).
`probe_latency_ms` is the mean. There are no probe rounds, and nothing shortens prompts but the context budget, so that
`probe_rounds_total` and `tokens_saved_total` have no place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from attrs import asdict, frozen

from router.config.schema import RouterConfig
from router.domain.health_events import ProbeVerdict
from router.domain.spend import CacheOutcome, booked_usd
from router.ingress.status_report import StatusReport, StatusSource, rfc3339
from router.observers import families as f
from router.observers.families import NOBODY, Family
from router.observers.metrics import Metrics
from router.observers.recent import Recent

_OUTCOMES_KNOWN = (CacheOutcome.HIT, CacheOutcome.CREATION, CacheOutcome.NONE)
_SKIPS = {"paid": "paid-gate", "budget": "budget", "memory_pressure": "memory-pressure"}  # theirs, and our word


@frozen(kw_only=True)
class Watched:
    """What the pages of the metrics read. `config` gives the configuration at work, `unix_now` the time of day."""

    source: StatusSource
    config: Callable[[], RouterConfig]
    metrics: Metrics
    recent: Recent
    unix_now: Callable[[], float]


@frozen(kw_only=True)
class _Sums:
    """What is counted by provider: made once for a page, since each sum reads the whole family."""

    outcomes: Mapping[str, Mapping[str, float]]
    cached: Mapping[str, Mapping[str, float]]
    read: Mapping[str, float]
    created: Mapping[str, float]
    cost_usd: Mapping[str, float]
    savings_usd: Mapping[str, float]

    @classmethod
    def of(cls, metrics: Metrics) -> _Sums:
        """Return them as they are now."""
        return cls(
            outcomes=_nested(metrics, f.ATTEMPTS, "provider", "outcome"),
            cached=_nested(metrics, f.CACHE_OBSERVED, "provider", "outcome"),
            read=_by(metrics, f.CACHE_READ, "provider"),
            created=_by(metrics, f.CACHE_CREATION, "provider"),
            cost_usd=_by(metrics, f.COST, "provider"),
            savings_usd=_by(metrics, f.SAVINGS, "provider"),
        )


def metrics_body(watched: Watched) -> dict[str, object]:
    """Return the body of `/metrics.json`."""
    report, config, sums = watched.source.report(), watched.config(), _Sums.of(watched.metrics)
    return {
        "uptime_s": round(report.uptime_s, 1),
        "started_at": rfc3339(report.started_at),
        "startup": _startup(report, config),
        "counters": counters(watched.metrics),
        "providers": [_provider(provider.status.name, sums, watched.recent) for provider in report.providers],
        "recent": [{"ts": one.ts, "event": one.event, **one.fields, "seq": one.seq} for one in watched.recent.events()],
        "config": _config(config),
    }


def counters(metrics: Metrics) -> dict[str, object]:
    """Return the counters by their names of old, and those that are new here behind them."""
    skipped = _nested(metrics, f.SKIPPED, "reason", "provider")
    probed = _nested(metrics, f.PROBES, "outcome", "provider")
    return {
        "requests_total": _sum(metrics, f.REQUESTS),
        "provider_attempts": _by(metrics, f.ATTEMPTS, "provider"),
        "provider_outcomes": _nested(metrics, f.ATTEMPTS, "provider", "outcome"),
        **{f"provider_skipped_{name}": skipped.get(word, {}) for name, word in _SKIPS.items()},
        "demote_unhealthy": _by(metrics, f.DEMOTED, "provider"),
        "backend_health_transitions": _nested(metrics, f.TRANSITIONS, "provider", "state"),
        "capability_degraded": _by(metrics, f.CAPABILITY_DEGRADED, "capability"),
        "output_filter_applied": _by(metrics, f.FILTERS, "filter"),
        "chain_paid_gate_blocked_total": _sum(metrics, f.PAID_GATE_BLOCKED),
        "chain_budget_exceeded_total": _sum(metrics, f.BUDGET_EXCEEDED),
        "chain_memory_pressure_blocked_total": _sum(metrics, f.PRESSURE_BLOCKED),
        "chain_uniform_auth_failure_total": _sum(metrics, f.UNIFORM_AUTH_FAILURE),
        "auto_router_fallthrough_total": _sum(metrics, f.AUTO_FALLTHROUGH),
        "cache_read_tokens": _by(metrics, f.CACHE_READ, "provider"),
        "cache_creation_tokens": _by(metrics, f.CACHE_CREATION, "provider"),
        "cache_observed": _nested(metrics, f.CACHE_OBSERVED, "provider", "outcome"),
        "cost_total_usd": _by(metrics, f.COST, "provider"),
        "cost_savings_usd": _by(metrics, f.SAVINGS, "provider"),
        "drift_detected_total": _sum(metrics, f.DRIFT_DETECTED),
        "drift_detected_by_provider": _by(metrics, f.DRIFT_DETECTED, "provider"),
        "drift_promoted_total": _sum(metrics, f.DRIFT_PROMOTED),
        "drift_reload_total": _sum(metrics, f.DRIFT_RELOADS),
        "drift_reload_success_total": _sum(metrics, f.DRIFT_RELOADED),
        "probe_total": _by(metrics, f.PROBES, "provider"),
        "probe_success": probed.get(ProbeVerdict.OK, {}),
        "probe_failure": probed.get(ProbeVerdict.FAILED, {}),
        "probe_latency_ms": _mean_ms(metrics, f.PROBE_SECONDS),
        "probe_drift_detected": _by(metrics, f.PROBE_DRIFT, "provider"),
        "context_budget_warnings_total": _sum(metrics, f.CONTEXT_WARNINGS),
        "context_budget_trims_total": _sum(metrics, f.CONTEXT_TRIMS),
        "context_budget_warnings_by_profile": _by(metrics, f.CONTEXT_WARNINGS, "profile"),
        "context_budget_trims_by_profile": _by(metrics, f.CONTEXT_TRIMS, "profile"),
        "context_budget_latest_ratio": {profile: ratio for (_, profile), ratio in metrics.of(f.CONTEXT_RATIO).values.items()},
        "partial_stitch_surfaced_total": _sum(metrics, f.STITCHES),
        "attempts_total": _sum(metrics, f.ATTEMPTS),
        "attempt_outcomes": _by(metrics, f.ATTEMPTS, "outcome"),
        "request_outcomes": _by(metrics, f.REQUESTS, "outcome"),
        "request_results": _by(metrics, f.REQUESTS, "result"),
        "fallbacks_total": _sum(metrics, f.FALLBACKS),
        "last_resort_total": _sum(metrics, f.LAST_RESORT),
        "recovery_probes_total": _sum(metrics, f.RECOVERY_PROBES),
        "restarts_total": _sum(metrics, f.RESTARTS),
        "restart_suppressed_total": _sum(metrics, f.RESTARTS_SUPPRESSED),
        "input_tokens": _by(metrics, f.INPUT_TOKENS, "provider"),
        "output_tokens": _by(metrics, f.OUTPUT_TOKENS, "provider"),
    }


def _startup(report: StatusReport, config: RouterConfig) -> dict[str, object]:
    return {
        "version": report.version,
        "providers": [provider.status.name for provider in report.providers],
        "profiles": list(report.profiles),
        "allow_paid": config.routing.allow_paid,
        "default_profile": report.default_profile,
        "mode_source": report.mode_source,
        "addresses": report.addresses,
    }


def _provider(name: str, sums: _Sums, recent: Recent) -> dict[str, object]:
    outcomes, cached = sums.outcomes.get(name, {}), sums.cached.get(name, {})
    error = recent.last_error(name)
    return {
        "name": name,
        "attempts": sum(outcomes.values()),
        "outcomes": outcomes,
        "last_error": None if error is None else asdict(error),
        "cache": {
            "read_tokens": sums.read.get(name, 0),
            "creation_tokens": sums.created.get(name, 0),
            "outcomes": cached,
            "hit_rate": _hit_rate(cached),
            "observations": sum(cached.values()),
        },
        "cost": {
            "total_usd": sums.cost_usd.get(name, 0),
            "savings_usd": sums.savings_usd.get(name, 0),
        },
    }


def _config(config: RouterConfig) -> dict[str, object]:
    return {
        "default_profile": config.routing.default_profile,
        "allow_paid": config.routing.allow_paid,
        "display_timezone": config.server.display_timezone,
        "providers": [
            {"name": one.name, "kind": one.kind, "paid": one.paid, "base_url": _address(one.base_url)} for one in config.providers
        ],
        "profiles": [{"name": profile.name, "providers": profile.providers} for profile in config.profiles],
    }


def _address(url: str) -> str:
    """Return a URL without its query and user, which may be credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _hit_rate(cached: Mapping[str, float]) -> float | None:
    """Return hits over what was told of; None where nothing was."""
    told = sum(cached.get(outcome, 0) for outcome in _OUTCOMES_KNOWN)
    return round(cached.get(CacheOutcome.HIT, 0) / told, 4) if told else None


def _mean_ms(metrics: Metrics, family: Family) -> dict[str, float]:
    histograms = metrics.of(family).histograms.items()
    return {provider: round(1000 * one.total / sum(one.counts), 1) for (provider,), one in histograms}


def _sum(metrics: Metrics, family: Family) -> float:
    return _number(sum(metrics.of(family).total().values()))


def _by(metrics: Metrics, family: Family, label: str) -> dict[str, float]:
    """Return the sums by one label; nobody's are left out."""
    return {name: _number(value) for (name,), value in metrics.of(family).total(label).items() if name != NOBODY and value}


def _nested(metrics: Metrics, family: Family, outer: str, inner: str) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for (first, second), value in metrics.of(family).total(outer, inner).items():
        if value:
            nested.setdefault(first, {})[second] = _number(value)
    return nested


def _number(value: float) -> float:
    """Return whole numbers without a point, money as it is told everywhere."""
    return int(value) if value == int(value) else booked_usd(value)
