"""What `/status` says of money."""

from __future__ import annotations

import orjson

from router.domain.health import ProviderStatus
from router.domain.spend import SpendReport, Standing
from router.ingress.spend_report import provider_spend_part, spend_part
from router.ingress.status_report import ProviderReport, provider_part

HALF = Standing(spent_usd=1.23456789, reserved_usd=0.5, cap_usd=20.0)
HALF_BODY = {"spent_usd": 1.23456789, "reserved_usd": 0.5, "cap_usd": 20.0}
NOTHING_BODY = {"spent_usd": 0.0, "reserved_usd": 0.0, "cap_usd": None}


def test_the_page_tells_every_budget_with_its_period() -> None:
    report = SpendReport(
        month="2026-01",
        day="2026-01-15",
        timezone="Asia/Tokyo",
        monthly=HALF,
        daily=Standing(),
        providers={"a": HALF},
        profiles={"coding": HALF},
    )

    part = spend_part(report)

    assert part == {
        "spend": {
            "month": "2026-01",
            "day": "2026-01-15",
            "timezone": "Asia/Tokyo",
            "monthly": HALF_BODY,
            "daily": NOTHING_BODY,
            "profiles": {"coding": HALF_BODY},
        }
    }
    assert orjson.loads(orjson.dumps(part)) == part


def test_a_provider_that_costs_something_tells_what_it_has_cost() -> None:
    report = ProviderReport(kind="anthropic", model="m", status=ProviderStatus(name="a"), spend=HALF)

    assert provider_part(report, now=0.0)["spend"] == HALF_BODY


def test_where_nothing_is_booked_nothing_is_told() -> None:
    assert (spend_part(None), provider_spend_part(None)) == ({}, {})
