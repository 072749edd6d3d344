"""One cell per provider: cool-downs and what is in flight; the only writer of what routing reads (layout.md, Who owns health).

No task of its own, and nothing here waits: a request that is cancelled already can still report. The health states,
exclusion and the provider supervisors that read them come with the nursery-tree issue; this is their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import trio
from attrs import define, evolve, field

from router.domain.events import Usage
from router.domain.health import (
    OVERLOADED_COOLDOWN_S,
    RATE_LIMIT_COOLDOWN_S,
    Cooldown,
    CooldownReason,
    ProviderStatus,
    Unconfigured,
)
from router.errors import FailureReason, ProviderFailed


def cooldown_after(failure: ProviderFailed, *, now: float, auth_cooldown_s: float) -> Cooldown | None:
    """Return the rest that one failure asks for, None for most (table of supervision.md 21.8)."""
    stated = failure.retry_after_s
    match failure.reason:
        case FailureReason.RATE_LIMIT:
            return Cooldown(CooldownReason.RATE_LIMITED, now + (RATE_LIMIT_COOLDOWN_S if stated is None else stated))
        case FailureReason.OVERLOADED:
            return Cooldown(CooldownReason.OVERLOADED, now + (OVERLOADED_COOLDOWN_S if stated is None else stated))
        case FailureReason.AUTH | FailureReason.PAYMENT_REQUIRED:
            return Cooldown(CooldownReason.AUTH, now + auth_cooldown_s)
        case _:
            return None


@define(kw_only=True)
class Attempting:
    """One attempt in flight; without a verdict it is abandoned, and nothing is recorded."""

    _cell: Cell

    @property
    def is_first(self) -> bool:
        """The provider has not answered since the start."""
        return not self._cell.has_answered

    def ok(self, usage: Usage | None = None) -> None:  # noqa: ARG002 - usage is booked by the cost ledger of a later issue
        """End a rest that was a guess: the provider is well. A rate limit stands until its reset (R-48)."""
        self._cell.has_answered = True
        cooldown = self._cell.status.cooldown
        if cooldown is not None and cooldown.reason is not CooldownReason.RATE_LIMITED:
            self._cell.rest(None)

    def failed(self, failure: ProviderFailed) -> None:
        """Rest the provider where the reason asks for it."""
        cooldown = cooldown_after(failure, now=trio.current_time(), auth_cooldown_s=self._cell.auth_cooldown_s)
        if cooldown is not None:
            self._cell.rest(cooldown)


@define(kw_only=True)
class Cell:
    """One provider's published value; written here only."""

    status: ProviderStatus
    auth_cooldown_s: float
    has_answered: bool = False

    def rest(self, cooldown: Cooldown | None) -> None:
        """Publish a cool-down, or its end; of two the later release stands."""
        old = self.status.cooldown
        if cooldown is None or old is None or cooldown.until > old.until:
            self.status = evolve(self.status, cooldown=cooldown)


@define(kw_only=True)
class HealthBoard:
    """The cells of one configuration; implements HealthView and OutcomeSink of `router/ports.py`."""

    auth_cooldown_s: float
    _cells: dict[str, Cell] = field(factory=dict)
    _in_flight: dict[str, int] = field(factory=dict)

    def add(self, provider: str, unconfigured: Unconfigured | None = None) -> None:
        """Open the cell of a configured provider."""
        status = ProviderStatus(name=provider, unconfigured=unconfigured)
        self._cells[provider] = Cell(status=status, auth_cooldown_s=self.auth_cooldown_s)

    def status_of(self, provider: str) -> ProviderStatus:
        """Return the published value; an unknown name is healthy."""
        cell = self._cells.get(provider)
        return cell.status if cell is not None else ProviderStatus(name=provider)

    def in_flight(self) -> Mapping[str, int]:
        """Return the attempts under way, by provider."""
        return dict(self._in_flight)

    @contextmanager
    def begin(self, provider: str) -> Iterator[Attempting]:
        """Count the attempt in flight until the context is left."""
        self._in_flight[provider] = self._in_flight.get(provider, 0) + 1
        try:
            yield Attempting(cell=self._cells[provider])
        finally:
            self._in_flight[provider] -= 1
