"""A seeded journal: records as the daemon writes them, and rows of a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from router.domain.told import stamp_of
from router.reports.rows import Outcome, Row, read_row

START = 1_750_000_000.0
FAILING = {"fast": 0.02, "slow": 0.25}  # how often each fails
MEAN_MS = {"fast": 300.0, "slow": 900.0}


def record(**given: object) -> dict[str, Any]:
    """Return one request as the journal has it."""
    return {
        "ts": stamp_of(START),
        "provider": "fast",
        "profile": "coding",
        "model": "any",
        "request_class": "interactive",
        "outcome": "ok",
        "chain": ["fast:ok"],
        **given,
    }


def seeded(seed: int = 7, count: int = 400) -> list[dict[str, Any]]:
    """Return requests over two providers, `fast` first; one that fails is answered by the other."""
    random, found = Random(seed), []  # noqa: S311 - a sample, no secret
    for number in range(count):
        first, second = random.sample(("fast", "slow"), 2)
        fails = random.random() < FAILING[first]
        provider = second if fails else first
        found.append(
            record(
                ts=stamp_of(START + 60 * number),
                request_id=f"id-{number}",
                provider=provider,
                profile=random.choice(("coding", "writing")),
                chain=[f"{first}:upstream-5xx", f"{second}:ok"] if fails else [f"{first}:ok"],
                total_ms=random.expovariate(1 / MEAN_MS[provider]),
                ttft_ms=random.uniform(10, 90),
                input_tokens=random.randrange(50, 5000),
                output_tokens=random.randrange(1, 900),
                cache_read_input_tokens=random.choice((0, 100)),
                cost_usd=random.random() / 100,
                streaming=random.random() < 0.5,
            )
        )
    return found


def rows_of(records: Sequence[Mapping[str, object]]) -> list[Row]:
    """Return the rows of records that are all requests."""
    found = [row for one in records if (row := read_row(one)) is not None]
    assert len(found) == len(records)
    return found


def answers(count: int, provider: str = "fast", *, failed: int = 0, **given: object) -> list[Row]:
    """Return so many answers of a provider, the first of which have failed."""
    return rows_of(
        [
            record(
                ts=stamp_of(START + number),
                provider=provider,
                outcome=Outcome.FAILED if number < failed else Outcome.OK,
                chain=[f"{provider}:{'timeout' if number < failed else 'ok'}"],
                **given,
            )
            for number in range(count)
        ]
    )
