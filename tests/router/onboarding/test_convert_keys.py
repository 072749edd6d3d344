"""Key by key: where each goes, what it becomes, and what is said of it (routing.md 4 to 8, 19.3)."""

from __future__ import annotations

from typing import Any

import pytest

from router.config.document import at
from router.config.locate import KeyPath
from router.onboarding.convert_draft import NoteKind
from tests.router.onboarding.converting import converted, file_with, refused, told, toml_of

PROVIDER: KeyPath = ("providers", 0)
PROFILE: KeyPath = ("profiles", 0)
AUTO = "auto_router:\n  default_rule_profile: default\n"


def found(text: str, path: KeyPath) -> object:
    return at(toml_of(text), path)


@pytest.mark.parametrize(
    ("line", "path", "value"),
    [
        ("allow_paid: yes", ("routing", "allow_paid"), True),
        ("default_profile: default", ("routing", "default_profile"), "default"),
        ("display_timezone: Asia/Tokyo", ("server", "display_timezone"), "Asia/Tokyo"),
        ("state_dir: ~/x", ("server", "state_dir"), "~/x"),
        ("mode_aliases: {fast: default}", ("mode_aliases", "fast"), "default"),
        ("continuous_probe: active", ("probe", "enabled"), True),
        ("continuous_probe: off", ("probe", "enabled"), False),
        ('continuous_probe: "off"', ("probe", "enabled"), False),
        ("probe_interval_s: 90", ("probe", "interval_s"), 90),
        ("probe_timeout_s: 5", ("probe", "timeout_s"), 5),
        ("probe_paid: true", ("probe", "paid"), True),
        ("audit_log: active\nstate_dir: /x", ("audit", "enabled"), True),
        ("audit_log: off", ("audit", "enabled"), False),
        ("audit_log_max_bytes: 1048576", ("audit", "max_bytes"), 1048576),
        ("request_log: active\nstate_dir: /x", ("request_log", "enabled"), True),
        ("request_log_max_bytes: 1048576", ("request_log", "max_bytes"), 1048576),
    ],
)
def test_a_setting_has_its_place(line: str, path: KeyPath, value: object) -> None:
    assert found(file_with(top=line), path) == value


@pytest.mark.parametrize(
    ("line", "path", "value"),
    [
        ("kind: anthropic", ("kind",), "anthropic"),
        ("api_key_env: X_KEY", ("api_key_env",), "X_KEY"),
        ("api_key_env: null", ("api_key_env",), None),
        ("api_key_env: ~", ("api_key_env",), None),
        ("paid: on", ("paid",), True),
        ('timeout_s: "45"', ("timeout_s",), 45),
        ("max_context_tokens: 8192.0", ("max_context_tokens",), 8192),
        ('append_system_prompt: ""', ("append_system_prompt",), ""),
        ("output_filters: [strip_thinking]", ("output_filters",), ["strip_thinking"]),
        ("ttft_timeout_s: 20", ("first_content_timeout_s",), 20),
        ("slot_affinity_slots: 4", ("slot_affinity_slots",), 4),
        ("credential: {source: env, env: X_KEY}", ("api_key_env",), "X_KEY"),
        ("capabilities: {vision: true}", ("capabilities", "vision"), True),
        ("capabilities: {thinking: false}", ("capabilities",), None),
        ("capabilities: {tool_choice: false}", ("capabilities", "tool_choice"), False),
        ("capabilities: {reasoning_passthrough: true}", ("reasoning",), "pass"),
        ("capabilities: {reasoning_passthrough: false}", ("reasoning",), None),
        ("capabilities: null", ("capabilities",), None),
        ("cost: {monthly_budget_usd: 0, input_tokens_per_million: 1}", ("cost", "monthly_budget_usd"), 0),
        ("cost: {input_tokens_per_million: null}", ("cost",), None),
        ("extra_body: {}", ("extra_body",), None),
        ("extra_body: {a: null}", ("extra_body", "a"), {"$null": True}),
        ("extra_body: {logit_bias: {50256: -100}}", ("extra_body", "logit_bias", "50256"), -100),
        ("extra_body: {a: [{b: [null, 1.5]}]}", ("extra_body", "a"), [{"b": [{"$null": True}, 1.5]}]),
    ],
)
def test_a_key_of_a_provider_has_its_place(line: str, path: KeyPath, value: object) -> None:
    assert found(file_with(provider=line), (*PROVIDER, *path)) == value


@pytest.mark.parametrize(
    ("url", "is_exact"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8080/", True),
        ("http://127.0.0.1:8080/v1", None),
        ("https://api.example.com/openai", None),
    ],
)
def test_an_address_without_a_path_stays_without_one(url: str, is_exact: object) -> None:
    text = file_with().replace("http://127.0.0.1:9/v1", url)

    assert found(text, (*PROVIDER, "base_url_exact")) == is_exact


def test_an_address_of_anthropics_dialect_needs_no_such_word() -> None:
    text = file_with(provider="kind: anthropic").replace("http://127.0.0.1:9/v1", "https://api.anthropic.com")

    assert found(text, (*PROVIDER, "base_url_exact")) is None


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ("memory_pressure_action: off", {"memory_pressure_action": "off"}),
        ("backend_health_action: demote", {"backend_health_action": "demote"}),
        ("backend_health_action: off", {"backend_health_action": "off"}),
        ("backend_health_action: skip", {"backend_health_action": "exclude", "recovery_probe_initial_s": None}),
        (
            "backend_health_action: skip\nbackend_health_half_open_s: 60",
            {"backend_health_action": "exclude", "recovery_probe_initial_s": 60, "recovery_probe_max_s": None},
        ),
        (
            "backend_health_half_open_s: 600\nbackend_health_action: skip",
            {"recovery_probe_initial_s": 600, "recovery_probe_max_s": 600},
        ),
        ("tool_loop_action: break", {"tool_loop_action": "break", "max_tool_calls_action": "break"}),
        ("tool_loop_action: break\nmax_tool_calls: 0", {"max_tool_calls": 0, "max_tool_calls_action": None}),
        ("tool_loop_action: inject", {"tool_loop_action": "inject", "max_tool_calls_action": None}),
        ("tool_loop_window: 3\ntool_loop_threshold: 6", {"tool_loop_window": 6, "tool_loop_threshold": 6}),
        ("tool_loop_threshold: 9", {"tool_loop_window": 9}),
        ('append_system_prompt: ""', {"append_system_prompt": ""}),
        ("context_budget_action: reject", {"context_budget_action": "reject"}),
        ("partial_stitch_action: off", {"partial_stitch_action": "off"}),
    ],
)
def test_a_key_of_a_profile_has_its_place(lines: str, values: dict[str, object]) -> None:
    profile = toml_of(file_with(profile=lines))["profiles"][0]

    assert {key: profile.get(key) for key in values} == values


@pytest.mark.parametrize(
    ("where", "line", "kind", "path"),
    [
        ("top", "plugins: {allow: [x]}", "dropped", "plugins"),
        ("top", "launcher: {}", "left out", "launcher"),
        ("top", "translation: {a: 1}", "dropped", "translation"),
        ("top", "token_estimation_include_tool_content: true", "left out", "token_estimation_include_tool_content"),
        ("top", "token_estimation_include_tool_content: false", "dropped", "token_estimation_include_tool_content"),
        ("top", "audit_log: active", "left out", "audit_log"),
        ("top", "alow_paid: true", "dropped", "alow_paid"),
        ("provider", "tokenizer_path: /x", "dropped", "providers[0].tokenizer_path"),
        ("provider", "credential: {source: cli_session, path: x}", "dropped", "providers[0].credential"),
        ("provider", "capabilities: {mcp: anthropic}", "left out", "providers[0].capabilities.mcp"),
        ("provider", "capabilities: {audio: true}", "dropped", "providers[0].capabilities.audio"),
        ("provider", "capabilities: {tools: false}", "left out", "providers[0].capabilities.tools"),
        ("provider", "cost: {per_request: 1}", "dropped", "providers[0].cost.per_request"),
        ("profile", "goal_mode: true", "dropped", "profiles[0].goal_mode"),
        ("profile", "goal_mode: false", "left out", "profiles[0].goal_mode"),
        ("profile", "tool_choice_action: off", "left out", "profiles[0].tool_choice_action"),
        ("profile", "cache_control_action: strip", "dropped", "profiles[0].cache_control_action"),
        ("profile", "backend_health_half_open_s: 60", "left out", "profiles[0].backend_health_half_open_s"),
    ],
)
def test_what_has_no_place_is_told_and_only_what_asked_for_something_is_a_loss(
    where: str, line: str, kind: str, path: str
) -> None:
    text = file_with(**{where: line})

    assert told(text) == [(kind, path)]
    assert converted(text).is_clean == (kind == "left out")


def test_who_has_lost_its_credential_is_not_asked() -> None:
    assert found(file_with(provider="credential: {source: cli_session}"), (*PROVIDER, "enabled")) is False


MEMBERS = """\
  - {name: b, base_url: "http://127.0.0.1:9/v1", model: n}
  - {name: agent, kind: agent_cli, command: [claude]}
"""


@pytest.mark.parametrize(
    ("chain", "kept", "losses"),
    [
        ("[b, a]", ["b", "a"], []),
        ("[b, nobody, a]", ["b", "a"], ["profiles[0].providers[1]"]),
        ("[a, b, a]", ["a", "b"], ["profiles[0].providers[2]"]),
        ("[agent, a]", ["a"], ["profiles[0].providers[0]"]),
    ],
)
def test_a_chain_keeps_its_order_without_those_who_cannot_be_asked(chain: str, kept: list[str], losses: list[str]) -> None:
    text = file_with().replace("profiles:", f"{MEMBERS}profiles:").replace("providers: [a]", f"providers: {chain}")

    assert toml_of(text)["profiles"][0]["providers"] == kept
    assert told(text) == [("dropped", "providers[2]"), *(("dropped", loss) for loss in losses)]


def test_a_profile_that_nobody_would_be_left_in_cannot_be_converted() -> None:
    text = file_with().replace("providers: [a]", "providers: [nobody, no-one]")

    assert [(mistake.path, mistake.line) for mistake in refused(text)] == [("profiles[0].providers", 8)]


def rule(match: str, rule_id: str = "mine") -> str:
    return f"{AUTO}  rules:\n    - {{id: {rule_id}, profile: default, match: {match}}}\n"


@pytest.mark.parametrize(
    ("match", "value"),
    [
        ("{has_image: true}", {"has_image": True}),
        ("{has_image: null, has_tools: true}", {"has_tools": True}),
        ("{content_token_count_min: 100}", {"content_token_count_min": 100}),
        ("{request_class: Main}", {"request_class": "main"}),
        ("{agent_type: Plan}", {"agent_type": "Plan"}),
        ("{compaction: true}", {"compaction": True}),
    ],
)
def test_a_matcher_means_what_it_meant(match: str, value: dict[str, object]) -> None:
    assert toml_of(file_with(top=rule(match)))["auto_router"]["rules"][0]["match"] == value


def test_a_rule_that_could_never_hold_leaves_the_others_in_their_order() -> None:
    text = file_with(top=rule("{has_tools: false}") + "    - {id: next, profile: default, match: {has_tools: true}}\n")

    assert [one["id"] for one in toml_of(text)["auto_router"]["rules"]] == ["next"]
    assert ("dropped", "auto_router.rules[0]") in told(text)


def with_profiles(*names: str) -> str:
    more = "".join(f"  - {{name: {name}, providers: [a]}}\n" for name in names)
    return file_with().replace("profiles:\n", f"profiles:\n{more}")


@pytest.mark.parametrize(
    ("block", "profiles", "use_builtin", "kind"),
    [
        ("auto_router: {default_rule_profile: default}", ("multi", "coding"), True, "renamed"),
        ("auto_router: {default_rule_profile: default, rules: []}", ("multi", "coding"), True, "renamed"),
        ("auto_router: {default_rule_profile: default}", ("multi",), None, "changed"),
        ("auto_router: {default_rule_profile: default, disabled: true}", ("multi", "coding"), None, None),
        ("auto_router: {}", ("multi", "coding", "writing"), True, "renamed"),
    ],
)
def test_a_block_without_rules_keeps_the_built_in_ones(
    block: str, profiles: tuple[str, ...], use_builtin: object, kind: str | None
) -> None:
    text = f"{with_profiles(*profiles)}{block}\n"

    assert toml_of(text)["auto_router"].get("use_builtin") == use_builtin
    assert told(text) == ([] if kind is None else [(kind, "auto_router")])


RULES = """\
version: 1
rules:
  - match: "my-*"
    kind: openai_compat
    capabilities: {thinking: true, max_context_tokens: 65536, reasoning_passthrough: true}
  - match: "*"
    capabilities: {claude_code_suitability: ok}
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [("tools: false", {}), ("tools: 'no', thinking: false", {"thinking": False}), ("tools: true", {"tools": True})],
)
def test_a_rule_that_denies_tools_puts_nobody_behind_the_others(said: str, told: dict[str, bool]) -> None:
    (rule,) = toml_of(file_with(), rules=f"rules: [{{match: m, capabilities: {{{said}}}}}]\n")["capability_rules"]

    assert rule.get("capabilities", {}) == told


def test_the_rules_of_the_other_file_become_capability_rules() -> None:
    assert toml_of(file_with(), rules=RULES)["capability_rules"] == [
        {"match": "my-*", "kind": "openai_compat", "capabilities": {"thinking": True, "max_context_tokens": 65536}},
        {"match": "*", "capabilities": {"claude_code_suitability": "ok"}},
    ]


def test_what_is_told_of_the_other_file_names_it() -> None:
    (note,) = converted(file_with(), rules=RULES).notes

    assert (note.kind, note.place) == (NoteKind.LEFT_OUT, "rules.yaml:5: rules[0].capabilities.reasoning_passthrough")


def test_a_mistake_of_the_other_file_is_told_by_its_own_place() -> None:
    (mistake,) = refused(file_with(), rules='rules:\n  - match: ""\n    kind: any\n')

    assert (mistake.path, mistake.line) == ("rules[0].match", 2)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"top": "default_profile: nobody"}, [("default_profile", 10)]),
        ({"top": "mode_aliases: {fast: nobody}"}, [("mode_aliases.fast", 10)]),
        ({"top": "mode_aliases: {on: default}"}, [("mode_aliases.true", 10)]),
        ({"top": "default_profile: auto"}, [("default_profile", 10)]),
        ({"top": "display_timezone: '+09:00'"}, [("display_timezone", 10)]),
        ({"top": "continuous_probe: maybe"}, [("continuous_probe", 10)]),
        ({"top": "audit_log: [x]"}, [("audit_log", 10)]),
        ({"top": "auto_router: [x]"}, [("auto_router", 10)]),
        ({"top": rule("{has_image: true, has_tools: true}")}, [("auto_router.rules[0].match", 13)]),
        ({"top": rule("{}")}, [("auto_router.rules[0].match", 13)]),
        ({"top": rule("{content_regex: '(?=x)'}")}, [("auto_router.rules[0].match.content_regex", 13)]),
        ({"provider": "timeout_s: fast\npaid: maybe"}, [("providers[0].timeout_s", 5), ("providers[0].paid", 6)]),
        ({"provider": "output_filters: [shout]"}, [("providers[0].output_filters", 5)]),
        ({"provider": "credential: {source: env}"}, [("providers[0].credential.env", 5)]),
        ({"provider": "credential: {source: env, env: null}"}, [("providers[0].credential.env", 5)]),
        ({"provider": "output_filters: [strip_thinking, null]"}, [("providers[0].output_filters[1]", 5)]),
        ({"top": "mode_aliases: {fast: null}"}, [("mode_aliases.fast", 10)]),
        ({"provider": "credential: {source: vault}"}, [("providers[0].credential.source", 5)]),
        ({"provider": "credential: {env: X}\napi_key_env: X"}, [("providers[0].credential", 5)]),
        ({"provider": "extra_body: {when: 2026-01-01}"}, [("providers[0].extra_body.when", 5)]),
        ({"provider": "extra_body: {a: .inf}"}, [("providers[0].extra_body.a", 5)]),
        ({"provider": 'append_system_prompt: "\\ud800"'}, [("providers[0].append_system_prompt", 5)]),
        ({"provider": "cost: {monthly_budget_usd: -1}"}, [("providers[0].cost.monthly_budget_usd", 5)]),
        ({"profile": "tool_loop_action: shout"}, [("profiles[0].tool_loop_action", 9)]),
        ({"profile": "context_budget_trim_target: 0.95"}, [("profiles[0].context_budget_trim_target", 9)]),
    ],
)
def test_what_the_rules_refuse_is_refused_at_its_place(changes: dict[str, Any], places: list[tuple[str, int]]) -> None:
    assert [(mistake.path, mistake.line) for mistake in refused(file_with(**changes))] == places


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("[1, 2]", [""]),
        ("just a text", [""]),
        ("providers: []\nprofiles: []", ["providers", "profiles"]),
        ("providers: {a: 1}", ["providers"]),
        ("providers: [x]\nprofiles: [3]", ["providers[0]", "profiles[0]"]),
        ("allow_paid: true", ["profiles", "providers"]),
        ("providers: [{}]\nprofiles: []", ["providers[0].base_url", "providers[0].model", "providers[0].name", "profiles"]),
    ],
)
def test_what_is_no_configuration_of_coderouter_is_refused(text: str, paths: list[str]) -> None:
    assert [mistake.path for mistake in refused(text)] == paths


def test_two_providers_of_one_name_are_refused_at_the_second() -> None:
    text = file_with().replace("profiles:", '  - {name: a, base_url: "http://127.0.0.1:9/v1", model: n}\nprofiles:')

    assert [(mistake.path, mistake.line) for mistake in refused(text)] == [("providers[1].name", 6)]


def test_every_mistake_is_told_at_once() -> None:
    text = file_with(provider="timeout_s: 0", profile="max_tool_calls: -1", top="default_profile: nobody")

    assert [mistake.line for mistake in refused(text)] == [5, 9, 10]


def test_a_key_that_is_said_twice_counts_by_its_last_value_and_is_told() -> None:
    text = file_with(top="allow_paid: true\nallow_paid: false")

    assert found(text, ("routing", "allow_paid")) is False
    assert told(text) == [("to check", "allow_paid")]


@pytest.mark.parametrize(
    ("key", "hint"),
    [("alow_paid", "did you mean allow_paid?"), ("api_key", "api_key_env"), ("colour", "not a key of CodeRouter's")],
)
def test_an_unknown_key_gets_the_hint_that_helps(key: str, hint: str) -> None:
    (note,) = converted(file_with(top=f"{key}: 1")).notes

    assert hint in note.message
