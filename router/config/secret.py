"""Secrets as values that print as `***`, and all of them that one configuration names."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from router.domain.health import Unconfigured


@frozen(repr=False)
class Secret:
    """A text that must not be shown; `reveal()` is the only way to it."""

    _value: str

    def reveal(self) -> str:
        """Return the text itself, for the one header or comparison that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"


@frozen(kw_only=True)
class Secrets:
    """Everything that the configuration names but does not hold.

    `credentials`, `key_pools` (several keys of one provider, never none) and `headers` are by provider name, and a
    provider without one is absent; header values are resolved
    (`env:NAME` replaced). `unconfigured` says which providers cannot be called, and why. `tokens` of the client are
    empty when none is asked for. `sensitive` is every value that no sink may show."""

    credentials: Mapping[str, Secret] = field(factory=dict)
    key_pools: Mapping[str, tuple[Secret, ...]] = field(factory=dict)
    unset_keys: Mapping[str, tuple[str, ...]] = field(factory=dict)  # variables of a pool that are left out of it
    headers: Mapping[str, Mapping[str, Secret]] = field(factory=dict)
    client_tokens: tuple[Secret, ...] = ()
    metrics_token: Secret | None = None
    admin_token: Secret | None = None
    export_headers: Mapping[str, Secret] = field(factory=dict)  # for the collector of `[otel]`
    unconfigured: Mapping[str, Unconfigured] = field(factory=dict)
    sensitive: tuple[Secret, ...] = ()

    def keys_of(self, provider: str) -> tuple[Secret, ...]:
        """Return the credentials of a provider, in the order of the configuration; () where it asks for none."""
        if (pool := self.key_pools.get(provider)) is not None:
            return pool
        credential = self.credentials.get(provider)
        return () if credential is None else (credential,)
