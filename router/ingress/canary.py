"""The door of the canary: a request with this process's secret is answered by a generation of its own.

That generation has one provider inside the process and one profile, and tells nobody: no log line, no health, no metrics.
No name of it is in a configuration, so nobody else can ask for it; what is asked on the way (front, Host, token, handler,
plan, gate, relay, writer) is what answers everybody (founding decision 19)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from attrs import field, frozen

from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig, RoutingConfig
from router.domain.health import ProviderStatus
from router.errors import ProviderFailed
from router.ingress.generation import Generation
from router.providers.builtin import EchoProvider
from router.routing.dispatch import Upstreams
from router.wire.dialect import Minting

HEADER = "x-router-canary"
NAME = "canary"  # of the provider and of the profile, in a generation that has nothing else


@frozen(kw_only=True)
class CanaryDoor:
    """`secret` is known to this process only, and never told."""

    generation: Generation
    secret: str = field(repr=False, factory=lambda: secrets.token_hex(32))

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Tell whether the request is this process's own canary."""
        word = headers.get(HEADER)
        return word is not None and hmac.compare_digest(word.encode(), self.secret.encode())

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return what a canary sends: the secret, and the same as the token of a daemon that asks for one."""
        return ((HEADER, self.secret), ("authorization", f"Bearer {self.secret}"))


def open_canary_door() -> CanaryDoor:
    """Return a door with a new secret."""
    return CanaryDoor(generation=canary_generation())


def canary_generation() -> Generation:
    """Return the generation that has the provider inside the process, and is observed by nobody."""
    config = RouterConfig(
        routing=RoutingConfig(default_profile=NAME),
        providers=(ProviderConfig(name=NAME, base_url="http://inside.invalid", model=NAME),),  # nothing is sent there
        profiles=(ProfileConfig(name=NAME, providers=(NAME,)),),
    )
    provider = EchoProvider(name=NAME)
    unheard = Unheard()
    return Generation(
        config=config,
        upstreams=Upstreams(
            providers={NAME: provider},
            configs={NAME: config.providers[0]},
            sink=unheard,
            observer=unheard,
            random=lambda: 0.5,
        ),
        health=unheard,
        observer=unheard,
        minting=Minting(new_id=lambda prefix: prefix + secrets.token_hex(12), now=lambda: 0),  # nobody looks at its stamp
    )


@frozen
class Unheard:
    """Observer, sink and health in one, which keep nothing."""

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Drop it."""

    def status_of(self, provider: str) -> ProviderStatus:
        """Return a healthy provider."""
        return ProviderStatus(name=provider)

    @contextmanager
    def begin(self, provider: str, *, memory_cooldown_s: float | None = None) -> Iterator[Unheard]:
        """Count nothing."""
        del provider, memory_cooldown_s
        yield self

    def drifted(self, provider: str, *, for_s: float, wants_reload: bool) -> None:
        """Drop it."""

    @property
    def is_first(self) -> bool:
        """Return False: it answers always."""
        return False

    def ok(self) -> None:
        """Drop it."""

    def failed(self, failure: ProviderFailed) -> None:
        """Drop it."""
