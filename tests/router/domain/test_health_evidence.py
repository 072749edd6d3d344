"""What attempts and continuous probes say of a provider, event after event (supervision.md 21.7, 21.8)."""

from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.health import Admission, Cooldown, CooldownReason, Health, HealthState
from router.domain.health_events import (
    AttemptBegan,
    ClockJumped,
    Failed,
    HealthEvent,
    Operated,
    OperatorAction,
    PassiveSet,
    Reloaded,
    Restored,
    Source,
    Succeeded,
)
from router.errors import FailureReason
from tests.router.domain.health_rig import DOWN, EXCLUDES, THRESHOLD, WARNS, Life, a_held, an_admitted, an_excluded

T = THRESHOLD


# ---- who sees the failures does not matter


def test_d1_failures_that_only_the_continuous_probe_saw_exclude() -> None:
    life = Life()

    life.fail(times=2 * T, source=Source.PROBE)

    assert life.health.admission is Admission.EXCLUDED


def test_d1_a_provider_that_was_unhealthy_before_is_excluded_as_soon_as_a_profile_asks() -> None:
    life = Life(policy=WARNS)
    life.fail(times=2 * T)
    life.policy = EXCLUDES

    life.apply(Reloaded())

    assert life.health.admission is Admission.EXCLUDED


def test_d2_a_loaded_unhealthy_provider_without_its_exclusion_is_excluded() -> None:
    life = Life(health=an_admitted(2 * T, HealthState.UNHEALTHY))

    life.apply(Restored())

    assert life.health.admission is Admission.EXCLUDED
    assert life.names() == ["self-healing-state-restored", "self-healing-exclude"]


def test_a_loaded_exclusion_that_no_profile_asks_for_any_more_is_lifted() -> None:
    life = Life(policy=WARNS, health=an_excluded())

    life.apply(Restored())

    assert life.health.admission is Admission.ADMITTED


def test_d21_what_the_continuous_probe_changes_is_told_like_anything_else() -> None:
    life = Life(policy=WARNS)

    life.fail(times=2 * T, source=Source.PROBE)
    life.succeed(source=Source.PROBE, after_s=60)

    changes = [(told.fields["old_state"], told.fields["new_state"], told.fields["source"]) for told in life.told]
    assert changes == [
        ("healthy", "degraded", "probe"),
        ("degraded", "unhealthy", "probe"),
        ("unhealthy", "healthy", "probe"),
    ]


def test_d22_a_failure_never_improves_a_state_whatever_threshold_holds_now() -> None:
    life = Life(policy=evolve(WARNS, threshold=2))
    life.fail(times=4)
    life.policy = evolve(WARNS, threshold=5)

    life.fail()

    assert life.health.state is HealthState.UNHEALTHY


# ---- classes


@pytest.mark.parametrize("reason", [FailureReason.STREAM_TRUNCATED, FailureReason.EMPTY_STREAM, FailureReason.BAD_RESPONSE])
def test_d10_d33_d36_a_backend_that_dies_in_every_stream_is_excluded(reason: FailureReason) -> None:
    life = Life()

    life.fail(reason, times=2 * T)

    assert life.health.admission is Admission.EXCLUDED


# by name, as supervision.md 21.8 has them: what the rule itself says of a reason is what is tested
COUNTED = {"connection", "timeout", "ttft-timeout", "upstream-5xx", "bad-response", "empty-stream", "stream-truncated"}
REFUSED_KEYS = {"auth", "payment-required"}


@pytest.mark.parametrize("reason", sorted(set(FailureReason) - COUNTED - REFUSED_KEYS))
def test_d11_other_failures_never_count_against_a_provider(reason: FailureReason) -> None:
    life = Life()

    life.fail(reason, times=4 * T)

    assert (life.health.state, life.health.failures, life.health.admission) == (HealthState.HEALTHY, 0, Admission.ADMITTED)


def test_d11_a_refused_key_never_degrades_and_owes_no_restart() -> None:
    life = Life(policy=evolve(EXCLUDES, can_restart=True))

    life.fail(FailureReason.AUTH, times=20)

    assert (life.health.state, life.health.failures) == (HealthState.HEALTHY, 0)
    assert life.health.restart_owed is None


def test_a_success_between_refused_keys_begins_the_count_anew() -> None:
    life = Life()
    life.fail(FailureReason.AUTH, times=2)
    life.succeed()

    life.fail(FailureReason.AUTH, times=2)

    assert life.health.admission is Admission.ADMITTED


def test_a_refused_key_hides_no_failure_beside_it() -> None:
    life = Life()
    life.fail(FailureReason.AUTH)

    life.apply(Failed(reason=DOWN, epoch=life.health.epoch), after_s=0.1)

    assert life.health.failures == 1


def test_out_of_memory_rests_a_provider_where_the_profile_says_skip() -> None:
    life = Life()

    life.apply(Failed(reason=FailureReason.OUT_OF_MEMORY, memory_cooldown_s=120))

    assert life.health.pressured_until == life.at + 120


def test_a_backend_that_says_it_loads_is_loading_until_it_answers() -> None:
    life = Life()
    life.fail(FailureReason.LOADING)
    was_loading = life.health.is_loading

    life.succeed()

    assert (was_loading, life.health.is_loading) == (True, False)


# ---- one blip is one failure


def test_d12_concurrent_failures_of_one_blip_count_once() -> None:
    life = Life()

    for _ in range(10):
        life.apply(Failed(reason=DOWN, epoch=0), after_s=0.7)

    assert life.health.failures == 1


def test_failures_closer_than_half_a_second_count_once_even_in_a_new_epoch() -> None:
    life = Life()
    life.fail()

    life.apply(Failed(reason=DOWN, epoch=life.health.epoch), after_s=0.49)
    close = life.health.failures
    life.apply(Failed(reason=DOWN, epoch=life.health.epoch), after_s=0.01)

    assert (close, life.health.failures) == (1, 2)


def test_attempts_from_before_the_restore_do_not_end_the_probation() -> None:
    life = Life(health=an_admitted())
    began = life.health.epoch
    life.apply(Operated(action=OperatorAction.EXCLUDE))
    life.apply(Operated(action=OperatorAction.RESTORE), after_s=5)

    life.apply(Failed(reason=DOWN, epoch=began), after_s=5)

    assert life.health.admission is Admission.PROBATION


# ---- small probes do not whitewash


def test_d6_a_probe_clears_no_counter_that_traffic_raised_a_moment_ago() -> None:
    life = Life()
    life.fail(times=T)

    life.succeed(source=Source.PROBE, after_s=29.9)

    assert (life.health.failures, life.health.state) == (T, HealthState.DEGRADED)


def test_d6_it_does_half_a_minute_later() -> None:
    life = Life()
    life.fail(times=T)

    life.succeed(source=Source.PROBE, after_s=30)

    assert (life.health.failures, life.health.state) == (0, HealthState.HEALTHY)


def test_a_probe_clears_at_once_what_a_probe_raised() -> None:
    life = Life()
    life.fail()
    life.succeed()
    life.fail(source=Source.PROBE)

    life.succeed(source=Source.PROBE)

    assert life.health.failures == 0


def test_d6_a_probe_is_no_success_of_a_probation_while_traffic_has_just_failed() -> None:
    life = Life()
    life.fail(times=2 * T)
    life.probe(None)

    life.succeed(times=5, source=Source.PROBE)

    assert life.health.probation_left == 5


def test_d3_a_probes_success_wakes_the_prober_whatever_traffic_did() -> None:
    life = Life()
    life.fail(times=2 * T)
    life.probe()

    life.succeed(source=Source.PROBE, after_s=10)

    assert life.health.next_probe_at == life.at


def test_the_reason_of_an_exclusion_stays_known_while_it_lasts() -> None:
    life = Life()
    life.fail(times=2 * T)

    life.succeed()

    assert life.health.last_error == f"it is {DOWN}"


# ---- rests


def test_a_guess_hides_no_stated_reset() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=30))
    reset = life.at + 30

    life.fail(FailureReason.AUTH)

    assert life.health.cooldown == Cooldown(CooldownReason.RATE_LIMITED, reset)


def test_a_rate_limit_takes_the_place_of_a_guess() -> None:
    life = Life()
    life.fail(FailureReason.AUTH)

    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=30))

    assert life.health.cooldown == Cooldown(CooldownReason.RATE_LIMITED, life.at + 30)


def test_a_rate_limit_that_is_over_does_not_keep_a_guess_away() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=30))

    life.apply(Failed(reason=FailureReason.OVERLOADED), after_s=30)

    assert life.health.cooldown == Cooldown(CooldownReason.OVERLOADED, life.at + 5)


# ---- suspend


def test_d25_a_machine_that_slept_finds_its_rests_over() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=600))
    life.apply(Failed(reason=FailureReason.OUT_OF_MEMORY, memory_cooldown_s=120))

    life.apply(ClockJumped(by_s=3600), after_s=5)

    cooldown = life.health.cooldown
    assert cooldown is not None
    assert max(cooldown.until, life.health.pressured_until) < life.at


def test_d25_it_probes_within_two_seconds_of_waking() -> None:
    life = Life(health=an_excluded(8))
    life.probe()
    life.jitter = 0.9

    life.apply(ClockJumped(by_s=3600), after_s=5)

    assert life.health.next_probe_at == pytest.approx(life.at + 1.8)


def test_d25_not_before_a_reset_that_is_still_to_come() -> None:
    life = Life(health=an_excluded())
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=600))

    life.apply(ClockJumped(by_s=100))

    assert life.health.next_probe_at == life.at + 500


def test_a_clock_that_was_set_back_lengthens_no_rest() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=600))
    before = life.health.cooldown

    life.apply(ClockJumped(by_s=-3600))

    assert life.health.cooldown == before


def test_what_nobody_probes_is_not_probed_for_a_jump() -> None:
    life = Life()

    life.apply(ClockJumped(by_s=3600))

    assert life.health == Health()


# ---- a supervisor that has given up


def test_a_passive_provider_rests_half_a_minute_between_attempts() -> None:
    life = Life()
    life.apply(PassiveSet(is_passive=True))

    life.apply(AttemptBegan())

    assert life.health.passive_until == life.at + 30


def test_an_attempt_at_any_other_is_nothing() -> None:
    life = Life()

    life.apply(AttemptBegan())

    assert life.health == Health()


@pytest.mark.parametrize("health", [an_excluded(), a_held()], ids=["excluded", "refused key"])
def test_a_passive_provider_comes_back_by_traffic_since_nobody_probes_it(health: Health) -> None:
    life = Life(health=health)
    life.apply(PassiveSet(is_passive=True))

    life.apply(Succeeded())

    assert life.health.admission is Admission.PROBATION


# ---- another key


def test_another_key_forgets_what_the_old_one_was_refused_for() -> None:
    life = Life()
    life.fail(FailureReason.AUTH, times=2)

    life.apply(Reloaded(is_key_changed=True))

    assert (life.health.auth_failures, life.health.cooldown) == (0, None)


@pytest.mark.parametrize("event", [Reloaded(is_key_changed=True), Operated(action=OperatorAction.RESTORE)])
def test_another_key_or_an_operator_ends_the_rest_of_a_limit(event: HealthEvent) -> None:
    life = Life()
    life.fail(FailureReason.RATE_LIMIT)

    life.apply(event)

    assert life.health.cooldown is None
