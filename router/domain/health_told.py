"""What a change of health is told as: events that suffice to follow every provider (I26). Pure.

Each carries `health`, `admission`, `gen` and `source`; the board adds the provider. Names: supervision.md 21.5.2."""

from __future__ import annotations

from router.domain.health import RESTARTABLE, Admission, Health, HealthPolicy
from router.domain.health_events import (
    AttemptBegan,
    ClockJumped,
    Drifted,
    DriftReloaded,
    Failed,
    HealthEvent,
    Moment,
    Operated,
    PassiveSet,
    ProbeVerdict,
    ProcessEnded,
    RecoveryProbed,
    RefusalReason,
    Reloaded,
    RestartEnded,
    Restored,
    Source,
    Succeeded,
    Tick,
    Told,
)


def source_of(event: HealthEvent) -> Source:
    """Return who brought the event."""
    match event:
        case Succeeded() | Failed():
            return event.source
        case RecoveryProbed():
            return Source.PROBE
        case RestartEnded() | ProcessEnded():
            return Source.PROCESS
        case Operated():
            return Source.OPERATOR
        case Reloaded():
            return Source.RELOAD
        case Restored():
            return Source.RESTORE
        case Tick() | ClockJumped():
            return Source.TIME
        case PassiveSet() | AttemptBegan() | Drifted() | DriftReloaded():
            return Source.SUPERVISOR


def told_of(old: Health, new: Health, event: HealthEvent, now: Moment, policy: HealthPolicy) -> tuple[Told, ...]:
    """Return the facts of one step, none where only a number moved."""
    if new is old and not isinstance(event, Restored):
        return ()
    common = {"health": str(new.state), "admission": str(new.admission), "gen": new.gen, "source": str(source_of(event))}
    told: list[Told] = []
    if isinstance(event, RecoveryProbed) and event.gen == old.gen:
        told.append(Told("self-healing-recovery-probe", _probe_fields(event, new, now) | common))
        if _is_past_restarting(old, new, event, policy):
            why = {"reason": str(RefusalReason.CLASS), "retry_in_s": None, "error": str(event.reason)}
            told.append(Told("self-healing-restart-suppressed", why | common))
    if isinstance(event, DriftReloaded) and (reloaded := _reload_told(old, event, common)) is not None:
        told.append(reloaded)
    if isinstance(event, Restored):
        restored = {"backoff_level": new.level, "consecutive_failures": new.failures}
        told.append(Told("self-healing-state-restored", restored | common))
    if new.state is not old.state:
        fields = {"old_state": str(old.state), "new_state": str(new.state), "consecutive_failures": new.failures}
        told.append(Told("backend-health-changed", fields | common))
    if (new.admission, new.gen) != (old.admission, old.gen):
        told.append(_admission_told(old, new, now, common))
    return tuple(told)


def _is_past_restarting(old: Health, new: Health, event: RecoveryProbed, policy: HealthPolicy) -> bool:
    """Tell whether this failed probe would have brought a restart, were a restart a cure for it; once per exclusion."""
    is_its_turn = old.probes_failed < new.probes_failed == policy.after_probes
    return policy.can_restart and is_its_turn and event.reason is not None and event.reason not in RESTARTABLE


def _reload_told(old: Health, event: DriftReloaded, common: dict[str, object]) -> Told | None:
    """Return how a flush ended. That there is none is said once, not after every drift; it is tried again all the same."""
    if event.is_supported:
        return Told("drift-reload-attempted", {"success": event.success, "detail": event.detail} | common)
    return None if old.is_unreloadable else Told("drift-reload-skip", {"detail": event.detail} | common)


def _probe_fields(event: RecoveryProbed, new: Health, now: Moment) -> dict[str, object]:
    is_ok = event.verdict is ProbeVerdict.OK
    return {
        "success": is_ok,
        "verdict": str(event.verdict),
        "reason": None if event.reason is None else str(event.reason),
        "error": event.message[:200],
        "latency_ms": round(event.latency_ms, 1),
        "next_interval_s": 0.0 if is_ok else round(new.next_probe_at - now.mono, 1),
        "backoff_level": new.level,
    }


def _admission_told(old: Health, new: Health, now: Moment, common: dict[str, object]) -> Told:
    match new.admission:
        case Admission.EXCLUDED:
            why = {"consecutive_failures": new.failures, "backoff_level": new.level, "error": new.last_error[:200]}
            return Told("self-healing-exclude", why | common)
        case Admission.HELD:
            return Told("self-healing-hold", {"reason": str(new.hold_reason), "error": new.last_error[:200]} | common)
        case Admission.PROBATION | Admission.ADMITTED:
            if old.admission is Admission.PROBATION:
                return Told("self-healing-admitted", {"backoff_level": new.level} | common)
            out_s = round(max(now.wall - old.since_wall, 0.0), 1)
            return Told("self-healing-restore", {"excluded_duration_s": out_s, "backoff_level": new.level} | common)
