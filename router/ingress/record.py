"""What is known of one request at its end: the canonical `request-complete` line (routing.md 18)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from attrs import define, field

from router.config.redact import cut_word
from router.domain.events import Usage
from router.domain.outcome import Attempt
from router.domain.request import Note
from router.domain.spend import booked_usd
from router.domain.trace_context import HEADER, TraceContext
from router.errors import CancelledByOperator, InvalidRequest, RouterError, UpstreamClientError
from router.guards.drift import Severity
from router.ingress.exchange import Exchange
from router.ports import Observer
from router.routing.answer import Answer, RelayEnd
from router.routing.booking import with_input
from router.routing.chain_events import tell_hops, with_reasons
from router.routing.profile import ProfileChoice
from router.routing.session import AgentTag
from router.routing.trace import Trace
from router.wire.json_text import parse_object
from router.wire.touch import REASONING_KEYS

MAX_NOTES = 20  # of what was left out of a request (wire.md 3.5)
_CANCELLED = "cancelled-"  # before the phase: the client has left
BY_OPERATOR = "cancelled-by-operator"
_ID = re.compile(r"[!-~]{1,128}")
_NAME = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")  # of a model, as a header can tell it


@define(kw_only=True)
class Record:
    """Written by the request's handler; `finish` tells it once, also for a request that was cancelled.

    `redact` takes the configured secrets out of words that are cut: who masks the line finds half of one no more."""

    exchange: Exchange
    observer: Observer
    redact: Callable[[str], str] = str
    trace: Trace = field(init=False)
    place: TraceContext | None = field(init=False)  # in the client's own trace, where it has told it
    choice: ProfileChoice | None = None
    agent: AgentTag | None = None  # who of its client's agents asks
    model: str = ""
    is_stream: bool = False
    end: RelayEnd | None = None
    error: RouterError | None = None
    usage_so_far: Callable[[], Usage] | None = None  # of an answer that is still on its way
    is_delivered: bool = False  # the client has all that the model said, though the stream has not ended yet
    upstream_request_id: str | None = None  # of the answer, or of the refusal that ended the chain
    drained_bytes: int | None = None  # of an answer that was read on without its client, from then on
    context_budget: str | None = None  # of the provider whose answer begins, as the client reads it
    drift: Severity = Severity.NONE  # the verdict over this request's answer, as far as it is known
    _left: str | None = None  # the outcome at that moment
    _notes: tuple[Note, ...] = ()
    _has_stripped: bool = False
    _hops_told: int = 0

    def __attrs_post_init__(self) -> None:
        self.trace = Trace(request_id=self.exchange.request_id)
        self.place = TraceContext.read(self.exchange.headers.get(HEADER))

    def answered(self, answer: Answer) -> None:
        """Take over what is known of an answer that is about to be sent, and tell how it came to that provider."""
        self._notes, self.usage_so_far = answer.info.notes, None
        self.upstream_request_id = upstream_id(answer.info.headers)
        self.trace.model = self.trace.model or named_model(answer)
        self._tell_hops()

    def failed(self, error: RouterError) -> None:
        """Take over the error that ends the request."""
        self.error = error
        attempts, failure = self.trace.attempts, self.trace.failure
        if failure is not None and attempts[-1].reason is not None:
            self.upstream_request_id = upstream_id(failure.headers)

    def usage_told(self) -> Usage | None:
        """Return what an answer that is under way has used, None before it began."""
        return None if self.usage_so_far is None else self.usage_so_far()

    def left_alone(self) -> None:
        """Note that the client has left, and that its answer is read on."""
        self._left = self._outcome(self.end)
        self.drained_bytes = 0

    def stripped(self) -> None:
        """Note that reasoning was taken out of the answer."""
        self._has_stripped = True

    def finish(self, now: float) -> None:
        """Hand the line to the observer; sync, since a cancelled handler can wait for nothing."""
        self._tell_hops()
        if self._has_stripped:
            self.tell("capability-degraded", dropped=list(REASONING_KEYS), reason="non-standard-field")
        line = self.line(now, self.end)
        outcome = str(line["outcome"])
        if outcome.startswith(_CANCELLED) and outcome != BY_OPERATOR:
            self.tell("client-disconnected", phase=outcome.removeprefix(_CANCELLED), total_ms=line["total_ms"])
        self.observer.event("request-complete", line)

    def line(self, now: float, end: RelayEnd | None) -> dict[str, object]:
        """Return what is known of the request; `end` is how its answer ends, None as long as it does not."""
        exchange, trace = self.exchange, self.trace
        outcome, drained = self._outcome(end), self._drained(end)
        told = self.usage_told() if end is None else end.usage
        usage = self._usage(told)
        return {
            "request_id": exchange.request_id,
            "dialect": exchange.dialect,
            "model": cut_word(self.model, self.redact),
            "profile": self.choice and self.choice.profile,
            "why": self.choice and self.choice.why,
            "session": self.agent and self.agent.session,
            "request_class": self.agent and self.agent.klass,
            "stream": self.is_stream,
            "provider": trace.attempts[-1].provider if trace.attempts else None,
            "answered_model": (cut_word(trace.model, self.redact) or None) if trace.committed_at is not None else None,
            "chain": self._chain(outcome, end),
            "skipped": with_reasons(trace.dropped),
            "moved": with_reasons(trace.moved),
            "dropped": [cut_word(str(note), self.redact) for note in self._notes[:MAX_NOTES]],
            "upstream_request_id": self.upstream_request_id,
            "status": exchange.status,
            "outcome": outcome,
            "ttft_ms": None if trace.committed_at is None else _ms(trace.committed_at - exchange.opened_at),
            "total_ms": _ms(now - exchange.opened_at),
            "input_tokens": usage.input if usage and usage.has_input else None,
            "output_tokens": usage.output if usage and (usage.output or told is not None) else None,
            "cache_read_input_tokens": usage.cache_read if usage else None,
            "cache_creation_input_tokens": usage.cache_write if usage else None,
            "estimated": usage.estimated if usage else (True if drained else None),
            "cost_usd": _usd(trace.cost_usd),
            "cost_savings_usd": None if trace.cost_usd is None else _usd(trace.savings_usd),
            "chain_costs_usd": _each(trace, lambda attempt: _usd(attempt.cost_usd)),
            "chain_savings_usd": _each(trace, lambda attempt: _usd(attempt.savings_usd)),
            "context_budget": self.context_budget,
            "drift": None if self.drift is Severity.NONE else str(self.drift),
            "drained": drained,
            "drained_bytes": self.drained_bytes,
            **({} if self.place is None else {"traceparent": self.place.header}),
        }

    def _usage(self, told: Usage | None) -> Usage | None:
        """Return what the answer has used, with the input that it was booked at where its upstream told none.

        Of one that never came it is what its attempt was booked at, a prompt that was read say, where that was counted."""
        booked = self.trace.booked
        if told is None:
            return booked if booked is not None and (booked.input or booked.output) else None
        return told if booked is None else with_input(told, booked.input)

    def _drained(self, end: RelayEnd | None) -> str | None:
        """Return whether an answer was read on to its end, None where its client was there."""
        if self.drained_bytes is None:
            return None
        return "whole" if _is_whole(end) else "cut"

    def _outcome(self, end: RelayEnd | None) -> str:
        """Return ok, midstream, the kind of the error, or at which point the client left, which is nobody's failure."""
        if self._left is not None:
            return self._left
        if end is not None:
            return "ok" if end.failure is None else "midstream"
        if self.error is not None:
            return BY_OPERATOR if isinstance(self.error, CancelledByOperator) else str(self.error.kind)
        if self.is_delivered:
            return "ok"
        if self.exchange.has_client_left:
            return _CANCELLED + ("midstream" if self.exchange.is_head_sent else "before-head")
        return "error"

    def _chain(self, outcome: str, end: RelayEnd | None) -> list[str]:
        """Return each attempt with how it ended: `ok`, its reason, or `cut` where it was not the provider that ended it."""
        chain = [f"{attempt.provider}:{attempt.reason or 'ok'}" for attempt in self.trace.attempts]
        if chain and outcome != "ok" and not _is_whole(end) and (last := self.trace.attempts[-1]).reason is None:
            chain[-1] = f"{last.provider}:{self._last_word(end)}"
        return chain

    def _last_word(self, end: RelayEnd | None) -> str:
        if end is not None and end.failure is not None:
            return str(end.failure.reason)
        return str(self.error.kind) if isinstance(self.error, InvalidRequest) else "cut"

    def _tell_hops(self) -> None:
        hops = self.trace.hops()[self._hops_told :]
        if isinstance(self.error, UpstreamClientError):
            hops = [hop for hop in hops if hop.to is not None]  # its words are the answer: nobody was left
        if hops:
            about = {
                "request_id": self.trace.request_id,
                "profile": self.choice and self.choice.profile,
                "stream": self.is_stream,
            }
            tell_hops(hops, self._hops_told, about, self.observer)
            self._hops_told += len(hops)

    def tell(self, event: str, **fields: object) -> None:
        """Tell an event of the attempt that was begun last."""
        provider = self.trace.attempts[-1].provider if self.trace.attempts else None
        self.observer.event(event, {"request_id": self.trace.request_id, "provider": provider, **fields})


def upstream_id(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the id that an upstream gave its answer, None without one."""
    return next((value for name, value in headers if name in ("request-id", "x-request-id") and _ID.fullmatch(value)), None)


def named_model(answer: Answer) -> str:
    """Return the model that the answer itself names, in its document or its first frames; "" where it does not.

    A name that no header can carry, a path with other than ASCII characters say, counts as none."""
    documents = (parse_object(frame.data) for frame in answer.held) if answer.document is None else (answer.document,)
    for document in documents:
        holder = (document or {}).get("message", document)
        if isinstance(holder, dict) and isinstance(model := holder.get("model"), str) and model:
            return model if _NAME.fullmatch(model) else ""
    return ""


def _is_whole(end: RelayEnd | None) -> bool:
    return end is not None and end.failure is None


def _each(trace: Trace, amount: Callable[[Attempt], float | None]) -> list[float | None] | None:
    """Return an amount of each attempt, None where there are not several: then it is the request's own."""
    return [amount(attempt) for attempt in trace.attempts] if len(trace.attempts) > 1 else None


def _usd(amount: float | None) -> float | None:
    return None if amount is None else booked_usd(amount)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
