"""Which profile answers: body field, profile header, mode header, model, auto rules, default (routing.md 9).

`ProfileTable` is built once per configuration; `choose` is a dict look-up per request, plus the auto rules where these
are asked. It tells nobody anything: what is worth an event stands in the choice."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self, TypeVar

from attrs import field, frozen

from router.config.schema import ProviderConfig, RouterConfig
from router.errors import UnknownMode, UnknownProfile
from router.routing.auto_facts import Facts
from router.routing.auto_rules import AutoChoice, AutoRouter
from router.routing.lru import Lru

T = TypeVar("T")

AUTO = "auto"
TIERS = ("haiku", "sonnet", "opus")  # keys of [model_map] that stand for a family of models

_MAX_NAMES = 1024  # model names whose profile is kept; clients use a handful
_MAX_KEPT_NAME = 256  # characters of a name that is worth keeping
_USUAL_TAG = ":latest"  # of an Ollama's model; its clients may add it to a name without a tag
_LONG_WINDOW = "-1m"  # as `[1m]`: the client's own mark of a window, no part of the name
_TIER = re.compile(rf"(?<![a-z0-9])({'|'.join(TIERS)})(?![a-z])")
_CLAUDE = re.compile(r"(?<![a-z0-9])claude(?![a-z])")


@frozen(kw_only=True)
class ProfileChoice:
    """The profile and why: `body`, `header`, `mode`, `model:<ModelMatch.by>`, `auto:<rule id>`, `sticky` or `default`.

    `match` is what the model's name matched, where that chose. `auto` is what the auto router said where it was asked.
    `unmatched_model` is a Claude model that nothing names, though there is more than one profile to choose from and no rule to
    choose by; "" otherwise."""

    profile: str
    why: str
    match: ModelMatch | None = None
    auto: AutoChoice | None = None
    unmatched_model: str = ""


@frozen(kw_only=True)
class ModelMatch:
    """The profile that a model name selects, and by what.

    `map` is an exact entry of [model_map], `alias` and `provider` are names of a provider, `profile` is one of a profile,
    `pattern` and `tier` are [model_map]'s too, `served` is what a provider asks its server for."""

    profile: str
    by: Literal["map", "alias", "provider", "profile", "pattern", "tier", "served"]
    tier: str = ""


@frozen(kw_only=True)
class ProfileTable:
    """Every way a request can name a profile, ready for look-up."""

    names: tuple[str, ...]
    modes: Mapping[str, str]
    mapped: Mapping[str, str]  # lower-case exact entry of [model_map] -> profile
    named: Mapping[str, ModelMatch]  # by lower-case alias or name of a provider, name of a profile
    models: Mapping[str, str]  # lower-case model of a provider -> profile
    globs: tuple[tuple[re.Pattern[str], str], ...]
    tiers: Mapping[str, str]
    default: str
    auto: AutoRouter | None  # asked where nothing stronger chose; None unless `default_profile` is `auto`
    sticky: frozenset[str]  # the profiles that keep a session
    is_locked: bool
    looks_at_models: bool
    _by_name: Lru[str, ModelMatch | None] = field(init=False, factory=lambda: Lru(_MAX_NAMES), eq=False, repr=False)
    _told: Lru[str, bool] = field(init=False, factory=lambda: Lru(_MAX_NAMES), eq=False, repr=False)

    @classmethod
    def of(cls, config: RouterConfig) -> Self:
        """Build the table; the configuration has been validated."""
        resolve = config.routing.resolve_model
        is_asked, has_map = resolve != "off", resolve == "map"
        return cls(
            names=tuple(profile.name for profile in config.profiles),
            modes=dict(config.mode_aliases),
            mapped=_mapped(config.model_map) if has_map else {},
            named=_first_of(_named(config)) if is_asked else {},
            models=_first_of((provider.model, profile) for profile, provider in _members(config)) if is_asked else {},
            globs=_globs(config.model_map) if has_map else (),
            tiers=_tiers(config.model_map) if has_map else {},
            default=_default_profile(config),
            auto=AutoRouter.of(config) if config.routing.default_profile == AUTO else None,
            sticky=frozenset(profile.name for profile in config.profiles if profile.sticky),
            is_locked=config.server.locked_profiles,
            looks_at_models=is_asked,
        )

    def match_of(self, model: str) -> ModelMatch | None:
        """Return what `match_model` finds; a name that comes again costs one look-up."""
        if model in self._by_name:
            return self._by_name.get(model)
        found = match_model(self, model)
        if len(model) <= _MAX_KEPT_NAME:
            self._by_name.put(model, found)
        return found

    def is_news(self, unmatched_model: str) -> bool:
        """Tell whether an unmatched model is seen for the first time, as far as is remembered; from now on it is not."""
        is_new = unmatched_model not in self._told
        self._told.put(unmatched_model, value=True)
        return is_new


def choose(
    table: ProfileTable,
    *,
    body_profile: str | None,
    header_profile: str | None,
    mode: str | None,
    model: str,
    facts: Facts | None = None,
    remembered_profile: str | None = None,
) -> ProfileChoice:
    """Return the profile of one request. Raises UnknownProfile or UnknownMode, naming what is there.

    `facts` are for the auto router, which is not asked without; `remembered_profile` is where the session has settled."""
    if not table.is_locked:
        if body_profile:
            return ProfileChoice(profile=_known(table, body_profile), why="body")
        if header_profile:
            return ProfileChoice(profile=_known(table, header_profile), why="header")
        if mode:
            return ProfileChoice(profile=_by_mode(table, mode), why="mode")
    if match := table.match_of(model):
        return ProfileChoice(profile=match.profile, why=f"model:{match.by}", match=match)
    if table.auto is not None and facts is not None:
        return _by_rules(table.auto, facts, remembered_profile if remembered_profile in table.sticky else None)
    return ProfileChoice(profile=table.default, why="default", unmatched_model=_unmatched(table, model))


def match_model(table: ProfileTable, model: str) -> ModelMatch | None:
    """Return what a model name matches first, in the order of ModelMatch.by; None for nothing (docs/decisions/029)."""
    whole = model.strip().lower()
    # whole first: there are models whose name ends so
    names = dict.fromkeys((whole, _without_window_mark(whole), whole.removesuffix(_USUAL_TAG)))
    if not whole:
        return None
    if profile := _in(table.mapped, names):
        return ModelMatch(profile=profile, by="map")
    if named := _in(table.named, names):
        return named
    if profile := next((profile for pattern, profile in table.globs if any(map(pattern.match, names))), None):
        return ModelMatch(profile=profile, by="pattern")
    if tier := next((tier for tier in _TIER.findall(whole) if tier in table.tiers), None):
        return ModelMatch(profile=table.tiers[tier], by="tier", tier=tier)
    profile = _in(table.models, names)
    return None if profile is None else ModelMatch(profile=profile, by="served")


def model_ids(table: ProfileTable, config: RouterConfig) -> tuple[str, ...]:
    """Return the ids of `GET /v1/models`: mapped names, profiles, mode aliases, provider aliases (wire.md 20.1)."""
    mapped = [name for name in config.model_map if not _is_glob(name)]
    aliases = [alias for provider in config.providers for alias in provider.aliases]
    listed = [provider.name for provider in config.providers] if config.server.list_providers else []
    return tuple(dict.fromkeys([*mapped, *aliases, *table.names, *table.modes, *listed]))


def _by_rules(auto: AutoRouter, facts: Facts, remembered_profile: str | None) -> ProfileChoice:
    choice = auto.resolve(facts, remembered_profile)
    why = "default" if choice.rule_id is None else f"auto:{choice.rule_id}"
    return ProfileChoice(profile=choice.profile, why="sticky" if choice.is_remembered else why, auto=choice)


def _unmatched(table: ProfileTable, model: str) -> str:
    is_choice = table.looks_at_models and table.auto is None and len(table.names) > 1
    return model if is_choice and _CLAUDE.search(model.lower()) else ""


def _without_window_mark(name: str) -> str:
    """Return `claude-opus-5` for `claude-opus-5[1m]` and `claude-opus-5-1m`."""
    if name.endswith("]") and (start := name.rfind("[")) > 0:
        name = name[:start].rstrip()
    return name.removesuffix(_LONG_WINDOW)


def _known(table: ProfileTable, name: str) -> str:
    if name in table.names:
        return name
    raise UnknownProfile(message=f"unknown profile {name!r}. available: {', '.join(table.names)}")


def _by_mode(table: ProfileTable, mode: str) -> str:
    if profile := table.modes.get(mode):
        return profile
    raise UnknownMode(message=f"unknown mode {mode!r}. available modes: {', '.join(table.modes) or 'none'}")


def _in(known: Mapping[str, T], names: Iterable[str]) -> T | None:
    return next((known[name] for name in names if name in known), None)


def _mapped(model_map: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): profile for name, profile in model_map.items() if not _is_glob(name)}


def _named(config: RouterConfig) -> Iterator[tuple[str, ModelMatch]]:
    """Yield the names that a user gives, the strongest first: aliases, providers, profiles."""
    members = _members(config)
    for profile, provider in members:
        for alias in provider.aliases:
            yield alias, ModelMatch(profile=profile, by="alias")
    for profile, provider in members:
        yield provider.name, ModelMatch(profile=profile, by="provider")
    for declared in config.profiles:
        yield declared.name, ModelMatch(profile=declared.name, by="profile")


def _first_of(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return what is said first of each name.

    Among equals the default profile wins, and a provider that is asked first before one further down (routing.md 9.3)."""
    found: dict[str, T] = {}
    for name, told in pairs:
        if name:
            found.setdefault(name.lower(), told)
    return found


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


def _tiers(model_map: Mapping[str, str]) -> dict[str, str]:
    return {tier: profile for name, profile in model_map.items() if (tier := name.lower()) in TIERS}


def _is_glob(name: str) -> bool:
    return any(character in name for character in "*?[")


def _default_profile(config: RouterConfig) -> str:
    """Return the default; for `auto` the one where no rule holds."""
    name = config.routing.default_profile
    if name != AUTO:
        return name
    return config.auto_router.default_rule_profile if config.auto_router is not None else "writing"
