"""A ledger over prices that count whole USD, and everything around it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import define, evolve

from router.config.schema import BudgetConfig, CostConfig, RouterConfig
from router.domain.events import Usage
from router.domain.spend import CapScope, Standing
from supervisors.ledger import Ledger
from tests.builders import RememberingObserver, a_config, a_profile, a_provider
from tests.supervisors.restarts_in_memory import RowsInMemory

ONE_USD = CostConfig(input_tokens_per_million=1_000_000.0)  # an input token
SPOKEN_USD = CostConfig(input_tokens_per_million=1_000_000.0, output_tokens_per_million=1_000_000.0)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@define
class Clock:
    """A wall clock that is set by hand."""

    time: float = at("2026-01-15T12:00:00+00:00")

    def now(self) -> float:
        return self.time


@define(kw_only=True)
class World:
    """A ledger and everything around it."""

    ledger: Ledger
    clock: Clock
    observer: RememberingObserver
    rows: RowsInMemory

    def spend(self, usd: int, provider: str = "a", profile: str = "default") -> None:
        """Book whole USD, of a provider at ONE_USD, under a reservation of nothing."""
        with self.ledger.reserve(provider, profile, input_tokens=0, max_tokens=0) as reservation:
            reservation.settle(Usage(input=usd))

    def told(self) -> list[tuple[object, object, object]]:
        return [(one["scope"], one["name"], one["percent"]) for one in self.observer.named("budget-threshold")]

    def standing(self, scope: CapScope, name: str = "") -> Standing:
        report = self.ledger.snapshot()
        match scope:
            case CapScope.PROVIDER:
                return report.providers[name]
            case CapScope.PROFILE:
                return report.profiles[name]
            case CapScope.MONTH:
                return report.monthly
            case CapScope.DAY:
                return report.daily


def a_world(config: RouterConfig | None = None, *, clock: Clock | None = None, rows: RowsInMemory | None = None) -> World:
    clock, observer, rows = clock or Clock(), RememberingObserver(), rows or RowsInMemory()
    ledger = Ledger(wall=clock, observer=observer, rows=rows)
    ledger.configure(config or a_priced())
    return World(ledger=ledger, clock=clock, observer=observer, rows=rows)


def a_priced(provider_cap: float | None = None, profile_cap: float | None = None, **budget: object) -> RouterConfig:
    """Return a configuration of `a` and `b`, which cost one USD an input token, and `local`, which costs nothing."""
    cost = evolve(ONE_USD, monthly_budget_usd=provider_cap)
    names = ("a", "b", "local")
    return a_config(
        a_provider("a", cost=cost),
        a_provider("b", cost=ONE_USD),
        a_provider("local"),
        profiles=(a_profile(*names, monthly_budget_usd=profile_cap), a_profile(*names, name="other")),
        budget=BudgetConfig(**budget),  # type: ignore[arg-type]  # keys by name
    )


def a_capped(scope: CapScope, cap: float) -> RouterConfig:
    match scope:
        case CapScope.PROVIDER:
            return a_priced(provider_cap=cap)
        case CapScope.PROFILE:
            return a_priced(profile_cap=cap)
        case CapScope.MONTH:
            return a_priced(monthly_usd=cap)
        case CapScope.DAY:
            return a_priced(daily_usd=cap)


def resumed(rows: Mapping[tuple[str, str], Mapping[str, object]], now: str, config: RouterConfig | None = None) -> World:
    world = a_world(config, clock=Clock(at(now)), rows=RowsInMemory(dict(rows)))
    world.ledger.resume({key: row for (_, key), row in rows.items()})
    return world
