from __future__ import annotations

from router.domain.events import Usage
from router.domain.spend import Cost
from router.ports import Spending
from router.routing.unbooked import Unbooked


def test_without_books_nobody_is_kept_back_and_nothing_costs_anything() -> None:
    spending: Spending = Unbooked()

    with spending.reserve("a", "default", input_tokens=10**9, max_tokens=None) as reservation:
        assert reservation.settle(Usage(input=10**9, cost_usd=5.0)) == Cost()
    assert (spending.blocked("a", "default"), spending.snapshot()) == (None, None)
