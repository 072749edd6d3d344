"""What tokens cost, rule by rule (routing.md 13.1, 13.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import CostConfig, PriceConfig
from router.domain.events import Usage
from router.domain.spend import CacheOutcome, Cost
from router.observers.events import EVENTS
from router.routing.cost import FREE, Price, cache_fields, cache_outcome, cost_of, estimate_usd, price_of
from tests.builders import a_provider

SONNET = Price(input_usd=3e-6, output_usd=15e-6)
M = 1_000_000
COUNTS = st.integers(-5, 10**9)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        (Usage(), 0.0),
        (Usage(input=M), 3.0),
        (Usage(output=M), 15.0),
        (Usage(cache_read=M), 0.3),
        (Usage(cache_write=M), 3.75),
        (Usage(cache_write=M, cache_write_1h=M), 6.0),
        (Usage(cache_write=M, cache_write_1h=M // 2), 4.875),
        (Usage(cache_write=M, cache_write_1h=5 * M), 6.0),  # a part is no larger than the whole
        (Usage(input=M, output=M, cache_read=M, cache_write=M), 22.05),
        (Usage(input=M, reasoning=M), 3.0),  # they are in the output already
        (Usage(input=-M, output=-M, cache_read=-M, cache_write=-M, cache_write_1h=-M), 0.0),
    ],
)
def test_each_kind_of_token_has_its_price(usage: Usage, usd: float) -> None:
    assert cost_of(usage, SONNET).total_usd == pytest.approx(usd)


def test_the_parts_make_up_the_total() -> None:
    cost = cost_of(Usage(input=1000, output=2000, cache_read=3000, cache_write=4000, cache_write_1h=1000), SONNET)

    parts = (cost.input_usd, cost.output_usd, cost.cache_read_usd, cost.cache_write_usd)
    assert parts == pytest.approx((0.003, 0.03, 0.0009, 0.01725))
    assert cost.total_usd == pytest.approx(sum(parts))


def test_without_a_price_everything_is_free() -> None:
    usage = Usage(input=M, output=M, cache_read=M, cache_write=M, cache_write_1h=M)

    assert cost_of(usage, FREE) == Cost()
    assert FREE.is_free


@pytest.mark.parametrize("price", [Price(input_usd=1e-6), Price(output_usd=1e-6)])
def test_one_price_is_enough_to_cost_something(price: Price) -> None:
    assert not price.is_free


@pytest.mark.parametrize(("multiplier", "saved"), [(0.1, 2.7), (0.0, 3.0), (1.0, 0.0)])
def test_savings_are_what_cached_reads_would_have_cost_more(multiplier: float, saved: float) -> None:
    price = Price(input_usd=3e-6, output_usd=15e-6, cache_read=multiplier)

    assert cost_of(Usage(cache_read=M), price).savings_usd == pytest.approx(saved)


def test_a_premium_on_writing_is_no_loss_of_savings() -> None:
    assert cost_of(Usage(cache_write=M, cache_write_1h=M), SONNET).savings_usd == 0.0


@pytest.mark.parametrize("price", [SONNET, FREE])
@pytest.mark.parametrize(("reported", "usd"), [(0.25, 0.25), (0.0, 0.0), (-1.0, 0.0)])
def test_what_the_upstream_charged_wins_over_prices(price: Price, reported: float, usd: float) -> None:
    cost = cost_of(Usage(input=M, output=M, cost_usd=reported), price)

    assert (cost.total_usd, cost.is_reported) == (usd, True)


def test_a_guess_is_marked() -> None:
    assert cost_of(Usage(output=7, estimated=True), SONNET).is_estimated
    assert not cost_of(Usage(output=7), SONNET).is_estimated


@given(st.builds(Usage, input=COUNTS, output=COUNTS, cache_read=COUNTS, cache_write=COUNTS, cache_write_1h=COUNTS))
def test_no_usage_gives_money_back(usage: Usage) -> None:
    cost = cost_of(usage, SONNET)

    assert min(cost.total_usd, cost.savings_usd, cost.cache_write_usd) >= 0


@pytest.mark.parametrize(
    ("input_tokens", "max_tokens", "usd"),
    [
        (1000, 100, 0.003 + 0.0015),
        (0, 4096, 0.06144),
        (0, 64_000, 0.06144),
        (0, None, 0.06144),
        (0, 0, 0.0),
        (-10, -10, 0.0),
    ],
)
def test_the_reservation_is_the_input_and_at_most_4096_tokens_of_output(
    input_tokens: int, max_tokens: int | None, usd: float
) -> None:
    assert estimate_usd(input_tokens, max_tokens, SONNET) == pytest.approx(usd)


ROWS = (
    PriceConfig(match="claude-sonnet-*", input_tokens_per_million=3.0, output_tokens_per_million=15.0),
    PriceConfig(match="claude-*", input_tokens_per_million=5.0, cache_read_discount=0.5),
)


@pytest.mark.parametrize(
    ("model", "cost", "price"),
    [
        ("claude-sonnet-4", None, SONNET),
        ("Claude-Sonnet-4", None, SONNET),
        ("claude-opus-4", None, Price(input_usd=5e-6, cache_read=0.5)),
        ("qwen", None, FREE),
        ("claude-sonnet-4", CostConfig(output_tokens_per_million=1.0), Price(output_usd=1e-6)),
        ("claude-sonnet-4", CostConfig(input_tokens_per_million=0.0), FREE),
        ("claude-sonnet-4", CostConfig(monthly_budget_usd=5.0), SONNET),
        ("qwen", CostConfig(monthly_budget_usd=5.0), FREE),
    ],
)
def test_a_providers_own_price_wins_then_the_first_glob_on_its_model(model: str, cost: CostConfig | None, price: Price) -> None:
    assert price_of(a_provider(model=model, cost=cost), ROWS) == price


def test_the_multipliers_come_from_where_the_price_comes_from() -> None:
    own = CostConfig(
        input_tokens_per_million=1.0, cache_read_discount=0.2, cache_creation_premium=1.5, cache_creation_1h_premium=3.0
    )

    price = price_of(a_provider(model="claude-opus-4", cost=own), ROWS)

    assert (price.cache_read, price.cache_write, price.cache_write_1h) == (0.2, 1.5, 3.0)


@pytest.mark.parametrize(
    ("usage", "outcome"),
    [
        (None, CacheOutcome.UNKNOWN),
        (Usage(), CacheOutcome.UNKNOWN),
        (Usage(output=9, estimated=True), CacheOutcome.UNKNOWN),
        (Usage(input=9, output=9, cache_read=0, estimated=True), CacheOutcome.NONE),
        (Usage(input=9), CacheOutcome.NONE),
        (Usage(output=9, cache_read=0, cache_write=0), CacheOutcome.NONE),
        (Usage(cache_write=1), CacheOutcome.CREATION),
        (Usage(cache_read=1), CacheOutcome.HIT),
        (Usage(cache_read=1, cache_write=1), CacheOutcome.HIT),
        (Usage(input=1, cache_read=-1, cache_write=-1), CacheOutcome.NONE),
    ],
)
def test_what_the_cache_did_is_read_from_the_usage(usage: Usage | None, outcome: CacheOutcome) -> None:
    assert cache_outcome(usage) is outcome


def test_the_cache_event_has_the_fields_of_the_original() -> None:
    usage = Usage(input=10, output=20, cache_read=1000)

    fields = cache_fields(usage, cost_of(usage, SONNET), has_cache_control=True, is_streaming=False)

    assert fields == {
        "request_had_cache_control": True,
        "outcome": "cache_hit",
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 0,
        "input_tokens": 10,
        "output_tokens": 20,
        "streaming": False,
        "cost_usd": 0.00063,
        "cost_savings_usd": 0.0027,
    }
    assert set(fields) <= set(EVENTS["cache-observed"].fields)


def test_an_input_that_nobody_counted_is_not_told_as_none_at_all() -> None:
    usage = Usage(output=20, estimated=True)

    assert cache_fields(usage, cost_of(usage, FREE), has_cache_control=True, is_streaming=True)["input_tokens"] is None
