"""What tokens cost: prices, the cost of an answer, the estimate that is reserved for one (routing.md 13.1, 13.3)."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from attrs import frozen

from router.config.schema import CostConfig, PriceConfig, ProviderConfig
from router.domain.events import Usage
from router.domain.spend import CacheOutcome, Cost, booked_usd

MILLION = 1_000_000
RESERVED_OUTPUT_TOKENS = 4096  # clients ask for 32,000 and more and use a few hundred: a cap would never be used up (13.3)


@frozen(kw_only=True)
class Price:
    """USD per token; the cache's are multipliers on the input's."""

    input_usd: float = 0.0
    output_usd: float = 0.0
    cache_read: float = 0.10
    cache_write: float = 1.25
    cache_write_1h: float = 2.0

    @property
    def is_free(self) -> bool:
        """Whether no token costs anything."""
        return not self.input_usd and not self.output_usd


FREE = Price()


def price_of(provider: ProviderConfig, prices: Sequence[PriceConfig]) -> Price:
    """Return a provider's price: its own where it says one, else that of the first glob on its model, else FREE."""
    if provider.cost is not None and _has_price(provider.cost):
        return _price(provider.cost)
    model = provider.model.lower()
    return next((_price(row) for row in prices if fnmatchcase(model, row.match.lower())), FREE)


def costs_money(provider: ProviderConfig, price: Price) -> bool:
    """Tell whether an answer may cost money, by what the configuration says: the price, or the mark `paid`."""
    return provider.paid or not price.is_free


def cost_of(usage: Usage, price: Price) -> Cost:
    """Return what an answer cost. What the upstream says that it charged wins over the prices."""
    written = max(usage.cache_write or 0, 0)
    long = min(max(usage.cache_write_1h or 0, 0), written)
    read = max(usage.cache_read or 0, 0) * price.input_usd
    input_usd = max(usage.input, 0) * price.input_usd
    output_usd = max(usage.output, 0) * price.output_usd
    cache_read_usd = read * price.cache_read
    cache_write_usd = ((written - long) * price.cache_write + long * price.cache_write_1h) * price.input_usd
    total = input_usd + output_usd + cache_read_usd + cache_write_usd
    return Cost(
        total_usd=total if usage.cost_usd is None else max(usage.cost_usd, 0.0),
        savings_usd=max(read - cache_read_usd, 0.0),
        input_usd=input_usd,
        output_usd=output_usd,
        cache_read_usd=cache_read_usd,
        cache_write_usd=cache_write_usd,
        is_reported=usage.cost_usd is not None,
        is_estimated=usage.estimated,
    )


def estimate_usd(input_tokens: int, max_tokens: int | None, price: Price) -> float:
    """Return what is reserved for an attempt: its whole input as fresh, and as much output as it may have, within reason."""
    output = RESERVED_OUTPUT_TOKENS if max_tokens is None else min(max(max_tokens, 0), RESERVED_OUTPUT_TOKENS)
    return max(input_tokens, 0) * price.input_usd + output * price.output_usd


def cache_outcome(usage: Usage | None) -> CacheOutcome:
    """Return what the prompt cache did; UNKNOWN where no usage came, one of zeros only, or one that was guessed."""
    if usage is None:
        return CacheOutcome.UNKNOWN
    read, written = usage.cache_read or 0, usage.cache_write or 0
    if read > 0:
        return CacheOutcome.HIT
    if written > 0:
        return CacheOutcome.CREATION
    is_guessed = usage.estimated and usage.cache_read is None and usage.cache_write is None
    return CacheOutcome.UNKNOWN if is_guessed or not (usage.input or usage.output) else CacheOutcome.NONE


def cache_fields(usage: Usage, cost: Cost, *, has_cache_control: bool, is_streaming: bool) -> dict[str, object]:
    """Return the fields of `cache-observed` (routing.md 13.1)."""
    return {
        "request_had_cache_control": has_cache_control,
        "outcome": str(cache_outcome(usage)),
        "cache_read_input_tokens": usage.cache_read or 0,
        "cache_creation_input_tokens": usage.cache_write or 0,
        "input_tokens": usage.input if usage.has_input else None,
        "output_tokens": usage.output,
        "streaming": is_streaming,
        "cost_usd": booked_usd(cost.total_usd),
        "cost_savings_usd": booked_usd(cost.savings_usd),
    }


def _has_price(table: CostConfig | PriceConfig) -> bool:
    return table.input_tokens_per_million is not None or table.output_tokens_per_million is not None


def _price(table: CostConfig | PriceConfig) -> Price:
    return Price(
        input_usd=(table.input_tokens_per_million or 0.0) / MILLION,
        output_usd=(table.output_tokens_per_million or 0.0) / MILLION,
        cache_read=table.cache_read_discount,
        cache_write=table.cache_creation_premium,
        cache_write_1h=table.cache_creation_1h_premium,
    )
