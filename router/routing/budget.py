"""Budgets: what was spent in the month and the day at hand, the caps, and which of them is reached (routing.md 13.2, 13.3).

    booked ──> add ──> crossed 50, 80, 95 %? ──> told once
    asked  ──> spent + held >= cap? ──> blocked until the period ends, or until less is held
    a new month or day ──> roll: from zero

Who keeps the values, and what attempts under way hold, is `supervisors/ledger.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo

from attrs import evolve, field, frozen

from router.config.schema import RouterConfig
from router.domain.spend import CapScope, Standing

THRESHOLDS = (50, 80, 95)  # per cent of a cap
LARGEST_USD = 1e12  # a stored sum above it is none of ours
_PERIOD = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)
_MONTH_CHARS = len("YYYY-MM")
_SHARE_EPSILON = 1e-9  # 0.8 of a cap that was reached in tenths

Account = tuple[CapScope, str]  # what a cap is over, and the name of the provider or profile


# ---- periods


def day_of(wall: float, zone: tzinfo) -> str:
    """Return the day as YYYY-MM-DD; `wall` is unix seconds."""
    return datetime.fromtimestamp(wall, zone).date().isoformat()


def month_of(wall: float, zone: tzinfo) -> str:
    """Return the month as YYYY-MM; `wall` is unix seconds."""
    return day_of(wall, zone)[:_MONTH_CHARS]


def left_of_day(wall: float, zone: tzinfo) -> float:
    """Return the seconds until the next day begins in the zone, whatever its clocks do meanwhile."""
    return _start(datetime.fromtimestamp(wall, zone) + timedelta(days=1), zone) - wall


def left_of_month(wall: float, zone: tzinfo) -> float:
    """Return the seconds until the next month begins in the zone."""
    first = datetime.fromtimestamp(wall, zone).replace(day=1)
    return _start(first + timedelta(days=32), zone, day=1) - wall


def _start(moment: datetime, zone: tzinfo, *, day: int | None = None) -> float:
    """Return when a day begins, unix seconds. Where midnight is left out it is the moment of the change."""
    return datetime(moment.year, moment.month, day or moment.day, tzinfo=zone).timestamp()


# ---- what was spent


@frozen(kw_only=True)
class Spent:
    """USD of one period: over everything, and of it by provider and by profile."""

    period: str = ""
    total_usd: float = 0.0
    by_provider: Mapping[str, float] = field(factory=dict)
    by_profile: Mapping[str, float] = field(factory=dict)


@frozen(kw_only=True)
class Books:
    """The month and the day at hand."""

    month: Spent = Spent()
    day: Spent = Spent()

    def spent_on(self, account: Account) -> float:
        """Return what was spent of the account's cap."""
        scope, name = account
        match scope:
            case CapScope.PROVIDER:
                return self.month.by_provider.get(name, 0.0)
            case CapScope.PROFILE:
                return self.month.by_profile.get(name, 0.0)
            case CapScope.MONTH:
                return self.month.total_usd
            case CapScope.DAY:
                return self.day.total_usd

    def period_of(self, account: Account) -> str:
        """Return the period that the account's cap is for."""
        return self.day.period if account[0] is CapScope.DAY else self.month.period


def add(books: Books, provider: str, profile: str, usd: float) -> Books:
    """Return the books with one more answer; only a positive sum changes them."""
    if not usd > 0:
        return books
    return Books(month=_added(books.month, provider, profile, usd), day=_added(books.day, provider, profile, usd))


def roll(spent: Spent, period: str) -> Spent:
    """Return the period's account: the one at hand, or another from zero."""
    return spent if spent.period == period else Spent(period=period)


def plus(one: Spent, other: Spent) -> Spent:
    """Return what was spent of one period in two books."""
    return Spent(
        period=one.period,
        total_usd=one.total_usd + other.total_usd,
        by_provider=_sum(one.by_provider, other.by_provider),
        by_profile=_sum(one.by_profile, other.by_profile),
    )


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def _added(spent: Spent, provider: str, profile: str, usd: float) -> Spent:
    return evolve(
        spent,
        total_usd=spent.total_usd + usd,
        by_provider={**spent.by_provider, provider: spent.by_provider.get(provider, 0.0) + usd},
        by_profile={**spent.by_profile, profile: spent.by_profile.get(profile, 0.0) + usd},
    )


# ---- caps


@frozen(kw_only=True)
class Caps:
    """Every cap of a configuration, by what it is over."""

    by_account: Mapping[Account, float] = field(factory=dict)

    @classmethod
    def of(cls, config: RouterConfig) -> Caps:
        """Return the caps that are set."""
        told: dict[Account, float | None] = {
            **{(CapScope.PROVIDER, p.name): p.cost.monthly_budget_usd for p in config.providers if p.cost is not None},
            **{(CapScope.PROFILE, profile.name): profile.monthly_budget_usd for profile in config.profiles},
            (CapScope.MONTH, ""): config.budget.monthly_usd,
            (CapScope.DAY, ""): config.budget.daily_usd,
        }
        return cls(by_account={account: cap for account, cap in told.items() if cap is not None})


def accounts_of(provider: str, profile: str) -> tuple[Account, ...]:
    """Return whose caps an attempt is under, in the order in which they are looked at."""
    return ((CapScope.PROVIDER, provider), (CapScope.PROFILE, profile), (CapScope.MONTH, ""), (CapScope.DAY, ""))


def standing_of(account: Account, books: Books, caps: Caps, held: Callable[[Account], float]) -> Standing:
    """Return how full a cap is; `held` gives what attempts under way have reserved of it."""
    return Standing(spent_usd=books.spent_on(account), reserved_usd=held(account), cap_usd=caps.by_account.get(account))


def cap_over(
    provider: str, profile: str, books: Books, caps: Caps, held: Callable[[Account], float], *, costs: bool
) -> Account | None:
    """Return the cap that keeps an attempt from beginning, one that is spent before one that is full; None where it may.

    A provider that `costs` nothing is under its own cap alone, where 0 shuts it: the others are about money, and a local
    model goes on when it is spent."""
    under = accounts_of(provider, profile) if costs else ((CapScope.PROVIDER, provider),)
    capped = (account for account in under if account in caps.by_account)
    full = [account for account in capped if standing_of(account, books, caps, held).is_full]
    spent = (account for account in full if standing_of(account, books, caps, held).is_spent)
    return next(spent, next(iter(full), None))


def crossed(before: Standing, after: Standing) -> tuple[int, ...]:
    """Return the thresholds, per cent, that lie between two standings of one cap: upwards, each once in a period."""
    low, high = _share(before), _share(after)
    return tuple(percent for percent in THRESHOLDS if low < percent / 100 - _SHARE_EPSILON <= high)


def _share(standing: Standing) -> float:
    """Return the share of the cap that is spent; a cap of 0 has nothing to warn about."""
    return standing.spent_usd / standing.cap_usd if standing.cap_usd else 0.0


# ---- as rows of the state file


def to_row(spent: Spent) -> Mapping[str, object]:
    """Return what is stored under the period's name."""
    return {"total_usd": spent.total_usd, "providers": dict(spent.by_provider), "profiles": dict(spent.by_profile)}


def from_row(period: str, row: Mapping[str, object]) -> Spent | None:
    """Return a stored period, None for what is none or has no sum; names without a sum are left out. Never raises (I17)."""
    total = _usd(row.get("total_usd"))
    if total is None or not _PERIOD.fullmatch(period):
        return None
    return Spent(period=period, total_usd=total, by_provider=_sums(row.get("providers")), by_profile=_sums(row.get("profiles")))


def _sums(value: object) -> Mapping[str, float]:
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {name: usd for name, told in pairs if isinstance(name, str) and (usd := _usd(told)) is not None}


def _usd(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST_USD:
        return None
    return float(value)
