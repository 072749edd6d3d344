"""The numbers of every guard, as supervision.md states them: one place that a change of any of them has to pass."""

from __future__ import annotations

from typing import Any, get_args

import attrs
import pytest

from router.config.checks import Between
from router.config.schema import AdaptiveConfig
from router.config.schema_profile import DriftSensitivity, ProfileConfig
from router.guards.drift import PRESETS
from router.guards.tool_loop import loop_rules
from router.routing.budget import THRESHOLDS
from router.routing.cost import RESERVED_OUTPUT_TOKENS

FIELDS: dict[str, Any] = attrs.fields_dict(ProfileConfig)
PROFILE = ProfileConfig(name="p", providers=("a",))

# (key, default, bounds or words): supervision.md 2.1, 3, 4.1, 4.2 and W21, 5.1, 6, 22; routing.md 6
KEYS: list[tuple[str, object, object]] = [
    ("context_budget_action", "off", ("off", "warn", "trim", "reject")),
    ("context_budget_warn_threshold", 0.80, (0.1, 1)),
    ("context_budget_trim_threshold", 0.90, (0.1, 1)),
    ("context_budget_trim_target", 0.75, (0.1, 1)),
    ("context_budget_preserve_last_n", 4, (1, 100)),
    ("memory_pressure_action", "warn", ("off", "warn", "skip")),
    ("memory_pressure_cooldown_s", 120, (10, 3600)),
    ("tool_loop_window", 5, (2, 50)),
    ("tool_loop_threshold", 3, (2, 50)),
    ("tool_loop_action", "warn", ("warn", "inject", "break")),
    ("max_tool_calls", 50, (0, 1000)),
    ("max_tool_calls_action", "warn", ("warn", "inject", "break")),
    ("max_tool_calls_hard", 0, (0, 10_000)),
    ("drift_detection_action", "off", ("off", "warn", "promote", "reload")),
    ("drift_detection_window_size", 20, (4, 200)),
    ("drift_detection_cooldown_s", 300, (10, 3600)),
    ("drift_detection_sensitivity", "normal", ("low", "normal", "high")),
    ("backend_health_action", "warn", ("off", "warn", "demote", "exclude")),
    ("backend_health_threshold", 3, (2, 20)),
    ("partial_stitch_action", "off", ("off", "surface", "continue")),
    ("stream_truncation_action", "error", ("off", "warn", "error")),
    ("empty_response_action", "fallback", ("off", "warn", "fallback")),
]

# routing.md 12.4, in USD, seconds and shares
ADAPTIVE = {
    "mode": "on",
    "window_s": 60,
    "latency_factor": 1.5,
    "error_rate": 0.10,
    "debounce_s": 30,
    "min_latency_samples": 3,
    "min_error_samples": 5,
}

# supervision.md 5.3: fill, empty, collapse, silence, stop, error
DRIFT = {
    "low": (10, 0.5, 0.3, 0.8, 0.6, 0.4),
    "normal": (6, 0.3, 0.5, 0.7, 0.4, 0.25),
    "high": (4, 0.2, 0.7, 0.5, 0.3, 0.15),
}


@pytest.mark.parametrize(("key", "default", "values"), KEYS)
def test_a_key_has_the_default_and_the_values_of_the_specification(key: str, default: object, values: object) -> None:
    attribute = FIELDS[key]
    check = attribute.validator

    assert getattr(PROFILE, key) == default
    assert (check.low, check.high) == values if isinstance(check, Between) else get_args(_type_of(key)) == values


def test_every_number_of_a_guard_is_listed() -> None:
    looping = ("context_budget_", "memory_pressure_", "tool_loop_", "max_tool_calls", "drift_detection_", "backend_health_")
    ending = ("partial_stitch_", "stream_truncation_", "empty_response_")

    assert {name for name in FIELDS if name.startswith((*looping, *ending))} == {key for key, _, _ in KEYS}


@pytest.mark.parametrize("sensitivity", get_args(DriftSensitivity))
def test_a_preset_of_drift_has_the_numbers_of_the_specification(sensitivity: DriftSensitivity) -> None:
    assert attrs.astuple(PRESETS[sensitivity]) == DRIFT[sensitivity]


def test_the_adaptive_order_has_the_numbers_of_the_specification() -> None:
    assert attrs.asdict(AdaptiveConfig()) == ADAPTIVE


def test_budgets_warn_and_reserve_by_the_numbers_of_the_specification() -> None:
    assert (THRESHOLDS, RESERVED_OUTPUT_TOKENS) == ((50, 80, 95), 4096)  # routing.md 13.3


def test_the_rules_of_a_loop_are_those_of_the_profile() -> None:
    assert attrs.astuple(loop_rules(PROFILE)) == (5, 3, "warn", 50, "warn", 0)


def _type_of(key: str) -> object:
    return attrs.fields_dict(attrs.resolve_types(ProfileConfig))[key].type
