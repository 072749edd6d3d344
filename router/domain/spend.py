"""Money as others read it: what one answer cost, how full a cap is, which one is reached. USD throughout (routing.md 13)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

HELD_RETRY_S = 1.0  # where a cap is only reserved: attempts under way mostly cost a part of what they hold
EPSILON_USD = 1e-9  # sums of floats: ten tenths are a whole
_USD_DIGITS = 12  # a token of the cheapest models costs 1e-8: sums of a journal are those of the books


def booked_usd(amount: float) -> float:
    """Return an amount as it is told everywhere: log, journal, metrics and pages agree to the last digit."""
    return round(amount, _USD_DIGITS)


class CapScope(StrEnum):
    """What a cap is over, in the order in which caps are looked at; all but the last are of a calendar month."""

    PROVIDER = "provider"
    PROFILE = "profile"
    MONTH = "month"  # over everything
    DAY = "day"  # over everything


class CacheOutcome(StrEnum):
    """What the prompt cache did for an answer (routing.md 13.1)."""

    UNKNOWN = "unknown"  # nobody told
    HIT = "cache_hit"
    CREATION = "cache_creation"
    NONE = "no_cache"


@frozen(kw_only=True)
class Cost:
    """What one answer cost. `savings_usd` is what its cache reads would have cost more as fresh input.

    The four parts follow the configured prices and make up the total, unless it `is_reported` by the upstream. `is_estimated`:
    nobody counted all of its tokens."""

    total_usd: float = 0.0
    savings_usd: float = 0.0
    input_usd: float = 0.0
    output_usd: float = 0.0
    cache_read_usd: float = 0.0
    cache_write_usd: float = 0.0
    is_reported: bool = False
    is_estimated: bool = False


@frozen(kw_only=True)
class Standing:
    """What is booked in the period at hand, what attempts under way hold besides, and the cap: None where there is none."""

    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    cap_usd: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more may begin: with a cap of 0 from the start."""
        return self.cap_usd is not None and self.spent_usd + self.reserved_usd >= self.cap_usd - EPSILON_USD

    @property
    def is_spent(self) -> bool:
        """Whether that stays so until the period's end; else it may be that attempts under way cost less than they hold."""
        return self.cap_usd is not None and self.spent_usd >= self.cap_usd - EPSILON_USD


@frozen(kw_only=True)
class Blocked:
    """The cap that keeps a provider from being asked. `name` is the provider's or the profile's, "" for one over everything.

    `period` is the month as YYYY-MM or the day as YYYY-MM-DD; it ends in `left_s` seconds."""

    scope: CapScope
    name: str
    standing: Standing
    period: str
    left_s: float

    @property
    def retry_in_s(self) -> float:
        """When somebody may be asked again: at the period's end, or soon where it is not spent."""
        return self.left_s if self.standing.is_spent else HELD_RETRY_S

    @property
    def detail(self) -> str:
        """The sentence for people."""
        whose = f"{self.scope} {self.name}" if self.name else f"every provider, per {self.scope}"
        state = "spent" if self.standing.is_spent else "spent or reserved by requests in progress"
        return f"the budget of {self.standing.cap_usd:g} USD for {whose} is {state} ({self.period})"


@frozen(kw_only=True)
class Booked:
    """What was spent in one period, by whose answers it was; who has cost nothing is not there."""

    by_provider: Mapping[str, float] = field(factory=dict)
    by_profile: Mapping[str, float] = field(factory=dict)


@frozen(kw_only=True)
class SpendReport:
    """Every budget at one moment: by provider and profile of the month, and over everything. `today`, `this_month`: who spent."""

    month: str
    day: str
    timezone: str
    monthly: Standing
    daily: Standing
    providers: Mapping[str, Standing] = field(factory=dict)
    profiles: Mapping[str, Standing] = field(factory=dict)
    today: Booked = field(factory=Booked)
    this_month: Booked = field(factory=Booked)
