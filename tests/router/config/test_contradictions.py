"""Keys that are valid and do nothing, or not what they seem to: each is warned about with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from router.__main__ import main
from router.config.schema_profile import DRIFT_JUDGED_FROM
from router.domain.routes import GEMINI_ROUTE, MODEL_ROUTES, usual_path
from router.ingress.routes import ModelRoute, find_target
from tests.router.config.texts import SMALL, read, warned

TWO_RULES = SMALL + (
    '[routing]\ndefault_profile = "auto"\n[auto_router]\ndefault_rule_profile = "default"\n'
    '[[auto_router.rules]]\nid = "a"\nprofile = "default"\nmatch = { has_tools = true }\n'
    '[[auto_router.rules]]\nid = "b"\nprofile = "default"\nmatch = { stream = true }\n'
)


def two(text: str) -> str:
    """Return the text with one provider more behind the first."""
    return '[[providers]]\nname = "b"\nbase_url = "http://127.0.0.1:8/v1"\nmodel = "m"\n\n' + text.replace('["a"]', '["a", "b"]')


def test_two_rules_with_one_id_are_warned_about() -> None:
    again = TWO_RULES.replace('id = "b"', 'id = "a"')

    assert warned(TWO_RULES) == []
    assert warned(again) == [("same-rule-id", "auto_router.rules[1].id", 18)]


@pytest.mark.parametrize("path", ["/v1/messages", "/chat/completions", "v1/chat/completions/", "/v1/v1/messages"])
def test_a_route_that_is_served_is_no_warning_in_any_spelling(path: str) -> None:
    assert warned(TWO_RULES.replace("stream = true", f'path = "{path}"')) == []


@pytest.mark.parametrize("path", ["/v1/message", "/v1/messages/count_tokens", "/v1/embeddings", "/api/tags", "/status", "/"])
def test_a_route_that_no_model_answers_is_warned_about(path: str) -> None:
    assert warned(TWO_RULES.replace("stream = true", f'path = "{path}"')) == [
        ("no-effect", "auto_router.rules[1].match.path", 20)
    ]
    assert warned(TWO_RULES.replace("stream = true", f'any = [{{ stream = true }}, {{ path = "{path}" }}]')) == [
        ("no-effect", "auto_router.rules[1].match.any[1].path", 20)
    ]


@pytest.mark.parametrize("route", MODEL_ROUTES)
def test_the_routes_of_rules_are_routes_of_the_router(route: str) -> None:
    asked = f"{route}/m:generateContent" if route == GEMINI_ROUTE else route

    assert isinstance(find_target("POST", asked), ModelRoute)
    assert usual_path(asked) == usual_path(route) == route


@pytest.mark.parametrize("resolve", ["off", "exact"])
def test_a_model_map_that_is_not_asked_is_warned_about(resolve: str) -> None:
    text = SMALL + '[model_map]\n"gpt-*" = "default"\n'

    assert warned(text) == []
    assert warned(text, f"routing.resolve_model={resolve}") == [("no-effect", "model_map", 9)]


def test_a_profile_is_not_told_to_be_reached_by_a_map_that_is_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "router.toml"
    path.write_text(SMALL + '[model_map]\n"gpt-*" = "default"\n')

    asked, not_asked = (
        CliRunner().invoke(main, ["check", "--config", str(path), "--set", f"routing.resolve_model={word}"]).output
        for word in ("map", "exact")
    )

    assert "default, model gpt-*" in asked
    assert "model gpt-*" not in not_asked


def test_more_stop_markers_without_their_filter_are_warned_about() -> None:
    marked = SMALL.replace('model = "m"', 'model = "m"\nextra_markers = ["<end>"]\noutput_filters = ["strip_thinking"]')

    assert warned(marked) == [("no-effect", "providers[0].extra_markers", 5)]
    assert warned(marked.replace('"strip_thinking"', '"strip_stop_markers"')) == []


def test_going_on_with_a_broken_answer_where_nobody_does_is_warned_about() -> None:
    going_on = SMALL + 'partial_stitch_action = "continue"\n'

    assert warned(going_on) == [("no-effect", "profiles[0].partial_stitch_action", 9)]
    assert warned(two(going_on), "providers.a.prefill=true") == []
    gemini = two(going_on).replace('name = "a"', 'name = "a"\nkind = "gemini"')
    assert [warning[0] for warning in warned(gemini, "providers.a.prefill=true")] == ["no-effect"]


@pytest.mark.parametrize("is_alone", [True, False])
def test_going_on_with_a_broken_answer_where_one_alone_is_asked_is_warned_about(*, is_alone: bool) -> None:
    going_on = SMALL + 'partial_stitch_action = "continue"\n'
    text = going_on if is_alone else two(going_on) + "max_attempts = 1\n"

    (warning,) = [one for one in read(text, "providers.a.prefill=true").warnings if one.kind == "no-effect"]

    assert warning.path == "profiles[0].partial_stitch_action"
    assert warning.message.startswith("this profile asks only one provider: ")


def test_rules_that_are_not_asked_are_warned_about() -> None:
    assert warned(TWO_RULES, "routing.default_profile=default") == [("no-effect", "auto_router", 11)]
    assert warned(TWO_RULES) == []


@pytest.mark.parametrize("key", ["max_running", "session_max_in_flight"])
def test_a_limit_above_what_is_let_in_at_all_is_warned_about(key: str) -> None:
    text = SMALL + f"[server]\nmax_in_flight = 8\n{key} = 9\n"

    assert warned(text) == [("no-effect", f"server.{key}", 11)]
    assert warned(text.replace("= 9", "= 8")) == []


def test_a_limit_that_nobody_wrote_is_no_contradiction() -> None:
    assert read(SMALL + "[server]\nmax_in_flight = 8\n").warnings == ()


@pytest.mark.parametrize(("sensitivity", "least"), DRIFT_JUDGED_FROM.items())
def test_a_window_in_which_nothing_is_ever_found_is_warned_about(sensitivity: str, least: int) -> None:
    watched = SMALL + f'drift_detection_action = "warn"\ndrift_detection_sensitivity = "{sensitivity}"\n'
    place = ("no-effect", "profiles[0].drift_detection_window_size", 11)

    assert warned(f"{watched}drift_detection_window_size = {least}\n") == []
    assert warned(f"{watched}drift_detection_window_size = 4\n") == ([place] if least > 4 else [])


def test_keys_of_drift_are_warned_about_where_nobody_looks_for_it() -> None:
    assert warned(SMALL + "drift_detection_cooldown_s = 20\n") == [("no-effect", "profiles[0].drift_detection_cooldown_s", 9)]


def test_a_day_that_may_cost_more_than_its_month_is_warned_about() -> None:
    assert warned(SMALL + "[budget]\nmonthly_usd = 5\ndaily_usd = 6\n") == [("no-effect", "budget.daily_usd", 11)]
    assert warned(SMALL + "[budget]\nmonthly_usd = 5\ndaily_usd = 5\n") == []


@pytest.mark.parametrize(
    ("before", "behind", "is_warned"),
    [
        ("claude-*", "claude-haiku*", True),
        ("Claude-*", "claude-*-haiku", True),
        ("claude-haiku*", "claude-*", False),
        ("claude-*", "claude-haiku-4-5", False),  # an exact name counts before every pattern
        ("gpt-?", "gpt-*", False),
        ("gpt-[45]*", "gpt-5*", False),
    ],
)
def test_a_pattern_behind_a_wider_one_is_warned_about(before: str, behind: str, *, is_warned: bool) -> None:
    text = SMALL + f'[model_map]\n"{before}" = "default"\n"{behind}" = "default"\n'

    assert warned(text) == ([("no-effect", f'model_map."{behind}"', 11)] if is_warned else [])


@pytest.mark.parametrize("key", ["drain_max_bytes", "drain_max_s"])
def test_limits_of_reading_on_are_warned_about_where_nobody_reads_on(key: str) -> None:
    text = SMALL.replace('model = "m"', f'model = "m"\n{key} = 5')

    assert warned(text) == [("no-effect", f"providers[0].{key}", 5)]
    assert warned(text, "providers.a.on_disconnect=drain") == []


@pytest.mark.parametrize(("text", "attempts", "is_told"), [(two(SMALL), 1, True), (two(SMALL), 2, False), (SMALL, 1, False)])
def test_a_chain_that_ends_with_the_first_is_warned_about(text: str, attempts: int, *, is_told: bool) -> None:
    found = [(kind, path) for kind, path, _ in warned(text + f"max_attempts = {attempts}\n") if kind == "no-fallback"]

    assert found == ([("no-fallback", "profiles[0].max_attempts")] if is_told else [])


PAID = SMALL.replace("[[profiles]]", "paid = true\n[[profiles]]", 1) + "[routing]\nallow_paid = true\n"


@pytest.mark.parametrize(
    ("text", "caps"),
    [
        (PAID + "[budget]\ndaily_usd = 1\n", "[budget] daily_usd"),
        (PAID + "[budget]\ndaily_usd = 1\nmonthly_usd = 9\n", "[budget] daily_usd, [budget] monthly_usd"),
        (PAID.replace("[routing]", "monthly_budget_usd = 1\n[routing]"), "monthly_budget_usd of profile default"),
    ],
)
def test_a_cap_that_cannot_hold_is_warned_about_with_its_provider(text: str, caps: str) -> None:
    (told,) = [warning for warning in read(text).warnings if warning.kind == "unpriced-budget"]

    assert told.path == "providers[0].paid"
    assert told.message.startswith("a is paid and has no price (input_tokens_per_million and ")
    assert f"{caps} cannot limit it" in told.message


@pytest.mark.parametrize(
    "text",
    [
        PAID,  # no cap
        PAID + "[budget]\ndaily_usd = 0\n",  # holds from the start
        PAID + '[budget]\ndaily_usd = 1\n[[prices]]\nmatch = "m"\ninput_tokens_per_million = 1\n',
        PAID.replace("allow_paid = true", "allow_paid = false") + "[budget]\ndaily_usd = 1\n",  # never asked
        SMALL + "[budget]\ndaily_usd = 1\n",  # costs nothing
    ],
)
def test_a_cap_that_holds_is_no_warning(text: str) -> None:
    assert "unpriced-budget" not in [kind for kind, _, _ in warned(text)]
