"""What an upstream tells of its limits beside an answer: how much is left, and when that is full again.

Read by the form of the names, not from a list of vendors (R-42): `x-ratelimit-remaining-tokens`,
`anthropic-ratelimit-input-tokens-remaining`, `x-ratelimit-remaining-requests-day`, `x-ratelimit-remaining`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from router.providers.retry_after import MAX_STATED_S, stated_wait_s

_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,6})?")


class Unit(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"


@frozen(kw_only=True)
class ToldLimit:
    """One limit as told: its name without prefix, what is left of `limit` (None: not told), full again in `reset_in_s`."""

    name: str
    unit: Unit
    remaining: float
    reset_in_s: float
    limit: float | None = None


def read_limits(headers: Sequence[tuple[str, str]], now: float) -> tuple[ToldLimit, ...]:
    """Return every limit that an answer tells with its reset; one without a reset says nothing of when to come again.

    `headers` have lower-case names, `now` is a Unix time."""
    told = {name: value.strip() for name, value in headers if name.startswith(_PREFIXES)}
    return tuple(_limits(told, now)) if told else ()


def _limits(told: Mapping[str, str], now: float) -> Iterator[ToldLimit]:
    for name, value in told.items():
        group = name.split("-")[2:]
        if "remaining" not in group or (remaining := _number(value)) is None:
            continue
        reset_in_s = stated_wait_s(told.get(name.replace("-remaining", "-reset")), now)
        if reset_in_s is not None:
            yield ToldLimit(
                name="-".join(word for word in group if word != "remaining"),
                unit=Unit.TOKENS if "token" in name else Unit.REQUESTS,
                remaining=remaining,
                reset_in_s=min(reset_in_s, MAX_STATED_S),
                limit=_number(told.get(name.replace("-remaining", "-limit"), "")),
            )


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None
