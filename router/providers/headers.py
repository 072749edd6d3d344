"""The header fields of an upstream request: ours, the configured ones, and the three of a client that may pass.

A client's credentials never do: they are for the router (wire.md 2.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import field, frozen

from router.config.schema import ProviderConfig
from router.config.schema_provider import ProviderKind
from router.config.secret import Secret
from router.domain import hops

DEFAULT_ANTHROPIC_VERSION = "2023-06-01"
BETA = "anthropic-beta"
VERSION = "anthropic-version"

RawHeaders = tuple[tuple[bytes, bytes], ...]

_KEY_HEADERS: Mapping[ProviderKind, str] = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
_BEARER = "authorization"  # the only one whose value has a word before the key


@frozen(kw_only=True)
class HeaderPlan:
    """What one provider's requests carry. `fixed` is ready to be sent; the rest is for the Anthropic kind."""

    fixed: RawHeaders = field(repr=False)  # the key is in it
    is_anthropic: bool = False
    version: str | None = None  # the provider's own; the client's counts without one
    betas: tuple[str, ...] = ()  # from the configured headers
    allow_betas: frozenset[str] | None = None
    drop_betas: frozenset[str] = frozenset()
    hop: str | None = None  # this router's word, by which it knows its own requests; None: of nobody who could be asked

    def headers(self, client: Mapping[str, str], refused_betas: Collection[str] = ()) -> RawHeaders:
        """Return the fields for one request; `refused_betas` are those that the upstream has said no to."""
        told = () if self.hop is None else ((hops.HEADER.encode(), hops.with_hop(client, self.hop).encode()),)
        if not self.is_anthropic:
            return (*self.fixed, *told)
        version = self.version or client.get(VERSION) or DEFAULT_ANTHROPIC_VERSION
        sent = [*self.fixed, *told, (VERSION.encode(), version.encode())]
        if betas := self.sent_betas(client, refused_betas):
            sent.append((BETA.encode(), ",".join(betas).encode()))
        return tuple(sent)

    def sent_betas(self, client: Mapping[str, str], refused_betas: Collection[str] = ()) -> tuple[str, ...]:
        """Return the beta flags that pass, the configured ones first. Unknown ones do (R-36)."""
        if not self.is_anthropic:
            return ()
        asked = dict.fromkeys([*self.betas, *_flags(client.get(BETA, ""))])
        return tuple(flag for flag in asked if self._passes(flag) and flag not in refused_betas)

    def _passes(self, flag: str) -> bool:
        return flag not in self.drop_betas and (self.allow_betas is None or flag in self.allow_betas)


def plan_headers(
    config: ProviderConfig, *, credential: Secret | None, static: Mapping[str, Secret], user_agent: str, hop: str | None = None
) -> HeaderPlan:
    """Return the header plan of one provider; `static` are its configured headers with their values resolved.

    A configured header replaces ours of the same name, the credential's included; `anthropic-beta` is joined. Those of the
    connection are none of them: the configuration refuses these."""
    is_anthropic = config.kind == "anthropic"
    configured = {name.lower(): value.reveal() for name, value in static.items()}
    betas = _flags(configured.pop(BETA, "")) if is_anthropic else ()
    body_version = config.extra_body.get("anthropic_version")
    version = configured.pop(VERSION, body_version if isinstance(body_version, str) else None) if is_anthropic else None
    ours = {
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "identity",  # what comes is relayed byte for byte
        "user-agent": user_agent,
        **_authorization(credential, config),
    }
    return HeaderPlan(
        fixed=_raw({**ours, **configured}),
        is_anthropic=is_anthropic,
        version=version,
        betas=betas,
        allow_betas=None if config.allow_betas is None else frozenset(config.allow_betas),
        drop_betas=frozenset(config.drop_betas),
        hop=hop,
    )


def _authorization(credential: Secret | None, config: ProviderConfig) -> dict[str, str]:
    if credential is None:
        return {}
    name = (config.key_header or _KEY_HEADERS.get(config.kind) or _BEARER).lower()
    return {name: f"Bearer {credential.reveal()}" if name == _BEARER else credential.reveal()}


def _flags(value: str) -> tuple[str, ...]:
    return tuple(flag for part in value.split(",") if (flag := part.strip()))


def _raw(headers: Mapping[str, str]) -> RawHeaders:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())
