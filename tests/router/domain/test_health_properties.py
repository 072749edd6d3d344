"""The invariants of supervision.md 21.13 that concern the rule alone, over whatever may happen to a provider."""

from __future__ import annotations

from math import inf

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from router.domain.health import Admission, Evidence, Health, HealthPolicy, HealthState, HoldReason, evidence_of
from router.domain.health_events import (
    DriftReloaded,
    Failed,
    HealthEvent,
    Moment,
    Operated,
    OperatorAction,
    ProbeVerdict,
    RecoveryProbed,
    RestartEnded,
    RestartOutcome,
    Source,
    Succeeded,
    Tick,
)
from router.domain.health_step import LEVEL_MAX, is_probed, next_due, probe_due, step, wanted
from router.errors import FailureReason
from tests.router.domain.health_rig import (
    EVENTS,
    HISTORIES,
    POLICIES,
    REASONS,
    TIMES,
    TRAFFIC_EVENTS,
    WALL,
    Life,
    aimed,
    lives,
    moment,
)

pytestmark = pytest.mark.slow

SEVERITY = {HealthState.HEALTHY: 0, HealthState.DEGRADED: 1, HealthState.UNHEALTHY: 2}
ANY_HEALTH = st.builds(
    Health,
    state=st.sampled_from(HealthState),
    failures=st.integers(0, 20),
    admission=st.sampled_from(Admission),
    gen=st.integers(0, 6),
    hold_reason=st.none() | st.sampled_from(HoldReason),
    level=st.integers(0, LEVEL_MAX),
    probes_failed=st.integers(0, 9),
    next_probe_at=st.just(inf) | st.floats(0, 2000),
    restart_owed=st.none() | st.integers(0, 6),
    reload_owed=st.none() | st.integers(0, 6),
    probation_left=st.integers(0, 5),
    auth_failures=st.integers(0, 3),
    epoch=st.integers(0, 6),
    is_passive=st.booleans(),
)
ENOUGH = 40  # steps, each of them good: more than any state needs


def axes(health: Health) -> tuple[HealthState, int, Admission]:
    return health.state, health.failures, health.admission


def put_on_trial(life: Life) -> None:
    life.apply(Operated(action=OperatorAction.EXCLUDE))
    life.apply(Operated(action=OperatorAction.RESTORE))


@given(ANY_HEALTH, EVENTS, st.floats(0, 3000), st.floats(0, 0.999), POLICIES)
def test_i1_the_rule_is_total_and_deterministic(
    health: Health, event: HealthEvent, at: float, jitter: float, policy: HealthPolicy
) -> None:
    now = Moment(at, WALL + at, jitter)

    assert step(health, event, now, policy) == step(health, event, now, policy)


@given(lives(), EVENTS)
def test_what_changes_nothing_returns_the_value_itself_and_tells_nothing(life: Life, event: HealthEvent) -> None:
    done = step(life.health, event, moment(life.at), life.policy)

    assert (done.health is life.health) is (done.health == life.health)


@given(lives())
def test_a_reachable_state_does_not_contradict_itself(life: Life) -> None:
    health = life.health

    assert (health.admission is Admission.HELD) is (health.hold_reason is not None)
    assert 0 <= health.level <= LEVEL_MAX
    assert not (life.policy.excludes and health.admission is Admission.ADMITTED and health.state is HealthState.UNHEALTHY)
    assert (health.next_probe_at < inf) is is_probed(health)
    assert health.admission is not Admission.EXCLUDED or health.state is HealthState.UNHEALTHY
    assert health.reload_owed is None or health.admission in (Admission.ADMITTED, Admission.PROBATION)
    assert health.reload_owed in (None, health.reloads)


@given(lives())
def test_i3_who_is_out_and_not_held_by_an_operator_wants_exactly_one_prober_of_its_generation(life: Life) -> None:
    assume(not life.health.is_passive)

    probers = [slot for slot in wanted(life.health) if slot.kind == "recovery"]

    assert [slot.gen for slot in probers] == ([life.health.gen] if is_probed(life.health) else [])


@given(lives())
def test_i7_enough_good_answers_lead_back_from_every_state(life: Life) -> None:
    assume(life.health.hold_reason is not HoldReason.OPERATOR)

    for _ in range(ENOUGH):
        if life.health.restart_owed is not None and not life.health.is_passive:
            life.end_restart()
        elif is_probed(life.health) and not life.health.is_passive:
            life.probe(None)
        else:
            life.succeed(after_s=31)

    assert axes(life.health) == (HealthState.HEALTHY, 0, Admission.ADMITTED)


@given(lives())
def test_i7_an_operators_hold_ends_by_its_restore(life: Life) -> None:
    life.apply(Operated(action=OperatorAction.HOLD))

    life.apply(Operated(action=OperatorAction.RESTORE))

    assert life.health.admission is Admission.PROBATION


@given(lives())
def test_i9_excluding_twice_is_excluding_once(life: Life) -> None:
    once = life.apply(Operated(action=OperatorAction.EXCLUDE))
    told = len(life.told)

    twice = life.apply(Operated(action=OperatorAction.EXCLUDE), after_s=1)

    assert twice is once
    assert len(life.told) == told


@given(lives())
def test_i9_restoring_who_is_in_ends_its_rests_and_is_nothing_else(life: Life) -> None:
    assume(life.health.admission in (Admission.ADMITTED, Admission.PROBATION))

    done = step(life.health, Operated(action=OperatorAction.RESTORE), moment(life.at), life.policy)

    assert done.health == evolve(life.health, cooldown=None, pressured_until=-inf)
    assert not done.told


@given(
    lives(),
    st.integers(0, 10),
    st.sampled_from(ProbeVerdict),
    st.none() | REASONS,
    st.sampled_from(RestartOutcome),
)
def test_i10_results_of_an_older_generation_change_nothing(
    life: Life, gen: int, verdict: ProbeVerdict, reason: FailureReason | None, outcome: RestartOutcome
) -> None:
    events: list[HealthEvent] = []
    if gen != life.health.gen:
        events.append(RecoveryProbed(gen=gen, verdict=verdict, reason=reason))
    if gen != life.health.restart_owed:
        events.append(RestartEnded(gen=gen, outcome=outcome))
    if gen != life.health.reload_owed:
        events.append(DriftReloaded(gen=gen, success=True, detail=""))

    for event in events:
        done = step(life.health, event, moment(life.at), life.policy)

        assert done.health is life.health
        assert not done.told


@given(lives(), REASONS, st.sampled_from([Source.TRAFFIC, Source.PROBE]))
def test_i11_other_evidence_moves_no_axis_and_a_refused_key_only_admission(
    life: Life, reason: FailureReason, source: Source
) -> None:
    assume(evidence_of(reason) is not Evidence.HEALTH)
    before = life.health

    life.fail(reason, times=3, source=source)

    assert axes(life.health)[:2] == axes(before)[:2]
    if evidence_of(reason) is not Evidence.AUTH:
        assert life.health.admission is before.admission
    elif life.health.admission is not before.admission:
        assert life.health.hold_reason is HoldReason.AUTH


@given(lives(), st.lists(TIMES, min_size=1, max_size=12))
def test_i12_concurrent_failures_of_one_epoch_count_once(life: Life, pauses: list[float]) -> None:
    assume(life.health.admission is Admission.ADMITTED)
    before, epoch = life.health, life.health.epoch
    life.at += 1  # further than the spacing from whatever was counted last

    for pause_s in pauses:
        life.apply(Failed(reason=FailureReason.TIMEOUT, epoch=epoch), after_s=pause_s)

    is_out = life.health.admission is Admission.EXCLUDED
    assert life.health.failures == (max(before.failures + 1, 2 * life.policy.threshold) if is_out else before.failures + 1)
    assert life.health.epoch == epoch + 1


@given(lives(), TRAFFIC_EVENTS)
def test_i13_a_failure_never_moves_towards_healthy_nor_a_success_away(life: Life, event: HealthEvent) -> None:
    assume(life.health.admission in (Admission.ADMITTED, Admission.PROBATION))
    before = SEVERITY[life.health.state]

    after = SEVERITY[life.apply(aimed(event, life.health), after_s=1).state]

    assert after <= before if isinstance(event, Succeeded) else after >= before


@given(POLICIES, HISTORIES)
def test_i18_every_exclusion_has_one_event_before_and_at_most_one_after(
    policy: HealthPolicy, history: list[tuple[float, HealthEvent]]
) -> None:
    life = Life(policy=policy)
    excluded_gen: int | None = None

    for after_s, event in history:
        told_before = len(life.told)
        life.apply(aimed(event, life.health), after_s=after_s)
        for told in life.told[told_before:]:
            if told.name == "self-healing-exclude":
                assert excluded_gen is None
                excluded_gen = life.health.gen
            elif told.name == "self-healing-restore":
                duration_s = told.fields["excluded_duration_s"]
                assert isinstance(duration_s, float)
                assert duration_s >= 0
                assert told.fields["gen"] == (life.health.gen if excluded_gen is None else excluded_gen)
                excluded_gen = None
            elif told.name == "self-healing-hold":
                excluded_gen = None
        assert (life.health.admission is Admission.EXCLUDED) is (excluded_gen is not None)


@given(POLICIES, HISTORIES)
def test_i26_the_events_suffice_to_follow_a_provider(policy: HealthPolicy, history: list[tuple[float, HealthEvent]]) -> None:
    life = Life(policy=policy)
    followed = (str(HealthState.HEALTHY), str(Admission.ADMITTED), 0)

    for after_s, event in history:
        told_before = len(life.told)
        life.apply(aimed(event, life.health), after_s=after_s)
        for told in life.told[told_before:]:
            followed = (str(told.fields["health"]), str(told.fields["admission"]), int(str(told.fields["gen"])))

        assert followed == (life.health.state, life.health.admission, life.health.gen)


@given(lives())
def test_i27_a_probation_ends(life: Life) -> None:
    put_on_trial(life)
    due = next_due(life.health)

    life.at = max(life.at, due)
    life.apply(Tick())

    assert due < inf
    assert life.health.admission is Admission.ADMITTED


@given(lives())
def test_i27_a_relapse_raises_the_level(life: Life) -> None:
    put_on_trial(life)
    level = life.health.level

    life.fail()

    assert life.health.admission is Admission.EXCLUDED
    assert life.health.level == min(level + 1, LEVEL_MAX)


@given(lives(), EVENTS)
def test_i27_a_level_falls_only_by_time_in_service(life: Life, event: HealthEvent) -> None:
    before = life.health

    after = life.apply(aimed(event, life.health), after_s=1)

    if after.level < before.level:
        assert isinstance(event, Tick)
        assert before.admission is Admission.ADMITTED


@given(lives(), st.floats(1, 1000), EVENTS)
def test_r48_whatever_happens_no_probe_comes_before_a_stated_reset(life: Life, stated_s: float, event: HealthEvent) -> None:
    life.apply(Failed(reason=FailureReason.RATE_LIMIT, retry_after_s=stated_s))
    reset = life.at + stated_s
    assume(not isinstance(event, RecoveryProbed) or event.verdict is not ProbeVerdict.OK)

    by_s = getattr(event, "by_s", 0.0)
    life.apply(aimed(event, life.health), after_s=0.5)

    assert probe_due(life.health) >= reset - max(by_s, 0.0) - 1e-6


@given(lives(), st.integers(0, 3))
def test_d12_a_stale_failure_never_counts(life: Life, age: int) -> None:
    stale = Failed(reason=FailureReason.CONNECTION, epoch=life.health.epoch - 1 - age)
    before = life.health

    life.apply(stale, after_s=1)

    assert axes(life.health) == axes(before)
    seen = evolve(before, last_error=life.health.last_error, last_error_wall=life.health.last_error_wall)
    assert evolve(life.health, is_loading=False) == evolve(seen, is_loading=False)
