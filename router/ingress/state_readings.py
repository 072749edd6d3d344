"""The daemon's report as numbers for `/metrics`: pure, read at each scrape (supervision.md 16.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import inf

from router.domain.control import DaemonReport
from router.domain.health import Admission
from router.domain.health_step import probe_due
from router.domain.spend import CapScope, SpendReport, Standing, booked_usd
from router.ingress.healing_report import rest_of
from router.ingress.status_report import ProviderReport, StatusReport
from router.observers import state_families as s
from router.observers.state_families import Reading


def state_readings(report: StatusReport, *, now: float, wall: datetime) -> Iterator[Reading]:
    """Yield every number of the report; `now` on trio's clock, `wall` aware."""
    yield from _of_daemon(report)
    yield from _of_tree(report.daemon)
    if report.spend is not None:
        yield from _of_spend(report.spend)
    for provider in report.providers:
        yield from _of_provider(provider, now=now, wall=wall)


def _of_daemon(report: StatusReport) -> Iterator[Reading]:
    yield Reading(s.UPTIME, report.uptime_s)
    yield Reading(s.BUILD, 1, (report.version,))
    yield Reading(s.GENERATION, report.generation)
    yield Reading(s.CONFIG_REJECTED, bool(report.daemon.rejected))
    yield Reading(s.ROUTABLE, report.is_routable)
    yield Reading(s.STOPPING, report.is_stopping)
    yield Reading(s.DEGRADED, len(report.degraded))
    yield Reading(s.IN_FLIGHT, report.in_flight)
    if report.fairness is not None:
        yield Reading(s.RUNNING, report.fairness.running)
        yield Reading(s.WAITING, report.fairness.waiting)


def _of_tree(daemon: DaemonReport) -> Iterator[Reading]:
    for child in daemon.children:
        yield from (Reading(s.CHILD_STATE, child.state == state, (child.name, state)) for state in s.CHILD_STATES)
        yield Reading(s.CHILD_RESTARTS, child.restarts, (child.name,))
    for sink in daemon.sinks:
        yield Reading(s.SINK_LAG, sink.lag_s, (sink.name,))
        yield Reading(s.SINK_PENDING, sink.pending, (sink.name,))
        yield Reading(s.DROPPED, sink.dropped, (sink.name,))
    yield from (Reading(s.OBSERVER_FAILURES, failures, (name,)) for name, failures in daemon.observers.items())
    yield Reading(s.LOG_DROPPED, daemon.log_lines_dropped)


def _of_spend(spend: SpendReport) -> Iterator[Reading]:
    yield from _of_cap(CapScope.MONTH, "", spend.monthly)
    yield from _of_cap(CapScope.DAY, "", spend.daily)
    for scope, standings in ((CapScope.PROVIDER, spend.providers), (CapScope.PROFILE, spend.profiles)):
        for name, standing in standings.items():
            yield from _of_cap(scope, name, standing)


def _of_cap(scope: CapScope, name: str, standing: Standing) -> Iterator[Reading]:
    labels = (scope.value, name)
    yield Reading(s.SPENT, booked_usd(standing.spent_usd), labels)
    yield Reading(s.RESERVED, booked_usd(standing.reserved_usd), labels)
    if standing.cap_usd is not None:
        yield Reading(s.CAP, standing.cap_usd, labels)


def _of_provider(provider: ProviderReport, *, now: float, wall: datetime) -> Iterator[Reading]:
    health = provider.status.health
    name = (provider.status.name,)
    rest = rest_of(health, now)
    is_out = health.admission in {Admission.EXCLUDED, Admission.HELD}
    due = probe_due(health)
    for axis, state in _states_of(provider, "none" if rest is None else rest.reason).items():
        yield from (Reading(s.STATE, state == one, (*name, axis, one)) for one in s.AXES[axis])
    yield Reading(s.EXCLUDED, max(wall.timestamp() - health.since_wall, 0.0) if is_out else 0, name)
    yield Reading(s.COOLDOWN, 0 if rest is None else rest.left_s, name)
    yield Reading(s.BACKOFF, health.level, name)
    yield Reading(s.ATTEMPTS_IN_FLIGHT, provider.in_flight, name)
    if due < inf:
        yield Reading(s.NEXT_PROBE, max(due - now, 0.0), name)
    if provider.budget is not None:
        yield Reading(s.RESTARTS_USED, provider.budget.used, name)
        yield Reading(s.RESTARTS_MAX, provider.budget.max, name)


def _states_of(provider: ProviderReport, rest: str) -> dict[str, str]:
    """Return where a provider is on each axis that it has."""
    status = provider.status
    configured = "unconfigured" if status.unconfigured is not None else "configured"
    states = {
        "config": configured if provider.is_enabled else "disabled",
        "health": status.health.state.value,
        "admission": status.health.admission.value,
        "rest": rest,
    }
    return states if provider.process is None else states | {"process": provider.process}
