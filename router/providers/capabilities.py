"""What each provider can do, and who says so (routing.md 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from attrs import evolve, frozen

from router.config.capability_table import declared
from router.config.schema import CapabilityRuleConfig, ProfileConfig, ProviderConfig
from router.domain.server_state import ServerState

Value = bool | int | str
Origin = Literal["provider", "server", "user-rule", "built-in", "heuristic", "default", "unknown"]

DEFAULT_WINDOW = 128_000
_AGENT_PROFILES = "claude-code"  # how the names of the profiles begin whose models have to last long agent sessions
_HINT = "long agent sessions go wrong with these models: put others first, or add a rule with claude_code_suitability = ok"


@frozen(kw_only=True)
class Flag:
    """One thing that a provider can do or not, None where nobody knows, and who says so."""

    value: Value | None = None
    origin: Origin = "unknown"


@frozen(kw_only=True)
class Capabilities:
    """Everything that is known of one provider; `max_context_tokens` is always a number."""

    thinking: Flag = Flag()
    tools: Flag = Flag()
    vision: Flag = Flag()
    tool_choice: Flag = Flag()
    cache_control: Flag = Flag()
    max_context_tokens: Flag = Flag(value=DEFAULT_WINDOW, origin="default")
    suitability: Flag = Flag()

    @property
    def window(self) -> int:
        """Return the context window in tokens."""
        return int(self.max_context_tokens.value or DEFAULT_WINDOW)


@frozen(kw_only=True)
class Unsuitable:
    """A profile for agents, and those of its providers that are known to be unfit for them."""

    profile: str
    degraded_providers: tuple[str, ...]
    degraded_models: tuple[str, ...]
    hint: str = _HINT


def resolve_capabilities(
    config: ProviderConfig, user_rules: Sequence[CapabilityRuleConfig], builtin: Sequence[CapabilityRuleConfig]
) -> Capabilities:
    """Return what the provider can do: its own words, then the user's rules, then the built-in ones, each flag by itself."""
    own = config.capabilities
    tables: tuple[tuple[Origin, Sequence[CapabilityRuleConfig]], ...] = (("user-rule", user_rules), ("built-in", builtin))

    def flag(name: str, said: Value | None = None, otherwise: Flag = Flag()) -> Flag:
        if said is not None:
            return Flag(value=said, origin="provider")
        found = ((origin, declared(rules, config.kind, config.model, name)) for origin, rules in tables)
        return next((Flag(value=value, origin=origin) for origin, value in found if isinstance(value, Value)), otherwise)

    return Capabilities(
        thinking=flag("thinking", own.thinking),
        tools=flag("tools", own.tools),
        vision=flag("vision", own.vision),
        tool_choice=flag("tool_choice", own.tool_choice, _cannot_force(config)),
        # the chat wire has no word for the marks; a provider that reads them all the same says so
        cache_control=flag("cache_control", own.prompt_cache, Flag(value=config.kind == "anthropic", origin="heuristic")),
        max_context_tokens=flag("max_context_tokens", asked_window(config), Flag(value=DEFAULT_WINDOW, origin="default")),
        suitability=flag("claude_code_suitability"),
    )


def asked_window(config: ProviderConfig) -> int | None:
    """Return the window that the configuration names; of an Ollama, the one that its requests ask for."""
    options = config.extra_body.get("options") if config.kind == "ollama" else None
    asked = options.get("num_ctx") if isinstance(options, Mapping) else None
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0 else config.max_context_tokens


def as_served(capabilities: Capabilities, state: ServerState) -> Capabilities:
    """Return what a provider can do with the window that its server really has (R-61).

    What the configuration asks for is what the model is loaded with, as far as it was trained for that. Where nothing is
    asked for, the server decides: what it has loaded counts, then what the model's own settings ask for."""
    flag = capabilities.max_context_tokens
    told = None if flag.origin == "provider" else state.loaded_window or state.default_window
    window = told or capabilities.window
    if state.largest_window is not None:
        window = min(window, state.largest_window)
    if told is None and window == capabilities.window:
        return capabilities
    return evolve(capabilities, max_context_tokens=Flag(value=window, origin="server"))


def _cannot_force(config: ProviderConfig) -> Flag:
    """Return that an Ollama cannot be told to call a tool: its own API has no word for it."""
    return Flag(value=False, origin="heuristic") if config.kind == "ollama" else Flag()


def unsuitable_profiles(
    profiles: Iterable[ProfileConfig], providers: Mapping[str, ProviderConfig], capabilities: Mapping[str, Capabilities]
) -> Iterator[Unsuitable]:
    """Yield the facts of `chain-claude-code-suitability-degraded`, once for each profile concerned (routing.md 8.5)."""
    for profile in profiles:
        if profile.name.startswith(_AGENT_PROFILES):
            degraded = tuple(name for name in profile.providers if capabilities[name].suitability.value == "degraded")
            if degraded:
                models = tuple(providers[name].model for name in degraded)
                yield Unsuitable(profile=profile.name, degraded_providers=degraded, degraded_models=models)
