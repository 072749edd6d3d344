"""The ledger over time: thresholds, months and days, what outlives a reload and a daemon."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from router.config.schema import BudgetConfig, CostConfig
from router.domain.events import Usage
from router.domain.spend import Booked, CapScope, Standing
from router.state.rows import SPEND
from supervisors.ledger import KEPT_PERIODS
from tests.builders import a_config, a_profile, a_provider
from tests.sim.guard import nothing_real
from tests.supervisors.ledger_rig import ONE_USD, Clock, a_priced, a_world, at, resumed

# ---- thresholds


def test_each_threshold_of_each_cap_is_told_once() -> None:
    world = a_world(a_priced(provider_cap=10.0, daily_usd=20.0))

    for _ in range(10):
        world.spend(1)

    assert world.told() == [("provider", "a", 50), ("provider", "a", 80), ("provider", "a", 95), ("day", "", 50)]
    assert world.observer.named("budget-threshold")[0] == {
        "scope": "provider",
        "name": "a",
        "percent": 50,
        "spent_usd": 5.0,
        "cap_usd": 10.0,
        "period": "2026-01",
    }


def test_a_new_period_tells_its_thresholds_anew() -> None:
    world = a_world(a_priced(daily_usd=10.0))
    world.spend(6)
    world.clock.time += 86_400
    world.spend(6)

    assert world.told() == [("day", "", 50), ("day", "", 50)]


def test_a_reservation_crosses_no_threshold() -> None:
    world = a_world(a_priced(provider_cap=10.0))

    with world.ledger.reserve("a", "default", input_tokens=9, max_tokens=1):
        pass

    assert world.told() == []


# ---- who spent it


def test_a_day_and_a_month_are_told_by_provider_and_by_profile() -> None:
    world = a_world()
    world.spend(2, "a", "default")
    world.clock.time += 86_400
    world.spend(3, "a", "other")
    world.spend(4, "b", "other")

    report = world.ledger.snapshot()
    assert report.today == Booked(by_provider={"a": 3.0, "b": 4.0}, by_profile={"other": 7.0})
    assert report.this_month == Booked(by_provider={"a": 5.0, "b": 4.0}, by_profile={"default": 2.0, "other": 7.0})

    world.clock.time += 86_400
    assert world.ledger.snapshot().today == Booked()


# ---- periods


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("UTC", "2026-01-31T23:59:59+00:00", "2026-02-01T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-31T21:59:59+00:00", "2026-03-31T22:00:00+00:00"),  # summer since two days
        ("Europe/Berlin", "2026-10-31T22:59:59+00:00", "2026-10-31T23:00:00+00:00"),  # winter since six
        ("America/New_York", "2026-12-01T04:59:59+00:00", "2026-12-01T05:00:00+00:00"),
        ("Asia/Kolkata", "2026-01-31T18:29:59+00:00", "2026-01-31T18:30:00+00:00"),
    ],
)
def test_with_the_month_everything_begins_at_zero(zone: str, before: str, after: str) -> None:
    world = a_world(a_priced(provider_cap=5.0, profile_cap=5.0, monthly_usd=5.0, daily_usd=5.0, timezone=zone))
    world.clock.time = at(before)
    world.spend(5)
    assert world.ledger.blocked("a", "default") is not None

    world.clock.time = at(after)

    assert world.ledger.blocked("a", "default") is None
    assert {world.standing(scope).spent_usd for scope in (CapScope.MONTH, CapScope.DAY)} == {0.0}


def test_with_the_day_only_the_days_cap_begins_at_zero() -> None:
    world = a_world(a_priced(provider_cap=9.0, daily_usd=5.0))
    world.spend(5)

    world.clock.time = at("2026-01-16T00:00:00+00:00")

    assert world.ledger.blocked("a", "default") is None
    assert (world.standing(CapScope.MONTH).spent_usd, world.standing(CapScope.DAY).spent_usd) == (5.0, 0.0)


def test_an_answer_counts_in_the_period_in_which_it_ends() -> None:
    world = a_world(a_priced(monthly_usd=100.0), clock=Clock(at("2026-01-31T23:59:00+00:00")))

    with world.ledger.reserve("a", "default", input_tokens=9, max_tokens=1) as reservation:
        world.clock.time += 120
        assert world.standing(CapScope.MONTH).reserved_usd == 9.0
        reservation.settle(Usage(input=7))

    assert (world.ledger.snapshot().month, world.standing(CapScope.MONTH).spent_usd) == ("2026-02", 7.0)


def test_a_clock_that_is_wrong_for_a_while_loses_nothing() -> None:
    world = a_world(a_priced(monthly_usd=100.0))
    world.spend(5)
    right = world.clock.time

    for wrong in ("2099-01-01T00:00:00+00:00", "2001-01-01T00:00:00+00:00"):
        world.clock.time = at(wrong)
        world.spend(1)
    world.clock.time = right

    assert (world.standing(CapScope.MONTH).spent_usd, world.standing(CapScope.DAY).spent_usd) == (5.0, 5.0)


# ---- rows, restarts, reloads


def test_every_settlement_is_kept_by_month_and_day() -> None:
    world = a_world()

    world.spend(2)
    world.spend(1, "b", "other")

    row = {"total_usd": 3.0, "providers": {"a": 2.0, "b": 1.0}, "profiles": {"default": 2.0, "other": 1.0}}
    assert world.rows.kept == {(SPEND, "2026-01"): row, (SPEND, "2026-01-15"): row}


def test_rows_of_ended_periods_do_not_pile_up() -> None:
    world = a_world()
    for _ in range(100):
        world.spend(1)
        world.clock.time += 86_400

    months = [key for _, key in world.rows.kept if len(key) == len("2026-01")]
    days = [key for _, key in world.rows.kept if len(key) == len("2026-01-15")]
    assert (len(months), len(days)) == (KEPT_PERIODS + 1, KEPT_PERIODS + 1)
    assert max(days) == "2026-04-24"


@pytest.mark.parametrize(
    ("now", "month_usd", "day_usd"),
    [
        ("2026-01-15T23:59:59+00:00", 5.0, 5.0),
        ("2026-01-16T00:00:00+00:00", 5.0, 0.0),
        ("2026-02-15T12:00:00+00:00", 0.0, 0.0),
        ("2025-12-15T12:00:00+00:00", 0.0, 0.0),
    ],
)
def test_only_the_period_at_hand_is_taken_up(now: str, month_usd: float, day_usd: float) -> None:
    world = a_world()
    world.spend(5)

    later = resumed(world.rows.kept, now)

    assert (later.standing(CapScope.MONTH).spent_usd, later.standing(CapScope.DAY).spent_usd) == (month_usd, day_usd)
    assert later.standing(CapScope.PROVIDER, "a").spent_usd == month_usd


def test_a_threshold_that_an_earlier_daemon_told_is_not_told_again() -> None:
    config = a_priced(provider_cap=10.0)
    world = a_world(config)
    world.spend(6)

    later = resumed(world.rows.kept, "2026-01-15T13:00:00+00:00", config)
    later.spend(1)
    later.spend(1)

    assert later.told() == [("provider", "a", 80)]


def test_a_row_that_cannot_be_read_is_deleted() -> None:
    rows: dict[tuple[str, str], Mapping[str, object]] = {
        (SPEND, "2026-01"): {"total_usd": "much"},
        (SPEND, "x"): {"total_usd": 1},
    }

    world = resumed(rows, "2026-01-15T13:00:00+00:00")

    assert world.rows.kept == {}
    assert world.standing(CapScope.MONTH).spent_usd == 0.0


def test_a_reload_keeps_what_is_spent_and_what_is_held() -> None:
    world = a_world(a_priced(provider_cap=10.0))
    world.spend(4)

    with world.ledger.reserve("a", "default", input_tokens=3, max_tokens=1) as reservation:
        world.ledger.configure(a_priced(provider_cap=5.0))
        assert world.standing(CapScope.PROVIDER, "a") == Standing(spent_usd=4.0, reserved_usd=3.0, cap_usd=5.0)
        reservation.settle(Usage(input=1))

    assert world.standing(CapScope.PROVIDER, "a") == Standing(spent_usd=5.0, cap_usd=5.0)
    assert world.ledger.blocked("a", "default") is not None


def test_a_request_is_booked_at_the_price_it_began_with() -> None:
    world = a_world()

    with world.ledger.reserve("a", "default", input_tokens=1, max_tokens=1) as reservation:
        world.ledger.configure(a_config(a_provider("b", cost=ONE_USD)))
        reservation.settle(Usage(input=3))

    assert world.standing(CapScope.MONTH).spent_usd == 3.0


def test_an_older_request_that_comes_to_a_provider_that_was_taken_away_is_booked_as_well() -> None:
    world = a_world()
    world.ledger.configure(a_config(a_provider("b", cost=ONE_USD)))

    world.spend(3, "a")

    assert world.standing(CapScope.MONTH).spent_usd == 3.0
    assert set(world.ledger.snapshot().providers) == {"b"}


def test_a_raised_cap_lets_go_on_and_a_lowered_one_tells_what_it_crosses() -> None:
    world = a_world(a_priced(provider_cap=5.0))
    world.spend(5)

    world.ledger.configure(a_priced(provider_cap=20.0))
    assert world.ledger.blocked("a", "default") is None

    world.ledger.configure(a_priced(provider_cap=6.0))
    assert world.told()[3:] == [("provider", "a", 50), ("provider", "a", 80)]


def test_another_time_zone_asks_for_its_own_period() -> None:
    world = a_world(a_priced(daily_usd=9.0), clock=Clock(at("2026-01-31T20:00:00+00:00")))
    world.spend(5)

    world.ledger.configure(a_priced(daily_usd=9.0, timezone="Asia/Tokyo"))
    assert (world.ledger.snapshot().month, world.standing(CapScope.DAY).spent_usd) == ("2026-02", 0.0)

    world.ledger.configure(a_priced(daily_usd=9.0))
    assert (world.ledger.snapshot().month, world.standing(CapScope.DAY).spent_usd) == ("2026-01", 5.0)


def test_a_day_in_utc_needs_no_zone_file() -> None:  # a small machine has none
    with nothing_real():
        world = a_world(a_priced(daily_usd=1.0))
        world.spend(1)

        assert world.ledger.blocked("a", "default") is not None


def test_the_snapshot_shows_who_costs_something_or_has_a_cap() -> None:
    config = a_config(
        a_provider("priced", cost=ONE_USD),
        a_provider("paid", paid=True),
        a_provider("local"),
        a_provider("capped", cost=CostConfig(monthly_budget_usd=1.0)),
        profiles=(a_profile("priced", monthly_budget_usd=7.0), a_profile("local", name="other")),
        budget=BudgetConfig(timezone="Asia/Tokyo"),
    )

    report = a_world(config).ledger.snapshot()

    assert (report.month, report.day, report.timezone) == ("2026-01", "2026-01-15", "Asia/Tokyo")
    assert report.providers == {"priced": Standing(), "paid": Standing(), "capped": Standing(cap_usd=1.0)}
    assert report.profiles == {"default": Standing(cap_usd=7.0)}


def test_the_snapshot_shows_what_a_profile_without_a_cap_has_spent() -> None:
    world = a_world(a_priced())
    world.spend(1)

    assert world.ledger.snapshot().profiles == {"default": Standing(spent_usd=1.0)}
