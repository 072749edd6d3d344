"""The rule that changes a provider's health: (health, event, moment, policy) -> (health, what to tell). Total, pure, atomic.

    ADMITTED  --2T failures, process gone-->  EXCLUDED  --probe ok-->  PROBATION  --5 successes or 60 s-->  ADMITTED
                                                 ^---------- one failure, level + 1 ----------'
    any  --3 refused keys-->  HELD(auth)  --probe ok-->  PROBATION        any  --operator-->  HELD  --restore-->  PROBATION

T is the provider's one threshold. Level-triggered: whatever brought a provider to UNHEALTHY, it is excluded as soon as
some profile asks for that (D1, D2). Source: supervision.md 21.5.2 (table), 21.7 (delays), 21.8 (evidence)."""

from __future__ import annotations

from math import inf
from typing import assert_never

from attrs import evolve, frozen

from router.domain.health import (
    OVERLOADED_COOLDOWN_S,
    RATE_LIMIT_COOLDOWN_S,
    RESTARTABLE,
    Admission,
    Cooldown,
    CooldownReason,
    Evidence,
    Health,
    HealthPolicy,
    HealthState,
    HoldReason,
    Slot,
    SlotKind,
    evidence_of,
)
from router.domain.health_events import (
    AttemptBegan,
    ClockJumped,
    Drifted,
    DriftReloaded,
    Failed,
    HealthEvent,
    Moment,
    Operated,
    OperatorAction,
    PassiveSet,
    ProbeVerdict,
    ProcessEnded,
    RecoveryProbed,
    Reloaded,
    RestartEnded,
    RestartOutcome,
    Restored,
    Source,
    Succeeded,
    Tick,
    Told,
)
from router.domain.health_moves import (
    FIRST_PROBE_S,
    admitted,
    delay_s,
    drift_reloaded,
    drifted,
    excluded,
    held,
    not_before_reset,
    on_probation,
    with_cooldown,
    without_guess,
    without_void_reload,
    woken,
)
from router.domain.health_told import told_of
from router.errors import FailureReason

LEVEL_MAX = 8
RESTART_LEVELS = frozenset({3, 6})  # where a longer outage is worth another restart (supervision.md 21.6)
MIN_SPACING_S = 0.5  # failures closer together are one blip (21.8)
AUTH_FAILURES = 3  # without a success between
PASSIVE_PAUSE_S = 30.0  # between attempts at a provider whose supervisor has given up (I24)

OK_FINE_S = 1.0  # a success so soon after another one says nothing new: under load most cost nothing

_SEVERITY = {HealthState.HEALTHY: 0, HealthState.DEGRADED: 1, HealthState.UNHEALTHY: 2}


@frozen
class Step:
    """What an event has led to; `health` is the old value itself where nothing changed."""

    health: Health
    told: tuple[Told, ...] = ()


def step(old: Health, event: HealthEvent, now: Moment, policy: HealthPolicy) -> Step:
    """Return the next health. Never raises (I1)."""
    new = without_void_reload(_level_checked(_applied(old, event, now, policy), now, policy))
    if new.state is not old.state and new.admission is old.admission is Admission.ADMITTED:
        new = evolve(new, since_wall=now.wall)
    new = old if new is old or new == old else new
    return Step(new, told_of(old, new, event, now, policy))


def wanted(health: Health) -> frozenset[Slot]:
    """Return the children that this health asks for (I3)."""
    if health.is_passive:
        return frozenset()
    slots: list[Slot] = []
    if is_probed(health):
        slots.append(Slot(SlotKind.RECOVERY, health.gen))
    if health.restart_owed is not None:
        slots.append(Slot(SlotKind.RESTART, health.restart_owed))
    if health.reload_owed is not None:
        slots.append(Slot(SlotKind.DRIFT_RELOAD, health.reload_owed))
    return frozenset(slots)


def is_probed(health: Health) -> bool:
    """Tell whether it has a recovery prober."""
    return health.admission is Admission.EXCLUDED or health.hold_reason is HoldReason.AUTH


def probe_due(health: Health) -> float:
    """Return when the recovery prober probes next, trio clock; never while a restart is owed."""
    return inf if health.restart_owed is not None else health.next_probe_at


def next_due(health: Health) -> float:
    """Return when a Tick changes something, infinity for never."""
    if health.admission is Admission.PROBATION:
        return health.probation_until
    return health.decays_at if health.admission is Admission.ADMITTED else inf


def _applied(old: Health, event: HealthEvent, now: Moment, policy: HealthPolicy) -> Health:  # noqa: C901, PLR0911, PLR0912 - a row per event
    match event:
        case Succeeded():
            return _succeeded(old, event, now, policy)
        case Failed():
            return _failed(old, event, now, policy)
        case RecoveryProbed():
            return _probed(old, event, now, policy)
        case RestartEnded():
            return _restart_ended(old, event, now)
        case ProcessEnded():
            return _process_ended(old, event, now, policy)
        case Operated():
            return _operated(old, event.action, now, policy)
        case Reloaded():
            return _reloaded(old, event, now, policy)
        case ClockJumped():
            return _jumped(old, event.by_s, now)
        case PassiveSet():
            return evolve(old, is_passive=event.is_passive, passive_until=-inf)
        case AttemptBegan():
            return evolve(old, passive_until=now.mono + PASSIVE_PAUSE_S) if old.is_passive else old
        case Drifted():
            return drifted(old, event, now)
        case DriftReloaded():
            return drift_reloaded(old, event)
        case Restored():
            return _without_unasked(old, now, policy)
        case Tick():
            return _ticked(old, now, policy)
    assert_never(event)


def _level_checked(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    if health.admission is Admission.ADMITTED and health.state is HealthState.UNHEALTHY and policy.excludes:
        return excluded(health, now, policy)
    return health


# ---- traffic and continuous probes


def _succeeded(old: Health, event: Succeeded, now: Moment, policy: HealthPolicy) -> Health:
    if old.last_ok_wall is not None and 0 <= now.wall - old.last_ok_wall < OK_FINE_S and _is_well(old):
        return old
    is_in = old.admission in (Admission.ADMITTED, Admission.PROBATION)
    is_fresh = now.mono - old.traffic_failed_at < policy.probe_initial_s
    if is_in and event.source is Source.PROBE and old.failures and is_fresh:
        return evolve(old, is_loading=False)  # a tiny prompt does not whitewash real ones (D6)
    well = evolve(old, last_ok_wall=now.wall, is_loading=False, auth_failures=0, cooldown=without_guess(old.cooldown))
    healed = evolve(_without_error(well), state=HealthState.HEALTHY, failures=0, traffic_failed_at=-inf)
    match old.admission:
        case Admission.ADMITTED:
            return healed
        case Admission.PROBATION:
            passed = evolve(healed, probation_left=old.probation_left - 1)
            return passed if passed.probation_left > 0 else admitted(passed, now, policy)
        case Admission.EXCLUDED | Admission.HELD:
            if old.hold_reason is HoldReason.OPERATOR:
                return well
            if old.is_passive:
                return on_probation(well, now, policy)  # nobody probes it
            return woken(well, now)
    assert_never(old.admission)


def _is_well(health: Health) -> bool:
    """Tell whether a success leaves all as it is, but for its time."""
    is_at_work = health.admission is Admission.ADMITTED and health.state is HealthState.HEALTHY and health.cooldown is None
    return is_at_work and not (health.is_loading or health.failures or health.auth_failures or health.last_error)


def _failed(old: Health, event: Failed, now: Moment, policy: HealthPolicy) -> Health:
    seen = evolve(old, last_error=event.message or str(event.reason), last_error_wall=now.wall)
    match evidence_of(event.reason):
        case Evidence.HEALTH:
            return _health_failed(seen, event, now, policy)
        case Evidence.RATE | Evidence.OVERLOADED:
            return _rested(seen, event.reason, event.retry_after_s, now)
        case Evidence.AUTH:
            return _auth_failed(seen, now, policy)
        case Evidence.MEMORY:
            rest_s = event.memory_cooldown_s
            return seen if rest_s is None else evolve(seen, pressured_until=max(old.pressured_until, now.mono + rest_s))
        case Evidence.LOADING:
            return evolve(seen, is_loading=True)
        case Evidence.NONE:
            return old
    assert_never(event.reason)


def _health_failed(seen: Health, event: Failed, now: Moment, policy: HealthPolicy) -> Health:
    seen = evolve(seen, is_loading=False)
    if seen.admission in (Admission.EXCLUDED, Admission.HELD):
        return seen
    is_same_blip = event.epoch is not None and event.epoch != seen.epoch
    if is_same_blip or now.mono - seen.counted_at < MIN_SPACING_S:
        return seen
    failures = seen.failures + 1
    counted = evolve(
        seen,
        failures=failures,
        epoch=seen.epoch + 1,
        counted_at=now.mono,
        traffic_failed_at=now.mono if event.source is Source.TRAFFIC else seen.traffic_failed_at,
        decays_at=now.mono + policy.probe_max_s if seen.level else inf,
    )
    if seen.admission is Admission.PROBATION:
        return excluded(evolve(counted, level=min(seen.level + 1, LEVEL_MAX)), now, policy)
    state = max(seen.state, _state_of(failures, policy), key=_SEVERITY.__getitem__)
    return evolve(counted, state=state, suspect_at=seen.suspect_at if state is seen.state else now.mono)


def _state_of(failures: int, policy: HealthPolicy) -> HealthState:
    if failures >= 2 * policy.threshold:
        return HealthState.UNHEALTHY
    return HealthState.DEGRADED if failures >= policy.threshold else HealthState.HEALTHY


def _auth_failed(seen: Health, now: Moment, policy: HealthPolicy) -> Health:
    is_same_blip = now.mono - seen.auth_counted_at < MIN_SPACING_S
    rested = with_cooldown(seen, Cooldown(CooldownReason.AUTH, now.mono + policy.auth_cooldown_s), now)
    if seen.admission is Admission.HELD or is_same_blip:
        return rested
    counted = evolve(rested, auth_failures=seen.auth_failures + 1, auth_counted_at=now.mono)
    return counted if counted.auth_failures < AUTH_FAILURES else held(counted, HoldReason.AUTH, now, policy)


def _rested(seen: Health, reason: FailureReason, stated_s: float | None, now: Moment) -> Health:
    if evidence_of(reason) is Evidence.RATE:
        cooldown = Cooldown(CooldownReason.RATE_LIMITED, now.mono + (RATE_LIMIT_COOLDOWN_S if stated_s is None else stated_s))
    else:
        cooldown = Cooldown(CooldownReason.OVERLOADED, now.mono + (OVERLOADED_COOLDOWN_S if stated_s is None else stated_s))
    rested = with_cooldown(seen, cooldown, now)
    if rested.next_probe_at == inf:
        return rested
    return evolve(rested, next_probe_at=max(rested.next_probe_at, not_before_reset(rested, now.mono)))


# ---- children


def _probed(old: Health, event: RecoveryProbed, now: Moment, policy: HealthPolicy) -> Health:
    if event.gen != old.gen or not is_probed(old):
        return old  # I10
    if event.verdict is ProbeVerdict.OK:
        return on_probation(evolve(old, last_ok_wall=now.wall), now, policy)
    pause_s = delay_s(old.level, policy, now.jitter) if old.hold_reason is None else policy.probe_max_s * (0.9 + 0.2 * now.jitter)
    later = evolve(
        old,
        next_probe_at=not_before_reset(old, now.mono + pause_s),
        probed_at=now.mono,
        last_error=event.message or str(event.reason or event.verdict),
        last_error_wall=now.wall,
        is_loading=old.is_loading if event.verdict is ProbeVerdict.BUSY else event.verdict is ProbeVerdict.LOADING,
    )
    if event.verdict is not ProbeVerdict.FAILED or old.hold_reason is not None:
        return later
    failed = evolve(later, level=min(old.level + 1, LEVEL_MAX), probes_failed=old.probes_failed + 1)
    evidence = Evidence.NONE if event.reason is None else evidence_of(event.reason)
    if evidence is Evidence.AUTH:
        return _auth_failed(failed, now, policy)
    if event.reason is not None and evidence in (Evidence.RATE, Evidence.OVERLOADED):
        return _rested(failed, event.reason, event.retry_after_s, now)
    if event.reason in RESTARTABLE and _is_worth_a_restart(old, failed, policy):
        return evolve(failed, restart_owed=old.gen, is_restarted=True)
    return failed


def _is_worth_a_restart(old: Health, failed: Health, policy: HealthPolicy) -> bool:
    if not policy.can_restart or old.restart_owed is not None or failed.probes_failed < policy.after_probes:
        return False
    return not old.is_restarted or (failed.level in RESTART_LEVELS and failed.level != old.level)


def _restart_ended(old: Health, event: RestartEnded, now: Moment) -> Health:
    if old.restart_owed != event.gen:
        return old
    paid = evolve(old, restart_owed=None)
    if old.admission is not Admission.EXCLUDED or event.gen != old.gen:
        return paid  # I10
    if event.outcome is RestartOutcome.SUPPRESSED:
        return evolve(paid, is_restarted=False)  # none was made: the next failed probe asks again
    return evolve(paid, next_probe_at=not_before_reset(paid, now.mono))


def _process_ended(old: Health, event: ProcessEnded, now: Moment, policy: HealthPolicy) -> Health:
    if old.admission in (Admission.EXCLUDED, Admission.HELD):
        return evolve(old, last_error=event.message, last_error_wall=now.wall)
    if not policy.excludes:
        failure = Failed(reason=FailureReason.CONNECTION, source=Source.PROCESS, message=event.message)
        return _failed(old, failure, now, policy)
    level = min(old.level + 1, LEVEL_MAX) if old.admission is Admission.PROBATION else old.level
    out = excluded(evolve(old, last_error=event.message, last_error_wall=now.wall, level=level), now, policy)
    if not policy.can_restart or old.restart_owed is not None:
        return out
    return evolve(out, restart_owed=out.gen, is_restarted=True)


# ---- operators, reload, time


def _operated(old: Health, action: OperatorAction, now: Moment, policy: HealthPolicy) -> Health:
    match action:
        case OperatorAction.EXCLUDE:
            if old.admission is Admission.EXCLUDED:
                return old
            return evolve(_without_error(excluded(old, now, policy)), failures=0)  # it is out for no failure, and told as that
        case OperatorAction.RESTORE:
            rested = evolve(old, cooldown=None, pressured_until=-inf)  # whoever restores knows better than a stated reset
            if old.admission not in (Admission.EXCLUDED, Admission.HELD):
                return rested
            return evolve(on_probation(rested, now, policy), state=HealthState.HEALTHY, failures=0)
        case OperatorAction.HOLD:
            return old if old.hold_reason is HoldReason.OPERATOR else held(old, HoldReason.OPERATOR, now, policy)
    assert_never(action)


def _without_error(health: Health) -> Health:
    return evolve(health, last_error="", last_error_wall=None)


def _reloaded(old: Health, event: Reloaded, now: Moment, policy: HealthPolicy) -> Health:
    health = old if policy.can_restart else evolve(old, restart_owed=None)
    if event.is_key_changed:
        health = evolve(health, auth_failures=0, cooldown=None)  # another account has a limit of its own
        if health.hold_reason is HoldReason.AUTH:
            return on_probation(health, now, policy)
    return _without_unasked(health, now, policy)


def _without_unasked(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    is_kept_out = health.admission in (Admission.EXCLUDED, Admission.PROBATION)
    return admitted(health, now, policy) if is_kept_out and not policy.excludes else health


def _jumped(old: Health, by_s: float, now: Moment) -> Health:
    """Take what passed unseen off the rests, and probe afresh. A clock that was set back lengthens nothing."""
    cooldown, by_s = old.cooldown, max(by_s, 0.0)
    rested = evolve(
        old,
        cooldown=None if cooldown is None else evolve(cooldown, until=cooldown.until - by_s),
        pressured_until=old.pressured_until - by_s,
        drift_until=old.drift_until - by_s,
    )
    if old.next_probe_at == inf:
        return rested
    return evolve(rested, next_probe_at=not_before_reset(rested, now.mono + FIRST_PROBE_S * now.jitter))


def _ticked(old: Health, now: Moment, policy: HealthPolicy) -> Health:
    if now.mono < next_due(old):
        return old
    if old.admission is Admission.PROBATION:
        return admitted(old, now, policy)
    level = max(old.level - 1, 0)
    return evolve(old, level=level, decays_at=now.mono + policy.probe_max_s if level else inf)
