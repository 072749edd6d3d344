"""Walk a plan: ask one provider after the other until one commits, report every attempt (routing.md 11).

`Walk` is one request's; its owner is the request's pump. Nothing of an attempt reaches the client before `deliver`
is called, and after that no other provider is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import chain, repeat
from typing import Any

import trio
from attrs import define, field, frozen

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed, RouterError, UpstreamClientError
from router.ports import Observer, OpenInfo, OpenReply, OutcomeSink, Provider, UpstreamCall
from router.routing.chain import Plan, empty_chain_error, has_larger_window
from router.routing.classify import is_absent, is_stop
from router.routing.gate import CommitPolicy, Gate, GateRules, GateState
from router.routing.relay import RelayEnd
from router.routing.trace import Trace, all_failed_error, overflow_error
from router.wire.dialect import Dialect, InbandError, Verdict
from router.wire.inband import failed
from router.wire.json_text import parse_whole

LOADING_PAUSES_S = (1.0, 1.0, 2.0, 4.0)  # before further looks at a backend that says it is loading its model, then the last one
PATIENCE_S = 2.0  # a stated wait above it is the client's to do
NOT_THE_CLIENTS = frozenset({401, 402, 403, 404, 408, 429})  # a 401 makes clients log in, a 404 drop the stream
OVERLOADED_PAUSE_S = 1.0  # +-50 %, before the one more try of R-46


@frozen(kw_only=True)
class Answer:
    """A committed answer, open until `deliver` returns: `held` frames of a stream, or a whole `body` and its `document`."""

    provider: Provider
    config: ProviderConfig
    info: OpenInfo
    reply: OpenReply
    held: tuple[Frame, ...] = ()
    body: bytes | None = None
    document: dict[str, Any] | None = None


Deliver = Callable[[Answer], Awaitable[RelayEnd]]


@frozen(kw_only=True)
class Ask:
    """What one request wants of the chain.

    `call` builds the upstream request for one provider and may raise InvalidRequest. `shows_thinking` tells whether this
    client is shown that provider's reasoning. `check_wanted` raises where the client has left an attempt that went on
    without it: then nobody has failed, and nobody else is asked."""

    profile: ProfileConfig
    is_stream: bool
    call: Callable[[Provider, ProviderConfig], UpstreamCall]
    shows_thinking: Callable[[ProviderConfig], bool]
    check_wanted: Callable[[], None] = lambda: None


@frozen(kw_only=True)
class Upstreams:
    """The providers of one Generation and what their attempts are reported to."""

    providers: Mapping[str, Provider]
    configs: Mapping[str, ProviderConfig]
    dialects: Mapping[str, Dialect]  # by provider name
    sink: OutcomeSink
    observer: Observer
    random: Callable[[], float]
    redact: Callable[[str], str] = str  # takes the configured secrets out of what an upstream has said


@define(kw_only=True)
class Walk:
    """The attempts of one request."""

    plan: Plan
    ask: Ask
    upstreams: Upstreams
    trace: Trace
    _failures: list[ProviderFailed] = field(factory=list)
    _overflowed: ProviderFailed | None = None

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
                return end
        if (end := await self._second_round(deliver)) is not None:
            return end
        raise self._error()

    async def _attempt(self, name: str, later: tuple[ProviderConfig, ...], deliver: Deliver) -> RelayEnd | None:
        """Return the end of a delivered answer, None when the next provider may be asked."""
        provider, config = self.upstreams.providers[name], self.upstreams.configs[name]
        call = self.ask.call(provider, config)
        self.trace.begin(name, config.model)
        with self.upstreams.sink.begin(name, memory_cooldown_s=memory_cooldown_s(self.ask.profile)) as handle:
            try:
                end = await self._ask(provider, config, call, deliver, has_later=bool(later))
            except ProviderFailed as failure:
                self.ask.check_wanted()
                failure.message = self.upstreams.redact(failure.message)
                handle.failed(failure)
                self._note(failure, absent=handle.is_first and is_absent(failure, config))
                self._tell_pressure(failure)
                self._stop_or_go_on(failure, config, later)
                return None
            if end.failure is None:
                handle.ok(end.usage)
            else:
                self.ask.check_wanted()
                handle.failed(end.failure)
                self._observe("provider-failed-midstream", end.failure)
                self._tell_pressure(end.failure)
            return end

    async def _ask(
        self, provider: Provider, config: ProviderConfig, call: UpstreamCall, deliver: Deliver, *, has_later: bool
    ) -> RelayEnd:
        """Open, hold until commit, deliver. Raises ProviderFailed before commit only."""
        limit = config.first_content_timeout_s if has_later and self.ask.is_stream else None
        with trio.CancelScope() as until_content:
            if limit is not None:
                until_content.deadline = trio.current_time() + limit
            async with provider.open(call) as reply:
                answer = await self._until_commit(provider, config, reply, is_stream=call.stream, is_last=not has_later)
                until_content.deadline = float("inf")  # from here on the answer has the client's attention
                self.trace.commit(trio.current_time())
                return await deliver(answer)
        raise ProviderFailed(provider=provider.name, reason=FailureReason.TTFT_TIMEOUT, message=f"no content within {limit} s")

    async def _until_commit(
        self, provider: Provider, config: ProviderConfig, reply: OpenReply, *, is_stream: bool, is_last: bool
    ) -> Answer:
        if is_stream and reply.info.is_event_stream:
            return await self._hold(provider, config, reply, is_last=is_last)
        body = await reply.read_body()
        document = self._judged(provider, config, body, is_last=is_last)
        return Answer(provider=provider, config=config, info=reply.info, reply=reply, body=body, document=document)

    async def _hold(self, provider: Provider, config: ProviderConfig, reply: OpenReply, *, is_last: bool) -> Answer:
        dialect = self.upstreams.dialects[provider.name]
        gate = Gate(reader=dialect.frame_reader(), rules=self._rules(config))
        while True:
            frames = await reply.receive()
            state = gate.feed(frames, trio.current_time()) if frames else gate.close()
            if isinstance(state, InbandError) and not self._tolerates(provider.name, state.reason, is_last=is_last):
                raise failed(provider.name, state)
            if state is not GateState.HOLD:
                return Answer(provider=provider, config=config, info=reply.info, reply=reply, held=tuple(gate.held))

    def _judged(self, provider: Provider, config: ProviderConfig, body: bytes, *, is_last: bool) -> dict[str, Any]:
        """Return the parsed reply. Raises ProviderFailed for one that is no answer (routing.md 11.2)."""
        if (document := parse_whole(body)) is None:
            raise failed(provider.name, _bad("the body is no JSON object, or one that is nested too deep"))
        verdict = self.upstreams.dialects[provider.name].reply_verdict(document)
        if isinstance(verdict, InbandError):
            raise failed(provider.name, verdict)
        if verdict is Verdict.MALFORMED:
            raise failed(provider.name, _bad("the body has not the shape of its dialect"))
        is_empty = verdict is Verdict.NEUTRAL or (verdict is Verdict.THINKING and not self.ask.shows_thinking(config))
        if is_empty and not self._tolerates(provider.name, FailureReason.EMPTY_RESPONSE, is_last=is_last):
            raise failed(provider.name, InbandError(reason=FailureReason.EMPTY_RESPONSE, message="the answer has no content"))
        return document

    def _rules(self, config: ProviderConfig) -> GateRules:
        return GateRules(
            policy=CommitPolicy(self.ask.profile.commit_policy),
            shows_thinking=self.ask.shows_thinking(config),
            hold_s=self._first_byte_s(config),
        )

    def _first_byte_s(self, config: ProviderConfig) -> float:
        return config.first_byte_timeout_s or self.ask.profile.timeout_s or config.timeout_s

    def _tolerates(self, provider: str, reason: FailureReason, *, is_last: bool) -> bool:
        """Tell whether a content-empty answer passes: where the profile says so, and where nobody is left to do better.

        A model that has nothing to add is no fault: an error would make the client ask ten times more."""
        action = self.ask.profile.empty_response_action
        if reason is not FailureReason.EMPTY_RESPONSE or not (is_last or action != "fallback"):
            return False
        if action != "off":
            facts = {"provider": provider, "action": action, "stream": self.ask.is_stream, "chain_exhausted": is_last}
            self.upstreams.observer.event("empty-response-detected", {"request_id": self.trace.request_id, **facts})
        return True

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
        until = trio.current_time() + self._first_byte_s(self.upstreams.configs[name])
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
        return all_failed_error(self.plan.profile, tuple(self._failures), self.upstreams.observer)

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


def _bad(message: str) -> InbandError:
    return InbandError(reason=FailureReason.BAD_RESPONSE, message=message)
