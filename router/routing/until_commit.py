"""From an open reply to a committed answer: hold a stream until its first content, judge a whole reply (routing.md 11.4)."""

from __future__ import annotations

from typing import Any

import trio
from attrs import frozen

from router.config.schema import ProviderConfig
from router.errors import FailureReason
from router.ports import Observer, OpenReply, Provider
from router.routing.answer import Answer, Ask
from router.routing.gate import CommitPolicy, Gate, GateRules, GateState
from router.routing.seen import Seen
from router.wire.dialect import Dialect, InbandError, Verdict
from router.wire.inband import failed
from router.wire.json_text import parse_whole


@frozen(kw_only=True)
class UntilCommit:
    """One attempt's. `is_last`: nobody is left who could do better. `seen` keeps what came, for the books."""

    provider: Provider
    config: ProviderConfig
    dialect: Dialect
    ask: Ask
    observer: Observer
    request_id: str
    is_last: bool
    seen: Seen

    async def answer(self, reply: OpenReply, *, is_stream: bool) -> Answer:
        """Return the answer as soon as it is one. Raises ProviderFailed for what is none."""
        if is_stream and reply.info.is_event_stream:
            return await self._hold(reply)
        body = await reply.read_body(self.seen.part)
        document, is_empty = self._judged(body)
        return Answer(
            provider=self.provider,
            config=self.config,
            info=reply.info,
            reply=reply,
            body=body,
            document=document,
            is_empty=is_empty,
        )

    async def _hold(self, reply: OpenReply) -> Answer:
        gate = Gate(reader=self.dialect.frame_reader(), rules=self._rules())
        self.seen.frames = gate.held
        while True:
            with trio.move_on_at(gate.due) as window:
                frames = await reply.receive()
            if window.cancelled_caught:  # the read is over with it, and so is the attempt
                raise failed(self.provider.name, gate.too_slow())
            state = gate.feed(frames, trio.current_time()) if frames else gate.close()
            if isinstance(state, InbandError) and not self._tolerates(state.reason):
                raise failed(self.provider.name, state)
            if state is not GateState.HOLD:
                held = tuple(gate.held)
                return Answer(provider=self.provider, config=self.config, info=reply.info, reply=reply, held=held)

    def _judged(self, body: bytes) -> tuple[dict[str, Any], bool]:
        """Return the parsed reply, and whether it is an empty one that passes.

        Raises ProviderFailed for one that is no answer (routing.md 11.2)."""
        document = parse_whole(body)
        self.seen.whole(document)
        if document is None:
            raise failed(self.provider.name, _bad("the body is not a JSON object, or is nested too deeply"))
        verdict = self.dialect.reply_verdict(document)
        if isinstance(verdict, InbandError):
            raise failed(self.provider.name, verdict)
        if verdict is Verdict.MALFORMED:
            raise failed(self.provider.name, _bad("the body does not have the form of its API"))
        is_empty = verdict is Verdict.NEUTRAL or (verdict is Verdict.THINKING and not self.ask.shows_thinking(self.config))
        if is_empty and not self._tolerates(FailureReason.EMPTY_RESPONSE):
            raise failed(
                self.provider.name, InbandError(reason=FailureReason.EMPTY_RESPONSE, message="the answer has no content")
            )
        return document, is_empty

    def _rules(self) -> GateRules:
        return GateRules(
            policy=CommitPolicy(self.ask.profile.commit_policy),
            shows_thinking=self.ask.shows_thinking(self.config),
            hold_s=first_byte_s(self.ask, self.config),
            floor=None if self.is_last else self.config.min_chars_per_s,
            window_s=self.config.throughput_window_s,
        )

    def _tolerates(self, reason: FailureReason) -> bool:
        """Tell whether a content-empty answer passes: where the profile says so, and where nobody is left to do better.

        A model that has nothing to add is no fault: an error would make the client ask ten times more."""
        action = self.ask.profile.empty_response_action
        if reason is not FailureReason.EMPTY_RESPONSE or not (self.is_last or action != "fallback"):
            return False
        if action != "off":
            facts = {"provider": self.provider.name, "action": action, "stream": self.ask.is_stream}
            about = {"request_id": self.request_id, "chain_exhausted": self.is_last}
            self.observer.event("empty-response-detected", {**about, **facts})
        return True


def first_byte_s(ask: Ask, config: ProviderConfig) -> float:
    """Return how long a provider may take to its first event."""
    return config.first_byte_timeout_s or ask.profile.timeout_s or config.timeout_s


def _bad(message: str) -> InbandError:
    return InbandError(reason=FailureReason.BAD_RESPONSE, message=message)
