"""TOML text into a valid configuration, or every mistake in it at once (routing.md 2.2, 2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

import tomlkit
from attrs import evolve, field, frozen
from tomlkit.exceptions import TOMLKitError

from router.config.advice import advise, advise_empty_profiles, advise_short_tokens, advise_unconfigured, advise_unset_keys
from router.config.commands import stays_in_foreground
from router.config.credentials import fetch_secrets, missing_tokens
from router.config.document import Advice, Document, Fault, Override, apply_all, at, tables
from router.config.exporting import missing_for_export, with_export
from router.config.locate import locate
from router.config.origin import environment_overrides, flag_overrides, mode_source
from router.config.overrides import apply_sets
from router.config.places import Places, by_line
from router.config.rules import broken_rules
from router.config.schema import (
    ConfigWarning,
    LoadedConfig,
    ProfileConfig,
    ProviderConfig,
    RestartConfig,
    RouterConfig,
    ServerConfig,
)
from router.config.server_lines import server_table
from router.config.structure import keys_of, structure, unknown_key
from router.config.vendor_table import with_vendor
from router.errors import ConfigError, Mistake

_WORD = re.compile(r"\w+")
_NOT_FOR_DEFAULTS = ("name", "providers")


@frozen(kw_only=True)
class Surroundings:
    """What is not in the file. `sets` are the texts of `--set` in their order; `mode` and `log_level` those of the flags.

    With `needs_tokens` a token that the front would ask for has to be there; who only reads the configuration needs none."""

    environ: Mapping[str, str] = field(factory=dict, repr=False)
    sets: tuple[str, ...] = ()
    mode: str | None = None
    log_level: str | None = None
    needs_tokens: bool = True


def read_text(path: Path) -> str:
    """Return the text of a file. Raises ConfigError where it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"is not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error


def load(text: str, *, path: Path, around: Surroundings) -> LoadedConfig:
    """Return the configuration of a text. Raises ConfigError with every mistake."""
    document = _parse(text, path)
    mistakes, overrides = _put_over(document, around)
    bad_defaults = _bad_profile_defaults(document)
    merged = _with_profile_defaults(document, without={fault.path[1] for fault in bad_defaults if len(fault.path) > 1})
    result = structure(merged, RouterConfig)
    faults = [*bad_defaults, *broken_rules(merged)]
    if around.needs_tokens:
        faults += [*missing_tokens(merged, around.environ), *missing_for_export(merged, around.environ)]
    if mistakes or faults or isinstance(result, tuple):
        faults += result if isinstance(result, tuple) else ()
        placed = Places(lines=locate(text), overrides=overrides).mistakes(faults)
        raise ConfigError(source=str(path), mistakes=tuple(sorted({*mistakes, *placed}, key=by_line)))
    config = evolve(result, providers=tuple(map(_with_restart, result.providers)))
    secrets = with_export(fetch_secrets(config, around.environ), config.otel, around.environ)
    skipped = [advise_unconfigured(config, name, why) for name, why in secrets.unconfigured.items()]
    unset = advise_unset_keys(config, secrets.unset_keys)
    empty = advise_empty_profiles(config, secrets.unconfigured)
    short = advise_short_tokens(config, secrets)
    warnings = _warnings([*advise(config, document), *skipped, *unset, *empty, *short], text, overrides)
    return LoadedConfig(
        config=_with_vendors(config, document),
        secrets=secrets,
        warnings=warnings,
        path=path,
        mode_source=mode_source(overrides),
    )


def load_server(text: str, *, path: Path, around: Surroundings) -> tuple[LoadedConfig, set[str]]:
    """Return what can be read of `[server]` in a text with mistakes, with its tokens; all else is as by default.

    And its keys that are said and cannot be read, so that their defaults are not what is meant."""
    table, unread = server_table(text)
    document: Document = {"server": table}
    mistakes, overrides = _put_over(document, around)
    unread -= {str(one.path[-1]) for one in overrides if one.path[0] == "server"}
    unread |= {str(one.path[0]) for one in overrides}  # `--set port=1` without its table
    unread |= {word for mistake in mistakes for word in _WORD.findall(mistake.path)}
    said = at(document, ("server",))
    table = said if isinstance(said, dict) else {}
    result = structure(table, ServerConfig)
    if isinstance(result, tuple):
        refused = {str(fault.path[0]) for fault in result if fault.path}
        unread |= refused | {key for key in keys_of(ServerConfig) if key not in table and get_close_matches(key, refused, n=1)}
        result = structure({key: value for key, value in table.items() if key not in refused}, ServerConfig)
    config = RouterConfig() if isinstance(result, tuple) else RouterConfig(server=result)
    return LoadedConfig(config=config, secrets=fetch_secrets(config, around.environ), warnings=(), path=path), unread


def _unreadable(path: Path, message: str) -> ConfigError:
    return ConfigError(source=str(path), mistakes=(Mistake(path="", message=message),))


def _parse(text: str, path: Path) -> Document:
    try:
        document: Document = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        message, line = str(error).partition(" at line ")[0].rstrip("."), getattr(error, "line", None)
        if "already exists" in message:  # the parser's line is that of the entry after it, or missing
            line = next(iter(locate(text).repeated), line)
        mistake = Mistake(path="", message=message, line=line)
        raise ConfigError(source=str(path), mistakes=(mistake,)) from error
    return document


def _put_over(document: Document, around: Surroundings) -> tuple[list[Mistake], tuple[Override, ...]]:
    """Put environment and command line into the document, the stronger one last."""
    mistakes, overrides = apply_all(document, environment_overrides(document, around.environ))
    for refused, done in (
        apply_sets(document, around.sets),
        apply_all(document, flag_overrides(document, mode=around.mode, log_level=around.log_level)),
    ):
        mistakes += refused
        overrides += done
    return mistakes, tuple(overrides)


def _bad_profile_defaults(document: Document) -> list[Fault]:
    """Return what is wrong in `[profile_defaults]`, once, and not for every profile that would inherit it."""
    defaults = document.get("profile_defaults", {})
    if not isinstance(defaults, dict):  # said by the structure
        return []
    known = tuple(key for key in keys_of(ProfileConfig) if key not in _NOT_FOR_DEFAULTS)
    refused = [Fault((key,), unknown_key(key, known)) for key in _NOT_FOR_DEFAULTS if key in defaults]
    judged = structure({**defaults, "name": "any", "providers": ["any"]}, ProfileConfig)
    faults = [*refused, *(judged if isinstance(judged, tuple) else ())]
    return [Fault(("profile_defaults", *fault.path), fault.message) for fault in faults]


def _with_profile_defaults(document: Document, *, without: set[str | int]) -> Document:
    """Return a copy whose profiles have the values that they do not set themselves."""
    defaults = document.get("profile_defaults")
    profiles = document.get("profiles")
    if not isinstance(defaults, dict) or not isinstance(profiles, list):
        return document
    good = {key: value for key, value in defaults.items() if key not in without}
    merged = [{**good, **profile} if isinstance(profile, dict) else profile for profile in profiles]
    return {**document, "profile_defaults": good, "profiles": merged}


def _with_restart(provider: ProviderConfig) -> ProviderConfig:
    """Spell the short form `restart_command` out (founding decision 9)."""
    argv = provider.restart_command
    if argv is None:
        return provider
    return evolve(provider, restart=RestartConfig(mode="managed" if stays_in_foreground(argv) else "oneshot", argv=argv))


def _with_vendors(config: RouterConfig, document: Document) -> RouterConfig:
    """Put the vendors' defaults in; after the warnings, which are about what the user has written."""
    said = [table.keys() for _, table in tables(document, "providers")]
    return evolve(config, providers=tuple(map(with_vendor, config.providers, said)))


def _warnings(advice: Iterable[Advice], text: str, overrides: tuple[Override, ...]) -> tuple[ConfigWarning, ...]:
    found = list(advice)
    if not found:  # no line has to be looked for
        return ()
    places = Places(lines=locate(text), overrides=overrides)
    placed = [(one, *places.of(one.path)) for one in found]
    return tuple(ConfigWarning(kind=one.kind, path=label, message=one.message, line=line) for one, label, line in placed)
