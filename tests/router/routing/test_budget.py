"""Periods, sums and caps: pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import BudgetConfig, CostConfig
from router.domain.spend import CapScope, Standing
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
    roll,
    to_row,
)
from router.state.rows import decode_row, encode_row
from tests.builders import a_config, a_profile, a_provider

# all kinds of trouble: half hours, a midnight that is left out (Cairo, Asuncion) or comes twice (Havana), a day that is left out
# (Apia, 30 December 2011), a change at the end of a month (Berlin), none at all
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Asuncion",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Australia/Lord_Howe",
)
WALLS = st.floats(1.2e9, 2e9)


def wall(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-01-31T23:59:59+00:00", "UTC", "2026-01-31"),
        ("2026-02-01T00:00:00+00:00", "UTC", "2026-02-01"),
        ("2026-01-31T22:59:59+00:00", "Europe/Berlin", "2026-01-31"),
        ("2026-01-31T23:00:00+00:00", "Europe/Berlin", "2026-02-01"),
        ("2026-07-31T21:59:59+00:00", "Europe/Berlin", "2026-07-31"),  # an hour earlier in summer
        ("2026-07-31T22:00:00+00:00", "Europe/Berlin", "2026-08-01"),
        ("2026-02-01T04:59:59+00:00", "America/New_York", "2026-01-31"),
        ("2026-02-01T05:00:00+00:00", "America/New_York", "2026-02-01"),
        ("2026-01-31T18:30:00+00:00", "Asia/Kolkata", "2026-02-01"),
        ("2025-12-31T15:00:00+00:00", "Asia/Tokyo", "2026-01-01"),
        ("2025-12-31T10:00:00+00:00", "Pacific/Kiritimati", "2026-01-01"),
    ],
)
def test_days_and_months_begin_in_the_zone(moment: str, zone: str, day: str) -> None:
    assert day_of(wall(moment), ZoneInfo(zone)) == day
    assert month_of(wall(moment), ZoneInfo(zone)) == day[:7]


@pytest.mark.parametrize(
    ("moment", "zone", "hours"),
    [
        ("2026-03-29T00:00:00+01:00", "Europe/Berlin", 23),
        ("2026-10-25T00:00:00+02:00", "Europe/Berlin", 25),
        ("2026-03-08T00:00:00-05:00", "America/New_York", 23),
        ("2026-10-04T00:00:00+10:30", "Australia/Lord_Howe", 23.5),
        ("2011-12-29T00:00:00-10:00", "Pacific/Apia", 24),  # the next day is the 31st
        ("2026-05-05T18:00:00+00:00", "UTC", 6),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(moment: str, zone: str, hours: float) -> None:
    assert left_of_day(wall(moment), ZoneInfo(zone)) == hours * 3600


@pytest.mark.parametrize(
    ("moment", "zone", "hours"),
    [
        ("2026-02-01T00:00:00+00:00", "UTC", 28 * 24),
        ("2028-02-01T00:00:00+00:00", "UTC", 29 * 24),
        ("2026-12-31T23:00:00+00:00", "UTC", 1),
        ("2026-03-01T00:00:00+01:00", "Europe/Berlin", 31 * 24 - 1),
        ("2026-10-01T00:00:00+02:00", "Europe/Berlin", 31 * 24 + 1),
    ],
)
def test_a_month_is_as_long_as_its_days_and_the_clocks_make_it(moment: str, zone: str, hours: float) -> None:
    assert left_of_month(wall(moment), ZoneInfo(zone)) == hours * 3600


@given(WALLS, st.sampled_from(ZONES))
def test_a_period_lasts_until_the_told_moment_and_not_longer(now: float, name: str) -> None:
    zone = ZoneInfo(name)
    for left_of, period_of in ((left_of_day, day_of), (left_of_month, month_of)):
        end = now + left_of(now, zone)

        assert period_of(end - 0.01, zone) == period_of(now, zone) or end - now < 0.01
        assert period_of(end + 0.01, zone) > period_of(now, zone)


BOOKS = Books(month=Spent(period="2026-01"), day=Spent(period="2026-01-31"))


def test_a_sum_is_booked_on_the_provider_the_profile_the_month_and_the_day() -> None:
    books = add(add(BOOKS, "a", "coding", 1.5), "b", "coding", 0.5)

    spent = {account: books.spent_on(account) for account in (*accounts_of("a", "coding"), *accounts_of("b", "other"))}
    assert spent == {
        (CapScope.PROVIDER, "a"): 1.5,
        (CapScope.PROVIDER, "b"): 0.5,
        (CapScope.PROFILE, "coding"): 2.0,
        (CapScope.PROFILE, "other"): 0.0,
        (CapScope.MONTH, ""): 2.0,
        (CapScope.DAY, ""): 2.0,
    }


@pytest.mark.parametrize("usd", [0.0, -1.0, float("nan")])
def test_only_positive_sums_are_booked(usd: float) -> None:
    assert add(BOOKS, "a", "coding", usd) is BOOKS


def test_another_period_begins_at_zero_and_the_same_one_goes_on() -> None:
    spent = add(BOOKS, "a", "coding", 1.0).month

    assert roll(spent, "2026-01") is spent
    assert roll(spent, "2026-02") == Spent(period="2026-02")


def test_each_cap_of_the_configuration_is_found() -> None:
    config = a_config(
        a_provider("a", cost=CostConfig(monthly_budget_usd=1.0)),
        a_provider("b", cost=CostConfig(input_tokens_per_million=1.0)),
        a_provider("c"),
        profiles=(a_profile("a", "b", "c", monthly_budget_usd=2.0), a_profile("a", name="other")),
        budget=BudgetConfig(monthly_usd=0.0, daily_usd=4.0),
    )

    assert Caps.of(config).by_account == {
        (CapScope.PROVIDER, "a"): 1.0,
        (CapScope.PROFILE, "default"): 2.0,
        (CapScope.MONTH, ""): 0.0,
        (CapScope.DAY, ""): 4.0,
    }


def over(
    caps: dict[CapScope, float], *, spent: float = 0.0, held: dict[CapScope, float] | None = None, costs: bool = True
) -> str | None:
    names = dict(accounts_of("a", "coding"))
    limits = Caps(by_account={(scope, names[scope]): cap for scope, cap in caps.items()})
    account = cap_over(
        "a", "coding", add(BOOKS, "a", "coding", spent), limits, lambda one: (held or {}).get(one[0], 0.0), costs=costs
    )
    return None if account is None else str(account[0])


@pytest.mark.parametrize("scope", list(CapScope))
def test_a_cap_is_reached_by_what_is_spent_and_what_is_held_together(scope: CapScope) -> None:
    assert over({scope: 5.0}, spent=4.99) is None
    assert over({scope: 5.0}, spent=5.0) == scope
    assert over({scope: 5.0}, spent=3.0, held={scope: 1.99}) is None
    assert over({scope: 5.0}, spent=3.0, held={scope: 2.0}) == scope
    assert over({scope: 5.0}, held={scope: 5.0}) == scope


@pytest.mark.parametrize("scope", list(CapScope))
def test_a_cap_of_0_is_reached_from_the_start(scope: CapScope) -> None:
    assert over({scope: 0.0}) == scope


def test_the_narrowest_cap_is_told_first() -> None:
    every = dict.fromkeys(CapScope, 1.0)

    assert over(every, spent=1.0) == "provider"
    assert over({scope: every[scope] for scope in (CapScope.DAY, CapScope.MONTH)}, spent=1.0) == "month"


def test_one_that_is_spent_is_told_before_one_that_is_only_reserved() -> None:
    held = {CapScope.PROVIDER: 1.0}

    assert over({CapScope.PROVIDER: 2.0, CapScope.MONTH: 1.0}, spent=1.0, held=held) == "month"
    assert over({CapScope.PROVIDER: 2.0, CapScope.MONTH: 1.5}, spent=1.0, held=held) == "provider"


def test_who_costs_nothing_is_under_its_own_cap_alone() -> None:
    assert over({CapScope.PROFILE: 0.0, CapScope.MONTH: 0.0, CapScope.DAY: 0.0}, costs=False) is None
    assert over({CapScope.PROVIDER: 0.0}, costs=False) == "provider"
    assert over({CapScope.PROVIDER: 1.0}, costs=False) is None


def test_tenths_that_are_a_whole_reach_it() -> None:
    books = BOOKS
    for _ in range(10):
        books = add(books, "a", "coding", 0.1)

    assert books.month.total_usd < 1.0
    assert Standing(spent_usd=books.month.total_usd, cap_usd=1.0).is_spent


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0.0, 4.9, ()),
        (4.9, 5.0, (50,)),
        (5.0, 7.9, ()),
        (7.0, 9.6, (80, 95)),
        (0.0, 20.0, (50, 80, 95)),
        (20.0, 30.0, ()),
        (9.0, 3.0, ()),  # a new period
    ],
)
def test_a_threshold_is_crossed_upwards(before: float, after: float, told: tuple[int, ...]) -> None:
    assert crossed(Standing(spent_usd=before, cap_usd=10.0), Standing(spent_usd=after, cap_usd=10.0)) == told


@pytest.mark.parametrize("cap", [None, 0.0])
def test_without_a_cap_and_with_one_of_0_there_are_no_thresholds(cap: float | None) -> None:
    assert crossed(Standing(cap_usd=cap), Standing(spent_usd=7.0, cap_usd=cap)) == ()


@given(st.lists(st.floats(0, 4), max_size=30))
def test_however_it_is_spent_each_threshold_is_told_at_most_once(costs: list[float]) -> None:
    told: list[int] = []
    spent = 0.0
    for cost in costs:
        told += crossed(Standing(spent_usd=spent, cap_usd=10.0), Standing(spent_usd=spent + cost, cap_usd=10.0))
        spent += cost

    assert told == [percent for percent in (50, 80, 95) if spent >= percent / 10 - 1e-8]


USD = st.floats(0, 1e6)
SPENT = st.builds(
    Spent,
    period=st.sampled_from(["2026-01", "2026-01-31"]),
    total_usd=USD,
    by_provider=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), USD, max_size=3),
    by_profile=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), USD, max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(SPENT)
def test_a_period_comes_back_from_its_row(spent: Spent) -> None:
    row = decode_row(encode_row(to_row(spent)))

    assert row is not None
    assert from_row(spent.period, row) == spent


@given(
    st.sampled_from(["2026-01", "x", ""]),
    st.dictionaries(st.sampled_from(["total_usd", "providers", "profiles", "x"]), JSON | st.just(10**400), max_size=4),
)
def test_whatever_a_row_says_only_sums_come_of_it(period: str, row: dict[str, object]) -> None:  # I17
    spent = from_row(period, row)

    if spent is not None:
        sums = (spent.total_usd, *spent.by_provider.values(), *spent.by_profile.values())
        assert all(0 <= one <= 1e12 for one in sums)


@pytest.mark.parametrize("period", ["", "x", "2026", "2026-1", "2026-01-31T00", "../..", "२०२६-०१"])
def test_what_is_no_period_is_not_taken_up(period: str) -> None:
    assert from_row(period, {"total_usd": 1.0}) is None


def test_a_name_with_no_sum_is_left_out() -> None:
    row: dict[str, object] = {"total_usd": 1, "providers": {"a": 1, "b": "much", "c": -1, "d": True}, "profiles": []}

    assert from_row("2026-01", row) == Spent(period="2026-01", total_usd=1.0, by_provider={"a": 1.0})


def test_the_day_is_over_everything_and_the_month_over_each() -> None:
    account: Account = (CapScope.DAY, "")

    assert (BOOKS.period_of(account), BOOKS.period_of((CapScope.PROVIDER, "a"))) == ("2026-01-31", "2026-01")
