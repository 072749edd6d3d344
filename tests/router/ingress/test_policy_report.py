"""What `/status` says of what is known and was learned of a provider, and of who waits."""

from __future__ import annotations

import orjson
from attrs import evolve

from router.config.schema import AdaptiveConfig, CapabilitiesConfig, ProfileConfig
from router.domain.server_state import ServerState
from router.errors import FailureReason
from router.guards.drift import Observation
from router.ingress.generation import Generation
from router.ingress.policy_report import FairnessReport, fairness_part, policy_of, policy_part
from router.providers.key_pool import KeyReport
from router.providers.pace import LastMinute
from router.routing.adaptive import Sample
from router.routing.limits import FairnessRules
from tests.builders import ScriptedProvider, a_profile
from tests.router.ingress.rig import Rig

NOW = 1000.0
BOTH = a_profile("a", "b")
EMPTY = Observation(output_tokens=0)


def a_generation(profile: ProfileConfig = BOTH) -> Generation:
    """Return a chain of two; `a` says that it takes no images, and its model has a built-in fact."""
    keys = {"a": {"capabilities": CapabilitiesConfig(vision=False), "max_context_tokens": 9000, "model": "qwen3-coder:30b"}}
    providers = [ScriptedProvider(name="a"), ScriptedProvider(name="b")]
    tables = {"adaptive": AdaptiveConfig(min_error_samples=2, debounce_s=0)}
    return Rig(providers=providers, keys=keys, profile=profile, tables=tables).generation()


def part_of(generation: Generation, *keys: KeyReport) -> dict[str, object]:
    part = policy_part(policy_of(generation, "a", keys, NOW))
    assert orjson.loads(orjson.dumps(part)) == part
    return part


def test_each_fact_comes_with_who_says_so() -> None:
    known = part_of(a_generation())["capabilities"]

    assert isinstance(known, dict)
    assert known["vision"] == {"value": False, "origin": "provider"}
    assert known["tools"] == {"value": True, "origin": "built-in"}
    assert known["thinking"] == {"value": None, "origin": "unknown"}
    assert known["max_context_tokens"] == {"value": 9000, "origin": "provider"}
    assert known["cache_control"] == {"value": False, "origin": "heuristic"}


def test_what_a_server_tells_of_its_model_is_told_and_its_window_counts() -> None:
    generation = a_generation()
    generation.memory.servers.learn("a", ServerState(is_loaded=True, vram_bytes=5, largest_window=4096, expires_at="soon"))

    part = part_of(generation)

    assert part["model_state"] == {
        "is_loaded": True,
        "loaded_window": None,
        "default_window": None,
        "largest_window": 4096,
        "size_bytes": None,
        "vram_bytes": 5,
        "expires_at": "soon",
    }
    assert isinstance(part["capabilities"], dict)
    assert part["capabilities"]["max_context_tokens"] == {"value": 4096, "origin": "server"}
    assert generation.capabilities["a"].window == 4096
    assert generation.capabilities["b"].max_context_tokens.origin != "server"


def test_where_no_profile_looks_nothing_is_told_of_drift_and_order() -> None:
    assert sorted(part_of(a_generation())) == ["calibration", "capabilities"]


def test_how_far_the_count_of_tokens_is_off_is_told_with_how_often_it_was_seen() -> None:
    generation = a_generation()
    for _ in range(4):
        generation.memory.calibrations.learn("a", estimated=1000, reported=1250)

    assert part_of(generation)["calibration"] == {"factor": 1.25, "samples": 4}


def test_a_window_that_has_drifted_says_how_bad_and_how_long_its_provider_rests() -> None:
    generation = a_generation(evolve(BOTH, drift_detection_action="warn"))
    for _ in range(6):
        generation.memory.drift.observe(generation.profiles["default"], "a", EMPTY, NOW)
    resting = evolve(policy_of(generation, "a", (), NOW), drift_rests_s=240.04)

    assert part_of(generation)["drift"] == {"rests_s": None, "profiles": {"default": {"answers": 6, "severity": "severe"}}}
    assert policy_part(resting)["drift"] == {
        "rests_s": 240.0,
        "profiles": {"default": {"answers": 6, "severity": "severe"}},
    }


def test_who_fails_too_often_is_told_with_its_figures_and_reading_them_judges_nothing() -> None:
    generation = a_generation(evolve(BOTH, adaptive=True))
    adaptive, config = generation.memory.adaptive, generation.config.adaptive
    for number in range(4):
        adaptive.record("a", Sample(at=NOW - number, ok=number < 2, stream=True, ttft_s=0.5))
    before = part_of(generation)["adaptive"]

    adaptive.demotions("default", adaptive.stats(("a", "b"), config, NOW), config, NOW)

    figures = {"error_rate": 0.5, "sample_count": 4}
    assert before == {**figures, "demotions": {"default": 0}}
    assert part_of(generation)["adaptive"] == {**figures, "demotions": {"default": 2}}


def test_a_key_is_told_by_its_index_alone() -> None:
    free = KeyReport(index=0, rests_s=None, reason=None, waits_s=0.0, minute=LastMinute(requests=3, tokens=900))
    resting = KeyReport(index=1, rests_s=41.26, reason=FailureReason.RATE_LIMIT, waits_s=0.0, minute=LastMinute())

    assert part_of(a_generation(), free, resting)["keys"] == [
        {"key": 0, "rests_s": None, "reason": None, "waits_s": 0.0, "last_minute": {"requests": 3, "tokens": 900}},
        {"key": 1, "rests_s": 41.3, "reason": "rate-limit", "waits_s": 0.0, "last_minute": {"requests": 0, "tokens": 0}},
    ]


def test_the_page_tells_who_runs_and_who_waits_beside_what_is_allowed() -> None:
    report = FairnessReport(running=4, waiting=2, rules=FairnessRules(max_running=4, session_max_in_flight=2))

    assert fairness_part(report) == {
        "fairness": {"running": 4, "waiting": 2, "max_running": 4, "session_max_in_flight": 2, "queue_max": 256}
    }


def test_without_a_report_there_is_no_part() -> None:
    assert (policy_part(None), fairness_part(None)) == ({}, {})
