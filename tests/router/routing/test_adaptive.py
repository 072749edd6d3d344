"""Adaptive order (routing.md 12.4): each bullet, and the figures that were checked on the original."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import AdaptiveConfig
from router.routing.adaptive import MAX_SAMPLES, Adaptive, Metric, Sample, Stats, applied_facts, effective_order

DEFAULTS = AdaptiveConfig()
PROFILE = "default"


def good(at: float, ttft_s: float) -> Sample:
    return Sample(at=at, ok=True, stream=True, ttft_s=ttft_s)


def whole(at: float, total_s: float, tokens: int | None = None) -> Sample:
    return Sample(at=at, ok=True, total_s=total_s, output_tokens=tokens)


def bad(at: float) -> Sample:
    return Sample(at=at, ok=False)


def seen(**samples: Iterable[Sample]) -> Adaptive:
    adaptive = Adaptive()
    for provider, its in samples.items():
        for sample in its:
            adaptive.record(provider, sample)
    return adaptive


def streams(ttft_s: float, times: int = 3, at: float = 0) -> list[Sample]:
    return [good(at, ttft_s)] * times


def judged(adaptive: Adaptive, now: float = 1, config: AdaptiveConfig = DEFAULTS, chain: str = "ab") -> dict[str, int]:
    return dict(adaptive.demotions(PROFILE, adaptive.stats(tuple(chain), config, now), config, now))


@pytest.mark.parametrize(
    ("a_ms", "b_ms", "demoted"),
    [(149, 100, 0), (150, 100, 1), (290, 100, 1), (300, 100, 1), (100, 290, 0)],
    ids=["below", "at-1.5", "kept-its-place-in-the-original", "moved-in-the-original", "the-fast-one"],
)
def test_of_two_providers_the_one_is_measured_by_the_other(a_ms: int, b_ms: int, demoted: int) -> None:
    adaptive = seen(a=streams(a_ms / 1000), b=streams(b_ms / 1000))

    assert judged(adaptive)["a"] == demoted


def test_the_reference_is_the_median_of_the_other_medians() -> None:
    adaptive = seen(a=streams(0.31), b=streams(0.1), c=streams(0.2), d=streams(9.0))

    assert judged(adaptive, chain="abcd") == {"a": 1, "b": 0, "c": 0, "d": 1}  # a by 0.2, c by 0.31, d by 0.2


def test_a_provider_alone_is_never_slow() -> None:
    assert judged(seen(a=streams(60)), chain="a") == {"a": 0}


@pytest.mark.parametrize(
    ("a", "b", "demoted"),
    [
        ([whole(0, 9)] * 3, streams(1), 0),
        ([whole(0, 9)] * 3, [whole(0, 1)] * 3, 1),
        ([whole(0, 9, tokens=900)] * 3, [whole(0, 1, tokens=50)] * 3, 0),
        ([whole(0, 9, tokens=32)] * 3, [whole(0, 1, tokens=32)] * 3, 1),
        ([whole(0, 9, tokens=31)] * 3, [whole(0, 1, tokens=32)] * 3, 0),
        ([*streams(1, 9), *[whole(0, 9)] * 3], [*streams(1), *[whole(0, 1)] * 3], 0),
        ([*streams(1), *[whole(0, 9)] * 9], [*streams(1), *[whole(0, 1)] * 3], 1),
    ],
    ids=[
        "a-stream-is-no-whole-reply",
        "total-times",
        "a-long-answer-is-not-slow",
        "time-per-token",
        "few-tokens-are-not-divided",
        "mostly-streams",
        "mostly-whole-replies",
    ],
)
def test_times_are_compared_by_kind(a: list[Sample], b: list[Sample], demoted: int) -> None:
    assert judged(seen(a=a, b=b))["a"] == demoted


@pytest.mark.parametrize(
    ("samples", "demoted"),
    [
        ([bad(0)] * 4, 0),
        ([bad(0)] * 5, 2),
        ([bad(0), *streams(0.1, 9)], 2),
        ([bad(0), *streams(0.1, 10)], 0),
        ([bad(0), *streams(0.9, 9)], 3),
        (streams(0.9, 2), 0),
    ],
    ids=["four-samples-say-nothing", "five-do", "one-in-ten", "one-in-eleven", "slow-and-failing", "two-times-say-nothing"],
)
def test_too_many_failures_are_two_points_and_few_samples_none(samples: list[Sample], demoted: int) -> None:
    assert judged(seen(a=samples, b=streams(0.1)))["a"] == demoted


def test_a_median_counts_successes_only() -> None:
    failures = [Sample(at=0, ok=False, stream=True, ttft_s=60)] * 4

    assert judged(seen(a=[*failures, *streams(0.1, 50)], b=streams(0.1)))["a"] == 0


def test_samples_count_for_the_window_only() -> None:
    adaptive = seen(a=[bad(0)] * 5, b=streams(0.1))

    assert judged(adaptive, now=59.9)["a"] == 2
    assert judged(adaptive, now=60)["a"] == 2  # held
    assert judged(adaptive, now=89.9)["a"] == 0


@pytest.mark.parametrize(
    ("later", "stays"),
    [([*streams(0.125, 200)], True), ([*streams(0.119, 200)], False)],
    ids=["1.25-times-is-above-1.2", "1.19-times-is-below"],
)
def test_slowness_leaves_below_its_own_threshold(later: list[Sample], stays: bool) -> None:  # noqa: FBT001 - a column
    adaptive = seen(a=streams(0.2), b=streams(0.1))
    judged(adaptive)

    for sample in later:
        adaptive.record("a", sample)

    assert judged(adaptive, now=40)["a"] == int(stays)


@pytest.mark.parametrize(("successes", "stays"), [(11, True), (12, False)], ids=["1-in-12", "1-in-13"])
def test_a_failing_one_is_forgiven_below_its_own_threshold(successes: int, stays: bool) -> None:  # noqa: FBT001 - a column
    adaptive = seen(a=[bad(0), *streams(0.1, 9)], b=streams(0.1))
    judged(adaptive)

    for sample in streams(0.1, successes - 9):
        adaptive.record("a", sample)

    assert judged(adaptive, now=40)["a"] == 2 * int(stays)


def test_a_change_is_held_and_the_next_one_waits_for_it() -> None:
    adaptive = seen(a=streams(0.2), b=streams(0.1))
    assert judged(adaptive, now=1)["a"] == 1

    for _ in range(50):
        adaptive.record("a", bad(2))

    assert judged(adaptive, now=30.9)["a"] == 1
    assert judged(adaptive, now=31)["a"] == 3


def test_the_first_change_is_always_allowed_and_holds_nobody_else() -> None:
    adaptive = seen(a=[bad(100)] * 5)
    assert effective_order("abc", judged(adaptive, now=100, chain="abc")) == ("b", "c", "a")

    for _ in range(5):
        adaptive.record("b", bad(110))

    assert effective_order("abc", judged(adaptive, now=110, chain="abc")) == ("c", "a", "b")  # the original: b first until 130


def test_a_standing_belongs_to_the_profile_and_the_samples_to_the_provider() -> None:
    adaptive = seen(a=streams(0.2), b=streams(0.1), c=streams(0.2))

    assert adaptive.demotions("one", adaptive.stats(("a", "b"), DEFAULTS, 1), DEFAULTS, 1) == {"a": 1, "b": 0}
    assert adaptive.demotions("two", adaptive.stats(("c", "a"), DEFAULTS, 1), DEFAULTS, 1) == {"c": 0, "a": 0}
    assert adaptive.demotions("one", adaptive.stats(("a", "b"), DEFAULTS, 2), DEFAULTS, 2) == {"a": 1, "b": 0}


def test_off_demotes_nobody_and_shadow_tells_what_on_would_do() -> None:
    adaptive = seen(a=[bad(0)] * 5)

    assert judged(adaptive, config=evolve(DEFAULTS, mode="off")) == {"a": 0, "b": 0}
    assert judged(adaptive, config=evolve(DEFAULTS, mode="shadow")) == {"a": 2, "b": 0}


def test_an_error_rate_of_zero_means_any_failure() -> None:
    config = evolve(DEFAULTS, error_rate=0)

    assert judged(seen(a=[bad(0), *streams(0.1, 99)], b=streams(0.1, 99)), config=config) == {"a": 2, "b": 0}


def test_a_forgotten_provider_begins_afresh() -> None:
    adaptive = seen(a=[bad(0)] * 5)
    judged(adaptive)

    adaptive.forget("a")

    assert judged(adaptive) == {"a": 0, "b": 0}


def test_the_facts_tell_both_orders_and_the_figures() -> None:
    adaptive = seen(a=[bad(0), *streams(0.29, 6)], b=streams(0.1))
    stats = adaptive.stats("ab", DEFAULTS, 1)

    assert applied_facts("ab", ("b", "a"), stats) == {
        "static_order": ["a", "b"],
        "effective_order": ["b", "a"],
        "stats": {
            "a": {"median_ttft_ms": 290.0, "error_rate": 0.1429, "sample_count": 7},
            "b": {"median_ttft_ms": 100.0, "error_rate": None, "sample_count": 3},
        },
    }


def test_a_provider_never_seen_is_told_as_such() -> None:
    assert applied_facts("a", "a", {})["stats"] == {"a": {"error_rate": None, "sample_count": 0}}


def test_the_oldest_samples_make_room() -> None:
    adaptive = seen(a=[*[bad(0)] * MAX_SAMPLES, *streams(0.1, MAX_SAMPLES)])

    (stats,) = adaptive.stats("a", DEFAULTS, 1).values()

    assert stats == Stats(sample_count=MAX_SAMPLES, error_rate=0, medians={Metric.TTFT: 0.1}, counts={Metric.TTFT: MAX_SAMPLES})


_EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0.01, 10), st.floats(0, 20)), min_size=1, max_size=60
)


@given(_EVENTS)
def test_no_value_changes_twice_within_the_hold_and_every_order_is_total(events: list[tuple[str, bool, float, float]]) -> None:
    adaptive = Adaptive()
    changed_at: dict[str, float] = {}
    before = dict.fromkeys("abc", 0)
    now = 0.0

    for provider, ok, ttft_s, pause_s in events:
        now += pause_s
        adaptive.record(provider, good(now, ttft_s) if ok else bad(now))
        found = judged(adaptive, now=now, chain="abc")
        for name in "abc":
            assert 0 <= found[name] <= 3
            if found[name] != before[name]:
                assert now - changed_at.get(name, -31) >= 30
                changed_at[name] = now
        assert sorted(effective_order("abc", found)) == ["a", "b", "c"]
        before = found
