"""Whom a profile asks, given how its providers are doing (supervision.md 21.5.4, routing.md 10.4)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve, frozen
from hypothesis import assume, given
from hypothesis import strategies as st

from router.config.schema import ProfileConfig, RoutingConfig
from router.domain.health import (
    Admission,
    Cooldown,
    CooldownReason,
    Health,
    HealthPolicy,
    HealthState,
    HoldReason,
    ProviderStatus,
)
from router.domain.health_events import Drifted, Moment
from router.domain.health_step import step
from router.errors import ErrorKind, LeftOut, NoProviderAvailable
from router.routing.chain import RANK_KEYS, SOFT, DropReason, Entry, Member, Plan, empty_chain_error, resolve
from router.routing.chain_events import with_reasons
from tests.builders import a_profile, a_provider

NOW = 1000.0
SINCE = 1_700_000_000.0
WELL = Health()
DEGRADED = Health(state=HealthState.DEGRADED, failures=3)
UNHEALTHY = Health(state=HealthState.UNHEALTHY, failures=6)
ON_TRIAL = Health(state=HealthState.DEGRADED, admission=Admission.PROBATION)
OUT = evolve(UNHEALTHY, admission=Admission.EXCLUDED, gen=1, since_wall=SINCE, next_probe_at=NOW + 12)
REFUSED = Health(admission=Admission.HELD, hold_reason=HoldReason.AUTH, since_wall=SINCE, next_probe_at=NOW + 300)
HELD = Health(admission=Admission.HELD, hold_reason=HoldReason.OPERATOR, since_wall=SINCE)
PRESSED = Health(pressured_until=NOW + 60)
RESTING = Health(cooldown=Cooldown(CooldownReason.OVERLOADED, NOW + 5))
LIMITED = Health(cooldown=Cooldown(CooldownReason.RATE_LIMITED, NOW + 5))
PASSIVE = Health(is_passive=True)
OPEN = Health(is_passive=True, passive_until=NOW + 20)
ACTIONS = ("off", "warn", "demote", "exclude")


def a_chain(*names: str, **keys: object) -> ProfileConfig:
    return a_profile(*names, name="default", **keys)


def plan_of(healths: dict[str, Health], *, action: str = "exclude", routing: RoutingConfig | None = None, **keys: object) -> Plan:
    members = tuple(Member(config=a_provider(n), status=ProviderStatus(name=n, health=h)) for n, h in healths.items())
    profile = a_chain(*healths, backend_health_action=action, **keys)
    return resolve(profile, members, routing or RoutingConfig(), NOW)


def order(plan: Plan) -> list[str]:
    return [entry.provider for entry in plan.order]


def told(entry: Entry, *keys: str) -> tuple[int, ...]:
    return tuple(entry.rank[RANK_KEYS.index(key)] for key in keys)


def drops(plan: Plan) -> dict[str, str]:
    return {drop.provider: str(drop.reason) for drop in plan.dropped}


# ---- what each action makes of a state


@pytest.mark.parametrize("action", ["off", "warn"])
@pytest.mark.parametrize("health", [DEGRADED, UNHEALTHY, ON_TRIAL, OUT, REFUSED], ids=str)
def test_off_and_warn_admit_whatever_the_state(action: str, health: Health) -> None:
    plan = plan_of({"x": health, "y": WELL}, action=action)

    assert (order(plan), drops(plan), plan.moved) == (["x", "y"], {}, ())


@pytest.mark.parametrize("health", [UNHEALTHY, ON_TRIAL, OUT, REFUSED], ids=["unhealthy", "probation", "excluded", "refused"])
def test_demote_asks_who_is_not_well_after_the_others(health: Health) -> None:
    plan = plan_of({"x": health, "y": WELL, "z": DEGRADED}, action="demote")

    assert order(plan) == ["y", "z", "x"]
    assert with_reasons(plan.moved) == ["x: health-demoted"]
    assert [told(entry, "health", "place") for entry in plan.order] == [(0, 1), (0, 2), (1, 0)]


@pytest.mark.parametrize("healths", [{"x": UNHEALTHY, "y": UNHEALTHY}, {"x": WELL, "y": UNHEALTHY}], ids=["all", "the last"])
def test_who_stands_where_it_was_declared_is_not_called_demoted(healths: dict[str, Health]) -> None:
    plan = plan_of(healths, action="demote")

    assert (order(plan), plan.moved) == (["x", "y"], ())


@pytest.mark.parametrize("health", [OUT, REFUSED], ids=["excluded", "refused key"])
def test_exclude_leaves_out_who_is_excluded_or_refused(health: Health) -> None:
    plan = plan_of({"x": health, "y": WELL})

    assert (order(plan), drops(plan)) == (["y"], {"x": "excluded"})


def test_i14_a_restored_provider_stands_where_it_stood() -> None:
    assert order(plan_of({"x": WELL, "y": ON_TRIAL, "z": WELL})) == ["x", "y", "z"]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_operators_hold_counts_in_every_profile_and_has_no_last_resort(action: str) -> None:
    plan = plan_of({"x": HELD}, action=action)

    assert (order(plan), drops(plan)) == ([], {"x": "held"})


def test_a_hold_is_the_reason_even_while_the_provider_rests() -> None:
    plan = plan_of({"x": evolve(HELD, cooldown=RESTING.cooldown)})

    assert (order(plan), drops(plan)) == ([], {"x": "held"})


def test_d23_an_exclusion_is_the_providers_and_each_profile_reads_it_by_its_own_action() -> None:
    assert {action: order(plan_of({"x": OUT, "y": WELL}, action=action)) for action in ACTIONS} == {
        "off": ["x", "y"],
        "warn": ["x", "y"],
        "demote": ["y", "x"],
        "exclude": ["y"],
    }


@pytest.mark.parametrize(("action", "asked"), [("off", ["x", "y"]), ("warn", ["x", "y"]), ("skip", ["y"])])
def test_only_skip_leaves_a_provider_without_memory_alone(action: str, asked: list[str]) -> None:
    assert order(plan_of({"x": PRESSED, "y": WELL}, memory_pressure_action=action)) == asked


# ---- nobody supervises it any more


@pytest.mark.parametrize("action", ACTIONS)
def test_a_passive_provider_is_asked_last_whatever_its_state(action: str) -> None:
    passive = evolve(OUT, is_passive=True)

    assert order(plan_of({"x": passive, "y": UNHEALTHY}, action=action)) == ["y", "x"]


def test_it_is_not_asked_twice_within_half_a_minute() -> None:
    plan = plan_of({"x": OPEN, "y": WELL})

    assert (order(plan), drops(plan)) == (["y"], {"x": "breaker-open"})


def test_i24_after_that_it_is_offered_again() -> None:
    assert order(plan_of({"x": evolve(OPEN, passive_until=NOW)})) == ["x"]


# ---- last resort


def test_d13_a_single_provider_is_never_lost_to_its_exclusion() -> None:
    plan = plan_of({"x": OUT})

    assert (order(plan), plan.is_last_resort) == (["x"], True)


def test_the_last_resort_asks_the_likeliest_first() -> None:
    healths = {
        "refused": REFUSED,
        "long": evolve(OUT, level=4),
        "never": OUT,
        "older": evolve(OUT, last_ok_wall=SINCE),
        "latest": evolve(OUT, last_ok_wall=SINCE + 9),
    }

    plan = plan_of(healths, routing=RoutingConfig(last_resort_max=5))

    assert order(plan) == ["latest", "older", "never", "long", "refused"]


def test_it_asks_at_most_two() -> None:
    plan = plan_of({"a": OUT, "b": OUT, "c": OUT})

    assert (order(plan), drops(plan)) == (["a", "b"], {"c": "excluded"})


@pytest.mark.parametrize("health", [OUT, REFUSED, PRESSED, OPEN, RESTING], ids=["out", "refused", "pressed", "open", "resting"])
def test_every_soft_drop_may_be_asked(health: Health) -> None:
    assert order(plan_of({"x": health}, memory_pressure_action="skip")) == ["x"]


def test_budget_of_the_last_resort_is_not_spent_on_who_is_limited() -> None:
    assert order(plan_of({"a": LIMITED, "b": OUT})) == ["b"]


# ---- an empty chain


def error_of(healths: dict[str, Health]) -> NoProviderAvailable:
    return empty_chain_error(plan_of(healths, routing=RoutingConfig(last_resort=False), memory_pressure_action="skip"), NOW)


def test_without_last_resort_an_empty_chain_tells_who_is_out_since_when_and_until_when() -> None:
    error = error_of({"x": OUT, "y": REFUSED, "z": PRESSED})

    assert (error.kind, error.retry_after_s, error.permanent) == (ErrorKind.ALL_EXCLUDED, 12, False)
    assert error.left_out == (
        LeftOut(provider="x", reason="excluded", since_wall=SINCE, next_probe_in_s=12),
        LeftOut(provider="y", reason="excluded", since_wall=SINCE, next_probe_in_s=300),
        LeftOut(provider="z", reason="memory-pressure", next_probe_in_s=60),
    )


@pytest.mark.parametrize(("in_s", "told_s"), [(300, 30), (0.2, 1), (-3, 1)])
def test_the_wait_that_clients_are_told_is_1_to_30_seconds(in_s: float, told_s: float) -> None:
    assert error_of({"x": evolve(OUT, next_probe_at=NOW + in_s)}).retry_after_s == told_s


def test_while_a_restart_is_owed_nobody_knows_when_the_next_probe_is() -> None:
    error = error_of({"x": evolve(OUT, restart_owed=1)})

    assert (error.kind, error.retry_after_s, error.permanent) == (ErrorKind.ALL_EXCLUDED, None, False)
    assert error.left_out[0].next_probe_in_s is None


def test_a_chain_that_an_operator_holds_may_come_back() -> None:
    error = error_of({"x": HELD})

    assert (error.kind, error.permanent, error.left_out[0].reason) == (ErrorKind.ALL_EXCLUDED, False, "held")


# ---- invariants

HEALTHS = st.builds(
    Health,
    state=st.sampled_from(HealthState),
    admission=st.sampled_from([Admission.ADMITTED, Admission.EXCLUDED, Admission.PROBATION]),
    level=st.integers(0, 8),
    next_probe_at=st.floats(NOW - 10, NOW + 300),
    cooldown=st.none() | st.builds(Cooldown, st.sampled_from(CooldownReason), st.floats(NOW - 10, NOW + 300)),
    pressured_until=st.floats(NOW - 10, NOW + 100),
    is_passive=st.booleans(),
    passive_until=st.floats(NOW - 10, NOW + 30),
    last_ok_wall=st.none() | st.floats(SINCE, SINCE + 100),
) | st.sampled_from([HELD, REFUSED, WELL])


@frozen(kw_only=True)
class Case:
    """A drawn chain and its plan; `alone` is what becomes of each provider by itself, without a last resort."""

    plan: Plan
    alone: Mapping[str, Plan]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    members = {
        f"p{n}": Member(
            config=a_provider(f"p{n}", paid=draw(st.booleans()), enabled=draw(st.booleans())),
            status=ProviderStatus(name=f"p{n}", health=health),
        )
        for n, health in enumerate(draw(st.lists(HEALTHS, min_size=1, max_size=6)))
    }
    actions: dict[str, object] = {
        "backend_health_action": draw(st.sampled_from(ACTIONS)),
        "memory_pressure_action": draw(st.sampled_from(["off", "warn", "skip"])),
    }
    routing = RoutingConfig(allow_paid=draw(st.booleans()), last_resort_max=draw(st.integers(1, 3)))
    without = evolve(routing, last_resort=False)
    return Case(
        plan=resolve(a_chain(*members, **actions), tuple(members.values()), routing, NOW),
        alone={name: resolve(a_chain(name, **actions), (member,), without, NOW) for name, member in members.items()},
    )


@pytest.mark.slow
@given(cases())
def test_i14_inside_a_health_class_the_declared_order_is_kept(case: Case) -> None:
    ranks = [entry.rank for entry in case.plan.order]

    assert case.plan.is_last_resort or ranks == sorted(ranks)


@pytest.mark.slow
@given(cases())
def test_i14_who_is_asked_depends_on_nobody_else(case: Case) -> None:
    assume(not case.plan.is_last_resort)

    assert set(order(case.plan)) == {name for name, plan in case.alone.items() if plan.order}


@pytest.mark.slow
@given(cases())
def test_i15_nobody_is_refused_while_somebody_was_dropped_softly(case: Case) -> None:
    assert case.plan.order or not {drop.reason for drop in case.plan.dropped} & SOFT


@pytest.mark.slow
@given(cases())
def test_i16_the_last_resort_overrides_no_money_no_switch_no_reset_and_no_operator(case: Case) -> None:
    if case.plan.is_last_resort:
        for name in order(case.plan):
            (drop,) = case.alone[name].dropped
            assert drop.reason in {
                DropReason.OVERLOADED,
                DropReason.AUTH_COOLDOWN,
                DropReason.MEMORY_PRESSURE,
                DropReason.EXCLUDED,
                DropReason.BREAKER_OPEN,
            }


def test_d32_a_provider_whose_replies_drift_is_asked_last_and_only_so_long() -> None:
    drifting = step(Health(), Drifted(for_s=60), Moment(NOW, 0.0), HealthPolicy()).health
    past = evolve(drifting, drift_until=NOW)

    assert [entry.provider for entry in plan_of({"a": past, "b": WELL}).order] == ["a", "b"]
    assert [entry.provider for entry in plan_of({"a": drifting, "b": WELL}).order] == ["b", "a"]
