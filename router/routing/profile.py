"""Which profile answers: body field, profile header, mode header, model, default (routing.md 9).

`ProfileTable` is built once per configuration; `choose` is a dict look-up per request."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Self

from attrs import frozen

from router.config.schema import ProviderConfig, RouterConfig
from router.errors import UnknownMode, UnknownProfile

AUTO = "auto"
_SUFFIX = re.compile(r"\[[^\]]*\]$")  # `claude-opus-5[1m]`: the client's own window mark


@frozen(kw_only=True)
class ProfileChoice:
    """The profile and why: `body`, `header`, `mode`, `model` or `default`."""

    profile: str
    why: str


@frozen(kw_only=True)
class ProfileTable:
    """Every way a request can name a profile, ready for look-up."""

    names: tuple[str, ...]
    modes: Mapping[str, str]
    models: Mapping[str, str]  # lower-case model name -> profile
    globs: tuple[tuple[re.Pattern[str], str], ...]
    default: str
    is_locked: bool

    @classmethod
    def of(cls, config: RouterConfig) -> Self:
        """Build the table; the configuration has been validated."""
        resolve = config.routing.resolve_model
        return cls(
            names=tuple(profile.name for profile in config.profiles),
            modes=dict(config.mode_aliases),
            models={} if resolve == "off" else _exact_models(config, with_map=resolve == "map"),
            globs=_globs(config.model_map) if resolve == "map" else (),
            default=_default_profile(config),
            is_locked=config.server.locked_profiles,
        )


def choose(
    table: ProfileTable, *, body_profile: str | None, header_profile: str | None, mode: str | None, model: str
) -> ProfileChoice:
    """Return the profile of one request. Raises UnknownProfile or UnknownMode, naming what is there."""
    if not table.is_locked:
        if body_profile:
            return ProfileChoice(profile=_known(table, body_profile), why="body")
        if header_profile:
            return ProfileChoice(profile=_known(table, header_profile), why="header")
        if mode:
            return ProfileChoice(profile=_by_mode(table, mode), why="mode")
    if found := by_model(table, model):
        return ProfileChoice(profile=found, why="model")
    return ProfileChoice(profile=table.default, why="default")


def by_model(table: ProfileTable, model: str) -> str | None:
    """Return the profile that a model name selects: an exact name first, then the globs in order; None for neither."""
    name = _SUFFIX.sub("", model.strip()).lower()
    if not name:
        return None
    if exact := table.models.get(name):
        return exact
    return next((profile for pattern, profile in table.globs if pattern.match(name)), None)


def model_ids(table: ProfileTable, config: RouterConfig) -> tuple[str, ...]:
    """Return the ids of `GET /v1/models`: mapped names, profiles, mode aliases, provider aliases (wire.md 20.1)."""
    mapped = [name for name in config.model_map if not _is_glob(name)]
    aliases = [alias for provider in config.providers for alias in provider.aliases]
    listed = [provider.name for provider in config.providers] if config.server.list_providers else []
    return tuple(dict.fromkeys([*mapped, *aliases, *table.names, *table.modes, *listed]))


def _known(table: ProfileTable, name: str) -> str:
    if name in table.names:
        return name
    raise UnknownProfile(message=f"unknown profile {name!r}. available: {', '.join(table.names)}")


def _by_mode(table: ProfileTable, mode: str) -> str:
    if profile := table.modes.get(mode):
        return profile
    raise UnknownMode(message=f"unknown mode {mode!r}. available modes: {', '.join(table.modes) or 'none'}")


def _exact_models(config: RouterConfig, *, with_map: bool) -> dict[str, str]:
    """Return every exact name: the user's own map first, then provider aliases, then models and names of providers.

    Among equals the default profile wins, and a provider that is asked first before one further down (routing.md 9.3)."""
    found: dict[str, str] = {}
    if with_map:
        found |= {name.lower(): profile for name, profile in config.model_map.items() if not _is_glob(name)}
    for name, profile in (*_aliases(config), *_names(config)):
        if name:
            found.setdefault(name.lower(), profile)
    return found


def _aliases(config: RouterConfig) -> Iterator[tuple[str, str]]:
    for profile, provider in _members(config):
        for alias in provider.aliases:
            yield alias, profile


def _names(config: RouterConfig) -> Iterator[tuple[str, str]]:
    for profile, provider in _members(config):
        yield provider.model, profile
        yield provider.name, profile
    for declared in config.profiles:
        yield declared.name, declared.name


def _members(config: RouterConfig) -> list[tuple[str, ProviderConfig]]:
    """Return (profile, provider) by place in the chain, the default profile before the others of the same place."""
    providers = {provider.name: provider for provider in config.providers}
    default = _default_profile(config)
    places = [
        (place, profile.name != default, profile.name, providers[name])
        for profile in config.profiles
        for place, name in enumerate(profile.providers)
        if name in providers
    ]
    places.sort(key=lambda member: (min(member[0], 1), member[1]))  # first in a chain, or anywhere behind
    return [(profile, provider) for _, _, profile, provider in places]


def _globs(model_map: Mapping[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    patterns = ((glob, profile) for glob, profile in model_map.items() if _is_glob(glob))
    return tuple((re.compile(fnmatch.translate(glob.lower())), profile) for glob, profile in patterns)


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _default_profile(config: RouterConfig) -> str:
    """Return the default; `auto` stands for the auto router's own default until its rules are active."""
    name = config.routing.default_profile
    if name != AUTO:
        return name
    return config.auto_router.default_rule_profile if config.auto_router is not None else "writing"
