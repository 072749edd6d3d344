"""What a request needs and what is remembered order a chain, key by key, and never empty it (routing.md 10.4)."""

from __future__ import annotations

import time

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import RoutingConfig
from router.domain.health import Admission, Health, HealthState, ProviderStatus
from router.domain.spend import Blocked, CapScope, Standing
from router.errors import ErrorKind
from router.routing.chain import RANK_KEYS, Dropped, DropReason, Member, MoveReason, Plan, RankFacts, empty_chain_error, resolve
from router.routing.chain_events import with_reasons
from tests.builders import a_profile, a_provider

NOW = 1000.0
ILL = Health(state=HealthState.UNHEALTHY, failures=6, admission=Admission.EXCLUDED)
FINE = RankFacts()
REACHED = Blocked(
    scope=CapScope.PROVIDER, name="x", standing=Standing(spent_usd=5.0, cap_usd=5.0), period="2026-11", left_s=3600.0
)


def a_member(name: str, facts: RankFacts = FINE, health: Health | None = None) -> Member:
    return Member(config=a_provider(name), status=ProviderStatus(name=name, health=health or Health()), facts=facts)


def plan_of(*members: Member, routing: RoutingConfig | None = None) -> Plan:
    profile = evolve(a_profile(*(member.config.name for member in members)), backend_health_action="demote")
    return resolve(profile, members, routing or RoutingConfig(), NOW)


def order(plan: Plan) -> list[str]:
    return [entry.provider for entry in plan.order]


@pytest.mark.parametrize(
    ("worse", "key", "reason"),
    [
        (a_member("x", RankFacts(overflows=True)), "context", "context-overflow"),
        (a_member("x", health=ILL), "health", "health-demoted"),
        (a_member("x", RankFacts(unfit=("vision",))), "capability", "capability-lacking"),
        (a_member("x", health=Health(drift_until=NOW + 1)), "drift", "drift-demoted"),
        (a_member("x", RankFacts(demotion=1)), "adaptive", "adaptive-demoted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_key_asks_its_provider_after_one_that_was_declared_later(worse: Member, key: str, reason: str) -> None:
    plan = plan_of(worse, a_member("y"))

    assert order(plan) == ["y", "x"]
    assert [entry.rank[RANK_KEYS.index(key)] > 0 for entry in plan.order] == [False, True]
    assert with_reasons(plan.moved) == [f"x: {reason}"]


def test_the_keys_count_in_their_order() -> None:
    rows = [
        a_member("overflows", RankFacts(overflows=True)),
        a_member("ill", health=ILL),
        a_member("unfit", RankFacts(unfit=("tools",))),
        a_member("drifted", health=Health(drift_until=NOW + 1)),
        a_member("slow", RankFacts(demotion=3)),
        a_member("other"),
        a_member("sticky", RankFacts(is_sticky=True)),
    ]

    assert order(plan_of(*rows)) == ["sticky", "other", "slow", "drifted", "unfit", "ill", "overflows"]


def test_the_sticky_provider_comes_first_among_equals_only() -> None:
    plan = plan_of(a_member("a"), a_member("s", RankFacts(is_sticky=True, demotion=1)), a_member("b"))

    assert order(plan) == ["a", "b", "s"]


def test_nobody_has_lost_anything_where_nobody_is_sticky() -> None:
    plan = plan_of(a_member("a"), a_member("b"))

    assert [entry.rank for entry in plan.order] == [(0, 0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 1)]


def test_without_prefer_healthy_what_a_provider_can_do_counts_before_how_it_does() -> None:
    members = (a_member("ill", health=ILL), a_member("unfit", RankFacts(unfit=("thinking",))))

    assert order(plan_of(*members)) == ["unfit", "ill"]
    assert order(plan_of(*members, routing=RoutingConfig(prefer_healthy=False))) == ["ill", "unfit"]


def test_of_two_reasons_the_one_that_counts_first_is_told() -> None:
    members = (a_member("x", RankFacts(unfit=("thinking",)), health=ILL), a_member("y"))

    assert with_reasons(plan_of(*members).moved) == ["x: health-demoted"]
    assert with_reasons(plan_of(*members, routing=RoutingConfig(prefer_healthy=False)).moved) == ["x: capability-lacking"]


def test_each_provider_is_told_once_for_each_of_its_reasons() -> None:
    rows = [
        a_member("slow", RankFacts(demotion=1)),
        a_member("other"),
        a_member("another"),
        a_member("kept", RankFacts(is_sticky=True)),
    ]

    plan = plan_of(*rows)

    assert order(plan) == ["kept", "other", "another", "slow"]
    assert with_reasons(plan.moved) == ["kept: sticky", "slow: adaptive-demoted"]


@given(
    ranks=st.lists(st.tuples(*[st.integers(0, 1)] * 4, st.integers(0, 3)), min_size=1, max_size=8),
    sticky=st.integers(0, 8),
    prefer_healthy=st.booleans(),
)
def test_who_has_moved_is_found_as_by_comparing_each_two(
    ranks: list[tuple[int, ...]], sticky: int, *, prefer_healthy: bool
) -> None:
    members = [
        a_member(
            f"p{place}",
            RankFacts(overflows=bool(wide), unfit=("tools",) * unfit, demotion=slow, is_sticky=place == sticky),
            Health(state=HealthState.UNHEALTHY if ill else HealthState.HEALTHY, drift_until=NOW + drifted),
        )
        for place, (wide, ill, unfit, drifted, slow) in enumerate(ranks)
    ]

    plan = plan_of(*members, routing=RoutingConfig(prefer_healthy=prefer_healthy))

    keys = (0, 1, 2, 3, 4, 5) if prefer_healthy else (0, 2, 1, 3, 4, 5)
    told: dict[str, None] = {}
    for position, behind in enumerate(plan.order):
        for ahead in plan.order[:position]:
            if ahead.rank[-1] > behind.rank[-1]:
                key = next(key for key in keys if ahead.rank[key] != behind.rank[key])
                told[f"{(ahead if key == 5 else behind).provider}: {list(MoveReason)[key]}"] = None
    assert with_reasons(plan.moved) == list(told)


def test_a_long_chain_in_reverse_is_ordered_in_no_time() -> None:
    members = [a_member(f"p{place}", RankFacts(demotion=2000 - place)) for place in range(2000)]
    began = time.process_time()

    plan = plan_of(*members)

    assert time.process_time() - began < 0.5
    assert len(plan.moved) == 1999


def test_a_reached_cap_leaves_its_provider_out_and_is_told_as_such() -> None:
    plan = plan_of(a_member("x", RankFacts(blocked=REACHED)), a_member("y"))

    assert order(plan) == ["y"]
    assert [(drop.reason, drop.detail) for drop in plan.dropped] == [(DropReason.BUDGET, REACHED.detail)]


def test_a_chain_that_is_empty_for_its_budget_says_so_and_has_no_last_resort() -> None:
    plan = plan_of(a_member("x", RankFacts(blocked=REACHED)))

    assert (plan.order, plan.is_last_resort) == ((), False)
    assert empty_chain_error(plan, NOW).kind is ErrorKind.BUDGET_EXHAUSTED


RESERVED = Standing(spent_usd=1.0, reserved_usd=4.0, cap_usd=5.0)
SPENT = Standing(spent_usd=5.0, cap_usd=5.0)


@pytest.mark.parametrize(
    ("standings", "others", "kind", "wait_s"),
    [
        ((RESERVED,), (), ErrorKind.RATE_LIMITED, 1.0),
        ((SPENT, RESERVED), (), ErrorKind.RATE_LIMITED, 1.0),
        ((SPENT,), (), ErrorKind.BUDGET_EXHAUSTED, None),
        ((RESERVED,), (DropReason.PAID_GATE,), ErrorKind.RATE_LIMITED, 1.0),
        ((RESERVED,), (DropReason.RATE_LIMITED,), ErrorKind.RATE_LIMITED, 1.0),
        ((SPENT,), (DropReason.RATE_LIMITED,), ErrorKind.RATE_LIMITED, 20.0),
        ((RESERVED,), (DropReason.EXCLUDED,), ErrorKind.ALL_EXCLUDED, 1.0),
    ],
)
def test_a_cap_that_is_only_reserved_is_no_end_of_money(
    standings: tuple[Standing, ...], others: tuple[DropReason, ...], kind: ErrorKind, wait_s: float | None
) -> None:
    caps = [Blocked(scope=CapScope.MONTH, name="", standing=one, period="2026-01", left_s=86_400.0) for one in standings]
    plan = plan_of(*(a_member(f"p{n}", RankFacts(blocked=cap)) for n, cap in enumerate(caps)))
    resting = tuple(Dropped(provider=str(reason), reason=reason, until=NOW + 20) for reason in others)

    error = empty_chain_error(evolve(plan, dropped=(*plan.dropped, *resting)), NOW)

    assert (error.kind, error.retry_after_s) == (kind, wait_s)


@given(
    st.lists(
        st.builds(RankFacts, overflows=st.booleans(), unfit=st.sampled_from([(), ("tools",)]), demotion=st.integers(0, 3)),
        min_size=1,
        max_size=5,
    )
)
def test_no_key_ever_leaves_anybody_out(listed: list[RankFacts]) -> None:
    members = [a_member(f"p{n}", facts) for n, facts in enumerate(listed)]

    assert sorted(order(plan_of(*members))) == sorted(member.config.name for member in members)
