"""What `router/` asks of others: Protocols only, no behaviour.

`supervisors/` implements HealthView, OutcomeSink, Backends, Spending and Control; `providers/adapter.py` implements Provider;
`router/assembly.py` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from attrs import field, frozen

from router.domain.control import ReloadOutcome, TreeNode
from router.domain.events import Usage
from router.domain.frame import Frame
from router.domain.health import ProviderStatus
from router.domain.health_events import OperatorAction
from router.domain.probe import ProbeResult
from router.domain.request import DialectName, NeutralRequest, Note
from router.domain.spend import Blocked, Cost, SpendReport
from router.errors import FailureReason, ProviderFailed


class HealthView(Protocol):
    """Reads the board."""

    def status_of(self, provider: str) -> ProviderStatus:
        """Return the published value; an unknown name is healthy. Never raises, never waits."""


class AttemptHandle(Protocol):
    """The verdict of one attempt in flight. Leaving the context without one is `abandoned`: nothing is recorded."""

    @property
    def is_first(self) -> bool:
        """The provider has not answered since the start, as far as is known."""

    def ok(self) -> None:
        """Record that the stream ended in its grammar, or that the whole reply was good."""

    def failed(self, failure: ProviderFailed) -> None:
        """Record a failed attempt; its reason decides what that means for the provider (supervision.md 21.8)."""


class OutcomeSink(Protocol):
    """Takes the verdicts of attempts; sync, so that a cancelled request can still report."""

    def begin(self, provider: str, *, memory_cooldown_s: float | None = None) -> AbstractContextManager[AttemptHandle]:
        """Count the attempt in flight until the context is left.

        `memory_cooldown_s` is how long the profile rests a provider that is out of memory, None where it does not."""

    def drifted(self, provider: str, *, for_s: float, wants_reload: bool) -> None:
        """Let the provider be asked behind the others for `for_s` seconds, because its replies have drifted.

        `wants_reload` asks for a flush of its server's cache as well, which nobody waits for. An unknown name: nothing."""


class Reservation(Protocol):
    """What one attempt may cost, held until it is settled. Leaving the context without that gives it back: nothing was asked."""

    def settle(self, usage: Usage | None) -> Cost:
        """Book what the attempt has cost and give the rest back; a second call changes nothing.

        An attempt that was cancelled or failed after the request was sent is settled as well. None, and a usage that is
        `estimated` and knows no input, stand for the input that was reserved."""


class Spending(Protocol):
    """The budgets; sync, so that a cancelled request can still book."""

    def blocked(self, provider: str, profile: str) -> Blocked | None:
        """Return the cap that keeps the provider from being asked for the profile, None where it may be."""

    def reserve(
        self, provider: str, profile: str, *, input_tokens: int, max_tokens: int | None
    ) -> AbstractContextManager[Reservation]:
        """Hold an estimate of what an attempt costs until the context is left or the attempt is settled.

        Entering raises ProviderFailed(budget) where a cap is reached by now. One attempt always begins below a cap, so
        what is spent and held is never over it by more than one estimate."""

    def snapshot(self) -> SpendReport | None:
        """Return how every budget stands, None where nothing is booked."""


class Observer(Protocol):
    """Receives finished facts; cannot change the request, never waits."""

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """One named event of routing.md 18."""


class Backends(Protocol):
    """Managed servers behind providers."""

    def lease(self, provider: str) -> AbstractAsyncContextManager[None]:
        """Wait until the provider's managed server is ready, start it if need be, and hold off its idle stop inside.

        At once for a provider without a managed server. Raises ProviderFailed(connection | loading | timeout) when the
        server cannot be had."""


class Control(Protocol):
    """What an operator may do to the running daemon (supervision.md 21.5.2, operator rows)."""

    def operate(self, provider: str, action: OperatorAction) -> None:
        """Exclude, restore or hold a provider, at once. Raises NotFound for a name that is not configured."""

    async def probe(self, provider: str) -> ProbeResult:
        """Ask a provider something small now; the result counts as evidence. Raises NotFound."""

    async def reload(self) -> ReloadOutcome:
        """Read the configuration again; returns when it is at work, or refused."""

    def tree(self, most: int | None = None) -> TreeNode:
        """Return the live nursery tree; no more than the first `most` tasks, read from the top down, None for all."""


class ReadsOn(Protocol):
    """Where a provider's answer is read on without its client: what the attempt tells, and is told (founding decision 16)."""

    @property
    def has_begun(self) -> bool:
        """The client has left: nothing may be sent upstream for it any more."""

    def working(self) -> AbstractContextManager[None]:
        """Entered around the upstream's work: inside, a client that leaves does not end the attempt at once."""

    def took(self, size: int) -> None:
        """Count bytes of the answer's body as they come; past the budget the attempt is cancelled."""


@frozen(kw_only=True)
class UpstreamCall:
    """One attempt's request: what goes to one provider.

    `neutral` is encoded for the upstream's dialect; where `same_dialect_body` is given (client and upstream speak the
    same one) the client's own bytes are spliced instead, and `neutral` is not read. `client_headers` are lower-case
    names of the client's request; the adapter forwards only those that wire.md 2.1 lets through."""

    neutral: NeutralRequest | None  # None exactly when same_dialect_body is given
    same_dialect_body: bytes | None
    client_headers: Mapping[str, str]
    stream: bool
    timeout_s: float | None = None  # the profile's, instead of the provider's
    append_system_prompt: str | None = None  # the profile's, instead of the provider's; "" clears it
    is_unhurried: bool = False  # no limit of the provider holds but that of connecting: the caller's scope bounds all of it
    reads_on: ReadsOn | None = None  # None: the attempt ends with its client
    is_foreign: Callable[[str], bool] | None = None  # of a thinking signature: another provider made it
    session_key: str | None = None  # of the conversation, for servers that keep one in a slot; None: not known, or not asked
    deferred_tools: str = "auto"  # the profile's `deferred_tools_action`
    session: str | None = None  # whose turn it is where slots are few; None: of nobody in particular
    request_class: str = ""  # main | compaction | auxiliary | subagent | workflow, "" unknown: who goes first within a session
    tokens: int | None = None  # the prompt's, estimated, for the pace; None: judged by the size of the body
    on_send: Callable[[], None] | None = None  # called each time it goes out: behind every wait for a slot, a turn, a connection
    traceparent: str | None = None  # W3C: where in the client's trace the request belongs; None: the provider is not told
    on_refused: Callable[[], None] | None = None  # called where that was refused: what it waits for now is another turn


@frozen(kw_only=True)
class OpenInfo:
    """What is known when the head has come: status is 200 to 299 here, headers lower-case in the upstream's order."""

    status: int
    headers: Sequence[tuple[str, str]]
    is_event_stream: bool
    notes: tuple[Note, ...] = ()
    tool_names: Mapping[str, str] = field(factory=dict)  # {sent upstream: client's name}, only where changed


class OpenReply(Protocol):
    """One open upstream answer, with a status of success."""

    @property
    def info(self) -> OpenInfo:
        """What the head said."""

    async def receive(self) -> tuple[Frame, ...]:
        """Return all whole frames of one network read, () at the end of the body. Raises ProviderFailed."""

    async def read_body(self, on_part: Callable[[bytes], None] = lambda _part: None) -> bytes:
        """Return the whole body of an answer that is no stream; `on_part` hears each part as it comes.

        Raises ProviderFailed (too large, cut, timeout)."""

    def settle(self, usage: Usage) -> None:
        """Tell what the answer has used, once it is known: the tokens per minute of its key are counted by it."""


class Provider(Protocol):
    """One configured upstream, ready to be asked."""

    @property
    def name(self) -> str:
        """The configured name."""

    @property
    def dialect(self) -> DialectName:
        """What the upstream speaks."""

    def open(self, call: UpstreamCall) -> AbstractAsyncContextManager[OpenReply]:
        """Send the request and yield the open answer; leaving the context closes it within 1 s.

        Raises ProviderFailed, already classified (routing.md 11.2), for every answer that is no success."""

    async def count_tokens(self, body: bytes, client_headers: Mapping[str, str]) -> int | None:
        """Ask the upstream to count a Messages body; None where it cannot or does not in time. Never raises."""


__all__ = [
    "AttemptHandle",
    "Backends",
    "Control",
    "FailureReason",
    "HealthView",
    "Observer",
    "OpenInfo",
    "OpenReply",
    "OutcomeSink",
    "Provider",
    "ReadsOn",
    "Reservation",
    "Spending",
    "UpstreamCall",
]
