"""What `/status` and `/healthz` say of health and of the tree: plain JSON parts over values (supervision.md W36)."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import asdict, frozen

from router.domain.control import DaemonReport, RestartBudget
from router.domain.health import Admission, Health, HealthState, HoldReason, ProviderStatus
from router.domain.health_moves import is_out_by_operator
from router.routing.chain import DropReason

PROFILE, _PROVIDER = "profile/", "provider/"  # what the names of such parts begin with


@frozen(kw_only=True)
class Rest:
    """Why a provider is left alone for a while, and for how long still."""

    reason: str
    left_s: float


def state_word(status: ProviderStatus, *, is_enabled: bool, now: float) -> str:
    """Return one word for where a provider is: the worst that applies."""
    health = status.health
    if not is_enabled:
        return "disabled"
    if status.unconfigured is not None:
        return "unconfigured"
    if health.admission is not Admission.ADMITTED:
        return health.admission.value
    if health.is_passive:
        return "passive"
    if rest_of(health, now) is not None:
        return "cooldown"
    return "loading" if health.is_loading else health.state.value


def rest_of(health: Health, now: float) -> Rest | None:
    """Return the rest that a provider takes by itself, None where it takes none: in the order in which a chain looks at them."""
    if health.cooldown is not None and health.cooldown.until > now:
        return Rest(reason=health.cooldown.reason.value, left_s=health.cooldown.until - now)
    if health.pressured_until > now:
        return Rest(reason=DropReason.MEMORY_PRESSURE.value, left_s=health.pressured_until - now)
    return None


def healing_part(health: Health, budget: RestartBudget | None, *, now: float) -> dict[str, object]:
    """Return why a provider is not as it should be, and how often its server may be restarted still.

    `why` is there exactly where something is amiss, `restarts` where a restart table is. `now` on trio's clock."""
    part: dict[str, object] = {"why": why} if (why := why_of(health, now)) else {}
    if budget is not None:
        part["restarts"] = asdict(budget)
    return part


def why_of(health: Health, now: float) -> str:
    """Return why a provider is not as it should be, "" where it is: a failure alone does not make it so."""
    if health.hold_reason is HoldReason.OPERATOR:
        return "held by an operator until it is restored"
    if health.is_passive:
        return "its supervisor has given up: it is asked last, at most once every 30 s"
    is_in, is_well = health.admission is Admission.ADMITTED, health.state is HealthState.HEALTHY
    if is_in and is_well and rest_of(health, now) is None:
        return ""
    if health.admission is Admission.PROBATION:
        left_s = max(health.probation_until - now, 0.0)
        return f"on probation: {health.probation_left} more good answers, or {left_s:.0f} s without a failure"
    if is_out_by_operator(health):
        return "excluded by an operator; it is probed and returns when it answers"
    if health.hold_reason is HoldReason.AUTH and not health.last_error:
        return "its key was refused"
    return health.last_error or "no request has succeeded since it failed"


def daemon_part(daemon: DaemonReport) -> dict[str, object]:
    """Return what the tree says of itself."""
    return {
        "config_rejected": daemon.rejected,
        "supervisors": [asdict(child) for child in daemon.children],
    }


def degraded_parts(daemon: DaemonReport, statuses: Iterable[ProviderStatus]) -> tuple[str, ...]:
    """Return the parts that have given up, those of single providers among them, each once."""
    passive = (f"{_PROVIDER}{status.name}" for status in statuses if status.health.is_passive)
    return tuple(dict.fromkeys((*daemon.degraded, *passive)))


def why_degraded(part: str, daemon: DaemonReport) -> str:
    """Return why a part has given up: what the system says of its file, otherwise how it ended."""
    if part.startswith(PROFILE):
        return "all its providers are excluded or resting, and only the last resort answers"
    if error := next((sink.error for sink in daemon.sinks if sink.name == part), ""):
        return error
    ended = "its supervisor ended too often" if part.startswith(_PROVIDER) else "it ended too often"
    last = next((child.last_error for child in daemon.children if child.name == part), "")
    return f"{ended}: {last}" if last else ended
