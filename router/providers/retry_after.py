"""When an upstream may be asked again, read from its answer: `Retry-After` in its forms, and the vendors' resets (R-48)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_STATED_S = 7 * 86_400.0  # whoever states more states nonsense; it is asked again once a week
MAX_UNSTATED_S = 300.0  # routing.md 11.2: a plain Retry-After counts no longer than this
_MILLISECONDS_FROM = 1e11  # a Unix time above this is in milliseconds (OpenRouter)
_UNIX_FROM = 1e9  # and a number above this is a Unix time, not a duration

_RESET = re.compile(r"(?:anthropic|x)-ratelimit(?:-[a-z0-9-]+)?-reset(?:-[a-z0-9-]+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_WHOLE_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s|d))+")
_TRY_AGAIN = re.compile(r"(?:try again|retry) in (?:about )?((?:\d+(?:\.\d+)?(?:ms|h|m|s|d))+)")
_AFTER_SECONDS = re.compile(r"(?:try again|retry) (?:in|after) (\d{1,9}) seconds?\b")  # Azure
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def retry_after_s(headers: Sequence[tuple[str, str]], text: str, now: float) -> float | None:
    """Return the seconds until the upstream wants to be asked again, None where it does not say.

    `headers` have lower-case names, `text` is the error's message, `now` a Unix time. A stated reset of an exhausted
    limit counts up to a week; `retry-after-ms`, `Retry-After` (seconds or date) and the words of a message at most 300 s."""
    told = dict(headers)
    resets = list(_resets(told, now))
    if resets:
        return min(max(resets), MAX_STATED_S)
    waits = (_milliseconds(told.get("retry-after-ms")), stated_wait_s(told.get("retry-after"), now), _worded(text))
    wait = next((wait for wait in waits if wait is not None), None)
    return None if wait is None else min(wait, MAX_UNSTATED_S)


def stated_wait_s(value: str | None, now: float) -> float | None:
    """Return the wait that a header states: a number of seconds, a Unix time, `6m0s`, an HTTP date or an RFC 3339 time.

    None for a header that is not there, or says nothing of the kind. `now` is a Unix time."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", value):
        number = float(value)
        if number >= _MILLISECONDS_FROM:
            number /= 1000
        return max(0.0, number - now) if number >= _UNIX_FROM else number
    if _WHOLE_DURATION.fullmatch(value):
        return _seconds(value)
    moment = _moment(value)
    return None if moment is None else max(0.0, moment.timestamp() - now)


def _resets(told: Mapping[str, str], now: float) -> Iterator[float]:
    """Yield the waits of the limits that are used up (nothing remaining, or `rejected`)."""
    for name, value in told.items():
        if _RESET.fullmatch(name) and _is_exhausted(told, name) and (wait := stated_wait_s(value, now)) is not None:
            yield wait


def _is_exhausted(told: Mapping[str, str], reset: str) -> bool:
    if (status := told.get(reset.replace("-reset", "-status"))) is not None:
        return status == "rejected"
    return told.get(reset.replace("-reset", "-remaining")) == "0"


def _moment(value: str) -> datetime | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value)
        except (ValueError, OverflowError):  # of a year that has more digits than a C integer
            continue
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return None


def _milliseconds(value: str | None) -> float | None:
    return float(value) / 1000 if value is not None and re.fullmatch(r"\d+(?:\.\d+)?", value.strip()) else None


def _worded(text: str) -> float | None:
    text = text.lower()
    if (found := _TRY_AGAIN.search(text)) is not None:
        return _seconds(found[1])
    return None if (found := _AFTER_SECONDS.search(text)) is None else float(found[1])


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION.findall(duration))
