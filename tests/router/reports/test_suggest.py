"""Each rule speaks where its figures say so and is silent elsewhere; what it says can be pasted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from router.config.schema import RouterConfig
from router.reports.rows import Row
from router.reports.suggest import RULES, Suggestion, suggestions
from tests.router.config.texts import read
from tests.router.reports.journal_rows import answers, record, rows_of

FILE = """\
[routing]
default_profile = "coding"

[[providers]]
name = "fast"
kind = "anthropic"
base_url = "{url}"
model = "m"
{provider}

[[providers]]
name = "slow"
base_url = "http://127.0.0.1:9/v1"
model = "m"

[[profiles]]
name = "coding"
providers = [{order}]
{profile}
"""
WATCHED = 'drift_detection_action = "warn"'
STRICT = f'{WATCHED}\ndrift_detection_sensitivity = "high"'


VENDOR = "https://api.anthropic.com"


def a_config(
    *, order: Sequence[str] = ("fast", "slow"), provider: str = "", profile: str = "", url: str = VENDOR
) -> RouterConfig:
    names = ", ".join(f'"{name}"' for name in order)
    return read(FILE.format(order=names, provider=provider, profile=profile, url=url)).config


def said(rows: Sequence[Row], config: RouterConfig) -> list[tuple[str, str]]:
    return [(one.rule, one.subject) for one in suggestions(rows, config)]


def spread_out(count: int, days: float) -> list[Row]:
    """Return so many answers over so many days."""
    stamps = [f"2026-01-{1 + int(n * days / count):02}T{int(n * days / count * 24) % 24:02}:00:00.000Z" for n in range(count)]
    return rows_of([record(ts=stamp) for stamp in stamps])


def in_a_session(count: int) -> list[Row]:
    return rows_of([record(session="s")] * count)


def shorter(older: int, newer: int) -> list[Row]:
    return [*answers(20, output_tokens=older), *answers(20, output_tokens=newer)]


FAILS = [*answers(40, "slow", failed=30), *answers(40)]
IS_SLOW = [*answers(40, "slow", total_ms=900), *answers(40, total_ms=100)]
SLOW_FIRST = a_config(order=("slow", "fast"), profile=WATCHED)
UNCACHED = answers(30, input_tokens=5000)
SUGGESTED: dict[str, tuple[list[Row], RouterConfig, str]] = {
    "its neighbour fails less": (FAILS, SLOW_FIRST, "provider_reorder"),
    "its neighbour is sooner": (IS_SLOW, SLOW_FIRST, "provider_reorder"),
    "nothing is cached": (UNCACHED, a_config(profile=WATCHED), "enable_prompt_cache"),
    "answers are empty": (answers(40, output_tokens=0), a_config(), "enable_drift_detection"),
    "answers became shorter": (shorter(400, 100), a_config(), "enable_drift_detection"),
    "a window of days": (spread_out(40, 20), a_config(profile=WATCHED), "low_sensitivity_small_window"),
    "one long session": (in_a_session(30), a_config(profile=WATCHED), "goal_profile"),
}
SILENT: dict[str, tuple[list[Row], RouterConfig]] = {
    "the better one is first": (FAILS, a_config(profile=WATCHED)),
    "too few attempts": ([*answers(20, "slow", failed=20), *answers(20)], SLOW_FIRST),
    "too few latencies": ([*answers(40, "slow", failed=20, total_ms=900), *answers(40, failed=20, total_ms=100)], SLOW_FIRST),
    "sooner, but surely fails more": ([*IS_SLOW, *answers(40, failed=20)], SLOW_FIRST),
    "as good as the other": ([*answers(40, "slow", total_ms=100), *answers(40, total_ms=100)], SLOW_FIRST),
    "marked already": (UNCACHED, a_config(provider="auto_cache = true", profile=WATCHED)),
    "something is cached": (answers(30, input_tokens=5000, cache_read_input_tokens=9), a_config(profile=WATCHED)),
    "short prompts": (answers(30, input_tokens=500), a_config(profile=WATCHED)),
    "a vendor whose cache is its own": (answers(30, "slow", input_tokens=5000), a_config(profile=WATCHED)),
    "a server of this machine": (UNCACHED, a_config(profile=WATCHED, url="http://127.0.0.1:9")),
    "some empty answers, perhaps by chance": ([*answers(37, output_tokens=9), *answers(3, output_tokens=0)], a_config()),
    "full answers": (shorter(400, 380), a_config()),
    "watched already": (answers(40, output_tokens=0), a_config(profile=WATCHED)),
    "a busy provider": (spread_out(400, 5), a_config(profile=WATCHED)),
    "short sessions": (in_a_session(29), a_config(profile=WATCHED)),
    "a strict profile": (in_a_session(30), a_config(profile=STRICT)),
    "no request": ([], a_config()),
}


@pytest.mark.parametrize("case", SUGGESTED)
def test_a_rule_speaks_where_its_figures_say_so(case: str) -> None:
    rows, config, rule = SUGGESTED[case]

    (one,) = suggestions(rows, config)

    assert one.rule == rule
    assert one.reason
    assert one.figures


@pytest.mark.parametrize("case", SILENT)
def test_it_is_silent_where_they_do_not(case: str) -> None:
    assert said(*SILENT[case]) == []


def test_what_speaks_against_a_change_is_said_with_it() -> None:
    rows = [*IS_SLOW, *answers(1, failed=1), *answers(9, "slow")]

    (one,) = suggestions(rows, SLOW_FIRST)

    assert one.reason.endswith("answers sooner than slow, which is asked before it; but it failed more often")


@pytest.mark.parametrize("name", ["coding-goal", "by-another-name"])
def test_a_suggested_profile_that_was_added_is_not_suggested_again(name: str) -> None:
    rows = in_a_session(30)
    (one,) = suggestions(rows, a_config(profile=WATCHED))
    added = one.toml.replace("coding-goal", name)

    text = FILE.format(order='"fast", "slow"', provider="", profile=f"{WATCHED}\n{added}", url=VENDOR)

    assert said(rows, read(text).config) == []


def test_a_profile_of_the_suggested_name_is_not_suggested_again_however_it_was_changed() -> None:
    changed = f'{WATCHED}\n[[profiles]]\nname = "coding-goal"\nproviders = ["fast"]'

    assert said(in_a_session(30), a_config(profile=changed)) == []


def test_every_rule_is_among_the_cases() -> None:
    assert {rule for _, _, rule in SUGGESTED.values()} == set(RULES)


def pasted(one: Suggestion) -> dict[str, object]:
    """Return what the suggested table comes to in a file that is otherwise complete."""
    table = one.toml.splitlines()[1]
    keys = "\n".join(one.toml.splitlines()[3:])
    if one.rule == "enable_prompt_cache":
        text = FILE.format(order='"fast", "slow"', provider=keys, profile="", url=VENDOR)
    else:
        order = "" if "providers = " in keys else 'providers = ["fast", "slow"]\n'
        providers = FILE.partition("[[profiles]]")[0].format(provider="", url=VENDOR)
        text = f'{providers}{table}\nname = "coding"\n{order}{keys}\n'
    config = read(text).config
    entry = config.providers[0] if one.rule == "enable_prompt_cache" else config.profiles[0]
    return {line.split(" = ")[0]: getattr(entry, line.split(" = ")[0]) for line in keys.splitlines()}


LASTING: dict[str, Callable[[dict[str, object]], bool]] = {
    "provider_reorder": lambda keys: keys == {"providers": ("fast", "slow")},
    "enable_prompt_cache": lambda keys: keys == {"auto_cache": True},
    "enable_drift_detection": lambda keys: keys == {"drift_detection_action": "warn"},
    "low_sensitivity_small_window": lambda keys: set(keys) == {"drift_detection_window_size", "drift_detection_sensitivity"},
    "goal_profile": lambda keys: keys["drift_detection_sensitivity"] == "high" and keys["tool_loop_action"] == "break",
}


@pytest.mark.parametrize("case", SUGGESTED)
def test_the_lines_of_a_suggestion_are_a_configuration(case: str) -> None:
    rows, config, rule = SUGGESTED[case]
    (one,) = suggestions(rows, config)

    assert LASTING[rule](pasted(one))
