"""Keys that are valid by themselves and come to nothing beside others: each is told with what takes its effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

import attrs

from router.config.document import Advice
from router.config.locate import KeyPath
from router.config.rules import AUTO
from router.config.schema import RouterConfig, ServerConfig
from router.config.schema_profile import DRIFT_JUDGED_FROM, ProfileConfig
from router.config.schema_rules import AutoRouterConfig, MatchConfig
from router.domain.routes import MODEL_ROUTES, usual_path

_GO_ON = ("openai_compat", "anthropic")  # the kinds that `prefill_style` of routing/continuation.py has a style for
_OF_DRIFT = ("drift_detection_window_size", "drift_detection_cooldown_s", "drift_detection_sensitivity")
_WILD = re.compile(r"[*?\[]")
_LIMITS_OF_RUNNING = ("max_running", "session_max_in_flight")


def contradictions(config: RouterConfig) -> Iterator[Advice]:
    """Yield what a configuration says in vain."""
    for find in _FINDERS:
        yield from find(config)


def _rules_with_one_id(config: RouterConfig) -> Iterator[Advice]:
    seen: set[str] = set()
    for index, rule in enumerate(_auto_router(config).rules):
        if rule.id in seen:
            message = f"{rule.id!r} is also the id of an earlier rule: the log cannot show which of them matched"
            yield Advice("same-rule-id", ("auto_router", "rules", index, "id"), message)
        seen.add(rule.id)


def _routes_that_nobody_serves(config: RouterConfig) -> Iterator[Advice]:
    for index, rule in enumerate(_auto_router(config).rules):
        for path, route in _routes(rule.match, ("auto_router", "rules", index, "match")):
            if usual_path(route) not in MODEL_ROUTES:
                message = f"{route!r} never matches: the routes are {', '.join(MODEL_ROUTES)}"
                yield Advice("no-effect", path, message)


def _routes(match: MatchConfig, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if match.path is not None:
        yield (*path, "path"), match.path
    for index, one in enumerate(match.any):
        yield from _routes(one, (*path, "any", index))


def _maps_that_nobody_reads(config: RouterConfig) -> Iterator[Advice]:
    resolve = config.routing.resolve_model
    if config.model_map and resolve != "map":
        yield Advice("no-effect", ("model_map",), f'[model_map] is not used: [routing].resolve_model is "{resolve}"')


def _rules_that_nobody_asks(config: RouterConfig) -> Iterator[Advice]:
    default = config.routing.default_profile
    if config.auto_router is not None and default != AUTO:
        message = f'[auto_router] is not used: [routing].default_profile is "{default}", not "{AUTO}"'
        yield Advice("no-effect", ("auto_router",), message)


def _broken_answers_that_nobody_takes(config: RouterConfig) -> Iterator[Advice]:
    taking = {provider.name for provider in config.providers if provider.prefill and provider.kind in _GO_ON}
    for index, profile in enumerate(config.profiles):
        if profile.partial_stitch_action != "continue":
            continue
        if taking.isdisjoint(profile.providers):
            why = "no provider of this profile has prefill = true"
        elif min(len(profile.providers), profile.max_attempts or len(profile.providers)) == 1:
            why = "this profile asks only one provider"
        else:
            continue
        message = f"{why}: no provider can continue a broken answer, so it ends in an error"
        yield Advice("no-effect", ("profiles", index, "partial_stitch_action"), message)


def _chains_that_end_with_the_first(config: RouterConfig) -> Iterator[Advice]:
    for index, profile in enumerate(config.profiles):
        if profile.max_attempts == 1 and len(profile.providers) > 1:
            message = (
                f"each request tries only one of the {len(profile.providers)} providers: if that one fails, so does the request;"
                " the others are used only while it rests or is skipped"
            )
            yield Advice("no-fallback", ("profiles", index, "max_attempts"), message)


def _limits_above_the_first(config: RouterConfig) -> Iterator[Advice]:
    server, fields = config.server, attrs.fields_dict(ServerConfig)
    for key in _LIMITS_OF_RUNNING:
        limit = getattr(server, key)
        if limit not in {None, fields[key].default} and limit > server.max_in_flight:
            message = f"{limit} is above max_in_flight {server.max_in_flight}, which is reached first: it has no effect"
            yield Advice("no-effect", ("server", key), message)


def _drift_that_is_never_seen(config: RouterConfig) -> Iterator[Advice]:
    fields = attrs.fields_dict(ProfileConfig)
    for index, profile in enumerate(config.profiles):
        path, size = ("profiles", index), profile.drift_detection_window_size
        if profile.drift_detection_action == "off":
            for key in _OF_DRIFT:
                if getattr(profile, key) != fields[key].default:
                    yield Advice("no-effect", (*path, key), f"{key} has no effect without drift_detection_action")
        elif size < (least := DRIFT_JUDGED_FROM[profile.drift_detection_sensitivity]):
            message = f"{size} answers are too few: {profile.drift_detection_sensitivity} sensitivity needs at least {least}"
            yield Advice("no-effect", (*path, "drift_detection_window_size"), message)


def _days_above_the_month(config: RouterConfig) -> Iterator[Advice]:
    daily, monthly = config.budget.daily_usd, config.budget.monthly_usd
    if daily is not None and monthly is not None and daily > monthly:
        message = f"{daily} is above monthly_usd {monthly}, which is reached first: it has no effect"
        yield Advice("no-effect", ("budget", "daily_usd"), message)


def _patterns_behind_wider_ones(config: RouterConfig) -> Iterator[Advice]:
    wider: list[str] = []  # only with stars: what matches the text of a pattern matches all that the pattern does
    for glob in config.model_map:
        if (first := next((one for one in wider if fnmatchcase(glob.lower(), one.lower())), None)) and _WILD.search(glob):
            message = f"{first!r} comes before it and matches every name that {glob!r} matches"
            yield Advice("no-effect", ("model_map", glob), message)
        if set(_WILD.findall(glob)) == {"*"}:
            wider.append(glob)


def _auto_router(config: RouterConfig) -> AutoRouterConfig:
    return config.auto_router if config.auto_router is not None else AutoRouterConfig()


_FINDERS: tuple[Callable[[RouterConfig], Iterator[Advice]], ...] = (
    _rules_with_one_id,
    _routes_that_nobody_serves,
    _maps_that_nobody_reads,
    _rules_that_nobody_asks,
    _broken_answers_that_nobody_takes,
    _chains_that_end_with_the_first,
    _limits_above_the_first,
    _drift_that_is_never_seen,
    _days_above_the_month,
    _patterns_behind_wider_ones,
)
