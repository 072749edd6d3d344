"""What `/status` says of money: plain JSON parts over values (routing.md 13)."""

from __future__ import annotations

from collections.abc import Mapping

from router.domain.spend import SpendReport, Standing, booked_usd


def spend_part(spend: SpendReport | None) -> dict[str, object]:
    """Return the budgets over everything and of profiles, {} where nothing is booked; periods begin in `timezone`."""
    if spend is None:
        return {}
    return {
        "spend": {
            "month": spend.month,
            "day": spend.day,
            "timezone": spend.timezone,
            "monthly": standing_body(spend.monthly),
            "daily": standing_body(spend.daily),
            "profiles": {name: standing_body(standing) for name, standing in spend.profiles.items()},
        }
    }


def provider_spend_part(standing: Standing | None) -> dict[str, object]:
    """Return what a provider has cost in the month, {} for one that costs nothing."""
    return {} if standing is None else {"spend": standing_body(standing)}


def standing_body(standing: Standing) -> Mapping[str, float | None]:
    """Return one budget; `reserved_usd` is held by attempts under way, `cap_usd` is None where there is no cap."""
    return {
        "spent_usd": booked_usd(standing.spent_usd),
        "reserved_usd": booked_usd(standing.reserved_usd),
        "cap_usd": standing.cap_usd,
    }
