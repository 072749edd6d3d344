"""`router check`: what a valid configuration comes to, for reading on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.config.schema import LoadedConfig, ProfileConfig, ProviderConfig


def print_check(loaded: LoadedConfig, console: Console | None = None) -> None:
    """Print providers with their state, profiles with their chains, and every warning."""
    out = console or Console(highlight=False)
    server, routing = loaded.config.server, loaded.config.routing
    out.print(Text(f"{loaded.path}: valid"))
    out.print(Text(f"listens on {server.host}:{server.port}, default profile {routing.default_profile}, {_paid(loaded)}"))
    out.print(_providers(loaded))
    out.print(_profiles(loaded))
    for line in _warning_lines(loaded):
        out.print(Text(line), soft_wrap=True)


def provider_state(loaded: LoadedConfig, provider: ProviderConfig) -> str:
    """Return `configured`, or the word for why the provider would be passed over; the warnings have the details."""
    if not provider.enabled:
        return "disabled"
    unconfigured = loaded.secrets.unconfigured.get(provider.name)
    if unconfigured is not None:
        return unconfigured.reason
    if provider.paid and not loaded.config.routing.allow_paid:
        return "paid-gate"
    return "configured"


def _providers(loaded: LoadedConfig) -> Table:
    table = _table("provider", "kind", "url", "model", "state")
    for provider in loaded.config.providers:
        model = provider.model or "(the server's)"
        table.add_row(*map(Text, (provider.name, provider.kind, provider.base_url, model, provider_state(loaded, provider))))
    return table


def _profiles(loaded: LoadedConfig) -> Table:
    table = _table("profile", "asks, in this order", "reached by")
    for profile in loaded.config.profiles:
        table.add_row(*map(Text, (profile.name, " > ".join(profile.providers), _reached_by(loaded, profile))))
    return table


def _reached_by(loaded: LoadedConfig, profile: ProfileConfig) -> str:
    config = loaded.config
    ways = ["default"] if profile.name == config.routing.default_profile else []
    ways += [f"mode {mode}" for mode, target in config.mode_aliases.items() if target == profile.name]
    ways += [f"model {glob}" for glob, target in config.model_map.items() if target == profile.name]
    return ", ".join(ways)


def _warning_lines(loaded: LoadedConfig) -> list[str]:
    return [
        f"warning: {f'{loaded.path}:{warning.line}' if warning.line else warning.path}: "
        f"{f'{warning.path}: ' if warning.line else ''}{warning.message}"
        for warning in loaded.warnings
    ]


def _paid(loaded: LoadedConfig) -> str:
    return "paid providers allowed" if loaded.config.routing.allow_paid else "paid providers off"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
