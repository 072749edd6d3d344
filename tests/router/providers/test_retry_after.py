from __future__ import annotations

import pytest

from router.providers.retry_after import retry_after_s

NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


def waits(*headers: tuple[str, str], text: str = "") -> float | None:
    return retry_after_s(headers, text, NOW)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("9999", 300.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 23:13:20 GMT", 300.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("9" * 400, 300.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_counts_at_most_five_minutes(value: str, wait: float | None) -> None:
    assert waits(("retry-after", value)) == wait


def test_milliseconds_are_finer_than_seconds() -> None:
    assert waits(("retry-after", "1"), ("retry-after-ms", "250")) == 0.25


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ((("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")), 360.0),
        ((("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "20ms")), 0.02),
        ((("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700003600000")), 3600.0),
        ((("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000060")), 60.0),
        (
            (
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2023-11-14T22:14:20Z"),
                ("anthropic-ratelimit-requests-remaining", "12"),
                ("anthropic-ratelimit-requests-reset", "2023-11-14T23:00:00Z"),
            ),
            60.0,
        ),
        (
            (
                ("anthropic-ratelimit-unified-5h-status", "rejected"),
                ("anthropic-ratelimit-unified-5h-reset", "1700007200"),
                ("anthropic-ratelimit-unified-7d-status", "allowed"),
                ("anthropic-ratelimit-unified-7d-reset", "1700500000"),
            ),
            7200.0,
        ),
    ],
)
def test_a_stated_reset_of_an_exhausted_limit_counts_in_full(headers: tuple[tuple[str, str], ...], wait: float) -> None:
    assert waits(*headers, ("retry-after", "7")) == pytest.approx(wait)


@pytest.mark.parametrize("reset", ["9" * 400, "1700003600000000000", "999999h"])
def test_a_stated_reset_counts_at_most_a_week(reset: str) -> None:
    assert waits(("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)) == 7 * 86_400


def test_the_reset_of_a_limit_that_is_not_used_up_says_nothing() -> None:
    assert waits(("x-ratelimit-remaining-requests", "9"), ("x-ratelimit-reset-requests", "6m0s")) is None


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Rate limit reached for gpt-x. Please try again in 1m30s.", 90.0),
        ("Please retry in 34.07s.", 34.07),
        ("try again later", None),
    ],
)
def test_the_words_of_the_message_are_the_last_resort(text: str, wait: float | None) -> None:
    assert waits(text=text) == wait
    assert waits(("retry-after", "3"), text=text) == 3.0


def test_an_answer_that_says_nothing_has_no_wait() -> None:
    assert waits(("content-type", "application/json")) is None
