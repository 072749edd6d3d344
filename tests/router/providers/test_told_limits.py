from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from router.providers.told_limits import ToldLimit, Unit, read_limits

NOW = 1_700_000_000.0
LATER = datetime.fromtimestamp(NOW + 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": LATER,
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "39000",
    "anthropic-ratelimit-input-tokens-reset": LATER,
}
CEREBRAS = {"x-ratelimit-remaining-requests-day": "14399", "x-ratelimit-reset-requests-day": "33011.382867"}
OPENROUTER = {
    "x-ratelimit-limit": "20",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": str(int((NOW + 12) * 1000)),
}


def told(headers: dict[str, str]) -> list[tuple[str, Unit, float, float, float | None]]:
    found = read_limits(tuple(headers.items()), NOW)
    return [(one.name, one.unit, one.remaining, round(one.reset_in_s, 3), one.limit) for one in found]


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        (OPENAI, [("requests", Unit.REQUESTS, 59, 1, 60), ("tokens", Unit.TOKENS, 0, 360, 150_000)]),
        (ANTHROPIC, [("requests", Unit.REQUESTS, 0, 30, 50), ("input-tokens", Unit.TOKENS, 39_000, 30, 40_000)]),
        (CEREBRAS, [("requests-day", Unit.REQUESTS, 14_399, 33_011.383, None)]),
        (OPENROUTER, [("", Unit.REQUESTS, 0, 12, 20)]),
    ],
    ids=["openai-and-groq", "anthropic", "cerebras", "openrouter"],
)
def test_each_vendors_form_is_read(headers: dict[str, str], limits: list[tuple[str, Unit, float, float, float | None]]) -> None:
    assert told(headers) == limits


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "retry-after": "5"},
        {"x-ratelimit-remaining-requests": "3"},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "soon"},
        {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "9" * 400, "x-ratelimit-reset-requests": "1s"},
        {"y-ratelimit-remaining": "0", "y-ratelimit-reset": "1s"},
        {"anthropic-ratelimit-unified-status": "allowed", "anthropic-ratelimit-unified-reset": "1700000030"},
    ],
)
def test_what_says_nothing_of_when_to_come_again_is_no_limit(headers: dict[str, str]) -> None:
    assert told(headers) == []


def test_a_reset_beyond_a_week_is_nonsense() -> None:
    (limit,) = read_limits((("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9" * 10)), now=0)

    assert limit == ToldLimit(name="", unit=Unit.REQUESTS, remaining=0, reset_in_s=7 * 86_400, limit=None)


def test_hostile_names_cost_no_more_than_their_length() -> None:
    headers = tuple((f"x-ratelimit{'-remaining' * 6000}{n}", "0") for n in range(10))
    began = time.perf_counter()

    read_limits(headers, NOW)

    assert time.perf_counter() - began < 0.5
