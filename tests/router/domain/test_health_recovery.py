"""An outage from its exclusion to its end: probes, pauses, restarts, probation (supervision.md 21.6, 21.7)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from attrs import evolve

from router.domain.health import Admission, CooldownReason, HealthPolicy, HealthState
from router.domain.health_events import (
    Failed,
    Operated,
    OperatorAction,
    ProbeVerdict,
    ProcessEnded,
    RecoveryProbed,
    RestartOutcome,
    Succeeded,
    Tick,
)
from router.domain.health_step import probe_due
from router.errors import FailureReason
from tests.router.domain.health_rig import DOWN, EXCLUDES, RESTARTS, THRESHOLD, Life, an_excluded, on_trial

SUPPRESSED = "self-healing-restart-suppressed"
NO_RESTART = [
    FailureReason.AUTH,
    FailureReason.PAYMENT_REQUIRED,
    FailureReason.RATE_LIMIT,
    FailureReason.OVERLOADED,
    FailureReason.MODEL_MISSING,
    FailureReason.CLIENT_ERROR,
    FailureReason.REDIRECT,
    FailureReason.BAD_RESPONSE,
]


def out(policy: HealthPolicy = EXCLUDES, *, level: int = 0) -> Life:
    """Return a provider that has just been excluded."""
    return Life(policy=policy, health=an_excluded(level))


# ---- pauses


def test_a_fresh_outage_is_probed_after_30_60_120_240_300_300_seconds() -> None:
    life = out()

    pauses = [life.probe() for _ in range(8)]

    assert pauses == [1.0, 30, 60, 120, 240, 300, 300, 300]


@pytest.mark.parametrize(("jitter", "first_s", "second_s"), [(0.0, 0.0, 27.0), (0.999, 1.998, 32.994)])
def test_a_pause_varies_by_a_tenth_and_the_first_is_within_two_seconds(jitter: float, first_s: float, second_s: float) -> None:
    life = Life(jitter=jitter)
    life.apply(Operated(action=OperatorAction.EXCLUDE))

    assert [life.probe(), life.probe()] == [pytest.approx(first_s), pytest.approx(second_s)]


@pytest.mark.parametrize("jitters", [(0.0, 0.999), (0.999, 0.0)], ids=["low, high", "high, low"])
def test_i8_pauses_grow_up_to_jitter_and_at_most_by_2_45(jitters: tuple[float, float]) -> None:
    life = out()
    pauses = []
    for turn in range(12):
        life.jitter = jitters[turn % 2]
        pauses.append(life.probe())

    gaps = pauses[1:]
    assert max(gaps) <= 300 * 1.1
    assert all(0.9 / 1.1 <= later / before <= 2.45 for before, later in pairwise(gaps))


def test_a_busy_or_loading_probe_is_tried_again_after_the_same_pause() -> None:
    life = out()
    life.probe()

    for verdict in (ProbeVerdict.BUSY, ProbeVerdict.LOADING):
        life.wait_for_probe()
        life.apply(RecoveryProbed(gen=life.health.gen, verdict=verdict))

    assert life.wait_for_probe() == 60
    assert life.health.probes_failed == 1


def test_a_busy_probe_does_not_end_a_loading() -> None:
    life = out()
    life.apply(RecoveryProbed(gen=life.health.gen, verdict=ProbeVerdict.LOADING))

    life.apply(RecoveryProbed(gen=life.health.gen, verdict=ProbeVerdict.BUSY))

    assert life.health.is_loading


# ---- no probe before a reset


def test_r48_no_probe_before_a_stated_reset() -> None:
    life = out()

    life.probe(FailureReason.RATE_LIMIT, retry_after_s=500)

    assert life.wait_for_probe() == 500


def test_r48_not_for_traffic_either() -> None:
    life = out()

    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=500))

    assert life.wait_for_probe() == 500


def test_r48_not_after_later_failures_of_other_kinds() -> None:
    life = out()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=500))

    life.apply(RecoveryProbed(gen=life.health.gen, verdict=ProbeVerdict.FAILED, reason=FailureReason.CONNECTION), after_s=100)

    assert life.wait_for_probe() == 400


def test_r48_nor_by_a_wake() -> None:
    life = out()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=500))

    life.succeed(after_s=100)

    assert life.wait_for_probe() == 400


def test_r48_nor_for_a_new_exclusion() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=500))

    life.apply(Operated(action=OperatorAction.EXCLUDE))

    assert life.wait_for_probe() == 500


# ---- evidence from elsewhere


def test_d3_success_elsewhere_is_probed_at_once() -> None:
    life = out()
    life.probe()

    life.succeed(after_s=10)

    assert (life.health.state, life.health.admission) == (HealthState.UNHEALTHY, Admission.EXCLUDED)
    assert life.wait_for_probe() == 0


def test_traffic_that_succeeds_where_probes_fail_makes_no_stream_of_probes() -> None:
    life = out()
    probes = 0
    for _ in range(60):
        life.apply(Succeeded(), after_s=1)
        if probe_due(life.health) <= life.at:
            life.probe()
            probes += 1

    assert probes == 12


def test_d4_a_result_from_before_the_restore_does_not_touch_the_next_exclusion() -> None:
    life = out()
    stale = RecoveryProbed(gen=life.health.gen, verdict=ProbeVerdict.OK)
    life.apply(Operated(action=OperatorAction.RESTORE))
    life.apply(Operated(action=OperatorAction.EXCLUDE))
    before = life.health

    life.apply(stale)

    assert life.health is before


def test_d4_the_next_exclusion_is_probed_soon_and_may_be_restarted_again() -> None:
    life = out(RESTARTS)
    life.probe()
    life.end_restart()
    life.probe()
    life.apply(Operated(action=OperatorAction.RESTORE))
    life.apply(Operated(action=OperatorAction.EXCLUDE))

    assert life.probe() <= 2
    assert life.health.restart_owed == life.health.gen


# ---- restarts


@pytest.mark.parametrize(
    "reason", [FailureReason.CONNECTION, FailureReason.UPSTREAM_5XX, FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT]
)
def test_d5_a_restart_comes_after_a_failed_probe_that_it_may_cure(reason: FailureReason) -> None:
    life = out(RESTARTS)
    owed_before = life.health.restart_owed

    life.probe(reason)

    assert (owed_before, life.health.restart_owed) == (None, life.health.gen)


@pytest.mark.parametrize("reason", NO_RESTART)
def test_d11_no_restart_cures_a_refused_key_a_limit_or_a_mistake(reason: FailureReason) -> None:
    life = out(RESTARTS)

    life.probe(reason)

    assert life.health.restart_owed is None
    assert [(told.fields["reason"], told.fields["error"]) for told in life.told if told.name == SUPPRESSED] == [("class", reason)]


@pytest.mark.parametrize(("policy", "reason"), [(RESTARTS, DOWN), (EXCLUDES, FailureReason.AUTH)])
def test_nothing_is_told_of_a_restart_that_is_made_or_that_nobody_asked_for(policy: HealthPolicy, reason: FailureReason) -> None:
    life = out(policy)

    life.probe(reason)

    assert SUPPRESSED not in life.names()


def test_that_no_restart_cures_it_is_told_once_per_exclusion() -> None:
    life = out(evolve(RESTARTS, after_probes=2))

    for _ in range(4):
        life.probe(FailureReason.RATE_LIMIT)

    assert life.names().count(SUPPRESSED) == 1


def test_without_a_restart_table_nothing_is_restarted() -> None:
    life = out(EXCLUDES)

    life.probe()

    assert life.health.restart_owed is None


def test_after_probes_counts_the_failed_probes_of_the_exclusion() -> None:
    life = out(evolve(RESTARTS, after_probes=3))

    owed = []
    for _ in range(3):
        life.probe()
        owed.append(life.health.restart_owed is not None)

    assert owed == [False, False, True]


def test_nobody_probes_while_a_restart_is_owed_and_at_once_when_it_has_ended() -> None:
    life = out(RESTARTS)
    life.probe()
    due_meanwhile = probe_due(life.health)

    life.end_restart(after_s=90)

    assert due_meanwhile == float("inf")
    assert life.wait_for_probe() == 0


def levels_of_restarts(life: Life, probes: int, outcome: RestartOutcome = RestartOutcome.OK) -> list[int]:
    levels = []
    for _ in range(probes):
        life.probe()
        if life.health.restart_owed is not None:
            levels.append(life.health.level)
            life.end_restart(outcome)
    return levels


@pytest.mark.parametrize("outcome", [RestartOutcome.OK, RestartOutcome.FAILED])
def test_d5_a_long_outage_is_restarted_again_at_level_3_and_6(outcome: RestartOutcome) -> None:
    assert levels_of_restarts(out(RESTARTS), 20, outcome) == [1, 3, 6]


def test_d5_a_restart_that_was_not_allowed_is_asked_for_again_at_the_next_failed_probe() -> None:
    assert levels_of_restarts(out(RESTARTS), 4, RestartOutcome.SUPPRESSED) == [1, 2, 3, 4]


def test_a_relapse_is_restarted_at_its_first_failed_probe_whatever_its_level() -> None:
    assert levels_of_restarts(out(RESTARTS, level=4), 10) == [5, 6]


def test_an_owed_restart_outlives_a_restore_and_belongs_to_its_own_generation() -> None:
    life = out(RESTARTS)
    life.probe()
    owed = life.health.restart_owed

    life.apply(Operated(action=OperatorAction.RESTORE))
    life.fail()

    assert life.health.admission is Admission.EXCLUDED
    assert life.health.restart_owed == owed != life.health.gen


def test_a_second_restart_waits_for_the_one_that_runs() -> None:
    life = Life(policy=RESTARTS)
    life.apply(ProcessEnded())
    first = life.health.restart_owed
    life.apply(Operated(action=OperatorAction.RESTORE))

    life.apply(ProcessEnded(), after_s=1)

    assert life.health.restart_owed == first


# ---- refused keys


def test_a_key_that_probes_find_refused_is_held_and_probed_every_five_minutes() -> None:
    life = out()

    pauses = [life.probe(FailureReason.AUTH) for _ in range(6)]

    assert life.health.admission is Admission.HELD
    assert pauses == [1, 30, 60, 300, 300, 300]


# ---- probation


def test_d6_each_relapse_is_probed_later_than_the_one_before() -> None:
    life = out()
    second_pauses = []
    for _ in range(6):
        life.probe()
        second_pauses.append(life.wait_for_probe())
        life.probe(None)
        life.fail()

    assert second_pauses == [30, 120, 300, 300, 300, 300]


def test_i27_a_probation_ends_by_its_time_without_any_traffic() -> None:
    life = Life(health=on_trial())

    life.apply(Tick(), after_s=59)
    before = life.health.admission
    life.apply(Tick(), after_s=1)

    assert (before, life.health.admission) == (Admission.PROBATION, Admission.ADMITTED)


def test_i27_a_level_falls_by_one_for_five_minutes_of_good_service() -> None:
    life = Life(health=on_trial(2))
    life.succeed(times=5)

    levels = []
    for _ in range(3):
        life.apply(Tick(), after_s=300)
        levels.append(life.health.level)

    assert levels == [1, 0, 0]


def test_i27_a_failure_makes_good_service_begin_anew() -> None:
    life = Life(health=on_trial(2))
    life.succeed(times=5)
    life.apply(Failed(reason=FailureReason.CONNECTION, epoch=life.health.epoch), after_s=200)

    life.apply(Tick(), after_s=200)

    assert life.health.level == 2


def test_a_probation_lifts_a_guess_but_no_rate_limit() -> None:
    life = Life()
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=500))
    life.apply(Operated(action=OperatorAction.EXCLUDE))

    life.apply(RecoveryProbed(gen=life.health.gen, verdict=ProbeVerdict.OK))

    cooldown = life.health.cooldown
    assert cooldown is not None
    assert cooldown.reason is CooldownReason.RATE_LIMITED


def test_the_whole_way_of_an_outage_is_told() -> None:
    life = Life(policy=RESTARTS)
    life.fail(times=2 * THRESHOLD)
    life.probe()
    life.end_restart()
    life.probe(None)
    life.succeed(times=5)

    assert life.names() == [
        "backend-health-changed",
        "backend-health-changed",
        "self-healing-exclude",
        "self-healing-recovery-probe",
        "self-healing-recovery-probe",
        "backend-health-changed",
        "self-healing-restore",
        "backend-health-changed",
        "self-healing-admitted",
    ]
