"""What would make a provider answer that does not: another address, another model, more time. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast
from urllib.parse import urlsplit

from attrs import evolve

from router.config.schema import ProviderConfig, RouterConfig
from router.config.schema_provider import ProviderKind
from router.doctor.findings import Setting
from router.doctor.heard import Heard
from router.onboarding.servers import LocalModel, ranked

LLAMA_PORTS = {8080: 9931, 9931: 8080}  # llama.cpp's server went from the one to the other

_ROOTS: Mapping[ProviderKind, tuple[str, ...]] = {
    "anthropic": ("", "/anthropic", "/api/anthropic"),
    "gemini": ("",),
    "ollama": ("",),
    "openai_responses": ("/v1", "/api/v1", "/openai/v1"),
    "openai_compat": ("/v1", "/api/v1", "/openai/v1", "/v1beta/openai", "/api/openai/v1"),
}
_SHORTEST_LIMIT_S = 30.0  # what is put in the place of a limit that was too short, at least
_LONGEST_LIMIT_S = 86_400.0
_TIMES_SEEN = 4.0  # a longer prompt, a busier machine


def addresses(config: ProviderConfig) -> tuple[str, ...]:
    """Return other base URLs at which the server's API may be, the likeliest first."""
    parts = urlsplit(config.base_url)
    path = parts.path.rstrip("/")
    return tuple(dict.fromkeys(parts._replace(path=one).geturl() for one in _paths(config.kind, path) if one != path))


def _paths(kind: ProviderKind, path: str) -> Iterator[str]:
    for end in ("/chat/completions", "/messages", "/responses", "/models"):  # the address of a request, not of the API
        if path.endswith(end):
            yield path.removesuffix(end)
    yield from _ROOTS[kind]
    if kind.startswith("openai"):
        yield f"{path}/v1"


def other_port(config: ProviderConfig) -> str | None:
    """Return the base URL with the other one of llama.cpp's two usual ports, None where neither is named."""
    parts = urlsplit(config.base_url)
    port = LLAMA_PORTS.get(parts.port or 0)
    if port is None or parts.hostname is None or not config.kind.startswith("openai"):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()


def likely_model(model: str, names: Collection[str]) -> str | None:
    """Return the model of a server that is probably meant: the only one that can answer, or one of nearly the same name."""
    able = [one.name for one in ranked(LocalModel(name=name) for name in names)]
    if model in names:
        return None
    tagged = [name for name in able if name.partition(":")[0] == model or name.rpartition("/")[2] == model]
    if len(tagged) == 1 or len(able) == 1:
        return (tagged or able)[0]
    return next(iter(get_close_matches(model, able, n=1, cutoff=0.8)), None)


def longer_limits(config: ProviderConfig, patient: Heard, *, waited_s: float = 0.0) -> tuple[Setting, ...]:
    """Return the time limits that an answer without any would have kept to; () where it kept to those that there are.

    `waited_s` is what was waited for in vain before: it counts as well, for it may have been the loading of the model."""
    first = waited_s + (patient.total_s if patient.first_s is None else patient.first_s)
    settings = dict(_too_short(config, first, patient.gap_s, waited_s + patient.total_s))
    return tuple(Setting(keys=(name,), value=value) for name, value in settings.items())


def _too_short(config: ProviderConfig, first: float, gap: float, total: float) -> Iterator[tuple[str, float]]:
    name = "timeout_s" if config.first_byte_timeout_s is None else "first_byte_timeout_s"
    if (limit := getattr(config, name)) < first:
        yield name, _limit(first, limit)
    idle = "timeout_s" if config.idle_timeout_s is None else "idle_timeout_s"
    if (limit := getattr(config, idle)) < gap:
        yield idle, _limit(gap, limit)
    if config.total_timeout_s is not None and config.total_timeout_s < total:
        yield "total_timeout_s", _limit(total, config.total_timeout_s)


def profile_limits(
    config: RouterConfig, provider: ProviderConfig, answers: Sequence[Heard]
) -> Iterator[tuple[str, float, float]]:
    """Yield the limits around a provider that some of its answers would not have kept: name, seconds, and what would do.

    These are no keys of the provider's: the profiles that ask it have them, and the daemon for its streams."""
    first = max((one.total_s if one.first_s is None else one.first_s for one in answers), default=0.0)
    gap, total = max((one.gap_s for one in answers), default=0.0), max((one.total_s for one in answers), default=0.0)
    streamed = max((one.total_s for one in answers if one.is_stream), default=0.0)
    first = first if provider.first_byte_timeout_s is None else 0.0  # the provider's own keys win over the profile's timeout_s
    silence = max(first, gap if provider.idle_timeout_s is None else 0.0)
    limits = [("stream_deadline_s of [server]", config.server.stream_deadline_s, streamed)]
    for profile in config.profiles:
        if provider.name in profile.providers:
            limits.append((f"request_deadline_s of profile {profile.name}", profile.request_deadline_s, total))
            limits.append((f"timeout_s of profile {profile.name}", profile.timeout_s, silence))
    for name, limit, seen in limits:
        if limit is not None and limit < seen:
            yield name, limit, _limit(seen, limit)


def _limit(seen_s: float, limit_s: float) -> float:
    """Return a limit with room to spare, in whole tens of seconds."""
    wanted = max(_SHORTEST_LIMIT_S, math.ceil(seen_s * _TIMES_SEEN / 10) * 10.0, limit_s)
    return min(wanted, _LONGEST_LIMIT_S)


def mended(config: ProviderConfig, settings: Sequence[Setting]) -> ProviderConfig:
    """Return the provider as it is with the settings."""
    for setting in settings:
        config = cast("ProviderConfig", _with(config, setting.keys, setting.value))
    return config


def _with(table: Any, keys: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - a table of the schema, or a mapping in one
    name, *rest = keys
    if isinstance(table, Mapping):
        inner = table.get(name, {})
        return {**table, name: _with(inner, tuple(rest), value) if rest else value}
    new = _with(getattr(table, name), tuple(rest), value) if rest else tuple(value) if isinstance(value, list) else value
    return evolve(table, **{name: new})
