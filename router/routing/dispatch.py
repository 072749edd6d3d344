"""Walk a plan: ask one provider after the other until one commits, report every attempt (routing.md 11).

`Walk` is one request's; its owner is the request's pump. Nothing of an attempt reaches the client before `deliver`
is called, and after that no other provider is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain, repeat

import trio
from attrs import define, evolve, field, frozen

from router.config.redact import cut_word
from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.events import Usage
from router.domain.outcome import AttemptOutcome
from router.domain.spend import Cost, booked_usd
from router.domain.trace_context import new_span_id
from router.errors import FailureReason, ProviderFailed, RouterError, UpstreamClientError
from router.ports import AttemptHandle, Observer, OutcomeSink, Provider, Spending, UpstreamCall
from router.routing.answer import Ask, AttemptEnd, Deliver, RelayEnd
from router.routing.booking import Booking, booked
from router.routing.chain import DropReason, Plan, empty_chain_error, has_larger_window
from router.routing.chain_events import tell_uniform_auth
from router.routing.classify import is_absent, is_stop
from router.routing.seen import Seen
from router.routing.trace import Trace, all_failed_error, overflow_error
from router.routing.unbooked import Unbooked
from router.routing.until_commit import UntilCommit, first_byte_s
from router.wire.dialect import Dialect
from router.wire.errors import MAX_MESSAGE_CHARS
from router.wire.registry import DIALECTS

LOADING_PAUSES_S = (1.0, 1.0, 2.0, 4.0)  # before further looks at a backend that says it is loading its model, then the last one
PATIENCE_S = 2.0  # a stated wait above it is the client's to do
NOT_THE_CLIENTS = frozenset({401, 402, 403, 404, 408, 429})  # a 401 makes clients log in, a 404 drop the stream
OVERLOADED_PAUSE_S = 1.0  # +-50 %, before the one more try of R-46
MAX_CONTINUATIONS = 2  # of one answer: each is a prompt paid again

Build = Callable[[Provider, ProviderConfig], UpstreamCall]


@frozen(kw_only=True)
class Upstreams:
    """The providers of one Generation and what their attempts are reported to."""

    providers: Mapping[str, Provider]
    configs: Mapping[str, ProviderConfig]
    sink: OutcomeSink
    observer: Observer
    random: Callable[[], float]
    spending: Spending = field(factory=Unbooked)
    redact: Callable[[str], str] = str  # takes the configured secrets out of what an upstream has said

    def dialect_of(self, provider: str) -> Dialect:
        """Return what a provider speaks."""
        return DIALECTS[self.providers[provider].dialect]


@define(kw_only=True)
class Walk:
    """The attempts of one request."""

    plan: Plan
    ask: Ask
    upstreams: Upstreams
    trace: Trace
    _failures: list[ProviderFailed] = field(factory=list)
    _overflowed: ProviderFailed | None = None
    _began_at: float = 0.0  # of the attempt under way, as the next one
    _committed_at: float | None = None
    _cost: Cost | None = None  # of the attempt that ended last
    _span_id: str | None = None  # that the attempt under way has told its provider

    async def run(self, deliver: Deliver) -> RelayEnd:
        """Return how the delivered answer ended.

        Raises NoProviderAvailable, ContextOverflow or UpstreamClientError when nobody's answer was committed."""
        if not self.plan.order:
            raise empty_chain_error(self.plan, trio.current_time())
        names = [entry.provider for entry in self.plan.order]
        most = self.ask.profile.max_attempts or len(names)
        for position, name in enumerate(names[:most]):
            later = tuple(self.upstreams.configs[other] for other in names[position + 1 : most])
            if (end := await self._attempt(name, later, deliver)) is not None:
                return await self._with_rest(end, later)
        if (end := await self._second_round(deliver)) is not None:
            return await self._with_rest(end, ())
        raise self._error()

    async def _attempt(self, name: str, later: tuple[ProviderConfig, ...], deliver: Deliver) -> RelayEnd | None:
        """Return the end of a delivered answer, None when the next provider may be asked."""
        outcome = await self._try(name, self.ask.call, deliver, has_later=bool(later))
        if isinstance(outcome, RelayEnd):
            return outcome
        self._stop_or_go_on(outcome, self.upstreams.configs[name], later)
        return None

    async def _with_rest(self, end: RelayEnd, later: tuple[ProviderConfig, ...]) -> RelayEnd:
        """Return the end of an answer that has broken off, when others have gone on with it as far as they could."""
        tries = 0
        for config in later:
            if end.broken is None or tries == MAX_CONTINUATIONS:
                break
            call = end.broken.call(self.upstreams.providers[config.name], config)
            if call is not None:
                tries += 1
                outcome = await self._try(config.name, lambda *_, call=call: call, end.broken.deliver, has_later=False)
                end = outcome if isinstance(outcome, RelayEnd) else end
        if end.broken is not None:
            await end.broken.give_up()
        return end

    async def _try(self, name: str, build: Build, deliver: Deliver, *, has_later: bool) -> RelayEnd | ProviderFailed:
        """Return the end of a delivered answer, or why the client has seen nothing of this attempt."""
        provider, config = self.upstreams.providers[name], self.upstreams.configs[name]
        try:
            call = build(provider, config)
        except ProviderFailed as refused:  # by a guard: nobody was asked
            self.trace.leave_out(name, DropReason.CONTEXT_BUDGET, refused.message)
            self._failures.append(refused)
            return refused
        self.trace.begin(name, config.model)
        call = self._told_its_place(config, call)
        self._began_at, self._committed_at, self._cost = trio.current_time(), None, None
        ended: RelayEnd | ProviderFailed | None = None
        try:
            with self.upstreams.sink.begin(name, memory_cooldown_s=memory_cooldown_s(self.ask.profile)) as handle:
                outcome = await self._asked(config, call, deliver, has_later=has_later)
                failure = outcome.failure if isinstance(outcome, RelayEnd) else outcome
                if failure is None:
                    handle.ok()
                else:
                    self._failed(failure, handle, config, is_midstream=failure is not outcome)
                ended = outcome
        finally:
            self._tell_attempt(config, ended)
        self.ask.ended(
            AttemptEnd(
                config=config,
                is_stream=self.ask.is_stream,
                began_at=self._began_at,
                committed_at=self._committed_at,
                ended_at=trio.current_time(),
                end=outcome if isinstance(outcome, RelayEnd) else None,
                failure=failure,
                cost=self._cost,
            )
        )
        return outcome

    def _told_its_place(self, config: ProviderConfig, call: UpstreamCall) -> UpstreamCall:
        """Return the call with its place in the client's trace, for a provider that is to be told."""
        place, self._span_id = self.ask.trace, None
        if place is None or not config.forward_traceparent:
            return call
        if self.ask.is_exported:
            self._span_id = new_span_id(self.upstreams.random())
            place = place.below(self._span_id)
        return evolve(call, traceparent=place.header)

    async def _asked(
        self, config: ProviderConfig, call: UpstreamCall, deliver: Deliver, *, has_later: bool
    ) -> RelayEnd | ProviderFailed:
        try:
            with booked(self.upstreams.spending, self.ask, config, self._paid) as booking:
                end = await self._open(config, call, deliver, booking, has_later=has_later)
                booking.settle(end.usage)
        except ProviderFailed as failure:
            return failure
        return end

    def _paid(self, cost: Cost, usage: Usage) -> None:
        """Note what the attempt under way was booked at."""
        self._cost = cost
        self.trace.paid(cost, usage)

    async def _open(
        self, config: ProviderConfig, call: UpstreamCall, deliver: Deliver, booking: Booking, *, has_later: bool
    ) -> RelayEnd:
        """Open, hold until commit, deliver. Raises ProviderFailed before commit only."""
        provider, dialect = self.upstreams.providers[config.name], self.upstreams.dialect_of(config.name)
        seen = Seen(provider=config.name, dialect=dialect, max_tokens=self.ask.max_tokens)
        limit = config.first_content_timeout_s if has_later and self.ask.is_stream else None
        committing = UntilCommit(
            provider=provider,
            config=config,
            dialect=dialect,
            ask=self.ask,
            observer=self.upstreams.observer,
            request_id=self.trace.request_id,
            is_last=not has_later,
            seen=seen,
        )
        with trio.CancelScope() as until_content:
            if limit is not None:
                until_content.deadline = trio.current_time() + limit
            call = evolve(call, on_send=lambda: self._sent(booking), on_refused=booking.refused)
            async with provider.open(call) as reply:
                booking.opened(lambda: self._used() or seen.usage())
                answer = await committing.answer(reply, is_stream=call.stream)
                until_content.deadline = float("inf")  # from here on the answer has the client's attention
                self._committed_at = trio.current_time()
                self.trace.commit(self._committed_at)
                end = await deliver(evolve(answer, book=booking.settle))
                reply.settle(end.usage)
                return end
        raise ProviderFailed(provider=provider.name, reason=FailureReason.TTFT_TIMEOUT, message=f"no content within {limit} s")

    def _sent(self, booking: Booking) -> None:
        """Note that the attempt under way goes out: what it has waited for until now was not its provider's answer."""
        self._began_at, booking.was_sent = trio.current_time(), True

    def _used(self) -> Usage | None:
        """Return what is known of the answer under way from its delivery, None before that: what was told is of another."""
        return None if self._committed_at is None else self.ask.usage_so_far()

    def _failed(self, failure: ProviderFailed, handle: AttemptHandle, config: ProviderConfig, *, is_midstream: bool) -> None:
        """Report a failure, unless the client has left an attempt that went on without it: then nobody has failed."""
        self.ask.check_wanted()
        failure.message = cut_word(failure.message, self.upstreams.redact, MAX_MESSAGE_CHARS)
        is_first = handle.is_first
        handle.failed(failure)
        if is_midstream:
            self.trace.broke(failure)
            self._observe("provider-failed-midstream", failure)
        else:
            self._note(failure, absent=is_first and is_absent(failure, config))
        self._tell_pressure(failure)

    def _note(self, failure: ProviderFailed, *, absent: bool) -> None:
        """Keep a failure; one that repeats the last of the same provider is told once. `absent`: nobody was ever there."""
        before = self._failures[-1] if self._failures else None
        self.trace.fail(failure, absent=absent)
        if before is not None and (before.provider, before.reason) == (failure.provider, failure.reason):
            self._failures[-1] = failure
            return
        self._failures.append(failure)
        self._observe("provider-failed", failure, absent=absent)

    def _stop_or_go_on(self, failure: ProviderFailed, config: ProviderConfig, later: tuple[ProviderConfig, ...]) -> None:
        """Raise where asking the next provider would be no use to the client."""
        if is_stop(failure, self.ask.profile):
            raise self._stopped(failure)
        if failure.reason is FailureReason.CONTEXT_OVERFLOW:
            self._overflowed = self._overflowed or failure
            if not has_larger_window(config, later):
                raise overflow_error(failure)

    def _stopped(self, failure: ProviderFailed) -> RouterError:
        """Return the upstream's own words for a client's mistake; what concerns the router's keys or setup stays a 502."""
        status = failure.status or 0
        if status not in range(400, 500) or status in NOT_THE_CLIENTS:
            return self._error()
        return UpstreamClientError(
            provider=failure.provider,
            status=status,
            message=failure.message,
            dialect=self.upstreams.providers[failure.provider].dialect,
            body=failure.body,
            content_type=failure.content_type,
        )

    async def _second_round(self, deliver: Deliver) -> RelayEnd | None:
        """Wait for a backend that loads its model; give an overloaded one one more try (R-28, R-46).

        Not in the last resort: who rested already gets one try."""
        for failure in {failure.provider: failure for failure in self._failures}.values():
            end = None
            if failure.reason is FailureReason.LOADING:
                end = await self._wait_for_model(failure.provider, deliver)
            elif self._may_repeat(failure):
                pause_s = failure.retry_after_s or OVERLOADED_PAUSE_S * (0.5 + self.upstreams.random())
                end = await self._try_again(failure.provider, pause_s, deliver)
            if end is not None:
                return end
        return None

    def _may_repeat(self, failure: ProviderFailed) -> bool:
        is_overloaded = failure.reason is FailureReason.OVERLOADED and not self.plan.is_last_resort
        return is_overloaded and (failure.retry_after_s or 0) <= PATIENCE_S

    async def _wait_for_model(self, name: str, deliver: Deliver) -> RelayEnd | None:
        until = trio.current_time() + first_byte_s(self.ask, self.upstreams.configs[name])
        pauses = chain(LOADING_PAUSES_S, repeat(LOADING_PAUSES_S[-1]))
        while (left_s := until - trio.current_time()) > 0:
            if (end := await self._try_again(name, min(next(pauses), left_s), deliver)) is not None:
                return end
            if self._is_spent() or self._failures[-1].reason is not FailureReason.LOADING:
                return None
        return None

    async def _try_again(self, name: str, pause_s: float, deliver: Deliver) -> RelayEnd | None:
        if self._is_spent():
            return None
        await trio.sleep(pause_s)
        return await self._attempt(name, (), deliver)

    def _is_spent(self) -> bool:
        """Tell whether the profile allows no attempt more."""
        most = self.ask.profile.max_attempts
        return most is not None and len(self.trace.attempts) >= most

    def _error(self) -> RouterError:
        if self._overflowed is not None and self._is_overflow_the_end():
            return overflow_error(self._overflowed)
        about = {"request_id": self.trace.request_id, "profile": self.plan.profile}
        tell_uniform_auth(self._failures, about, self.upstreams.observer)
        failed = {failure.provider for failure in self._failures}
        return all_failed_error(
            self.plan.profile,
            tuple(self._failures),
            skipped=[drop for drop in self.trace.dropped if drop.provider not in failed],
            is_whole=all(entry.provider in failed for entry in self.plan.order),
        )

    def _is_overflow_the_end(self) -> bool:
        """Tell whether nobody after the overflow may answer a repeat of the same prompt."""
        names = [failure.reason for failure in self._failures]
        after = self._failures[names.index(FailureReason.CONTEXT_OVERFLOW) + 1 :]
        return not any(f.transient and f.reason is not FailureReason.CONTEXT_OVERFLOW for f in after)

    def _tell_pressure(self, failure: ProviderFailed) -> None:
        action, rest_s = self.ask.profile.memory_pressure_action, self.ask.profile.memory_pressure_cooldown_s
        if failure.reason is not FailureReason.OUT_OF_MEMORY or action == "off":
            return
        about = {"request_id": self.trace.request_id, "provider": failure.provider, "profile": self.ask.profile.name}
        facts = {"action": action, "cooldown_s": rest_s, "error": failure.message[:200]}
        self.upstreams.observer.event("memory-pressure-detected", {**about, **facts})

    def _tell_attempt(self, config: ProviderConfig, ended: RelayEnd | ProviderFailed | None) -> None:
        """Tell how the attempt under way ended; None: its client has left it, which is nobody's failure."""
        now, committed_at = trio.current_time(), self._committed_at
        end = ended if isinstance(ended, RelayEnd) else None
        failure = end.failure if end is not None else ended if isinstance(ended, ProviderFailed) else None
        outcome = AttemptOutcome.of(is_ended=ended is not None, has_failed=failure is not None, is_midstream=end is not None)
        used = self.trace.booked  # by this attempt: what it is booked at and what is counted of it are one
        self.upstreams.observer.event(
            "attempt-complete",
            {
                "request_id": self.trace.request_id,
                "provider": config.name,
                "profile": self.ask.profile.name,
                "model": config.model,
                "stream": self.ask.is_stream,
                "outcome": str(outcome),
                "reason": None if failure is None else str(failure.reason),
                "ttft_ms": None if committed_at is None else round(1000 * (committed_at - self._began_at), 1),
                "total_ms": round(1000 * (now - self._began_at), 1),
                "input_tokens": used.input if used and used.has_input else None,
                "output_tokens": used.output if used and (used.output or end) else None,
                "cache_read_input_tokens": used.cache_read if used else None,
                "cache_creation_input_tokens": used.cache_write if used else None,
                "estimated": used.estimated if used else None,
                "cost_usd": None if self._cost is None else booked_usd(self._cost.total_usd),
                "cost_savings_usd": None if self._cost is None else booked_usd(self._cost.savings_usd),
                **({} if self._span_id is None else {"span_id": self._span_id}),
            },
        )

    def _observe(self, event: str, failure: ProviderFailed, *, absent: bool = False) -> None:
        self.upstreams.observer.event(
            event,
            {
                "request_id": self.trace.request_id,
                "provider": failure.provider,
                "status": failure.status,
                "reason": str(failure.reason),
                "retryable": failure.transient,
                "error": failure.message[:500],
                "absent": absent,
            },
        )


def memory_cooldown_s(profile: ProfileConfig) -> float | None:
    """Return how long a profile rests a provider that is out of memory (routing.md 14.1), None where it does not."""
    return profile.memory_pressure_cooldown_s if profile.memory_pressure_action == "skip" else None
