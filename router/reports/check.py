"""`router check`: what a valid configuration comes to, for reading on a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from router.config.advice import why_not_asked
from router.config.rules import AUTO
from router.config.schema import LoadedConfig, ProfileConfig, ProviderConfig
from router.config.vendor_table import vendor_of
from router.reports.plain import THE_SERVERS, plain_console, plain_table, print_sentence, shown_url


def print_check(loaded: LoadedConfig) -> None:
    """Print providers with their state, profiles with their chains, and every warning."""
    out = plain_console()
    server, routing = loaded.config.server, loaded.config.routing
    out.print(Text(f"{loaded.path}: valid"))
    out.print(Text(f"listens on {server.host}:{server.port}, default profile {routing.default_profile}, {_paid(loaded)}"))
    out.print(_providers(loaded))
    out.print(_profiles(loaded))
    for line in _warning_lines(loaded):
        print_sentence(line, out)


def provider_state(loaded: LoadedConfig, provider: ProviderConfig) -> str:
    """Return `configured`, or the word for why the provider would be passed over; the warnings have the details."""
    return why_not_asked(loaded.config, provider, loaded.secrets.unconfigured) or "configured"


def _providers(loaded: LoadedConfig) -> Table:
    rows = (
        (one.name, one.kind, _vendor(one), shown_url(one.base_url), one.model or THE_SERVERS, provider_state(loaded, one))
        for one in loaded.config.providers
    )
    return plain_table(("provider", "kind", "vendor", "url", "model", "state"), rows)


def _vendor(provider: ProviderConfig) -> str:
    """Return whose habits the provider's keys have for defaults (docs/vendors.md), a dash for nobody's."""
    vendor = vendor_of(provider)
    return "-" if vendor is None else vendor.name


def _profiles(loaded: LoadedConfig) -> Table:
    rows = ((one.name, " > ".join(one.providers), _reached_by(loaded, one)) for one in loaded.config.profiles)
    return plain_table(("profile", "providers, in order", "reached by"), rows)


def _reached_by(loaded: LoadedConfig, profile: ProfileConfig) -> str:
    config = loaded.config
    ways = ["default"] if profile.name == config.routing.default_profile else []
    ways += [f"mode {mode}" for mode, target in config.mode_aliases.items() if target == profile.name]
    if config.routing.resolve_model == "map":
        ways += [f"model {glob}" for glob, target in config.model_map.items() if target == profile.name]
    rules = config.auto_router
    if rules is not None and not rules.disabled and config.routing.default_profile == AUTO:
        ways += [f"rule {rule.id}" for rule in rules.rules if rule.profile == profile.name]
        ways += ["no other rule"] if profile.name == rules.default_rule_profile else []
    return ", ".join(ways)


def _warning_lines(loaded: LoadedConfig) -> list[str]:
    return [
        f"warning: {f'{loaded.path}:{warning.line}' if warning.line else warning.path}: "
        f"{f'{warning.path}: ' if warning.line else ''}{warning.message}"
        for warning in loaded.warnings
    ]


def _paid(loaded: LoadedConfig) -> str:
    return "paid providers allowed" if loaded.config.routing.allow_paid else "paid providers off"
