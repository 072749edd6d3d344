"""What the log is told of a plan."""

from __future__ import annotations

from attrs import evolve

from router.domain.spend import Blocked, CapScope, Standing
from router.routing.chain import Dropped, DropReason, Entry, Moved, MoveReason, Plan
from router.routing.chain_events import tell_plan
from tests.builders import RememberingObserver

SPENT = Blocked(
    scope=CapScope.PROVIDER,
    name="a",
    standing=Standing(spent_usd=5.12345678, reserved_usd=1.0, cap_usd=5.0),
    period="2026-01",
    left_s=60.0,
)
OVER_BUDGET = Dropped(provider="a", reason=DropReason.BUDGET, cap=SPENT)


def told(plan: Plan) -> RememberingObserver:
    observer = RememberingObserver()
    tell_plan(plan, "req_1", observer)
    return observer


def test_who_was_put_behind_others_is_told() -> None:
    order = (Entry(provider="b", rank=(0, 1)), Entry(provider="a", rank=(1, 0)))
    moved = (Moved(provider="a", reason=MoveReason.HEALTH), Moved(provider="b", reason=MoveReason.STICKY))

    observer = told(Plan(profile="default", order=order, moved=moved))

    assert observer.named("demote-unhealthy-provider") == [{"request_id": "req_1", "profile": "default", "provider": "a"}]
    assert [one["moved"] for one in observer.named("chain-resolved")] == [["a: health-demoted", "b: sticky"]]


def test_an_emptied_chain_has_one_aggregate_and_memory_comes_before_money() -> None:
    dropped = (
        Dropped(provider="a", reason=DropReason.PAID_GATE),
        Dropped(provider="b", reason=DropReason.MEMORY_PRESSURE),
    )

    observer = told(Plan(profile="default", order=(), dropped=dropped))

    assert [name for name, _ in observer.events] == ["chain-empty", "chain-memory-pressure-blocked"]
    assert observer.events[1][1]["blocked_providers"] == ["b"]


def test_who_is_over_its_budget_is_told_with_the_figures() -> None:
    plan = Plan(profile="default", order=(Entry(provider="b", rank=(0, 1)),), dropped=(OVER_BUDGET,))

    assert told(plan).named("skip-budget-exceeded") == [
        {
            "request_id": "req_1",
            "profile": "default",
            "provider": "a",
            "scope": "provider",
            "monthly_budget_usd": 5.0,
            "current_total_usd": 5.12345678,
            "month": "2026-01",
        }
    ]


def test_the_cap_of_a_day_speaks_of_no_month() -> None:
    today = evolve(SPENT, scope=CapScope.DAY, name="", period="2026-01-02")

    observer = told(Plan(profile="default", order=(), dropped=(evolve(OVER_BUDGET, cap=today),)))

    (skipped,), (emptied,) = observer.named("skip-budget-exceeded"), observer.named("chain-budget-exceeded")
    figures = {"scope": "day", "cap_usd": 5.0, "current_total_usd": 5.12345678, "period": "2026-01-02"}
    assert skipped == {"request_id": "req_1", "profile": "default", "provider": "a", **figures}
    assert (emptied["period"], "month" in emptied) == ("2026-01-02", False)


def test_a_chain_that_budgets_have_emptied_says_so_before_a_paid_gate_and_after_memory() -> None:
    gate = Dropped(provider="b", reason=DropReason.PAID_GATE)
    pressed = Dropped(provider="c", reason=DropReason.MEMORY_PRESSURE)

    observer = told(Plan(profile="default", order=(), dropped=(gate, OVER_BUDGET)))
    assert [name for name, _ in observer.events] == ["skip-budget-exceeded", "chain-empty", "chain-budget-exceeded"]
    fields = observer.events[-1][1]
    assert (fields["blocked_providers"], fields["month"]) == (["a"], "2026-01")

    observer = told(Plan(profile="default", order=(), dropped=(gate, OVER_BUDGET, pressed)))
    assert observer.events[-1][0] == "chain-memory-pressure-blocked"
