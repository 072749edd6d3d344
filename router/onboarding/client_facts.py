"""What clients have to be told of a router, read from its configuration."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from attrs import frozen

from router.config.address import address_of, is_near_host
from router.config.advice import why_not_asked
from router.config.capability_table import declared, read_builtin
from router.config.schema import LoadedConfig, ProfileConfig, ProviderConfig, RouterConfig
from router.providers.capabilities import asked_window
from router.routing.profile import ProfileTable

CLAUDE_MODEL = "claude-sonnet-4-6"  # a name that Claude Code knows: for one that it does not know it sends another prompt
CLAUDE_SMALL_MODEL = "claude-haiku-4-5"
GEMINI_MODEL = "gemini-2.5-pro"


@frozen(kw_only=True)
class RouterFacts:
    """A router as a client sees it. `window`: tokens of the provider that is asked first, None where nobody has said it.

    `token_env` is the variable that holds the client token, None where none is asked for; `profile` and `small_profile` are
    model names that choose the main and the cheap profile. `profiles` are all of them, in the order of the file."""

    url: str
    profile: str
    small_profile: str
    profiles: tuple[str, ...] = ()
    window: int | None = None
    narrowest: tuple[str, int] | None = None  # another provider of the profile that takes less, and how much
    is_slow: bool = False  # a model of this machine or network may be asked: minutes before the first word
    token_env: str | None = None
    has_many_tokens: bool = False
    key_envs: frozenset[str] = frozenset()  # variables that the router itself reads a vendor's key from
    claude_model: str = CLAUDE_MODEL
    claude_small_model: str = CLAUDE_SMALL_MODEL


def facts_of(loaded: LoadedConfig, url: str | None = None, *, names_claude: bool = False) -> RouterFacts:
    """Return the facts; `url` in place of what the configuration says.

    Raises ValueError for a `url` that is none, and without one where the configuration names no port.
    `names_claude`: the client keeps Anthropic's names, and [model_map] may send these to another profile."""
    config = loaded.config
    if url is None and not config.server.port:
        raise ValueError("the configuration leaves the port to the system: use --url")
    address = _without_api(url) if url is not None else address_of(config.server)
    table = ProfileTable.of(config)
    profile, claude = table.default, _claude_model(loaded, table.default)
    small = table.match_of(CLAUDE_SMALL_MODEL)
    named = table.match_of(claude) if names_claude else None
    asked = _asked(loaded, profile if named is None else named.profile)
    windows = [(provider.name, window) for provider in asked if (window := _window(config, provider)) is not None]
    first = _window(config, asked[0]) if asked else None
    narrowest = min(windows, key=lambda told: told[1], default=None)
    return RouterFacts(
        url=address,
        profile=profile,
        small_profile=profile if small is None else small.profile,
        profiles=table.names,
        window=first,
        narrowest=narrowest if narrowest is not None and first is not None and narrowest[1] < first else None,
        is_slow=any(is_near_host(urlsplit(provider.base_url).hostname or "") for provider in asked),
        token_env=config.server.client_token_env,
        has_many_tokens=len(loaded.secrets.client_tokens) > 1,
        key_envs=frozenset(name for one in config.providers for name in (one.api_key_env, *one.api_key_envs) if name),
        claude_model=claude,
    )


def _without_api(url: str) -> str:
    """Return where a router is, without the `/v1` that some clients add and others want to be told."""
    wants = "--url needs an address such as http://127.0.0.1:8088"
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:  # half a bracket
        raise ValueError(wants) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(wants)
    return parts.geturl().rstrip("/").removesuffix("/v1").rstrip("/")


def _claude_model(loaded: LoadedConfig, profile: str) -> str:
    """Return the model that Claude Code ought to name: that of Anthropic where it is asked first."""
    first = next(iter(_asked(loaded, profile)), None)
    is_claude = first is not None and first.kind == "anthropic" and first.model.startswith("claude-")
    return first.model if first is not None and is_claude else CLAUDE_MODEL


def _asked(loaded: LoadedConfig, profile: str) -> list[ProviderConfig]:
    """Return the providers of a profile that may be asked as things are, in their order."""
    chain = _chain(loaded.config.profiles, profile)
    by_name = {provider.name: provider for provider in loaded.config.providers}
    members = [by_name[name] for name in chain]
    return [one for one in members if why_not_asked(loaded.config, one, loaded.secrets.unconfigured) is None]


def _chain(profiles: Collection[ProfileConfig], name: str) -> tuple[str, ...]:
    return next((profile.providers for profile in profiles if profile.name == name), ())


def _window(config: RouterConfig, provider: ProviderConfig) -> int | None:
    if (asked := asked_window(provider)) is not None or provider.kind == "ollama":
        return asked  # where an Ollama is asked for none, it decides by itself, and a table of models knows nothing of that
    rules = (*config.capability_rules, *read_builtin())
    told = declared(rules, provider.kind, provider.model, "max_context_tokens")
    return told if isinstance(told, int) else None
