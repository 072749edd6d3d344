"""What the dashboard shows, as JSON parts over values: each part is sent only when it has changed.

So no part holds anything that counts by itself: what passes is told as a moment, in unix seconds, and the page counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import asdict, frozen

from router.config.schema import CaptureConfig
from router.domain.control import DaemonReport, TreeNode
from router.domain.health import Admission
from router.domain.spend import SpendReport, Standing, booked_usd
from router.ingress.healing_report import rest_of, state_word, why_of
from router.ingress.live_requests import LiveRequest
from router.ingress.spend_report import standing_body
from router.ingress.status_report import ProviderReport, StatusReport, provider_health
from router.observers.series import EVERYTHING, WINDOWS, Series

MAX_LIVE = 60  # rows on the page; more are counted
MAX_TREE = 250  # tasks of the tree, which takes up to 25 us a task to walk
_KEEPER = "kept/"  # who restarts a child of the tree is called so
QUIET = "running"  # of a supervised child: nothing to tell

Part = Mapping[str, object] | list[object]


@frozen(kw_only=True)
class Clock:
    """One moment on both clocks, seconds."""

    now: float
    wall: float

    def wall_of(self, moment: float, digits: int = 1) -> float:
        """Return a moment on trio's clock as unix seconds, rounded so that the two clocks' jitter does not show."""
        return round(self.wall + moment - self.now, digits)


def daemon_part(report: StatusReport) -> Part:
    """Return the daemon as a whole, and what of it is not as it should be."""
    return {
        "status": "stopping" if report.is_stopping else "running",
        "version": report.version,
        "started_at": report.started_at.timestamp(),
        "addresses": report.addresses,
        "default_profile": report.default_profile,
        "is_routable": report.is_routable,
        "is_last_resort": report.is_last_resort,
        "profiles": report.profiles,
        "generation": report.generation,
        "timezone": report.timezone,
        "degraded": report.degraded,
        "degraded_why": report.degraded_why,
        "warnings": report.warnings,
        "rejected": report.daemon.rejected,
        "supervisors": list(_restless(report.daemon)),
        "recorded": _recorded(report.capture),
    }


def _recorded(capture: CaptureConfig | None) -> str:
    if capture is None:
        return ""
    return f"Recording requests of {', '.join(capture.profiles)}" if capture.profiles else "Recording requests"


def _restless(daemon: DaemonReport) -> Iterator[Mapping[str, object]]:
    return (asdict(child) for child in daemon.children if child.restarts or child.state != QUIET)


def providers_part(report: StatusReport, clock: Clock) -> Part:
    """Return each provider: how it is and why, when it is probed next, what is left of its restarts."""
    return [_provider(provider, clock) for provider in report.providers]


def _provider(provider: ProviderReport, clock: Clock) -> Mapping[str, object]:
    status, health = provider.status, provider.status.health
    told = provider_health(health, now=clock.now)
    due_in_s, rest = told["next_probe_in_s"], rest_of(health, clock.now)
    return {
        "name": status.name,
        "kind": provider.kind,
        "model": provider.model,
        "word": state_word(status, is_enabled=provider.is_enabled, now=clock.now),
        "why": _why(provider, clock),
        "in_flight": provider.in_flight,
        "process": provider.process,
        "failures": health.failures,
        "last_error": health.last_error,
        "last_ok_at": health.last_ok_wall and round(health.last_ok_wall),
        "next_probe_at": round(clock.wall + due_in_s) if isinstance(due_in_s, float) else None,
        "back_at": None if rest is None else round(clock.wall + rest.left_s),
        "since": round(health.since_wall) or None,
        "restarts": None if provider.budget is None else asdict(provider.budget),
        "is_restart_owed": health.restart_owed is not None,
    }


def _why(provider: ProviderReport, clock: Clock) -> str:
    status = provider.status
    if not provider.is_enabled:
        return "switched off in the configuration"
    if status.unconfigured is not None:
        return status.unconfigured.detail
    if (rest := rest_of(status.health, clock.now)) is not None:
        return f"resting: {rest.reason}"
    if status.health.admission is Admission.PROBATION:
        return f"on probation: {status.health.probation_left} more good answers"  # without the seconds, which pass
    last_error = f"last error: {status.health.last_error}" if status.health.last_error else ""
    return why_of(status.health, clock.now) or last_error


def live_part(live: tuple[LiveRequest, ...], clock: Clock) -> Part:
    """Return who is being answered, the oldest first."""
    return {"count": len(live), "requests": [_live(one, clock) for one in live[:MAX_LIVE]]}


def _live(one: LiveRequest, clock: Clock) -> Mapping[str, object]:
    return {
        "number": one.number,
        "id": one.id,
        "dialect": one.dialect,
        "client": one.client,
        "session": one.session,
        "request_class": one.request_class,
        "agent": one.agent,
        "asked_model": one.asked_model,
        "profile": one.profile,
        "provider": one.provider,
        "model": one.model,
        "phase": one.phase,
        "attempts": one.attempts,
        "is_stream": one.is_stream,
        "opened_at": clock.wall_of(one.opened_at),
        "ttft_ms": None if one.first_at is None else round((one.first_at - one.opened_at) * 1000),
        "can_cancel": one.can_cancel,
    }


def tree_part(tree: TreeNode, tasks: int, clock: Clock) -> Part:
    """Return the nursery tree, or the top of it, as rows with their depth; `tasks` is how many there are."""
    return {"count": tasks, "rows": list(_rows(tree, clock, 0))}


def _rows(node: TreeNode, clock: Clock, depth: int) -> Iterator[Mapping[str, object]]:
    if node.name.startswith(_KEEPER) and len(node.children) == 1:  # it only waits for its child, which has the same name
        yield from _rows(node.children[0], clock, depth)
        return
    left_s = node.deadline_in_s
    yield {
        "depth": depth,
        "name": node.name,
        "state": node.state,
        "waits": node.waits_in,
        "until": None if left_s is None else round(clock.wall + left_s),
    }
    for child in node.children:
        yield from _rows(child, clock, depth + 1)


def spend_part(spend: SpendReport | None) -> Part:
    """Return what today and this month have cost, over everything, by provider and by profile, beside the caps."""
    if spend is None:
        return {}
    return {
        "day": spend.day,
        "month": spend.month,
        "timezone": spend.timezone,
        "today": standing_body(spend.daily),
        "this_month": standing_body(spend.monthly),
        "providers": _accounts(spend.providers, spend.today.by_provider, spend.this_month.by_provider),
        "profiles": _accounts(spend.profiles, spend.today.by_profile, spend.this_month.by_profile),
    }


def _accounts(caps: Mapping[str, Standing], today: Mapping[str, float], month: Mapping[str, float]) -> list[object]:
    names = dict.fromkeys((*caps, *month))
    return [
        {
            "name": name,
            "today_usd": booked_usd(today.get(name, 0.0)),
            "month_usd": booked_usd(month.get(name, 0.0)),
            "cap_usd": caps[name].cap_usd if name in caps else None,
        }
        for name in names
    ]


def traffic_part(series: Series, wall: float) -> Part:
    """Return each window in figures: over everything, and by provider."""
    return {
        window: {
            "all": asdict(series.totals(EVERYTHING, window, wall), recurse=False),
            "providers": {name: asdict(series.totals(name, window, wall), recurse=False) for name in series.names()},
        }
        for window in WINDOWS
    }
