"""A committed answer, how it ended, and what a request wants of the providers that are asked for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from attrs import frozen

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.events import StopReason, Usage
from router.domain.frame import Frame
from router.domain.spend import Cost
from router.domain.trace_context import TraceContext
from router.errors import ProviderFailed
from router.ports import OpenInfo, OpenReply, Provider, UpstreamCall


@frozen(kw_only=True)
class Answer:
    """A committed answer, open until `deliver` returns: `held` frames of a stream, or a whole `body` and its `document`.

    `is_empty`: the document has nothing in it that the client can act on. `book` puts what it has used into the books; who
    delivers it does so where the client is told the cost, else it is done behind the delivery."""

    provider: Provider
    config: ProviderConfig
    info: OpenInfo
    reply: OpenReply
    held: tuple[Frame, ...] = ()
    body: bytes | None = None
    document: dict[str, Any] | None = None
    is_empty: bool = False
    book: Callable[[Usage], None] = lambda _usage: None


@frozen(kw_only=True)
class RelayEnd:
    """How an answer ended. `failure` is None when the upstream said all of it; `usage` is estimated where it told none.

    `stop` is why the model stopped, None where nobody knows. `is_empty`: no text, no call, no reasoning that the client is
    shown. `broken` is the client's stream, still open, where another provider may go on with what was said."""

    usage: Usage
    failure: ProviderFailed | None = None
    stop: StopReason | None = None
    is_empty: bool = False
    broken: Broken | None = None


class Broken(Protocol):
    """A stream that broke after its client had read some of it, and that waits for somebody to go on (wire.md 16.2)."""

    def call(self, provider: Provider, config: ProviderConfig) -> UpstreamCall | None:
        """Return the request to go on with, None for a provider that cannot."""

    async def deliver(self, answer: Answer) -> RelayEnd:
        """Send the rest. Raises ProviderFailed only before its first byte."""

    async def give_up(self) -> None:
        """End the stream: nobody goes on."""


Deliver = Callable[[Answer], Awaitable[RelayEnd]]


@frozen(kw_only=True)
class AttemptEnd:
    """One attempt as it ended; times on trio's clock. `end` is None where nothing was delivered, `failure` where all was well."""

    config: ProviderConfig
    is_stream: bool
    began_at: float  # when it was sent, or where it never was, when it began to wait for that
    committed_at: float | None
    ended_at: float
    end: RelayEnd | None
    failure: ProviderFailed | None
    cost: Cost | None = None


@frozen(kw_only=True)
class Ask:
    """What one request wants of the chain.

    `call` builds the upstream request for one provider; it may raise InvalidRequest, and ProviderFailed for a provider that
    is not to be asked. `shows_thinking` tells whether this client is shown that provider's reasoning. `check_wanted` raises
    where the client has left an attempt that went on without it: then nobody has failed, and nobody else is asked.
    `usage_so_far` is what an answer under way has used, None before it began. `ended` hears of every attempt.
    `trace` is the client's place in its own trace, None where it tells none; `is_exported`: our spans go to a collector, so that
    a provider may be told to stand below one of them."""

    profile: ProfileConfig
    is_stream: bool
    call: Callable[[Provider, ProviderConfig], UpstreamCall]
    shows_thinking: Callable[[ProviderConfig], bool]
    check_wanted: Callable[[], None] = lambda: None
    usage_so_far: Callable[[], Usage | None] = lambda: None
    ended: Callable[[AttemptEnd], None] = lambda _end: None
    input_tokens: Callable[[ProviderConfig], int] = lambda _config: 0
    max_tokens: int | None = None
    trace: TraceContext | None = None
    is_exported: bool = False
