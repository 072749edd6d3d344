from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from router.config.schema import RouterConfig
from router.domain.health_events import RefusalReason
from router.domain.told import Told
from router.observers import families as f
from router.observers import state_families as s
from router.observers.counting import RULES
from router.observers.exposition import PIECE, Page, render
from router.observers.families import COUNTED, LATENCY_BUCKETS_S, NOBODY, OTHER
from router.observers.fanout import Fanout
from router.observers.journal import journal_record
from router.observers.metrics import Metrics
from router.observers.series import EVERYTHING, Series
from router.observers.state_families import READ, Reading
from tests.builders import RememberingObserver, a_config, a_profile, a_provider

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def config_of(*names: str) -> RouterConfig:
    return a_config(*(a_provider(name) for name in names), profiles=[a_profile(*names)])


def counting(*names: str) -> tuple[Fanout, Metrics]:
    """Return metrics over a configuration of these providers, and the fanout that tells them."""
    fanout, metrics = Fanout(RememberingObserver(), lambda: 1_700_000_000.0), Metrics()
    metrics.configure(config_of(*names))
    fanout.listen("metrics", metrics)
    return fanout, metrics


def attempt(provider: str = "a", **fields: object) -> dict[str, object]:
    return {"provider": provider, "outcome": "ok", "total_ms": 400.0, "ttft_ms": 60.0, "stream": True, **fields}


def test_an_attempt_counts_by_provider_and_outcome_with_its_times_and_its_price() -> None:
    fanout, metrics = counting("a")

    fanout.event("attempt-complete", attempt(cost_usd=0.25, cost_savings_usd=0.5))
    fanout.event("attempt-complete", attempt(outcome="failed", reason="timeout", ttft_ms=None, cost_usd=None))

    assert metrics.of(f.ATTEMPTS).values == {
        ("a", word): float(word in {"ok", "failed"}) for word in f.ATTEMPTS.labels[1].words or ()
    }
    assert metrics.of(f.FAILURES).values == {("a", "timeout"): 1}
    assert metrics.of(f.COST).values == {("a",): 0.25}
    assert metrics.of(f.SAVINGS).values == {("a",): 0.5}
    assert metrics.of(f.ATTEMPT_SECONDS).histograms["a", "ok"].total == 0.4
    assert metrics.of(f.TTFT_SECONDS).histograms["a",].total == 0.06


def test_a_step_to_another_provider_is_a_fallback_and_the_end_of_a_chain_is_none() -> None:
    fanout, metrics = counting("a", "b")

    fanout.event("fallback-occurred", {"provider": "a", "reason": "timeout", "to_provider": "b"})
    fanout.event("fallback-occurred", {"provider": "b", "reason": "timeout", "to_provider": None})

    assert {key: count for key, count in metrics.of(f.FALLBACKS).values.items() if count} == {("a", "timeout"): 1}


def test_the_first_token_of_a_whole_answer_is_its_end_and_no_time_to_measure() -> None:
    fanout, metrics = counting("a")

    fanout.event("attempt-complete", attempt(stream=False))

    assert not metrics.of(f.TTFT_SECONDS).histograms


def test_a_word_that_nobody_has_listed_is_other_and_a_name_that_never_was_is_none() -> None:
    fanout, metrics = counting("a")

    fanout.event("request-complete", {"profile": "made up by a client", "outcome": "ok", "total_ms": 1.0})
    fanout.event("request-complete", {"profile": None, "outcome": "never heard of", "total_ms": 1.0})

    assert metrics.of(f.REQUESTS).values == {(OTHER, "ok", "ok"): 1, (NOBODY, OTHER, "refused"): 1}


@pytest.mark.parametrize("word", f.REQUESTS.labels[1].words or ())
@pytest.mark.parametrize("chain", [[], ["a:ok"]])
def test_the_metrics_the_journal_and_the_dashboard_agree_on_how_a_request_ended(word: str, chain: list[str]) -> None:
    (_, metrics), series = counting("a"), Series()
    told = Told(1, 1_700_000_000.0, 20, "request-complete", {"profile": "default", "outcome": word, "chain": chain})

    metrics.told(told)
    series.told(told)

    result = journal_record(told)["outcome"]
    everything = series.totals(EVERYTHING, "5m", told.wall)
    assert metrics.of(f.REQUESTS).values == {("default", word, result): 1}
    assert (everything.requests, everything.failures, everything.refused, everything.cancelled) == (
        1,
        result == "failed",
        result == "refused",
        result == "cancelled",
    )


def test_a_request_to_a_model_that_is_refused_at_the_door_is_a_request_and_a_page_is_none() -> None:
    fanout, metrics = counting("a")

    fanout.event("request-refused", {"kind": "over_capacity", "dialect": "anthropic"})
    fanout.event("request-refused", {"kind": "unauthorized"})

    assert metrics.of(f.REQUESTS).values == {(NOBODY, "over_capacity", "refused"): 1}
    assert {kind for (kind,), count in metrics.of(f.REFUSED).values.items() if count} == {"over_capacity", "unauthorized"}


def test_sums_over_providers_and_profiles_never_fall() -> None:
    fanout, metrics = counting("old", "kept")
    for provider in ("old", "kept"):
        fanout.event("attempt-complete", attempt(provider))
    fanout.event("attempt-complete", attempt("old", outcome="failed"))

    metrics.configure(config_of("kept"))
    fanout.event("attempt-complete", attempt("old"))
    metrics.configure(config_of("kept", "old"))

    assert metrics.of(f.ATTEMPTS).total("outcome") == {("ok",): 3, ("failed",): 1, ("failed_midstream",): 0, ("cancelled",): 0}
    assert metrics.of(f.ATTEMPTS).total() == {(): 4}
    assert metrics.of(f.ATTEMPTS).total("provider") == {("kept",): 1, ("old",): 0, (OTHER,): 1}


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=60))
def test_whatever_is_told_no_label_is_text_of_a_request(told: list[tuple[str, str]]) -> None:
    fanout, metrics = counting("a")

    for provider, outcome in told:
        fanout.event("attempt-complete", attempt(provider, outcome=outcome, reason=outcome))

    words = {"a", OTHER, NOBODY, *(f.ATTEMPTS.labels[1].words or ()), *(f.FAILURES.labels[1].words or ())}
    assert {label for labels in metrics.of(f.ATTEMPTS).values for label in labels} <= words
    assert {label for labels in metrics.of(f.FAILURES).values for label in labels} <= words
    assert sum(metrics.of(f.ATTEMPTS).values.values()) == len(told)


def test_who_was_left_out_is_counted_with_the_reason() -> None:
    fanout, metrics = counting("a", "b:c")

    fanout.event("request-complete", {"skipped": ["a: paid-gate", "b:c: missing-credential"]})

    assert metrics.of(f.SKIPPED).values == {("a", "paid-gate"): 1, ("b:c", "missing-credential"): 1}


def test_a_restart_is_counted_for_each_provider_of_its_group() -> None:
    fanout, metrics = counting("a", "b")
    metrics.group_of = lambda _provider: "gpu"
    metrics.configure(config_of("a", "b"))

    fanout.event("self-healing-restart", {"providers": ("a", "b"), "group": "gpu", "success": False})

    assert {labels for labels, count in metrics.of(f.RESTARTS).values.items() if count} == {
        ("a", "gpu", "failed"),
        ("b", "gpu", "failed"),
    }


def test_a_rate_sees_the_first_restart_of_each_provider_in_its_own_group_and_the_first_that_was_held_back() -> None:
    metrics = Metrics(lambda provider: {"a": "gpu", "b": "cpu"}.get(provider.name))

    metrics.configure(config_of("a", "b", "c"))

    held_back = {(name, str(reason)): 0.0 for name in "abc" for reason in RefusalReason}
    assert metrics.of(f.RESTARTS_SUPPRESSED).values == held_back
    assert metrics.of(f.RESTARTS).values == {
        ("a", "gpu", "ok"): 0,
        ("a", "gpu", "failed"): 0,
        ("b", "cpu", "ok"): 0,
        ("b", "cpu", "failed"): 0,
    }


def test_a_rate_sees_the_first_request_that_is_turned_away() -> None:
    assert Metrics().of(f.REFUSED).values == {(kind,): 0 for kind in f.AT_THE_DOOR}


def test_series_of_a_provider_that_a_reload_took_away_go_and_those_of_a_new_one_begin_at_zero() -> None:
    fanout, metrics = counting("old", "kept")
    for provider in ("old", "kept", "never there"):
        fanout.event("attempt-complete", attempt(provider))
    fanout.event("context-budget-warning", {"provider": "old", "profile": "default", "usage_ratio": 0.9})

    metrics.configure(config_of("kept", "new"))

    assert metrics.of(f.ATTEMPTS).total("provider") == {("kept",): 1, ("new",): 0, (OTHER,): 1}
    assert metrics.of(f.ATTEMPT_SECONDS).histograms.keys() == {("kept", "ok"), (OTHER, "ok")}
    assert not metrics.of(f.CONTEXT_RATIO).values


def test_a_gauge_holds_what_was_told_last() -> None:
    fanout, metrics = counting("a")

    for ratio in (0.9, 0.7):
        fanout.event("context-budget-warning", {"provider": "a", "profile": "default", "usage_ratio": ratio})

    assert metrics.of(f.CONTEXT_RATIO).values == {("a", "default"): 0.7}


@pytest.mark.parametrize("amount", [None, "many", -5, float("nan"), True])
def test_what_is_no_amount_counts_nothing(amount: object) -> None:
    fanout, metrics = counting("a")

    fanout.event("attempt-complete", {"provider": "a", "output_tokens": amount})

    assert sum(metrics.of(f.OUTPUT_TOKENS).values.values()) == (1 if amount is True else 0)


@given(st.lists(st.floats(min_value=0, max_value=5000), max_size=50))
def test_each_observation_is_in_the_first_bucket_whose_bound_it_does_not_pass(seconds: list[float]) -> None:
    fanout, metrics = counting("a")

    for one in seconds:
        fanout.event("probe-completed", {"provider": "a", "verdict": "ok", "latency_ms": one * 1000})

    counts = [0] * (len(LATENCY_BUCKETS_S) + 1)
    for one in seconds:
        counts[next((i for i, bound in enumerate(LATENCY_BUCKETS_S) if one * 1000 / 1000 <= bound), len(LATENCY_BUCKETS_S))] += 1
    histograms = metrics.of(f.PROBE_SECONDS).histograms
    assert [buckets.counts for buckets in histograms.values()] == ([counts] if seconds else [])
    assert math.isclose(sum(buckets.total for buckets in histograms.values()), sum(seconds), rel_tol=1e-9, abs_tol=1e-9)


async def a_page(metrics: Metrics, *readings: Reading, accept: str = "") -> Page:
    return await render(metrics, readings, accept)


def test_what_a_request_went_without_is_counted_once_by_its_word() -> None:
    fanout, metrics = counting("a")
    notes = ["cache_control x3", "thinking: why not", "messages[0].content[1]: image", "messages[2]: image", "options.seed"]

    fanout.event("capability-degraded", {"provider": "a", "dropped": ["seed"], "reason": "refused-by-upstream"})
    fanout.event("request-complete", {"dropped": ["seed: not taken by this provider", *notes, "max_tokens: absent, 8192 sent"]})
    fanout.event("capability-degraded", {"dropped": ["reasoning"], "reason": "non-standard-field"})
    fanout.event("capability-degraded", {"dropped": ["some-beta-2025"], "reason": "refused-by-upstream"})
    fanout.event("request-complete", {"dropped": ["a client's own word"]})

    counted = {labels: value for labels, value in metrics.of(f.CAPABILITY_DEGRADED).values.items() if value}
    expected = ("seed", "cache_control", "thinking", "messages", "options", "reasoning")
    assert counted == {**{(word,): 1 for word in expected}, (OTHER,): 2}


def test_a_cancelled_request_is_an_action_of_its_own_name() -> None:
    fanout, metrics = counting("a")

    fanout.event("admin-action", {"action": "cancel", "request_id": "r", "result": "cancelled"})

    assert metrics.of(f.ADMIN_ACTIONS).values[("cancel",)] == 1
    assert (OTHER,) not in metrics.of(f.ADMIN_ACTIONS).values


async def test_every_family_is_there_before_the_first_event() -> None:
    metrics = Metrics()

    page = (await a_page(metrics)).body.decode()

    for family in (*COUNTED, *READ):
        assert f"# HELP {family.name} {family.about}\n# TYPE {family.name} {family.kind}\n" in page


@pytest.mark.parametrize("names", [("a",), ("a", "b:c/d.e-f")])
async def test_the_librarys_own_parsers_take_the_page_in_both_formats(names: tuple[str, ...]) -> None:
    _, metrics = counting(*names)
    for name in names:
        for event in RULES:
            metrics.told(Told(1, 0.0, 20, event, {**attempt(name), "providers": (name,), "count": 2}))
    reading = Reading(s.SINK_LAG, 2.5, ('quo"te back\\slash line\nbreak',))

    text = await a_page(metrics, reading)
    opened = await a_page(metrics, reading, accept=OPEN_METRICS)

    assert text.content_type.startswith("text/plain; version=0.0.4")
    assert opened.content_type.startswith(OPEN_METRICS)
    samples = [
        {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}
        for families in (text_format(text.body.decode()), open_metrics(opened.body.decode()))  # type: ignore[no-untyped-call]  # the library's own
    ]
    ours = [{key: value for key, value in one.items() if key[0].startswith("router_")} for one in samples]
    assert ours[0] == ours[1]
    for name in names:
        assert ours[0]["router_attempts_total", (("outcome", "ok"), ("provider", name))] == 1


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=abc", "text/plain; version=x.y", "\x00; ;version=="])
async def test_who_asks_for_a_version_that_is_none_gets_the_usual_page(accept: str) -> None:
    page, usual = await a_page(Metrics(), accept=accept), await a_page(Metrics())

    assert page.content_type == usual.content_type
    assert page.body.startswith(b"# HELP router_requests_total ")


async def test_buckets_add_up_and_end_with_the_count() -> None:
    fanout, metrics = counting("a")
    for total_ms in (10.0, 300.0, 300.0, 4_000_000.0):
        fanout.event("attempt-complete", attempt(total_ms=total_ms))

    (family,) = [one for one in text_format((await a_page(metrics)).body.decode()) if one.name == f.ATTEMPT_SECONDS.name]

    buckets = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-2], buckets[-1]) == (1, 3, 4)
    assert [sample.value for sample in family.samples if sample.name.endswith("_count")] == [4]


async def test_a_long_page_is_written_in_pieces_between_which_others_have_their_turns() -> None:
    names = [f"provider-{number}" for number in range(30)]
    fanout, metrics = counting(*names)
    for name in names:
        for outcome in f.ATTEMPTS.labels[1].words or ():
            fanout.event("attempt-complete", attempt(name, outcome=outcome))
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        page = (await a_page(metrics)).body.decode()
        nursery.cancel_scope.cancel()

    samples = sum(not line.startswith("#") for line in page.splitlines())
    assert samples > 2000
    assert turns >= samples / PIECE
    attempts = [one for one in text_format(page) if one.name == f.ATTEMPT_SECONDS.name]
    assert [len(one.samples) for one in attempts] == [30 * 4 * (len(LATENCY_BUCKETS_S) + 3)]
    assert page.count(f"# TYPE {f.ATTEMPT_SECONDS.name} ") == 1
