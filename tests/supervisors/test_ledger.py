"""The ledger: who is kept back, what is held, and what is booked."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import trio
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from router.config.schema import BudgetConfig, CostConfig
from router.domain.events import Usage
from router.domain.spend import CapScope, Standing
from router.errors import FailureReason, ProviderFailed
from router.ports import Reservation, Spending
from tests.builders import a_config, a_provider
from tests.supervisors.ledger_rig import SPOKEN_USD, a_capped, a_priced, a_world

# ---- who is kept back


@pytest.mark.parametrize("scope", list(CapScope))
def test_at_its_cap_nobody_under_it_begins_any_more(scope: CapScope) -> None:
    world = a_world(a_capped(scope, 5.0))

    world.spend(4)
    assert world.ledger.blocked("a", "default") is None
    world.spend(1)

    cap = world.ledger.blocked("a", "default")
    assert cap is not None
    assert (cap.scope, cap.standing) == (scope, Standing(spent_usd=5.0, cap_usd=5.0))


@pytest.mark.parametrize(
    ("scope", "provider", "profile", "is_blocked"),
    [
        (CapScope.PROVIDER, "b", "default", False),
        (CapScope.PROVIDER, "a", "other", True),
        (CapScope.PROFILE, "b", "default", True),
        (CapScope.PROFILE, "a", "other", False),
        (CapScope.MONTH, "b", "other", True),
        (CapScope.DAY, "b", "other", True),
        (CapScope.PROFILE, "local", "default", False),
        (CapScope.MONTH, "local", "default", False),
        (CapScope.DAY, "local", "default", False),
    ],
)
def test_a_cap_keeps_back_who_is_under_it_and_costs_something(
    scope: CapScope, provider: str, profile: str, *, is_blocked: bool
) -> None:
    world = a_world(a_capped(scope, 5.0))
    world.spend(5)

    assert (world.ledger.blocked(provider, profile) is not None) is is_blocked


def test_a_cap_of_0_keeps_back_from_the_start_also_who_has_no_price() -> None:
    config = a_config(a_provider("local", cost=CostConfig(monthly_budget_usd=0.0)))

    assert a_world(config).ledger.blocked("local", "default") is not None


@pytest.mark.parametrize(("keys", "is_blocked"), [({"paid": True}, True), ({}, False)])
def test_who_is_marked_paid_costs_something_though_nobody_said_what(*, keys: dict[str, object], is_blocked: bool) -> None:
    world = a_world(a_config(a_provider("a", **keys), budget=BudgetConfig(monthly_usd=0.0)))

    assert (world.ledger.blocked("a", "default") is not None) is is_blocked


def test_who_has_charged_costs_something_though_no_price_is_set() -> None:
    world = a_world(a_priced(monthly_usd=5.0))
    with world.ledger.reserve("local", "default", input_tokens=1, max_tokens=1) as reservation:
        assert reservation.settle(Usage(input=1, cost_usd=5.0)).total_usd == 5.0

    cap = world.ledger.blocked("local", "default")
    assert cap is not None
    assert cap.scope is CapScope.MONTH


@pytest.mark.parametrize(
    ("scope", "period", "left_h"), [(CapScope.PROVIDER, "2026-01", 16 * 24 + 12), (CapScope.DAY, "2026-01-15", 12)]
)
def test_a_cap_says_which_period_it_is_for_and_when_that_ends(scope: CapScope, period: str, left_h: float) -> None:
    world = a_world(a_capped(scope, 0.0))

    cap = world.ledger.blocked("a", "default")

    assert cap is not None
    assert (cap.period, cap.left_s) == (period, left_h * 3600)
    assert period in cap.detail


def test_a_reached_cap_is_an_attempt_that_fails_without_evidence_against_the_provider() -> None:
    world = a_world(a_priced(provider_cap=5.0))
    world.spend(5)

    with pytest.raises(ProviderFailed) as failed, world.ledger.reserve("a", "default", input_tokens=1, max_tokens=1):
        raise AssertionError("it may not begin")

    failure = failed.value
    assert (failure.provider, failure.reason, failure.transient) == ("a", FailureReason.BUDGET, False)
    assert "5 USD for provider a is spent" in failure.message


# ---- what is held


def test_an_attempt_holds_its_estimate_until_it_is_settled() -> None:
    world = a_world(a_config(a_provider("a", cost=SPOKEN_USD), budget=BudgetConfig(monthly_usd=100.0)))

    with world.ledger.reserve("a", "default", input_tokens=10, max_tokens=30) as reservation:
        assert world.standing(CapScope.MONTH) == Standing(reserved_usd=40.0, cap_usd=100.0)

        reservation.settle(Usage(input=10, output=5))
        assert world.standing(CapScope.MONTH) == Standing(spent_usd=15.0, cap_usd=100.0)

    assert world.standing(CapScope.MONTH) == Standing(spent_usd=15.0, cap_usd=100.0)
    assert world.standing(CapScope.PROVIDER, "a") == Standing(spent_usd=15.0)


def test_an_attempt_that_is_left_unsettled_has_cost_nothing() -> None:
    world = a_world()

    with world.ledger.reserve("a", "default", input_tokens=10, max_tokens=1):
        pass

    assert world.standing(CapScope.MONTH) == Standing()
    assert world.rows.kept == {}


def test_an_attempt_that_ends_in_a_failure_gives_back_what_it_held() -> None:
    world = a_world()

    with pytest.raises(ProviderFailed), world.ledger.reserve("a", "default", input_tokens=10, max_tokens=1):
        raise ProviderFailed(provider="a", reason=FailureReason.CONNECTION)

    assert world.standing(CapScope.MONTH) == Standing()


async def test_a_request_that_is_cancelled_is_booked_by_what_it_has_used() -> None:
    world = a_world(a_config(a_provider("a", cost=SPOKEN_USD)))

    async def ask() -> None:
        with world.ledger.reserve("a", "default", input_tokens=10, max_tokens=100) as reservation:
            try:
                await trio.sleep_forever()
            finally:
                reservation.settle(Usage(output=7, estimated=True))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert world.standing(CapScope.MONTH) == Standing(spent_usd=17.0)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (None, 10.0),
        (Usage(estimated=True), 10.0),
        (Usage(output=7, estimated=True), 17.0),
        (Usage(input=3, output=7, estimated=True), 10.0),  # the upstream has told its input before it broke off
        (Usage(output=7), 7.0),  # it counts, and has counted no input
        (Usage(cache_read=3, estimated=True), 0.3),
    ],
)
def test_input_that_nobody_counted_is_what_was_reserved_for_it(usage: Usage | None, usd: float) -> None:
    world = a_world(a_config(a_provider("a", cost=SPOKEN_USD)))

    with world.ledger.reserve("a", "default", input_tokens=10, max_tokens=1) as reservation:
        cost = reservation.settle(usage)

    assert cost.total_usd == pytest.approx(usd)
    assert cost.is_estimated is (usage is None or usage.estimated)


def test_a_second_settlement_changes_nothing() -> None:
    world = a_world()

    with world.ledger.reserve("a", "default", input_tokens=1, max_tokens=1) as reservation:
        first = reservation.settle(Usage(input=2))
        second = reservation.settle(Usage(input=9))

    assert first is second
    assert world.standing(CapScope.MONTH).spent_usd == 2.0


def test_nothing_is_left_of_what_was_held_whatever_the_order() -> None:
    world = a_world(a_config(a_provider("a", cost=CostConfig(input_tokens_per_million=0.1))))
    stacks = [ExitStack() for _ in range(7)]
    for tokens, stack in enumerate(stacks, 1):
        stack.enter_context(world.ledger.reserve("a", "default", input_tokens=tokens, max_tokens=1))
    for stack in stacks:
        stack.close()

    assert world.standing(CapScope.MONTH).reserved_usd == 0.0


# ---- in parallel


@pytest.mark.parametrize("scope", list(CapScope))
async def test_of_20_parallel_requests_a_cap_worth_5_admits_5(scope: CapScope) -> None:
    world = a_world(a_capped(scope, 5.0))
    admitted, refused = [], []

    async def ask(number: int) -> None:
        await trio.lowlevel.checkpoint()
        try:
            with world.ledger.reserve("a", "default", input_tokens=1, max_tokens=100) as reservation:
                admitted.append(number)
                await trio.lowlevel.checkpoint()
                reservation.settle(Usage(input=1))
        except ProviderFailed as failure:
            refused.append(failure.reason)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(ask, number)

    assert (len(admitted), refused) == (5, [FailureReason.BUDGET] * 15)
    assert world.standing(scope, {CapScope.PROVIDER: "a", CapScope.PROFILE: "default"}.get(scope, "")).spent_usd == 5.0


def test_a_cap_that_is_only_held_is_free_again_when_the_attempt_cost_less() -> None:
    world = a_world(a_priced(provider_cap=5.0))

    with world.ledger.reserve("a", "default", input_tokens=5, max_tokens=1) as reservation:
        cap = world.ledger.blocked("a", "default")
        with pytest.raises(ProviderFailed) as failed, world.ledger.reserve("a", "default", input_tokens=1, max_tokens=1):
            raise AssertionError("it may not begin")
        reservation.settle(Usage(input=1))

    assert cap is not None
    assert (cap.standing.is_full, cap.standing.is_spent, failed.value.transient) == (True, False, True)
    assert world.ledger.blocked("a", "default") is None


@define
class UnderWay:
    """One attempt of the property below."""

    stack: ExitStack
    reservation: Reservation
    tokens: int


OPS = st.lists(
    st.tuples(st.sampled_from(["begin", "settle", "leave"]), st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=60
)


@given(OPS, st.integers(0, 30), st.sampled_from(list(CapScope)))
def test_what_is_spent_and_held_is_over_a_cap_by_one_reservation_at_most(
    ops: list[tuple[str, int, int]], cap: int, scope: CapScope
) -> None:
    world = a_world(a_capped(scope, float(cap)))
    under_way: list[UnderWay] = []
    largest = 0
    for op, which, tokens in ops:
        match op:
            case "begin":
                stack = ExitStack()
                try:
                    reservation = stack.enter_context(world.ledger.reserve("a", "default", input_tokens=tokens, max_tokens=0))
                except ProviderFailed:
                    continue
                largest = max(largest, tokens)
                under_way.append(UnderWay(stack, reservation, tokens))
            case "settle" if under_way:
                one = under_way.pop(which % len(under_way))
                one.reservation.settle(Usage(input=min(which, one.tokens)))
                one.stack.close()
            case _ if under_way:
                under_way.pop(which % len(under_way)).stack.close()

        name = {CapScope.PROVIDER: "a", CapScope.PROFILE: "default"}.get(scope, "")
        standing = world.standing(scope, name)
        assert standing.spent_usd + standing.reserved_usd <= cap + largest
        assert standing.reserved_usd == sum(one.tokens for one in under_way)


def test_it_is_what_the_router_asks_for() -> None:
    spending: Spending = a_world().ledger

    with spending.reserve("nobody", "nowhere", input_tokens=5, max_tokens=None) as reservation:
        assert reservation.settle(Usage(input=5, output=5)).total_usd == 0.0
    assert spending.blocked("nobody", "nowhere") is None
