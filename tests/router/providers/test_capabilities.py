"""What providers can do: the built-in table, and who is believed (routing.md 8)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from router.config.capability_table import matches, parse_rules, read_builtin
from router.config.schema import CapabilitiesConfig, CapabilityRuleConfig, ProfileConfig, ProviderConfig, RuleCapabilities
from router.errors import ConfigError
from router.providers.capabilities import Capabilities, Flag, Unsuitable, resolve_capabilities, unsuitable_profiles

Kind = Literal["anthropic", "openai_compat", "openai_responses", "gemini", "ollama"]
CHAT: Kind = "openai_compat"
MESSAGES: Kind = "anthropic"


def builtin(model: str, kind: Kind = CHAT) -> Capabilities:
    """Return what the table alone says."""
    config = ProviderConfig(name="a", kind=kind, base_url="http://127.0.0.1:1/v1", model=model)
    return resolve_capabilities(config, (), read_builtin())


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-opus-4-1-20250805", True),
        ("claude-opus-4-20250514", True),
        ("claude-sonnet-4-5", True),  # the original strips its thinking
        ("claude-sonnet-4-6", True),
        ("Claude-Haiku-4-5-20251001", True),
        ("claude-opus-5", True),
        ("claude-fable-5-1", True),
        ("claude-sonnet-7-20270101", True),
        ("claude-opus-12", True),
        ("anthropic/claude-sonnet-4.5", True),
        ("eu.anthropic.claude-sonnet-5-20270101-v1:0", True),
        ("claude-3-7-sonnet-20250219", True),
        ("anthropic/claude-3.7-sonnet", True),
        ("claude-3-5-sonnet-20241022", False),
        ("anthropic.claude-3-haiku-20240307-v1:0", False),
        ("claude-opus-latest", None),
        ("gemini-2.5-pro", True),
        ("google/gemini-3-pro-preview", True),
        ("gemini-2.0-flash", None),
        ("Qwen/Qwen3.6-27B", True),
        ("qwen3.6:35b", True),
        ("gemma4:e4b", True),
        ("google/gemma-4-31b-it", True),
        ("qwen3-coder:30b", None),
        ("my-claude-5-distill", None),
        ("", None),
    ],
)
def test_who_reasons(model: str, thinking: bool | None) -> None:  # noqa: FBT001 - a column of the table
    assert builtin(model).thinking.value is thinking


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("claude-opus-4-1", 200_000),
        ("anthropic/claude-sonnet-5", 200_000),
        ("gemini-2.5-flash", 1_048_576),
        ("google/gemini-3-pro", 1_048_576),
        ("qwen3:8b", 32_768),
        ("qwen3-coder:30b", 131_072),
        ("qwen/qwen3-coder-480b", 131_072),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", 131_072),  # the original misses this, and the next three
        ("qwen/qwen3.6-27b", 131_072),
        ("deepseek-ai/DeepSeek-V3.1", 131_072),
        ("deepseek/deepseek-r1", 131_072),
        ("qwen3.5-35b", 131_072),
        ("gemma4:31b", 131_072),
        ("google/gemma-4-31b", 131_072),
        ("openai/gpt-oss-20b", 131_072),
        ("mistralai/Devstral-Small", 131_072),
        ("moonshotai/Kimi-K2-Instruct", 131_072),
        ("qwen2.5-coder-1.5b", 32_768),
        ("some-model", 128_000),
    ],
)
@pytest.mark.parametrize("kind", [CHAT, MESSAGES])
def test_how_much_they_hold(model: str, window: int, kind: Kind) -> None:
    found = builtin(model, kind)

    assert found.window == window
    assert found.max_context_tokens.origin == ("default" if window == 128_000 else "built-in")


@pytest.mark.parametrize(
    "model",
    [
        "qwen3-coder:30b",
        "qwen/qwen3-coder-480b",
        "unsloth/Qwen3-Coder-Next",
        "qwen3.6:35b",
        "gemma4:e4b",
        "GLM-5",
        "zai-org/GLM-4.6",
        "moonshotai/kimi-k2",
        "gpt-oss-20b",
        "deepseek-ai/DeepSeek-V3",
        "deepseek/deepseek-v3.2",
        "MiniMaxAI/MiniMax-M2",
        "minimax/minimax-m2",
        "nvidia/Nemotron-3-Nano",
        "mistral/devstral-small",
        "claude-opus-5",
        "gemini-2.0-flash",
    ],
)
def test_who_calls_tools(model: str) -> None:
    assert builtin(model).tools == Flag(value=True, origin="built-in")


@pytest.mark.parametrize(
    ("model", "suitability"),
    [
        ("llama-3.3-70b-versatile", "degraded"),
        ("meta-llama/Llama-3.3-70B-Instruct", "degraded"),
        ("qwen3-coder:30b", "ok"),
        ("gpt-oss-20b", None),
    ],
)
def test_who_lasts_long_agent_sessions(model: str, suitability: str | None) -> None:
    assert builtin(model).suitability.value == suitability


@pytest.mark.parametrize(
    ("model", "kind", "expected"),
    [
        ("claude-opus-4-1", MESSAGES, Flag(value=True, origin="built-in")),
        ("qwen3.5-35b", MESSAGES, Flag(value=True, origin="built-in")),
        ("some-model", MESSAGES, Flag(value=True, origin="heuristic")),
        ("some-model", CHAT, Flag(value=False, origin="heuristic")),
        ("anthropic/claude-opus-5", CHAT, Flag(value=False, origin="heuristic")),
    ],
)
def test_who_heeds_cache_marks(model: str, kind: Kind, expected: Flag) -> None:
    assert builtin(model, kind).cache_control == expected


def test_every_rule_of_the_table_says_something_and_none_stands_twice() -> None:
    assert all(rule.capabilities != RuleCapabilities() for rule in read_builtin())
    assert len({(rule.match, rule.kind) for rule in read_builtin()}) == len(read_builtin())


def rule(match: str, kind: Literal["anthropic", "openai_compat", "any"] = "any", **flags: Any) -> CapabilityRuleConfig:  # noqa: ANN401 - a flag's own type
    return CapabilityRuleConfig(match=match, kind=kind, capabilities=RuleCapabilities(**flags))


def test_for_each_flag_the_first_who_says_something_is_believed() -> None:
    config = ProviderConfig(
        name="a",
        base_url="http://127.0.0.1:1/v1",
        model="Big-Model",
        max_context_tokens=5,
        capabilities=CapabilitiesConfig(thinking=False, prompt_cache=True),
    )
    user_rules = (
        rule("other", vision=False),
        rule("big-*", "anthropic", tools=False),
        rule("BIG-*", thinking=True, tools=True),
        rule("*", tools=False, vision=False, max_context_tokens=7),
    )

    found = resolve_capabilities(config, user_rules, (rule("big-model", tools=False, vision=True, tool_choice=False),))

    assert found == Capabilities(
        thinking=Flag(value=False, origin="provider"),
        tools=Flag(value=True, origin="user-rule"),
        vision=Flag(value=False, origin="user-rule"),
        tool_choice=Flag(value=False, origin="built-in"),
        cache_control=Flag(value=True, origin="provider"),
        max_context_tokens=Flag(value=5, origin="provider"),
        suitability=Flag(),
    )


def test_nobody_is_believed_about_what_nobody_says() -> None:
    found = builtin("some-model")

    assert (found.thinking, found.tools, found.vision, found.tool_choice, found.suitability) == (Flag(),) * 5


def test_a_broken_table_names_every_mistake() -> None:
    text = '[[rules]]\nmatch = ""\n\n[[rules]]\nmatch = "a"\nkind = "x"\ncapabilities = { thinkin = true }\n'

    with pytest.raises(ConfigError) as raised:
        parse_rules(text, "mine.toml")

    assert {mistake.path for mistake in raised.value.mistakes} == {
        "rules[0].match",
        "rules[1].kind",
        "rules[1].capabilities.thinkin",
    }


def test_a_table_that_is_no_toml_is_a_mistake_too() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_rules("[[rules", "mine.toml")

    assert raised.value.source == "mine.toml"


def test_patterns_are_compared_without_case() -> None:
    assert matches("QWEN3.[56]*", "Qwen3.6-27B")
    assert not matches("qwen3", "qwen3:8b")


def test_the_table_is_part_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())

    assert "data/*.toml" in project["tool"]["setuptools"]["package-data"]["router"]


def test_agents_profiles_with_unfit_models_are_told_once_each() -> None:
    models = {"llama": "llama-3.3-70b", "qwen": "qwen3-coder:30b", "other": "x", "meta": "Llama-3.3-70B"}
    providers = {name: ProviderConfig(name=name, base_url="http://127.0.0.1:1/v1", model=model) for name, model in models.items()}
    capabilities = {name: builtin(config.model) for name, config in providers.items()}
    profiles = (
        ProfileConfig(name="claude-code-local", providers=("qwen", "llama", "other", "meta")),
        ProfileConfig(name="claude-code", providers=("qwen", "other")),
        ProfileConfig(name="Claude-Code", providers=("llama",)),
        ProfileConfig(name="chat", providers=("llama",)),
    )

    assert list(unsuitable_profiles(profiles, providers, capabilities)) == [
        Unsuitable(
            profile="claude-code-local",
            degraded_providers=("llama", "meta"),
            degraded_models=("llama-3.3-70b", "Llama-3.3-70B"),
        )
    ]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_users_rule_can_be_for_providers_of_any_one_kind(kind: Kind) -> None:
    rules = parse_rules(f'[[rules]]\nmatch = "*"\nkind = "{kind}"\ncapabilities = {{ vision = false }}', "mine")
    found = {other: resolve_capabilities(a_config_of(other), rules, ()).vision.value for other in get_args(Kind)}

    assert found == {**dict.fromkeys(get_args(Kind)), kind: False}


def a_config_of(kind: Kind) -> ProviderConfig:
    return ProviderConfig(name="a", kind=kind, base_url="http://127.0.0.1:1/v1", model="m")
