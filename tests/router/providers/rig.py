"""A provider over an HTTP client in memory, and the calls that are made to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from attrs import define, evolve, field

from router.config.secret import Secret, Secrets
from router.domain.frame import Frame
from router.domain.messages import Message, Role, Text
from router.domain.request import DialectName, NeutralRequest
from router.errors import ProviderFailed
from router.ports import UpstreamCall
from router.providers.adapter import HttpProvider, build_provider
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, a_provider
from tests.router.providers.fake_http import FakeClient, Told

KEY = "sk-provider-key-0123456789"
NOW = 1_700_000_000.0


@define
class Leases:
    """Backends that count who holds a lease."""

    held: int = 0
    taken: list[str] = field(factory=list)

    @asynccontextmanager
    async def lease(self, provider: str) -> AsyncIterator[None]:
        self.taken.append(provider)
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1


@define(kw_only=True)
class Rig:
    """A provider and everything around it."""

    provider: HttpProvider
    client: FakeClient
    leases: Leases
    observer: RememberingObserver

    def sent(self, index: int = -1) -> dict[str, Any]:
        """Return the body of one request."""
        body: dict[str, Any] = orjson.loads(self.client.requests[index].content)
        return body

    def sent_headers(self, index: int = -1) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.client.requests[index].headers}

    async def frames(self, call: UpstreamCall) -> list[Frame]:
        found: list[Frame] = []
        async with self.provider.open(call) as reply:
            while frames := await reply.receive():
                found.extend(frames)
        return found

    async def body(self, call: UpstreamCall) -> bytes:
        async with self.provider.open(call) as reply:
            return await reply.read_body()


def a_rig(*answers: Told | ProviderFailed, **keys: object) -> Rig:
    """Return a rig whose upstream gives these answers; `keys` are the provider's."""
    return a_pooled_rig((), *answers, **keys)


def a_pooled_rig(more_keys: Sequence[str], *answers: Told | ProviderFailed, **keys: object) -> Rig:
    """Return a rig whose provider has these credentials beside KEY."""
    client = FakeClient(list(answers) or [Told()])
    leases, observer = Leases(), RememberingObserver()
    credentials = tuple(Secret(key) for key in (KEY, *more_keys))
    secrets = Secrets(sensitive=credentials, credentials={"p": credentials[0]})
    if more_keys:
        secrets = Secrets(sensitive=credentials, key_pools={"p": credentials})
    built = build_provider(a_provider("p", model="theirs", **keys), secrets, leases, observer)
    provider = HttpProvider(
        config=built.config,
        urls=built.urls,
        headers=built.headers,
        bodies=built.bodies,
        redactor=built.redactor,
        client=client,
        backends=leases,
        observer=observer,
        unix_now=lambda: NOW,
        keys=built.keys,
    )
    return Rig(provider=provider, client=client, leases=leases, observer=observer)


def same_dialect(
    body: bytes, dialect: DialectName = CHAT, *, stream: bool = False, headers: Mapping[str, str] | None = None
) -> UpstreamCall:
    """Return a call that hands the client's own bytes on."""
    return UpstreamCall(neutral=None, same_dialect_body=body, client_headers=headers or {}, stream=stream)


def translated(*, stream: bool = False, **facts: Any) -> UpstreamCall:  # noqa: ANN401 - fields of the request
    """Return a call that has to be encoded; it comes from a Messages client."""
    said = NeutralRequest(
        dialect=ANTHROPIC,
        model="asked",
        messages=(Message(role=Role.USER, content=(Text("hi"),), path="messages[0]"),),
        max_tokens=7,
        stream=stream,
    )
    return UpstreamCall(
        neutral=evolve(said, **facts),
        same_dialect_body=None,
        client_headers={},
        stream=stream,
    )
