"""What `/status` says of what is known and was learned of a provider, and of who waits: plain JSON parts over values.

What it can do and who says so (routing.md 8.2), how it counts tokens, drift, the adaptive order, its keys by their index."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import asdict, field, fields, frozen

from router.domain.server_state import UNKNOWN, ServerState
from router.guards.calibration import CalibrationState, factor
from router.guards.drift import Severity, judge
from router.ingress.generation import Generation
from router.providers.capabilities import Capabilities, Flag
from router.providers.key_pool import KeyReport
from router.routing.adaptive import Stats, stats_facts
from router.routing.limits import Fairness, FairnessRules


@frozen(kw_only=True)
class DriftReport:
    """The answers in the window of one profile, and what they come to."""

    answers: int
    severity: Severity


@frozen(kw_only=True)
class PolicyReport:
    """One provider. `drift`, `demotions` are by profile, of those that look for it; `stats` is None where no profile does.

    `model` is what its server tells of the model, UNKNOWN for most kinds of servers."""

    capabilities: Capabilities
    calibration: CalibrationState = field(factory=CalibrationState)
    drift_rests_s: float = 0.0
    drift: Mapping[str, DriftReport] = field(factory=dict)
    stats: Stats | None = None
    demotions: Mapping[str, int] = field(factory=dict)
    keys: tuple[KeyReport, ...] = ()
    model: ServerState = UNKNOWN


@frozen(kw_only=True)
class FairnessReport:
    """Who runs and who waits for a place, and the rules."""

    running: int
    waiting: int
    rules: FairnessRules

    @classmethod
    def of(cls, fairness: Fairness) -> FairnessReport:
        """Return the places as they are now."""
        return cls(running=fairness.running, waiting=fairness.waiting, rules=fairness.rules)


def policy_of(generation: Generation, name: str, keys: tuple[KeyReport, ...], now: float) -> PolicyReport:
    """Return what is known and was learned of one provider; judges nothing. `now` on trio's clock."""
    memory, adaptive = generation.memory, generation.config.adaptive
    members = [profile for profile in generation.config.profiles if name in profile.providers]
    watched = memory.drift.windows()
    drift = {
        profile.name: DriftReport(
            answers=len(seen.window), severity=judge(seen.window, profile.drift_detection_sensitivity).severity
        )
        for profile in members
        if profile.drift_detection_action != "off" and (seen := watched.get((profile.name, name))) is not None
    }
    asked = [profile.name for profile in members if profile.adaptive] if adaptive.mode != "off" else []
    return PolicyReport(
        capabilities=generation.capabilities[name],
        calibration=memory.calibrations.state_of(name),
        drift_rests_s=max(generation.health.status_of(name).health.drift_until - now, 0.0),
        drift=drift,
        stats=memory.adaptive.stats((name,), adaptive, now)[name] if asked else None,
        demotions={profile: memory.adaptive.standing(profile, name).points for profile in asked},
        keys=keys,
        model=memory.servers.state_of(name),
    )


def policy_part(report: PolicyReport | None) -> dict[str, object]:
    """Return one provider's part; drift and the adaptive order are there where a profile looks at them."""
    if report is None:
        return {}
    part: dict[str, object] = {
        "capabilities": capabilities_body(report.capabilities),
        "calibration": {"factor": round(factor(report.calibration), 3), "samples": report.calibration.samples},
    }
    if report.drift or report.drift_rests_s:
        windows = {name: {"answers": one.answers, "severity": str(one.severity)} for name, one in report.drift.items()}
        part["drift"] = {"rests_s": round(report.drift_rests_s, 1) or None, "profiles": windows}
    if report.stats is not None:
        part["adaptive"] = {**stats_facts(report.stats), "demotions": report.demotions}
    if report.keys:
        part["keys"] = [_key_body(key) for key in report.keys]
    if report.model != UNKNOWN:
        part["model_state"] = asdict(report.model)
    return part


def capabilities_body(capabilities: Capabilities) -> dict[str, object]:
    """Return every fact with who says so; a value of None is not known."""
    flags: dict[str, Flag] = {one.name: getattr(capabilities, one.name) for one in fields(Capabilities)}
    return {name: {"value": flag.value, "origin": flag.origin} for name, flag in flags.items()}


def fairness_part(report: FairnessReport | None) -> dict[str, object]:
    """Return who runs and waits, beside what is allowed; None is no limit."""
    if report is None:
        return {}
    rules = report.rules
    return {
        "fairness": {
            "running": report.running,
            "waiting": report.waiting,
            "max_running": rules.max_running,
            "session_max_in_flight": rules.session_max_in_flight,
            "queue_max": rules.queue_max,
        }
    }


def _key_body(key: KeyReport) -> dict[str, object]:
    return {
        "key": key.index,
        "rests_s": None if key.rests_s is None else round(key.rests_s, 1),
        "reason": None if key.reason is None else str(key.reason),
        "waits_s": round(key.waits_s, 1),
        "last_minute": {"requests": key.minute.requests, "tokens": key.minute.tokens},
    }
