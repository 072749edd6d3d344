"""What `router stats` shows, out of the bodies of `/metrics.json` and `/status` (supervision.md 16.2, 18): pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from attrs import evolve, frozen

from router.reports.status import budgets_in_use, now_of, state_of, why_words
from router.reports.times import time_of_day, zone_of
from router.reports.words import cents, duration_words

MAX_RATES = 240  # a chart of 200 columns, and some
_WELL = frozenset({"healthy", "ready", "disabled", "unconfigured"})  # the last two are as the configuration wants them
_BAD_EVENTS = ("provider-failed", "fallback-occurred", "drift-detected", "self-healing-exclude", "partial-stitch-surfaced")
_NOT_OK = ("failed", "refused", "cancelled")  # how requests end, as the journal words it
_SHOWN_FIELDS = ("to_provider", "reason", "status", "verdict", "new_state", "admission", "success")

# a line of the panel, and the counters that it sums; a counter that is an object is summed over its names
GATES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("fell back to another", ("fallbacks_total",)),
    ("skipped, costs money", ("provider_skipped_paid",)),
    ("skipped, over budget", ("provider_skipped_budget",)),
    ("skipped, out of memory", ("provider_skipped_memory_pressure",)),
    ("all skipped: cost money", ("chain_paid_gate_blocked_total",)),
    ("all skipped: over budget", ("chain_budget_exceeded_total",)),
    ("all skipped: out of memory", ("chain_memory_pressure_blocked_total",)),
    ("every key refused", ("chain_uniform_auth_failure_total",)),
    ("asked as a last resort", ("last_resort_total",)),
    ("features left out", ("capability_degraded",)),
    ("filters applied", ("output_filter_applied",)),
    ("windows warned or cut", ("context_budget_warnings_total", "context_budget_trims_total")),
    ("drift found", ("drift_detected_total",)),
    ("streams cut short", ("partial_stitch_surfaced_total",)),
    ("failed probes", ("probe_failure",)),
    ("servers restarted", ("restarts_total",)),
)


@frozen(kw_only=True)
class Reading:
    """One look at the daemon: what its two pages said."""

    metrics: Mapping[str, Any]
    status: Mapping[str, Any]


@frozen(kw_only=True)
class ProviderRow:
    """One provider; `ok` is the share of its finished attempts that ended well, None before the first."""

    name: str
    word: str
    attempts: int
    ok: float | None
    failed: int
    in_flight: int
    probe: str  # when it is probed, in words
    restarts: str
    why: str

    @property
    def is_failing(self) -> bool:
        """Whether it has failed since the daemon's start, or is not well now."""
        return self.failed > 0 or self.word not in _WELL

    @property
    def note(self) -> str:
        """What is amiss in one line, with what is done about it."""
        probed = f"probe {self.probe}" if self.probe else ""
        restarted = f"restarts {self.restarts}" if self.restarts and not self.restarts.startswith("0/") else ""
        return ", ".join(filter(None, (probed, self.why, restarted)))


@frozen(kw_only=True)
class EventRow:
    """One event as a line: its time of day, its name, whom it is about, what it says."""

    at: str
    name: str
    provider: str
    said: str

    @property
    def is_failure(self) -> bool:
        """Whether it tells that something went wrong."""
        return self.name.startswith(_BAD_EVENTS) or (self.name == "probe-completed" and "success false" in self.said)


@frozen(kw_only=True)
class CostRow:
    """What one provider has cost and saved since the daemon's start.

    `cached` is the share of its input tokens that were read from a cache, as the dashboard has it, None without a cache."""

    name: str
    cost_usd: float
    saved_usd: float
    cached: float | None


@frozen(kw_only=True)
class Pace:
    """How many requests were answered per second, between each two looks; the last is now."""

    rates: tuple[float, ...] = ()
    _last: tuple[float, float] | None = None  # uptime and requests at the look before

    def after(self, reading: Reading) -> Pace:
        """Return the pace with one look more; after a restart it counts from the start, and a look of the same moment is none."""
        uptime_s, requests = float(reading.metrics.get("uptime_s") or 0), count_of(reading, "requests_total")
        last_s, last = self._last or (uptime_s, requests)
        if uptime_s < last_s:
            last_s, last = 0.0, 0.0
        if self._last is None or uptime_s <= last_s:  # less than nothing: an older daemon's, whose wall clock was set back
            return evolve(self, last=(uptime_s, requests))
        rate = max(requests - last, 0.0) / (uptime_s - last_s)
        return Pace(rates=(*self.rates, rate)[-MAX_RATES:], last=(uptime_s, requests))


def provider_rows(reading: Reading) -> list[ProviderRow]:
    """Return every configured provider, in the order of the configuration."""
    counted = {row["name"]: row for row in reading.metrics.get("providers", ())}
    now = now_of(reading.status)
    return [_provider_row(one, counted.get(one["name"], {}), now) for one in reading.status.get("providers", ())]


def gate_rows(reading: Reading) -> list[tuple[str, int]]:
    """Return each counter of the panel that is not 0, after the requests and the attempts.

    Both are those since the start, also of providers that a reload has taken away, whose rows are gone."""
    results, outcomes = (_counters_of(reading, name) for name in ("request_results", "attempt_outcomes"))
    ended = ((f"requests {result}", int(results.get(result, 0))) for result in _NOT_OK)
    failed = int(outcomes.get("failed", 0) + outcomes.get("failed_midstream", 0))
    attempts = (f"attempts, {failed} failed", int(count_of(reading, "attempts_total")))
    counted = ((label, int(sum(count_of(reading, name) for name in names))) for label, names in GATES)
    return [
        ("requests", int(count_of(reading, "requests_total"))),
        *(row for row in ended if row[1]),
        attempts,
        *(row for row in counted if row[1]),
    ]


def _counters_of(reading: Reading, name: str) -> Mapping[str, float]:
    counters: Mapping[str, float] = reading.metrics.get("counters", {}).get(name, {})
    return counters


def count_of(reading: Reading, name: str) -> float:
    """Return one counter, over all its names; 0 where there is none."""
    return _summed(reading.metrics.get("counters", {}).get(name, 0))


def display_zone(reading: Reading) -> tzinfo:
    """Return the zone that the configuration names for people, UTC where it names none that is known here."""
    return zone_of(reading.metrics.get("config", {}).get("display_timezone"))


def event_rows(reading: Reading, zone: tzinfo) -> list[EventRow]:
    """Return the recent events, the newest first, with times of a zone."""
    return [_event_row(event, zone) for event in reversed(reading.metrics.get("recent", ()))]


def cost_rows(reading: Reading) -> list[CostRow]:
    """Return every provider that has cost or saved something, or who has a cache."""
    fresh = reading.metrics.get("counters", {}).get("input_tokens", {})
    rows = (_cost_row(row, fresh.get(row["name"], 0)) for row in reading.metrics.get("providers", ()))
    return [row for row in rows if row.cost_usd or row.saved_usd or row.cached is not None]


def spend_rows(reading: Reading) -> list[tuple[str, str]]:
    """Return each budget in use with what is spent of it."""
    return [
        (name, cents(standing["spent_usd"]) + (f" of {cap:g}" if (cap := standing["cap_usd"]) is not None else ""))
        for name, _period, standing in budgets_in_use(reading.status)
        if not name.startswith("provider/")
    ]


def _provider_row(one: Mapping[str, Any], counted: Mapping[str, Any], now: datetime | None) -> ProviderRow:
    outcomes = counted.get("outcomes", {})
    well, failed = int(outcomes.get("ok", 0)), int(outcomes.get("failed", 0)) + int(outcomes.get("failed_midstream", 0))
    due = one.get("health", {}).get("next_probe_in_s")
    budget = one.get("restarts")
    return ProviderRow(
        name=str(one["name"]),
        word=state_of(one),
        attempts=int(counted.get("attempts", 0)),
        ok=well / (well + failed) if well + failed else None,
        failed=failed,
        in_flight=int(one.get("in_flight", 0)),
        probe="" if due is None else f"in {duration_words(due)}" if due else "now",
        restarts="" if budget is None else f"{budget['used']}/{budget['max']}",
        why=why_words(one, now),
    )


def _cost_row(row: Mapping[str, Any], fresh: float) -> CostRow:
    cost, cache = row.get("cost", {}), row.get("cache", {})
    read, written = (float(cache.get(key) or 0) for key in ("read_tokens", "creation_tokens"))
    return CostRow(
        name=str(row["name"]),
        cost_usd=float(cost.get("total_usd") or 0),
        saved_usd=float(cost.get("savings_usd") or 0),
        cached=read / (read + written + fresh) if read or written else None,
    )


def _event_row(event: Mapping[str, Any], zone: tzinfo) -> EventRow:
    said = " ".join(_words(key, event[key]) for key in _SHOWN_FIELDS if event.get(key) is not None)
    if source := event.get("from_provider"):
        said = f"{source} > {said}" if event.get("to_provider") else f"{source} was the last: {said}"
    return EventRow(
        at=time_of_day(str(event.get("ts", "")), zone),
        name=str(event.get("event", "")),
        provider="" if "from_provider" in event else str(event.get("provider") or ""),  # which is the same
        said=said,
    )


def _words(key: str, value: object) -> str:
    match key:
        case "to_provider" | "reason" | "verdict" | "new_state" | "admission":
            return str(value)
        case _:
            return f"{key} {str(value).lower()}"


def _summed(value: object) -> float:
    if isinstance(value, Mapping):
        return sum(map(_summed, value.values()))
    return float(value) if isinstance(value, int | float) else 0.0


def failing(rows: Sequence[ProviderRow]) -> Iterator[ProviderRow]:
    """Yield those that have failed or are not well."""
    return (row for row in rows if row.is_failing)
