"""The budgets of the daemon: what was spent, what attempts under way may still cost, and the caps over both (routing.md 13.3).

A value, not a task, like the board: older than every task that asks or books. Everything is sync, so between the question
whether a cap is reached and the reservation nobody comes. Implements Spending of `router/ports.py`; what it books goes to
the state writer with every answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from attrs import define, evolve, field

from router.config.schema import RouterConfig
from router.domain.events import Usage
from router.domain.spend import Blocked, Booked, CapScope, Cost, SpendReport, Standing, booked_usd
from router.errors import FailureReason, ProviderFailed
from router.ports import Observer
from router.routing.budget import (
    Account,
    Books,
    Caps,
    Spent,
    accounts_of,
    add,
    cap_over,
    crossed,
    day_of,
    from_row,
    left_of_day,
    left_of_month,
    month_of,
    plus,
    roll,
    standing_of,
    to_row,
)
from router.routing.cost import FREE, Price, cost_of, costs_money, estimate_usd, price_of
from router.state.rows import SPEND
from supervisors.seams import NoRows, Rows, WallClock

KEPT_PERIODS = 2  # besides the one at hand, months and days each: a wall clock that was wrong for a while loses nothing


@define(kw_only=True, eq=False)
class Holding:
    """The reservation of one attempt; given back exactly once."""

    _ledger: Ledger
    _provider: str
    _profile: str
    _price: Price
    _input_tokens: int
    _usd: float
    _is_held: bool = False
    _cost: Cost | None = None

    def settle(self, usage: Usage | None) -> Cost:
        """Book what the attempt has cost and give the rest back; a second call changes nothing."""
        if self._cost is None:
            self.give_back()
            self._cost = cost_of(self._whole(usage), self._price)
            self._ledger.book(self._provider, self._profile, self._cost.total_usd)
        return self._cost

    def take(self) -> None:
        """Hold the estimate."""
        self._is_held = True
        self._ledger.hold(self._provider, self._profile, self._usd)

    def give_back(self) -> None:
        """Hold nothing any more."""
        if self._is_held:
            self._is_held = False
            self._ledger.release(self._provider, self._profile, self._usd)

    def _whole(self, usage: Usage | None) -> Usage:
        """Return the usage with the input that was sent, where nobody counted it."""
        told = Usage(estimated=True) if usage is None else usage
        return told if told.has_input else evolve(told, input=self._input_tokens)


@define(kw_only=True, eq=False)
class Ledger:
    """The one owner of the books. `configure` comes first, `resume` once."""

    wall: WallClock
    observer: Observer
    rows: Rows = field(factory=NoRows)
    _prices: Mapping[str, Price] = field(factory=dict)  # of providers that were taken away, too: requests of theirs still end
    _listed: tuple[str, ...] = ()
    _costly: frozenset[str] = frozenset()
    _caps: Caps = field(factory=Caps)
    _zone: tzinfo = UTC
    _books: Books = field(factory=Books)
    _seen: float = 0.0  # from here to the end of the day it is this day: each request asks, few find another
    _day_ends: float = 0.0
    _shelf: dict[str, Spent] = field(factory=dict)  # other periods, by name
    _held: dict[Account, tuple[int, float]] = field(factory=dict)  # how many reservations, and their sum

    def configure(self, config: RouterConfig) -> None:
        """Put a configuration's prices, caps and time zone to work; what was spent and what is held stay.

        A cap that is lower now tells the thresholds that this crosses."""
        self._zone, self._day_ends = _zone(config.budget.timezone), 0.0
        self._listed = tuple(provider.name for provider in config.providers)
        self._prices = {**self._prices, **{p.name: price_of(p, config.prices) for p in config.providers}}
        self._costly = frozenset(p.name for p in config.providers if costs_money(p, self._prices[p.name]))
        self._roll()
        old, self._caps = self._caps, Caps.of(config)
        for account in self._caps.by_account:
            self._tell_crossed(account, self._standing(account, old))

    def resume(self, rows: Mapping[str, Mapping[str, object]]) -> None:
        """Take up what an earlier daemon has booked, beside what this one has: a file may be found late."""
        here = {spent.period: spent for spent in (*self._shelf.values(), self._books.month, self._books.day) if spent.total_usd}
        for period, row in rows.items():
            spent = from_row(period, row)
            if spent is None:
                self.rows.delete(SPEND, period)
                continue
            mine = here.pop(period, None)
            self._shelf[period] = spent if mine is None else plus(spent, mine)
            if mine is not None:
                self.rows.put(SPEND, period, to_row(self._shelf[period]))
        for period, spent in here.items():
            self._shelf[period] = spent
            self.rows.put(SPEND, period, to_row(spent))
        self._books, self._day_ends = Books(), 0.0
        self._roll()

    def blocked(self, provider: str, profile: str) -> Blocked | None:
        """Return the cap that keeps the provider from being asked for the profile, None where it may be."""
        self._roll()
        account = cap_over(provider, profile, self._books, self._caps, self._held_of, costs=self._costs(provider))
        if account is None:
            return None
        scope, name = account
        left_of = left_of_day if scope is CapScope.DAY else left_of_month
        return Blocked(
            scope=scope,
            name=name,
            standing=self._standing(account, self._caps),
            period=self._books.period_of(account),
            left_s=left_of(self.wall.now(), self._zone),
        )

    @contextmanager
    def reserve(self, provider: str, profile: str, *, input_tokens: int, max_tokens: int | None) -> Iterator[Holding]:
        """Hold an estimate of what an attempt costs until the context is left or the attempt is settled.

        Raises ProviderFailed(budget) where a cap is reached."""
        if (cap := self.blocked(provider, profile)) is not None:
            raise ProviderFailed(
                provider=provider,
                reason=FailureReason.BUDGET,
                message=cap.detail,
                transient=not cap.standing.is_spent,
                retry_after_s=None if cap.standing.is_spent else cap.retry_in_s,
            )
        price = self._prices.get(provider, FREE)
        holding = Holding(
            ledger=self,
            provider=provider,
            profile=profile,
            price=price,
            input_tokens=max(input_tokens, 0),
            usd=estimate_usd(input_tokens, max_tokens, price),
        )
        holding.take()
        try:
            yield holding
        finally:
            holding.give_back()

    def snapshot(self) -> SpendReport:
        """Return how every budget stands: of those who cost something, or have spent something, or have a cap."""
        self._roll()
        providers = {name: self._standing((CapScope.PROVIDER, name), self._caps) for name in self._listed}
        capped = [name for scope, name in self._caps.by_account if scope is CapScope.PROFILE]
        profiles = dict.fromkeys((*capped, *self._books.month.by_profile))
        return SpendReport(
            month=self._books.month.period,
            day=self._books.day.period,
            timezone=str(self._zone),
            monthly=self._standing((CapScope.MONTH, ""), self._caps),
            daily=self._standing((CapScope.DAY, ""), self._caps),
            providers={name: one for name, one in providers.items() if one.cap_usd is not None or self._costs(name)},
            profiles={name: self._standing((CapScope.PROFILE, name), self._caps) for name in profiles},
            today=_booked(self._books.day),
            this_month=_booked(self._books.month),
        )

    # ---- for Holding only

    def hold(self, provider: str, profile: str, usd: float) -> None:
        """Count a reservation in every cap that it is under."""
        for account in accounts_of(provider, profile):
            count, held = self._held.get(account, (0, 0.0))
            self._held[account] = (count + 1, held + usd)

    def release(self, provider: str, profile: str, usd: float) -> None:
        """Count it no more; the last one leaves nothing, whatever floats make of the sum."""
        for account in accounts_of(provider, profile):
            count, held = self._held[account]
            if count > 1:
                self._held[account] = (count - 1, held - usd)
            else:
                del self._held[account]

    def book(self, provider: str, profile: str, usd: float) -> None:
        """Add an answer's cost to the period at hand, keep it, and tell the thresholds that it crosses."""
        self._roll()
        accounts = [account for account in accounts_of(provider, profile) if account in self._caps.by_account]
        before = [self._standing(account, self._caps) for account in accounts]
        old, self._books = self._books, add(self._books, provider, profile, usd)
        if self._books is old:
            return
        for spent in (self._books.month, self._books.day):
            self.rows.put(SPEND, spent.period, to_row(spent))
        for account, standing in zip(accounts, before, strict=True):
            self._tell_crossed(account, standing)

    # ---- private

    def _costs(self, provider: str) -> bool:
        """Tell whether an answer may cost money: by its price, because it is marked paid, or since it has charged already."""
        return provider in self._costly or self._books.month.by_provider.get(provider, 0.0) > 0

    def _held_of(self, account: Account) -> float:
        return self._held.get(account, (0, 0.0))[1]

    def _standing(self, account: Account, caps: Caps) -> Standing:
        return standing_of(account, self._books, caps, self._held_of)

    def _tell_crossed(self, account: Account, before: Standing) -> None:
        after = self._standing(account, self._caps)
        for percent in crossed(before, after):
            self.observer.event(
                "budget-threshold",
                {
                    "scope": str(account[0]),
                    "name": account[1],
                    "percent": percent,
                    "spent_usd": booked_usd(after.spent_usd),
                    "cap_usd": after.cap_usd,
                    "period": self._books.period_of(account),
                },
            )

    def _roll(self) -> None:
        """Open the books of the period that the wall clock says; noticed by whoever asks or books next."""
        wall, books = self.wall.now(), self._books
        if self._seen <= wall < self._day_ends:
            return
        self._seen, self._day_ends = wall, wall + left_of_day(wall, self._zone)
        month, day = month_of(wall, self._zone), day_of(wall, self._zone)
        self._books = Books(month=self._turn(books.month, month), day=self._turn(books.day, day))

    def _turn(self, spent: Spent, period: str) -> Spent:
        fresh = roll(spent, period)
        if fresh is spent:
            return spent
        if spent.total_usd:
            self._shelf[spent.period] = spent
        taken = self._shelf.pop(period, fresh)
        alike = sorted(name for name in self._shelf if len(name) == len(period))
        for name in alike[:-KEPT_PERIODS]:
            del self._shelf[name]
            self.rows.delete(SPEND, name)
        return taken


def _booked(spent: Spent) -> Booked:
    return Booked(by_provider=spent.by_provider, by_profile=spent.by_profile)


def _zone(name: str) -> tzinfo:
    """Return the zone of that name. UTC needs no zone file, which a small machine may not have; the check has read the others."""
    return UTC if name == "UTC" else ZoneInfo(name)
