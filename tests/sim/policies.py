"""What a seed draws of guards, budgets, limits and fairness, and puts into a configuration; reloads draw anew.

Numbers are small, so that an hour of a hundred requests meets them: windows of a few turns, caps of some tens of answers,
queues of a few places."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

Table = dict[str, Any]

SHARE = 0.8  # of worlds; the others are as they would be without any policy
CHANGES = 0.5  # share of the tables that a reload draws anew
ENVIRON: Mapping[str, str] = {f"SIM_KEY_{n}": f"sk-sim-{n}" * 3 for n in (1, 2, 3)}
MAX_TOKENS = (48, 256, 256)  # of every request of a world: what its attempts reserve follows from it
WINDOWS = (300, 600, 1200, 3000)  # tokens
NARROW = 0.35  # share of worlds in which every window is small: elsewhere somebody is asked who has room
QUIRKS = (0.0, 0.1, 0.3)  # share of a healthy backend's answers that a guard is for
PRICES = ((2.0, 100.0), (10.0, 40.0), (0.0, 60.0))  # USD per 10^6 tokens, input and output
FILTERS = ("strip_thinking", "strip_stop_markers", "strip_tool_call_xml", "repair_byte_fallback", "strip_thinking_prefilled")


@frozen
class Option:
    """A key, the share of tables that have it, and its values."""

    key: str
    share: float
    values: Sequence[object]


_PROVIDER = (
    Option("tool_repair", 0.5, ("off", "strict", "balanced", "eager")),
    Option("prefill", 0.75, (True,)),
    Option("prefill_style", 0.1, ("vllm",)),
    Option("min_chars_per_s", 0.25, (4.0, 20.0, 60.0)),
    Option("throughput_window_s", 0.3, (1.0, 3.0)),
    Option("max_context_tokens", 0.35, WINDOWS),
    Option("reasoning", 0.3, ("pass", "convert")),
    Option("usage_estimate", 0.3, (True,)),
    Option("tool_stream", 0.15, ("buffered",)),
    Option("slot_affinity_slots", 0.2, (2, 4)),
    Option("api_key_envs", 0.15, (["SIM_KEY_1", "SIM_KEY_2"], ["SIM_KEY_1", "SIM_KEY_2", "SIM_KEY_3"])),
)
_PROFILE = (
    Option("context_budget_action", 0.7, ("warn", "trim", "trim", "reject")),
    Option("context_budget_preserve_last_n", 0.4, (1, 2, 6)),
    Option("tool_loop_action", 0.6, ("warn", "inject", "break", "break")),
    Option("tool_loop_threshold", 0.3, (2, 4)),
    Option("max_tool_calls", 0.4, (2, 4, 8)),
    Option("max_tool_calls_action", 0.5, ("warn", "inject", "break")),
    Option("max_tool_calls_hard", 0.3, (8, 10)),
    Option("drift_detection_action", 0.6, ("warn", "promote", "reload")),
    Option("drift_detection_window_size", 0.8, (4, 6, 10)),
    Option("drift_detection_sensitivity", 0.8, ("high",)),
    Option("drift_detection_cooldown_s", 0.8, (10, 60)),
    Option("partial_stitch_action", 0.85, ("surface", "continue", "continue", "continue")),
    Option("stream_truncation_action", 0.4, ("off", "warn")),
    Option("empty_response_action", 0.3, ("off", "warn")),
    Option("commit_policy", 0.15, ("first_event",)),
    Option("adaptive", 0.25, (True,)),
    Option("sticky", 0.25, (True,)),
    Option("monthly_budget_usd", 0.15, (0.02, 0.2)),
)
_SERVER = (
    Option("session_max_in_flight", 0.75, (1, 2, 2, 3)),
    Option("max_running", 0.35, (1, 2, 4)),
    Option("queue_max", 0.3, (0, 2, 8)),
    Option("queue_timeout_s", 0.7, (0.0, 2.0, 10.0, 30.0)),
)
_BUDGET = (Option("daily_usd", 0.2, (0.02, 0.1, 0.4)), Option("monthly_usd", 0.2, (0.05, 0.4, 1.0)))
_LIMITS = (
    Option("requests_per_minute", 0.8, (4, 8, 20)),
    Option("tokens_per_minute", 0.4, (1500, 6000)),
    Option("max_wait_s", 0.8, (0.0, 2.0, 10.0)),
)


def add(rng: random.Random, document: Table) -> None:
    """Put policies into a configuration."""
    _server(rng, document)
    is_narrow = rng.random() < NARROW
    for provider in document["providers"]:
        _provider(rng, provider)
        if is_narrow:
            provider["max_context_tokens"] = rng.choice(WINDOWS)
    for profile in document["profiles"]:
        _put(rng, profile, _PROFILE)


def change(rng: random.Random, document: Table) -> None:
    """Draw some of the policies of a configuration anew."""
    if rng.random() < CHANGES:
        _server(rng, document)
    for provider in document["providers"]:
        if rng.random() < CHANGES:
            _clear(provider, _PROVIDER)
            for key in ("limits", "cost", "output_filters"):
                provider.pop(key, None)
            _provider(rng, provider)
    for profile in document["profiles"]:
        if rng.random() < CHANGES:
            _clear(profile, _PROFILE)
            _put(rng, profile, _PROFILE)


def _server(rng: random.Random, document: Table) -> None:
    _clear(document["server"], _SERVER)
    _put(rng, document["server"], _SERVER)
    document["budget"] = _put(rng, {}, _BUDGET)
    document["adaptive"] = {"mode": rng.choice(["on", "on", "shadow"]), "window_s": 600.0}
    document["prices"] = []
    if rng.random() < 0.15:
        document["prices"].append({"match": "model-[0-2]*", **_price(rng)})


def _provider(rng: random.Random, table: Table) -> None:
    _put(rng, table, _PROVIDER)
    if rng.random() < 0.4:
        table["output_filters"] = rng.sample(FILTERS, rng.randint(1, 3))
    if rng.random() < 0.2:
        table["limits"] = _put(rng, {}, _LIMITS)
    if rng.random() < 0.5:
        table["cost"] = _price(rng)
        if rng.random() < 0.6:
            table["cost"]["monthly_budget_usd"] = rng.choice([0.01, 0.03, 0.1, 0.1, 0.3, 0.3, 0.3, 0.0])


def _price(rng: random.Random) -> Table:
    given, said = rng.choice(PRICES)
    return {"input_tokens_per_million": given, "output_tokens_per_million": said}


def _put(rng: random.Random, table: Table, options: Sequence[Option]) -> Table:
    for option in options:
        if rng.random() < option.share:
            table[option.key] = rng.choice(option.values)
    if 0 < table.get("max_tool_calls_hard", 0) < table.get("max_tool_calls", 50):
        table["max_tool_calls"] = table["max_tool_calls_hard"]
    return table


def _clear(table: Table, options: Sequence[Option]) -> None:
    for option in options:
        table.pop(option.key, None)
