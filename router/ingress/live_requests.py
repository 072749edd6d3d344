"""Who is being answered now, and an operator's way to end one of them.

One value per daemon. A request is entered by `chat.handle` and left when its line is told; what is shown of it is read from
its record when somebody looks, so that it costs nobody else anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import trio
from attrs import define, field, frozen

from router.config.redact import cut_word
from router.errors import CancelledByOperator, NotFound
from router.ingress.exchange import Exchange
from router.ingress.record import Record
from router.routing.auto_facts import client_of

_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")  # at the start of a User-Agent


class Phase(StrEnum):
    """How far a request is."""

    READING = "reading"  # its body comes in
    QUEUED = "queued"  # it waits for a place
    ASKING = "asking"  # a provider is asked, and has said nothing yet
    ANSWERING = "answering"  # the answer is on its way to the client
    READING_ON = "reading-on"  # the client has left; the answer is read to its end
    ENDING = "ending"  # cancelled, and cleaning up


@frozen(kw_only=True)
class LiveRequest:
    """One request at this moment. `opened_at` and `first_at` (its first content) are on trio's clock.

    The words of its client are without the configured secrets, `id` too. `number` is this one's alone, `id` what its client
    calls it. `client` is the kind of program, `session`, `request_class` and
    `agent` are those of `AgentTag`, `asked_model` is the client's word; each is "" where nothing tells it. `provider` and
    `model` are who was asked last, "" before that; `attempts` counts how many were. `can_cancel` is False where nothing is
    left to end, and where `id` holds a secret: what is shown of it names nobody."""

    number: int
    id: str
    dialect: str
    client: str
    session: str
    request_class: str
    agent: str
    asked_model: str
    profile: str
    provider: str
    model: str
    phase: Phase
    attempts: int
    is_stream: bool
    opened_at: float
    first_at: float | None
    can_cancel: bool


def program_of(user_agent: str) -> str:
    """Return the client that a User-Agent names, its first word where that is none we know; "" for none."""
    if (client := client_of(user_agent)) != "other":
        return client
    found = _PRODUCT.match(user_agent.strip())
    return "" if found is None else found[0]


@define(eq=False, kw_only=True)
class Entry:
    """One request's place in the list; its owner is the request's pump. `scope` is what a cancel ends."""

    number: int
    exchange: Exchange
    record: Record
    outer: trio.CancelScope = field(factory=trio.CancelScope)  # around all of it
    is_cancelled: bool = False
    scope: trio.CancelScope | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.scope = self.outer

    @contextmanager
    def cancels(self, scope: trio.CancelScope) -> Iterator[None]:
        """Let a cancel end `scope` inside, and nothing behind it: there the request has its answer, or its error."""
        self.scope = scope
        try:
            yield
        finally:
            self.scope = None

    def cancel(self) -> bool:
        """End the request; False where its answer, or its error, is on its way as a whole."""
        if self.scope is None or not self.can_cancel:
            return False
        self.is_cancelled = True
        self.scope.cancel()
        return True

    def check(self) -> None:
        """Raise CancelledByOperator where that is why a scope was cancelled."""
        if self.is_cancelled:
            raise CancelledByOperator(message="an operator cancelled this request")

    @property
    def can_cancel(self) -> bool:
        """Whether the client can still be told: a whole answer that has begun is not cut in two."""
        is_begun_whole = self.exchange.is_head_sent and not self.record.is_stream
        return self.scope is not None and not self.is_cancelled and not self.exchange.is_finished and not is_begun_whole

    def shown(self, redact: Callable[[str], str] = str) -> LiveRequest:
        """Return the request as it is now; `redact` takes secrets out of the client's words, before any is cut."""
        exchange, record, trace, agent = self.exchange, self.record, self.record.trace, self.record.agent
        shown_id = redact(exchange.request_id)
        return LiveRequest(
            number=self.number,
            id=shown_id,
            dialect=str(exchange.dialect),
            client=program_of(redact(exchange.headers.get("user-agent", ""))),
            session=redact((agent and agent.session) or ""),
            request_class=agent.klass if agent is not None and agent.klass != "unknown" else "",
            agent=redact(agent.agent) if agent is not None else "",
            asked_model=cut_word(record.model, redact),
            profile=record.choice.profile if record.choice is not None else "",
            provider=trace.attempts[-1].provider if trace.attempts else "",
            model=cut_word(trace.model, redact),
            phase=self._phase(),
            attempts=len(trace.attempts),
            is_stream=record.is_stream,
            opened_at=exchange.opened_at,
            first_at=trace.committed_at,
            can_cancel=self.can_cancel and shown_id == exchange.request_id,
        )

    def _phase(self) -> Phase:
        if self.is_cancelled:
            return Phase.ENDING
        if self.exchange.has_client_left:
            return Phase.READING_ON
        if self.record.trace.committed_at is not None:
            return Phase.ANSWERING
        if self.record.trace.attempts:
            return Phase.ASKING
        return Phase.READING if self.record.choice is None else Phase.QUEUED


@define(eq=False)
class LiveRequests:
    """The list, oldest first. Clients name their requests, so an id may be there more than once.

    `redact` takes the configured secrets out of what is shown: a client may send one in any of its words."""

    redact: Callable[[str], str] = str
    _entries: dict[int, Entry] = field(factory=dict)
    _entered: int = 0

    @contextmanager
    def entered(self, exchange: Exchange, record: Record) -> Iterator[Entry]:
        """Show a request until the context is left."""
        self._entered = number = self._entered + 1
        self._entries[number] = entry = Entry(number=number, exchange=exchange, record=record)
        try:
            yield entry
        finally:
            del self._entries[number]

    def shown(self) -> tuple[LiveRequest, ...]:
        """Return every request as it is now."""
        return tuple(entry.shown(self.redact) for entry in self._entries.values())

    def cancel(self, request_id: str) -> bool:
        """End every request of that id; False where all of them end by themselves already. Raises NotFound for none."""
        found = [entry for entry in self._entries.values() if entry.exchange.request_id == request_id]
        if not found:
            raise NotFound(message=f"no request {self.redact(request_id)[:64]} is being answered")
        return any([entry.cancel() for entry in found])  # noqa: C419 - each is to be cancelled, not only the first


def live_body(live: Iterable[LiveRequest], now: float) -> dict[str, object]:
    """Return the answer of `/admin/requests`; `now` on trio's clock. What is not known yet is null."""
    return {
        "requests": [
            {
                "id": one.id,
                "age_s": round(now - one.opened_at, 1),
                "phase": one.phase,
                "client": one.client or None,
                "session": one.session or None,
                "request_class": one.request_class or None,
                "agent": one.agent or None,
                "dialect": one.dialect,
                "asked_model": one.asked_model or None,
                "profile": one.profile or None,
                "provider": one.provider or None,
                "model": one.model or None,
                "attempts": one.attempts,
                "stream": one.is_stream,
                "ttft_ms": None if one.first_at is None else round((one.first_at - one.opened_at) * 1000, 1),
                "can_cancel": one.can_cancel,
            }
            for one in live
        ]
    }
