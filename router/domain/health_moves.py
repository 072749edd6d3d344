"""The moves between the four places of a provider: admitted, excluded, on probation, held; and those of a drift. Pure.

`health_step.py` says when. Source: supervision.md 5.4, 21.5.2, 21.7."""

from __future__ import annotations

from math import inf

from attrs import evolve

from router.domain.health import Admission, Cooldown, CooldownReason, Health, HealthPolicy, HealthState, HoldReason
from router.domain.health_events import Drifted, DriftReloaded, Moment

FIRST_PROBE_S = 2.0  # spread of the first probe of an exclusion
WAKE_PAUSE_S = 5.0  # after a failed probe: traffic that succeeds where probes fail must not make them a stream


def delay_s(level: int, policy: HealthPolicy, jitter: float) -> float:
    """Return the pause after a failed probe: doubled per level up to the policy's longest, +-10 %."""
    return min(policy.probe_initial_s * 2.0**level, policy.probe_max_s) * (0.9 + 0.2 * jitter)


def with_cooldown(health: Health, cooldown: Cooldown, now: Moment) -> Health:
    """Return the health with a rest; of two the later release stands, but a guess never hides a rate limit (R-48)."""
    old = health.cooldown
    if old is None or old.until <= now.mono:
        return evolve(health, cooldown=cooldown)
    was_limited, is_limited = (rest.reason is CooldownReason.RATE_LIMITED for rest in (old, cooldown))
    is_stronger = cooldown.until > old.until if was_limited is is_limited else is_limited
    return evolve(health, cooldown=cooldown) if is_stronger else health


def without_guess(cooldown: Cooldown | None) -> Cooldown | None:
    """Return what a success leaves of a rest: nothing of a guess, while a rate limit stands until its reset (R-48)."""
    return cooldown if cooldown is not None and cooldown.reason is CooldownReason.RATE_LIMITED else None


def not_before_reset(health: Health, at: float) -> float:
    """Return when to probe at the earliest, if not before `at`: a rate limit is not probed before its reset."""
    cooldown = health.cooldown
    return max(at, cooldown.until) if cooldown is not None and cooldown.reason is CooldownReason.RATE_LIMITED else at


def woken(health: Health, now: Moment) -> Health:
    """Return the health with its next probe at once, or soon after one that has just failed (D3)."""
    at = not_before_reset(health, max(now.mono, health.probed_at + WAKE_PAUSE_S))
    return evolve(health, next_probe_at=min(health.next_probe_at, at))


def admitted(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    """Return the health back in the chains for good; its level decays from now on."""
    return evolve(
        health,
        admission=Admission.ADMITTED,
        since_wall=now.wall,
        next_probe_at=inf,
        probation_left=0,
        probation_until=inf,
        decays_at=now.mono + policy.probe_max_s if health.level else inf,
    )


def excluded(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    """Return the health out of the chains, in a generation of its own, with its first probe due within 2 s."""
    return evolve(
        health,
        state=HealthState.UNHEALTHY,
        failures=max(health.failures, 2 * policy.threshold),
        admission=Admission.EXCLUDED,
        gen=health.gen + 1,
        since_wall=now.wall,
        hold_reason=None,
        probes_failed=0,
        is_restarted=False,
        next_probe_at=not_before_reset(health, now.mono + FIRST_PROBE_S * now.jitter),
        probation_left=0,
        probation_until=inf,
        decays_at=inf,
    )


def is_out_by_operator(health: Health) -> bool:
    """Tell whether an operator has excluded it, and no probe has failed since: every other exclusion has failures."""
    return health.admission is Admission.EXCLUDED and not health.failures and not health.last_error


def on_probation(health: Health, now: Moment, policy: HealthPolicy) -> Health:
    """Return the health back in the chains, one failure away from leaving them again.

    It is degraded until it has answered, but for one that an operator had excluded and that has not failed meanwhile.
    Attempts from before know nothing of how it is now: a new epoch."""
    is_blameless = is_out_by_operator(health)
    return evolve(
        health,
        state=HealthState.HEALTHY if is_blameless else HealthState.DEGRADED,
        failures=0 if is_blameless else policy.threshold,
        admission=Admission.PROBATION,
        since_wall=now.wall,
        hold_reason=None,
        auth_failures=0,
        last_error="",  # what brought it back says more
        last_error_wall=None,
        epoch=health.epoch + 1,
        cooldown=without_guess(health.cooldown),
        is_loading=False,
        next_probe_at=inf,
        probation_left=policy.probation_successes,
        probation_until=now.mono + policy.probation_s,
    )


def held(health: Health, reason: HoldReason, now: Moment, policy: HealthPolicy) -> Health:
    """Return the health held; an operator's hold is not probed, and ends a restart."""
    is_auth = reason is HoldReason.AUTH
    return evolve(
        health,
        admission=Admission.HELD,
        gen=health.gen + 1,
        since_wall=now.wall,
        hold_reason=reason,
        probes_failed=0,
        next_probe_at=now.mono + policy.probe_max_s * (0.9 + 0.2 * now.jitter) if is_auth else inf,
        restart_owed=health.restart_owed if is_auth else None,
        probation_left=0,
        probation_until=inf,
        decays_at=inf,
    )


def drifted(health: Health, event: Drifted, now: Moment) -> Health:
    """Return the health behind the others for a while; a reload that is owed already serves this drift, too."""
    behind = evolve(health, drift_until=max(health.drift_until, now.mono + event.for_s))
    if not event.wants_reload or health.reload_owed is not None:
        return behind
    number = health.reloads + 1
    return evolve(behind, reload_owed=number, reloads=number)


def drift_reloaded(health: Health, event: DriftReloaded) -> Health:
    """Return the health without the reload that has ended; the end of another one changes nothing (I10)."""
    if health.reload_owed != event.gen:
        return health
    return evolve(health, reload_owed=None, is_unreloadable=not event.is_supported)


def without_void_reload(health: Health) -> Health:
    """Return the health without a reload that would help nobody.

    Out of the chains, its prober needs the server as it is, and a restart empties the cache anyhow. Nor does it wait for
    better days, with a supervisor that has given up least of all: then it would throw away what good replies have left
    there, because of bad ones of long ago. Who drifts again is judged again."""
    if health.reload_owed is None:
        return health
    is_out = health.admission in (Admission.EXCLUDED, Admission.HELD)
    is_void = is_out or health.is_passive or health.restart_owed is not None
    return evolve(health, reload_owed=None) if is_void else health
