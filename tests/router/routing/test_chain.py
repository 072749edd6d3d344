"""The resolver: a function of its arguments, nothing else."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import RoutingConfig
from router.domain.health import Cooldown, CooldownReason, Health, HealthState, ProviderStatus, Unconfigured
from router.errors import ErrorKind
from router.routing.chain import SOFT, Dropped, DropReason, Member, Plan, RankFacts, empty_chain_error, has_larger_window, resolve
from router.routing.chain_events import with_reasons
from tests.builders import a_profile, a_provider

NOW = 1000.0
FREE = RoutingConfig()
NO_KEY = Unconfigured(reason="missing-credential", detail="KEY is not set")


def a_member(
    name: str,
    *,
    cooldown: CooldownReason | None = None,
    release_s: float = 10.0,
    unconfigured: Unconfigured | None = None,
    **keys: object,
) -> Member:
    rest = None if cooldown is None else Cooldown(cooldown, NOW + release_s)
    return Member(
        config=a_provider(name, **keys), status=ProviderStatus(name=name, health=Health(cooldown=rest), unconfigured=unconfigured)
    )


def plan_of(*members: Member, routing: RoutingConfig = FREE, sticky: str | None = None, action: str = "warn") -> Plan:
    names = [member.config.name for member in members]
    profile = a_profile(*(names or ["none"]), backend_health_action=action)
    known = tuple(evolve(member, facts=RankFacts(is_sticky=member.config.name == sticky)) for member in members)
    return resolve(profile, known, routing, NOW)


def order(plan: Plan) -> list[str]:
    return [entry.provider for entry in plan.order]


def drops(plan: Plan) -> dict[str, str]:
    return {drop.provider: str(drop.reason) for drop in plan.dropped}


def test_the_declared_order_is_kept() -> None:
    assert order(plan_of(a_member("b"), a_member("a"), a_member("c"))) == ["b", "a", "c"]


def test_who_answered_the_session_before_is_first_and_told_as_the_one_that_has_moved() -> None:
    plan = plan_of(a_member("a"), a_member("b"), a_member("c"), sticky="c")

    assert (order(plan), with_reasons(plan.moved)) == (["c", "a", "b"], ["c: sticky"])


def test_a_session_whose_provider_is_the_first_moves_nobody() -> None:
    assert plan_of(a_member("a"), a_member("b"), sticky="a").moved == ()


def test_a_session_stays_with_its_provider_only_among_those_that_are_as_well() -> None:
    unwell = Member(config=a_provider("b"), status=ProviderStatus(name="b", health=Health(state=HealthState.UNHEALTHY)))

    plan = plan_of(a_member("a"), unwell, a_member("c"), sticky="b", action="demote")

    assert (order(plan), with_reasons(plan.moved)) == (["a", "c", "b"], ["b: health-demoted"])


@pytest.mark.parametrize("sticky", ["gone", "b"])
def test_a_provider_that_is_left_out_or_unknown_moves_nobody(sticky: str) -> None:
    plan = plan_of(a_member("a"), a_member("b", enabled=False), a_member("c"), sticky=sticky)

    assert order(plan) == ["a", "c"]


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (a_member("x", enabled=False), "disabled"),
        (a_member("x", unconfigured=NO_KEY), "missing-credential"),
        (a_member("x", unconfigured=Unconfigured(reason="missing-package", detail="")), "missing-package"),
        (a_member("x", paid=True), "paid-gate"),
        (a_member("x", cooldown=CooldownReason.RATE_LIMITED), "rate-limited"),
        (a_member("x", cooldown=CooldownReason.OVERLOADED), "overloaded"),
        (a_member("x", cooldown=CooldownReason.AUTH), "auth-cooldown"),
    ],
)
def test_each_hard_filter_drops_with_its_reason(member: Member, reason: str) -> None:
    plan = plan_of(member, a_member("y"))

    assert order(plan) == ["y"]
    assert drops(plan) == {"x": reason}


def test_the_first_filter_that_applies_names_the_reason() -> None:
    both = a_member("x", paid=True, cooldown=CooldownReason.OVERLOADED)

    assert drops(plan_of(both, a_member("y"))) == {"x": "paid-gate"}


def test_a_cooldown_ends_at_its_release() -> None:
    assert order(plan_of(a_member("x", cooldown=CooldownReason.RATE_LIMITED, release_s=0))) == ["x"]


def test_paid_providers_join_when_money_may_be_spent() -> None:
    assert order(plan_of(a_member("x", paid=True), routing=RoutingConfig(allow_paid=True))) == ["x"]


def test_the_last_resort_takes_at_most_two_resting_providers_in_declared_order() -> None:
    members = [a_member(n, cooldown=CooldownReason.OVERLOADED, release_s=s) for n, s in (("a", 9), ("b", 1), ("c", 5))]

    plan = plan_of(*members)

    assert plan.is_last_resort
    assert order(plan) == ["a", "b"]
    assert drops(plan) == {"c": "overloaded"}


def test_the_last_resort_never_overrides_money_keys_or_a_rate_limit() -> None:
    plan = plan_of(
        a_member("paid", paid=True),
        a_member("keyless", unconfigured=NO_KEY),
        a_member("limited", cooldown=CooldownReason.RATE_LIMITED),
        a_member("refused", cooldown=CooldownReason.AUTH),
    )

    assert order(plan) == ["refused"]


def test_without_last_resort_the_chain_stays_empty() -> None:
    resting = a_member("a", cooldown=CooldownReason.OVERLOADED)

    assert order(plan_of(resting, routing=RoutingConfig(last_resort=False))) == []


@pytest.mark.parametrize(
    ("members", "kind", "retry_after_s"),
    [
        ([a_member("a", paid=True)], ErrorKind.PAID_GATE, None),
        ([a_member("a", enabled=False)], ErrorKind.NOT_CONFIGURED, None),
        ([a_member("a", unconfigured=NO_KEY)], ErrorKind.NOT_CONFIGURED, None),
        ([a_member("a", cooldown=CooldownReason.RATE_LIMITED, release_s=120)], ErrorKind.RATE_LIMITED, 120),
        (
            [a_member("a", cooldown=CooldownReason.RATE_LIMITED, release_s=120), a_member("b", paid=True)],
            ErrorKind.RATE_LIMITED,
            120,
        ),
        ([a_member("a", cooldown=CooldownReason.OVERLOADED, release_s=120)], ErrorKind.ALL_EXCLUDED, 30),
        ([a_member("a", cooldown=CooldownReason.OVERLOADED, release_s=0.2)], ErrorKind.ALL_EXCLUDED, 1),
    ],
)
def test_an_empty_chain_says_why_and_when_to_come_back(
    members: list[Member], kind: ErrorKind, retry_after_s: float | None
) -> None:
    error = empty_chain_error(plan_of(*members, routing=RoutingConfig(last_resort=False)), NOW)

    assert (error.kind, error.retry_after_s) == (kind, retry_after_s)


@pytest.mark.parametrize(
    ("failed", "later", "larger"),
    [
        (8192, (), False),
        (8192, (8192,), False),
        (8192, (4096, 16384), True),
        (8192, (None,), True),
        (None, (4096,), True),
        (None, (), False),
    ],
)
def test_an_overflow_goes_on_only_where_it_may_fit(
    failed: int | None,
    later: tuple[int | None, ...],
    larger: bool,  # noqa: FBT001 - a table's column
) -> None:
    windows = tuple(a_provider(f"p{n}", max_context_tokens=window) for n, window in enumerate(later))

    assert has_larger_window(a_provider("f", max_context_tokens=failed), windows) is larger


MEMBERS = st.lists(
    st.builds(
        a_member,
        st.uuids().map(lambda u: f"p{u.hex[:8]}"),
        cooldown=st.none() | st.sampled_from(CooldownReason),
        release_s=st.floats(-10, 100),
        paid=st.booleans(),
        enabled=st.booleans(),
        unconfigured=st.none() | st.just(NO_KEY),
    ),
    max_size=6,
    unique_by=lambda member: member.config.name,
)


@given(MEMBERS, st.booleans(), st.booleans())
def test_every_provider_is_either_asked_or_dropped_and_order_is_declared(
    members: list[Member],
    allow_paid: bool,  # noqa: FBT001 - drawn
    last_resort: bool,  # noqa: FBT001 - drawn
) -> None:
    routing = RoutingConfig(allow_paid=allow_paid, last_resort=last_resort)
    names = [member.config.name for member in members]

    plan = plan_of(*members, routing=routing)

    assert sorted([*order(plan), *drops(plan)]) == sorted(names)
    if not plan.is_last_resort:
        assert order(plan) == [name for name in names if name in order(plan)]
    assert plan == plan_of(*members, routing=routing)


@given(MEMBERS)
def test_what_money_keys_and_switches_forbid_is_never_asked(members: list[Member]) -> None:
    asked = set(order(plan_of(*members)))

    forbidden = {m.config.name for m in members if m.config.paid or not m.config.enabled or m.status.unconfigured}
    assert not asked & forbidden


def test_a_drop_reason_is_spelled_as_the_log_spells_it() -> None:
    assert [str(reason) for reason in DropReason][:6] == [
        "disabled",
        "missing-credential",
        "missing-package",
        "paid-gate",
        "budget",
        "held",
    ]


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ((), ErrorKind.BUDGET_EXHAUSTED),
        ((DropReason.PAID_GATE, DropReason.DISABLED), ErrorKind.BUDGET_EXHAUSTED),
        ((DropReason.RATE_LIMITED,), ErrorKind.RATE_LIMITED),
        ((DropReason.EXCLUDED,), ErrorKind.ALL_EXCLUDED),
        ((DropReason.HELD,), ErrorKind.ALL_EXCLUDED),
    ],
)
def test_a_chain_that_budgets_have_emptied_says_so_unless_somebody_comes_back_sooner(
    others: tuple[DropReason, ...], kind: ErrorKind
) -> None:
    reasons = (DropReason.BUDGET, *others)
    dropped = tuple(Dropped(provider=str(reason), reason=reason, detail=f"{reason} it is") for reason in reasons)

    error = empty_chain_error(Plan(profile="default", order=(), dropped=dropped), NOW)

    assert error.kind is kind
    assert error.permanent is (kind is ErrorKind.BUDGET_EXHAUSTED)
    assert "budget it is" in error.message


def test_no_last_resort_overrides_a_budget() -> None:  # I16
    assert DropReason.BUDGET not in SOFT
