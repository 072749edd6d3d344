"""What the log is told of a plan."""

from __future__ import annotations

from router.routing.chain import Dropped, DropReason, Entry, Plan
from router.routing.chain_events import tell_plan
from tests.builders import RememberingObserver


def told(plan: Plan) -> RememberingObserver:
    observer = RememberingObserver()
    tell_plan(plan, "req_1", observer)
    return observer


def test_who_was_put_behind_others_is_told() -> None:
    plan = Plan(profile="default", order=(Entry(provider="b", rank=(0, 1)), Entry(provider="a", rank=(1, 0))), demoted=("a",))

    assert told(plan).named("demote-unhealthy-provider") == [{"request_id": "req_1", "profile": "default", "provider": "a"}]


def test_an_emptied_chain_has_one_aggregate_and_memory_comes_before_money() -> None:
    dropped = (
        Dropped(provider="a", reason=DropReason.PAID_GATE),
        Dropped(provider="b", reason=DropReason.MEMORY_PRESSURE),
    )

    observer = told(Plan(profile="default", order=(), dropped=dropped))

    assert [name for name, _ in observer.events] == ["chain-empty", "chain-memory-pressure-blocked"]
    assert observer.events[1][1]["blocked_providers"] == ["b"]
