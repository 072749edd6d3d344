"""What loads but will not do what it seems to (routing.md 2.3): warnings about a valid configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from router.config.address import may_be_own_host, port_of
from router.config.capability_table import declared, matches, read_builtin
from router.config.contradictions import contradictions
from router.config.document import Advice, Document, at, tables
from router.config.out_of_place import keys_out_of_place
from router.config.rules import is_loopback
from router.config.schema import ProviderConfig, RouterConfig
from router.config.secret import Secrets
from router.domain.health import Unconfigured

LEAST_TOKEN_CHARS = 16  # of hex digits 64 bits: no number of tries finds one over a network
_MANAGED_ONLY = ("start", "idle_stop_s")


def advise(config: RouterConfig, document: Document) -> Iterator[Advice]:
    """Yield every warning about the configuration itself."""
    for rule in _RULES:
        yield from rule(config)
    yield from contradictions(config)
    yield from _managed_only(document)


def advise_unconfigured(config: RouterConfig, name: str, why: Unconfigured) -> Advice:
    """Return the warning about a provider that cannot be called."""
    index = [provider.name for provider in config.providers].index(name)
    key = {"missing-package": "requires"}.get(why.reason, _credential_key(config.providers[index]))
    return Advice(why.reason, ("providers", index, key), f"{name} is skipped: {why.detail}")


def advise_unset_keys(config: RouterConfig, unset: Mapping[str, tuple[str, ...]]) -> Iterator[Advice]:
    """Yield a warning about each variable of a provider's keys that holds none; the provider goes on with the others."""
    for index, provider in enumerate(config.providers):
        for name in unset.get(provider.name, ()):
            place = provider.api_key_envs.index(name)
            message = f"{provider.name} runs without this key: the variable {name} is not set, or its value cannot be sent"
            yield Advice("missing-key", ("providers", index, "api_key_envs", place), message)


def advise_short_tokens(config: RouterConfig, secrets: Secrets) -> Iterator[Advice]:
    """Yield a warning about each token by which others than this machine get in, and which they could find by trying.

    How fast they may try is no defence: a right token is never kept waiting, so every answer tells at once."""
    server = config.server
    tokens = {
        "client_token_env": () if is_loopback(server.host) else secrets.client_tokens,
        "metrics_token_env": (secrets.metrics_token,),
        "admin_token_env": (secrets.admin_token,),
    }
    for key, held in tokens.items():
        if any(token is not None and len(token.reveal()) < LEAST_TOKEN_CHARS for token in held):
            name = getattr(server, key)
            message = f"{name} holds a token under {LEAST_TOKEN_CHARS} characters, which can be guessed: use 32 random characters"
            yield Advice("short-token", ("server", key), message)


def advise_empty_profiles(config: RouterConfig, unconfigured: Mapping[str, Unconfigured]) -> Iterator[Advice]:
    """Yield a warning about each profile none of whose providers may be asked."""
    whys = {provider.name: why_not_asked(config, provider, unconfigured) for provider in config.providers}
    for index, profile in enumerate(config.profiles):
        if all(whys[name] is not None for name in profile.providers):
            told = ", ".join(f"{name} ({whys[name]})" for name in profile.providers)
            message = f"profile {profile.name} has no usable provider: {told}; its requests will fail"
            yield Advice("empty-profile", ("profiles", index, "providers"), message)


def why_not_asked(config: RouterConfig, provider: ProviderConfig, unconfigured: Mapping[str, Unconfigured]) -> str | None:
    """Return the word for why a provider is passed over as the configuration is, None for one that is asked."""
    if not provider.enabled:
        return "disabled"
    if (why := unconfigured.get(provider.name)) is not None:
        return why.reason
    return "paid-gate" if provider.paid and not config.routing.allow_paid else None


def _credential_key(provider: ProviderConfig) -> str:
    return next((key for key in ("api_key_env", "api_key_envs", "credential_file") if getattr(provider, key)), "headers")


def _unused_providers(config: RouterConfig) -> Iterator[Advice]:
    used = {name for profile in config.profiles for name in profile.providers}
    for index, provider in enumerate(config.providers):
        if provider.name not in used:
            yield Advice("unused-provider", ("providers", index), f"{provider.name} is in no profile")


def _unused_restarts(config: RouterConfig) -> Iterator[Advice]:
    """Warn about commands that nothing runs: only an exclusion does (a managed server also starts on demand)."""
    excluding = {name for p in config.profiles if p.backend_health_action == "exclude" for name in p.providers}
    for index, provider in enumerate(config.providers):
        restart = provider.restart
        if restart is not None and restart.mode != "managed" and provider.name not in excluding:
            message = f"{provider.name} is never restarted: no profile with backend_health_action exclude uses it"
            key = "restart" if provider.restart_command is None else "restart_command"
            yield Advice("unused-restart", ("providers", index, key), message)


def _unknown_windows(config: RouterConfig) -> Iterator[Advice]:
    providers = {provider.name: provider for provider in config.providers}
    for index, profile in enumerate(config.profiles):
        unknown = [name for name in profile.providers if not _has_window(config, providers[name])]
        if profile.context_budget_action != "off" and unknown:
            message = f"no max_context_tokens for {', '.join(unknown)}: 128000 is assumed"
            yield Advice("unknown-context", ("profiles", index, "context_budget_action"), message)


def _budgets_that_never_fill(config: RouterConfig) -> Iterator[Advice]:
    for index, provider in enumerate(config.providers):
        cost = provider.cost
        if cost is None or cost.monthly_budget_usd is None:
            continue
        if not _is_priced(config, provider):
            message = "no price is set: only costs that the upstream itself reports count towards the budget"
            yield Advice("unpriced-budget", ("providers", index, "cost", "monthly_budget_usd"), message)


def _caps_that_cannot_hold(config: RouterConfig) -> Iterator[Advice]:
    """Warn about providers that cost money, are booked as free, and are asked where a cap is to hold."""
    overall = [f"[budget] {key}" for key in ("daily_usd", "monthly_usd") if getattr(config.budget, key)]
    for index, provider in enumerate(config.providers):
        through = [one.name for one in config.profiles if one.monthly_budget_usd and provider.name in one.providers]
        caps = [*overall, *(f"monthly_budget_usd of profile {name}" for name in through)]
        if caps and provider.paid and why_not_asked(config, provider, {}) is None and not _is_priced(config, provider):
            price = f"{provider.name} is paid and has no price (input_tokens_per_million and output_tokens_per_million)"
            message = f"{price}: it counts as $0 unless it reports its own cost, and {', '.join(caps)} cannot limit it"
            yield Advice("unpriced-budget", ("providers", index, "paid"), message)


def _is_priced(config: RouterConfig, provider: ProviderConfig) -> bool:
    cost = provider.cost
    if cost is not None and (cost.input_tokens_per_million, cost.output_tokens_per_million) != (None, None):
        return True
    return any(matches(price.match, provider.model) for price in config.prices)


def _keys_without_effect(config: RouterConfig) -> Iterator[Advice]:
    for index, provider in enumerate(config.providers):
        for path, message in keys_out_of_place(provider):
            yield Advice("no-effect", ("providers", index, *path), message)


def _perhaps_this_router(config: RouterConfig) -> Iterator[Advice]:
    """Warn of providers that may be this router; those that are it for certain are refused."""
    server = config.server
    for index, provider in enumerate(config.providers):
        host = urlsplit(provider.base_url).hostname or ""
        if (
            provider.enabled
            and port_of(provider.base_url) == server.port
            and may_be_own_host(host, bind_host=server.host, allowed_hosts=server.allowed_hosts)
        ):
            message = f"may be this router's own address: requests to {provider.name} would come back here and be refused"
            yield Advice("perhaps-this-router", ("providers", index, "base_url"), message)


def _managed_only(document: Document) -> Iterator[Advice]:
    for path, provider in tables(document, "providers"):
        restart = at(provider, ("restart",))
        if isinstance(restart, dict) and restart.get("mode") != "managed":
            for key in _MANAGED_ONLY:
                if key in restart:
                    yield Advice("managed-only", (*path, "restart", key), f'{key} has an effect only with mode = "managed"')


def _recorded_requests(config: RouterConfig) -> Iterator[Advice]:
    """Warn that what clients say is kept: nobody shall find that out from the files."""
    if config.capture.enabled:
        whose = f"profiles {', '.join(config.capture.profiles)}" if config.capture.profiles else "every profile"
        message = f"recording requests: what clients send to {whose} is kept in [server].state_dir for at most"
        yield Advice("recording-requests", ("capture", "enabled"), f"{message} {config.capture.max_age_days} days")


def _has_window(config: RouterConfig, provider: ProviderConfig) -> bool:
    rules = (*config.capability_rules, *read_builtin())
    in_table = declared(rules, provider.kind, provider.model, "max_context_tokens")
    return provider.max_context_tokens is not None or in_table is not None


_RULES: tuple[Callable[[RouterConfig], Iterator[Advice]], ...] = (
    _unused_providers,
    _unused_restarts,
    _unknown_windows,
    _budgets_that_never_fill,
    _caps_that_cannot_hold,
    _keys_without_effect,
    _perhaps_this_router,
    _recorded_requests,
)
