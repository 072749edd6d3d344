"""The keys of CodeRouter's `/metrics.json` (supervision.md 16.2), over events that the fanout tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from attrs import evolve

from router.domain.health import ProviderStatus
from router.domain.told import Told
from router.ingress.metrics_body import Watched, metrics_body
from router.ingress.status_report import StatusReport
from router.observers.families import Family
from router.observers.fanout import Fanout
from router.observers.metrics import Counts, Metrics
from router.observers.recent import Recent
from tests.builders import RememberingObserver, a_config, a_profile, a_provider
from tests.e2e.front_harness import Facts

OF_OLD = (
    "uptime_s started_at startup counters providers recent config",
    (
        "requests_total provider_attempts provider_outcomes capability_degraded output_filter_applied "
        "chain_paid_gate_blocked_total chain_budget_exceeded_total "
        "chain_memory_pressure_blocked_total chain_uniform_auth_failure_total "
        "auto_router_fallthrough_total drift_detected_total drift_detected_by_provider drift_promoted_total drift_reload_total "
        "drift_reload_success_total probe_total probe_success probe_failure probe_latency_ms probe_drift_detected "
        "context_budget_warnings_total context_budget_trims_total context_budget_warnings_by_profile "
        "context_budget_trims_by_profile context_budget_latest_ratio partial_stitch_surfaced_total"
    ),
    "version providers profiles allow_paid default_profile mode_source",
    "name attempts outcomes last_error cache cost",
    "default_profile allow_paid display_timezone providers profiles",
)


class CountedLooks(Metrics):
    """Metrics that count how often somebody reads a family."""

    looks = 0

    def of(self, family: Family) -> Counts:
        self.looks += 1
        return super().of(family)


class Many(Facts):
    """A report of so many providers."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names

    def report(self) -> StatusReport:
        one = super().report()
        (local,) = one.providers
        return evolve(one, providers=tuple(evolve(local, status=ProviderStatus(name=name)) for name in self.names))


def looks_at(count: int) -> int:
    """Return how often the families are read for a page about so many providers."""
    names = [f"p{number}" for number in range(count)]
    config, metrics = a_config(*map(a_provider, names), profiles=[a_profile(*names)]), CountedLooks()
    metrics.configure(config)
    for name in names:
        metrics.told(Told(1, 0.0, 10, "attempt-complete", {"provider": name, "outcome": "ok", "cost_usd": 1.0}))
    watched = Watched(source=Many(names), config=lambda: config, metrics=metrics, recent=Recent(), unix_now=float)

    page: Any = metrics_body(watched)

    assert [(one["name"], one["attempts"], one["cost"]["total_usd"]) for one in page["providers"]] == [
        (name, 1, 1) for name in names
    ]
    return metrics.looks


def body_after(*events: tuple[str, dict[str, object]], base_url: str = "http://127.0.0.1:1/v1") -> dict[str, Any]:
    """Return the page after these events, as a client reads it."""
    config = a_config(a_provider("local", base_url=base_url), profiles=[a_profile("local", name="coding")])
    watched = Watched(source=Facts(), config=lambda: config, metrics=Metrics(), recent=Recent(), unix_now=float)
    watched.metrics.configure(config)
    fanout = Fanout(RememberingObserver(), lambda: 1767323045.678)
    fanout.listen("metrics", watched.metrics)
    fanout.listen("recent", watched.recent)
    for name, fields in events:
        fanout.event(name, {"provider": "local", "profile": "coding", **fields})
    page = orjson.loads(orjson.dumps(metrics_body(watched)))
    assert isinstance(page, dict)
    return page


def test_the_keys_of_old_are_all_there_before_anything_was_counted() -> None:
    page = body_after()
    parts = page, page["counters"], page["startup"], page["providers"][0], page["config"]

    for keys, part in zip(OF_OLD, parts, strict=True):
        assert set(keys.split()) <= part.keys()
    assert page["uptime_s"] == 5
    assert page["providers"][0]["cache"]["hit_rate"] is None


def test_the_families_are_summed_up_as_often_for_many_providers_as_for_one() -> None:
    assert looks_at(40) == looks_at(1)


def test_requests_and_attempts_are_told_apart() -> None:
    failed: dict[str, object] = {"outcome": "failed", "reason": "timeout"}
    page = body_after(
        ("attempt-complete", failed), ("attempt-complete", {"outcome": "ok"}), ("request-complete", {"outcome": "ok"})
    )

    assert (page["counters"]["requests_total"], page["counters"]["attempts_total"]) == (1, 2)
    assert page["counters"]["provider_outcomes"] == {"local": {"failed": 1, "ok": 1}}
    assert (page["providers"][0]["attempts"], page["providers"][0]["outcomes"]) == (2, {"failed": 1, "ok": 1})


def test_a_request_that_is_turned_away_is_a_request_and_each_has_its_result() -> None:
    page = body_after(
        ("request-refused", {"kind": "over_capacity", "dialect": "anthropic"}),
        ("request-complete", {"outcome": "invalid_json", "chain": []}),
        ("request-complete", {"outcome": "all_failed", "chain": ["local:timeout"]}),
    )

    assert page["counters"]["requests_total"] == 3
    assert page["counters"]["request_results"] == {"refused": 2, "failed": 1}
    assert page["counters"]["request_outcomes"] == {"over_capacity": 1, "invalid_json": 1, "all_failed": 1}


def test_the_hit_rate_leaves_out_what_nobody_told() -> None:
    outcomes = ("cache_hit", "cache_creation", "no_cache", "cache_hit", "unknown")
    page = body_after(*(("cache-observed", {"outcome": outcome, "cache_read_input_tokens": 10}) for outcome in outcomes))

    cache = page["providers"][0]["cache"]
    assert (cache["hit_rate"], cache["observations"]) == (0.5, 5)


def test_cached_tokens_are_those_of_attempts_however_they_ended() -> None:
    used: dict[str, object] = {"cache_read_input_tokens": 10, "cache_creation_input_tokens": 3}
    page = body_after(
        ("attempt-complete", {"outcome": "cancelled", **used}),
        ("attempt-complete", {"outcome": "ok", **used}),
        ("cache-observed", {"outcome": "cache_hit", **used}),
    )

    cache = page["providers"][0]["cache"]
    assert (cache["read_tokens"], cache["creation_tokens"], cache["observations"]) == (20, 6, 1)
    assert page["counters"]["cache_read_tokens"] == {"local": 20}


def test_the_last_error_and_the_recent_events_are_told_flat() -> None:
    page = body_after(
        ("provider-failed", {"status": 500, "retryable": True, "error": "words of an upstream", "reason": "upstream-5xx"})
    )

    assert page["providers"][0]["last_error"] == {
        "ts": "2026-01-02T03:04:05.678Z",
        "status": 500,
        "retryable": True,
        "error": "upstream-5xx (500)",
        "reason": "upstream-5xx",
    }
    (event,) = page["recent"]
    assert (event["event"], event["provider"], event["status"], event["retryable"]) == ("provider-failed", "local", 500, True)


def test_probes_are_told_by_provider_with_their_mean_latency() -> None:
    page = body_after(
        *(("probe-completed", {"verdict": word, "latency_ms": ms}) for word, ms in (("ok", 10.0), ("failed", 30.0)))
    )

    counters = page["counters"]
    assert counters["probe_total"] == {"local": 2}
    assert (counters["probe_success"], counters["probe_failure"]) == ({"local": 1}, {"local": 1})
    assert counters["probe_latency_ms"] == {"local": 20.0}


def test_an_address_is_shown_without_what_may_be_a_credential() -> None:
    page = body_after(base_url="https://host.test:8443/v1?api_key=secret-of-the-query")

    assert page["config"]["providers"][0]["base_url"] == "https://host.test:8443/v1"
