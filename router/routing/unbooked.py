"""Budgets that are none: nothing is counted and nobody is kept back. For requests of our own, and where no tree is around."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from attrs import frozen

from router.domain.events import Usage
from router.domain.spend import Blocked, Cost, SpendReport
from router.ports import Reservation


@frozen
class UnbookedReservation:
    """Holds nothing."""

    def settle(self, usage: Usage | None) -> Cost:  # noqa: ARG002 - nothing is booked
        """Return a cost of nothing."""
        return Cost()


@frozen
class Unbooked:
    """Implements Spending of `router/ports.py`."""

    def blocked(self, provider: str, profile: str) -> Blocked | None:
        """Return None."""

    def reserve(
        self,
        provider: str,  # noqa: ARG002 - nothing is held
        profile: str,  # noqa: ARG002 - as above
        *,
        input_tokens: int,  # noqa: ARG002 - as above
        max_tokens: int | None,  # noqa: ARG002 - as above
    ) -> AbstractContextManager[Reservation]:
        """Hold nothing."""
        return nullcontext(UnbookedReservation())

    def snapshot(self) -> SpendReport | None:
        """Return None: there is nothing to tell."""
