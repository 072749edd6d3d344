from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.control import DaemonReport, RestartBudget
from router.domain.health import (
    Admission,
    Cooldown,
    CooldownReason,
    Health,
    HealthPolicy,
    HealthState,
    HoldReason,
    ProviderStatus,
    Unconfigured,
)
from router.domain.health_events import (
    Failed,
    Moment,
    Operated,
    OperatorAction,
    ProbeVerdict,
    RecoveryProbed,
    Restored,
    Tick,
)
from router.domain.health_rows import from_row, to_row
from router.domain.health_step import step
from router.errors import FailureReason
from router.ingress.healing_report import degraded_parts, healing_part, state_word

NOW = 100.0
EXCLUDED = Health(
    state=HealthState.UNHEALTHY,
    failures=6,
    admission=Admission.EXCLUDED,
    gen=1,
    since_wall=1_767_323_045.0,
    level=2,
    next_probe_at=NOW + 41.26,
    last_error="connection refused",
)
FULL = Health(pressured_until=NOW + 30.04, last_error="CUDA error: out of memory")
RESTING = Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW + 1), last_error="429")
BUDGET = RestartBudget(used=1, max=3, window_s=900.0)


def test_an_excluded_provider_says_why_and_what_is_left_of_its_restarts() -> None:
    assert healing_part(EXCLUDED, BUDGET, now=NOW) == {
        "why": "connection refused",
        "restarts": {"used": 1, "max": 3, "window_s": 900.0},
    }


def test_a_healthy_provider_without_a_restart_table_has_nothing_to_say() -> None:
    assert healing_part(Health(), None, now=NOW) == {}


@pytest.mark.parametrize(
    ("health", "why"),
    [
        (Health(failures=1, last_error="timeout"), None),
        (Health(state=HealthState.DEGRADED, failures=3, last_error="timeout"), "timeout"),
        (RESTING, "429"),
        (evolve(RESTING, cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW - 1)), None),
        (FULL, "CUDA error: out of memory"),
        (evolve(FULL, pressured_until=NOW), None),
        (Health(admission=Admission.HELD, hold_reason=HoldReason.OPERATOR), "held by an operator until it is restored"),
        (Health(admission=Admission.HELD, hold_reason=HoldReason.AUTH, last_error="401"), "401"),
        (Health(admission=Admission.HELD, hold_reason=HoldReason.AUTH), "its key was refused"),
        (Health(state=HealthState.DEGRADED, failures=3), "no request has succeeded since it failed"),
        (evolve(EXCLUDED, last_error=""), "no request has succeeded since it failed"),  # it has been so since before a start
        (evolve(EXCLUDED, failures=0, last_error=""), "excluded by an operator; it is probed and returns when it answers"),
        (
            Health(admission=Admission.PROBATION, failures=3, probation_left=4, probation_until=NOW + 50),
            "on probation: 4 more good answers, or 50 s without a failure",
        ),
        (Health(is_passive=True), "its supervisor has given up: it is asked last, at most once every 30 s"),
    ],
)
def test_what_is_amiss_has_its_reason(health: Health, why: str | None) -> None:
    assert healing_part(health, None, now=NOW).get("why") == why


@pytest.mark.parametrize(
    ("health", "word"),
    [
        (Health(), "healthy"),
        (Health(state=HealthState.DEGRADED), "degraded"),
        (Health(state=HealthState.UNHEALTHY), "unhealthy"),
        (Health(is_loading=True), "loading"),
        (RESTING, "cooldown"),
        (FULL, "cooldown"),
        (evolve(FULL, pressured_until=NOW), "healthy"),
        (Health(is_passive=True), "passive"),
        (Health(admission=Admission.PROBATION, state=HealthState.DEGRADED), "probation"),
        (EXCLUDED, "excluded"),
        (Health(admission=Admission.HELD, hold_reason=HoldReason.AUTH), "held"),
    ],
)
def test_one_word_is_the_worst_that_applies(health: Health, word: str) -> None:
    assert state_word(ProviderStatus(name="a", health=health), is_enabled=True, now=NOW) == word


def test_who_cannot_be_asked_at_all_has_no_health() -> None:
    missing = ProviderStatus(name="a", unconfigured=Unconfigured(reason="missing-credential", detail="set KEY"))

    words = [state_word(missing, is_enabled=is_enabled, now=NOW) for is_enabled in (True, False)]

    assert words == ["unconfigured", "disabled"]


def test_a_provider_whose_supervisor_gave_up_is_a_degraded_part_once() -> None:
    passive = ProviderStatus(name="a", health=Health(is_passive=True))

    parts = degraded_parts(DaemonReport(degraded=("state", "provider/a")), (passive, ProviderStatus(name="b")))

    assert parts == ("state", "provider/a")


def test_who_had_failed_before_an_operator_excluded_it_is_out_by_the_operator() -> None:
    now, policy = Moment(mono=NOW, wall=NOW), HealthPolicy()
    failed = step(Health(), Failed(reason=FailureReason.TIMEOUT, message="timeout"), now, policy).health

    out = step(failed, Operated(action=OperatorAction.EXCLUDE), now, policy).health

    assert healing_part(out, None, now=NOW)["why"] == "excluded by an operator; it is probed and returns when it answers"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_operators_exclusion_is_never_told_as_a_failure_of_the_provider(*, is_restarted: bool) -> None:
    now, policy = Moment(mono=NOW, wall=NOW), HealthPolicy(excludes=True)
    out = step(Health(), Operated(action=OperatorAction.EXCLUDE), now, policy).health
    if is_restarted:
        found = from_row(to_row(out, wall=NOW), now=now, policy=policy)
        assert found is not None
        out = step(found, Restored(), now, policy).health

    back = step(out, RecoveryProbed(gen=out.gen, verdict=ProbeVerdict.OK), now, policy)
    later = step(back.health, Tick(), Moment(mono=back.health.probation_until, wall=NOW), policy)

    assert healing_part(out, None, now=NOW)["why"] == "excluded by an operator; it is probed and returns when it answers"
    assert str(healing_part(back.health, None, now=NOW)["why"]).startswith("on probation: ")
    assert (later.health.admission, healing_part(later.health, None, now=NOW)) == (Admission.ADMITTED, {})
    assert {told.fields["consecutive_failures"] for told in back.told if "consecutive_failures" in told.fields} == {0}
