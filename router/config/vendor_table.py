"""The habits of vendors and servers: what each is known to want, where that is written, and the defaults that follow.

What the user's file says of a key always wins; a row only stands in for the default of a key that the file is silent on.
A row is for chat upstreams: whoever is asked in another dialect is asked as that dialect's own vendor wants it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from router.config.checks import HttpUrl
from router.config.document import dotted
from router.config.schema import ProviderConfig
from router.config.structure import structure
from router.errors import ConfigError, Mistake

Subject = Literal["fields", "tools", "reasoning", "usage", "stream", "context", "errors", "limits"]

# what a row may say: how a body is spelled, never who is asked, for what money, or what a client gets to see
MAY_SET = frozenset(
    {"allow_fields", "drop_fields", "rename_fields", "drop_message_fields", "call_ids", "null_content", "max_stop"}
    | {"schema_profile", "reasoning", "reasoning_effort", "prefill_style", "files", "key_header", "usage_estimate"}
)

_FILE = "vendors.toml"
_KIND = "openai_compat"
_ANY_PROVIDER = {"name": "any", "base_url": "http://any", "model": ""}


@frozen(kw_only=True)
class Fact:
    """One habit, and the page that says so; no page: it was looked for and not found.

    `sets` are the defaults that follow from it."""

    about: Subject
    says: str
    sets: tuple[str, ...] = ()
    source: str | None = None
    url: str | None = field(default=None, validator=HttpUrl())


@frozen(kw_only=True)
class Vendor:
    """One row. `hosts` are globs on the host of `base_url`; `ports` are where such a server usually listens on a machine.

    A port names nobody for sure: it is a hint for who writes a configuration, and nothing else goes by it."""

    name: str
    title: str
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    defaults: Mapping[str, object] = field(factory=dict)
    facts: tuple[Fact, ...] = ()


@frozen(kw_only=True)
class VendorUse:
    """What one provider has from its vendor's row, by the row's keys: taken over, or said otherwise by the user."""

    vendor: Vendor
    taken: tuple[str, ...]
    own: tuple[str, ...]


@frozen(kw_only=True)
class _Table:
    vendors: tuple[Vendor, ...]


@functools.cache
def read_vendors() -> Mapping[str, Vendor]:
    """Return {name: row} in the order of the file; it is read once. Raises ConfigError where it is broken."""
    return parse_vendors(resources.files("router").joinpath("data", _FILE).read_text(encoding="utf-8"), _FILE)


def parse_vendors(text: str, source: str) -> Mapping[str, Vendor]:
    """Return the `[[vendors]]` of a TOML text by name. Raises ConfigError with every mistake; `source` is what it names."""
    try:
        table = structure(tomllib.loads(text), _Table)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source=source, mistakes=(Mistake(path="", message=str(error)),)) from error
    if isinstance(table, tuple):
        raise ConfigError(source=source, mistakes=tuple(Mistake(path=dotted(f.path), message=f.message) for f in table))
    mistakes = tuple(mistake for vendor in table.vendors for mistake in _mistakes(vendor))
    if mistakes:
        raise ConfigError(source=source, mistakes=mistakes)
    return {vendor.name: vendor for vendor in table.vendors}


def vendor_of(provider: ProviderConfig) -> Vendor | None:
    """Return the row that a provider goes by: the one it names, else that of its host; None for one of no known vendor."""
    if provider.kind != _KIND or provider.vendor == "none":
        return None
    if provider.vendor != "auto":
        return read_vendors()[provider.vendor]
    host = (urlsplit(provider.base_url).hostname or "").lower()
    return next((vendor for vendor in read_vendors().values() if any(fnmatchcase(host, glob) for glob in vendor.hosts)), None)


def with_vendor(provider: ProviderConfig, said: Collection[str]) -> ProviderConfig:
    """Return the provider with its vendor's defaults for the keys that the user has not `said`."""
    vendor = vendor_of(provider)
    values = {} if vendor is None else {key: value for key, value in _values(vendor, provider).items() if key not in said}
    return evolve(provider, **values) if values else provider


def vendor_use(provider: ProviderConfig) -> VendorUse | None:
    """Return what a provider has from its vendor's row, None where it goes by none."""
    vendor = vendor_of(provider)
    if vendor is None:
        return None
    same = {key: getattr(provider, key) == value for key, value in _values(vendor, provider).items()}
    return VendorUse(
        vendor=vendor,
        taken=tuple(key for key, is_same in same.items() if is_same),
        own=tuple(key for key, is_same in same.items() if not is_same),
    )


def _values(vendor: Vendor, provider: ProviderConfig) -> Mapping[str, Any]:
    """Return the row's defaults as the values that a provider holds; what its `extra_body` adds is not taken out again."""
    parsed = structure({**_ANY_PROVIDER, **vendor.defaults}, ProviderConfig)
    if isinstance(parsed, tuple):
        raise TypeError(f"a row that was never checked: {vendor.name}")
    own = provider.extra_body
    fitted = evolve(
        parsed,
        drop_fields=tuple(name for name in parsed.drop_fields if name not in own),
        allow_fields=None if parsed.allow_fields is None else tuple(dict.fromkeys([*parsed.allow_fields, *own])),
    )
    return {key: getattr(fitted, key) for key in vendor.defaults}


def _mistakes(vendor: Vendor) -> list[Mistake]:
    """Return what is wrong with the defaults of one row."""
    where = f"{vendor.name}.defaults"
    told = [
        Mistake(path=f"{where}.{key}", message="cannot be set by a vendor") for key in sorted(vendor.defaults.keys() - MAY_SET)
    ]
    parsed = structure({**_ANY_PROVIDER, **vendor.defaults}, ProviderConfig)
    if isinstance(parsed, tuple):
        told += [Mistake(path=f"{where}.{dotted(fault.path)}", message=fault.message) for fault in parsed]
    return told
