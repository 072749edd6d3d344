"""The capability table: the rules that come with the router, and what a list of rules says of one model (routing.md 8.1)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib import resources

from attrs import frozen

from router.config.document import dotted
from router.config.schema import CapabilityRuleConfig
from router.config.structure import structure
from router.errors import ConfigError, Mistake

_FILE = "capabilities.toml"


@frozen(kw_only=True)
class _Table:
    rules: tuple[CapabilityRuleConfig, ...]


@functools.cache
def read_builtin() -> tuple[CapabilityRuleConfig, ...]:
    """Return the built-in rules in their order; the file is read once. Raises ConfigError where it is broken."""
    text = resources.files("router").joinpath("data", _FILE).read_text(encoding="utf-8")
    return parse_rules(text, _FILE)


def parse_rules(text: str, source: str) -> tuple[CapabilityRuleConfig, ...]:
    """Return the `[[rules]]` of a TOML text. Raises ConfigError with every mistake; `source` is what it names."""
    try:
        table = structure(tomllib.loads(text), _Table)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source=source, mistakes=(Mistake(path="", message=str(error)),)) from error
    if isinstance(table, tuple):
        raise ConfigError(source=source, mistakes=tuple(Mistake(path=dotted(f.path), message=f.message) for f in table))
    return table.rules


def matches(glob: str, model: str) -> bool:
    """Tell whether a model's name fits a pattern, without case."""
    return fnmatchcase(model.lower(), glob.lower())


def declared(rules: Iterable[CapabilityRuleConfig], kind: str, model: str, flag: str) -> object:
    """Return what the first rule says that is for the provider's kind and its model and declares the flag, else None."""
    values = (getattr(rule.capabilities, flag) for rule in rules if rule.kind in ("any", kind) and matches(rule.match, model))
    return next((value for value in values if value is not None), None)
