"""An answer in one JSON body: the upstream's own bytes where nothing has to change, else what it says, written anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
import trio
from attrs import define

from router.domain.events import NeutralEvent, ToolStarted, Usage
from router.errors import ProviderFailed
from router.guards.stages import Chain, Stage
from router.ingress.answer_headers import Headers, answer_headers
from router.ingress.exchange import Exchange
from router.ingress.learning import Learning
from router.ingress.record import Record
from router.ingress.staging import Staging
from router.ingress.turn import Turn
from router.ingress.usage_estimate import events_with_input
from router.routing.answer import Answer, RelayEnd
from router.routing.booking import with_input
from router.routing.call_check import count_calls
from router.routing.relay_neutral import renamed, staged, stop_of_events, usage_of_events
from router.wire.anthropic.signatures import signatures_of_reply
from router.wire.openai_chat.staged import StagedChat
from router.wire.touch import tag_reply, touch_reply


@define(kw_only=True)
class WholeAnswer:
    """Delivers one; the owner is the request's pump."""

    exchange: Exchange
    turn: Turn
    record: Record
    learning: Learning

    async def deliver(self, answer: Answer) -> RelayEnd:
        """Send the whole reply. Raises ProviderFailed, before anything was sent, for one that cannot be read."""
        self.record.answered(answer)
        body, end = self._body(answer)
        self.learning.saw(answer.config, end, trio.current_time())
        headers = self.headers(answer)
        if self.turn.generation.config.server.tag_body:
            body = tag_reply(body, answer.config.name)
        await self.exchange.respond(200, headers, body)
        return end

    def headers(self, answer: Answer, *, stream_type: str | None = None) -> Headers:
        """Return the head of the answer, as one JSON body where no type of a stream is told."""
        turn = self.turn
        return answer_headers(
            self.record,
            answer.info,
            stream_type=stream_type,
            is_same_dialect=turn.dialect_of(answer.config) is turn.dialect,
            degraded=turn.degraded(answer.info),
        )

    def events(self, answer: Answer, before: Stage | None = None) -> Sequence[NeutralEvent]:
        """Return what a whole reply says, through a stage `before` its own and these.

        Raises ProviderFailed for one that cannot be read, or has no whole call to run."""
        staging = self.turn.staging(answer.config, goes_on=before is not None)
        decoded = self._decoded(answer)
        called = [event for event in decoded if isinstance(event, ToolStarted)]
        for call in called:
            self.turn.remember_call(call)
        has_call = bool(called)
        own = staging.new(has_call=has_call) if staging.rules.any() else None
        stages = tuple(stage for stage in (before, own) if stage is not None)
        stage = Chain(stages) if stages else None
        events = tuple(staged(renamed(decoded, self.turn.touches(answer.config).echo_model), stage))
        self.tell_stages(answer, staging)
        self.tell_invalid(answer, *count_calls(events, answer.config.name))
        return events

    def tell_stages(self, answer: Answer, staging: Staging) -> None:
        """Tell what the stages have changed."""
        staging.tell(
            self.turn.generation.observer,
            request_id=self.exchange.request_id,
            provider=answer.config.name,
            is_stream=self.turn.is_stream,
        )

    def tell_invalid(self, answer: Answer, invalid: int, calls: int) -> None:
        """Tell how many calls were no JSON, unless there was none."""
        memory = self.turn.generation.memory
        if calls and answer.config.tool_args == "auto" and memory.learns_of(answer.config):
            memory.calls.note(answer.config.name, invalid=invalid, calls=calls)
        if invalid:
            facts = {"request_id": self.exchange.request_id, "provider": answer.config.name, "calls": invalid}
            self.turn.generation.observer.event("tool-args-invalid", facts)

    def _body(self, answer: Answer) -> tuple[bytes, RelayEnd]:
        document = _document(answer)
        turn, upstream = self.turn, self.turn.dialect_of(answer.config)
        if upstream is turn.dialect and (edited := self._edited(answer, document)) is not None:
            usage = upstream.reply_usage(document) or self._estimate(answer)
            tokens = turn.input_estimate(answer.config)
            end = RelayEnd(usage=with_input(usage, tokens), stop=upstream.reply_stop(document), is_empty=answer.is_empty)
            return edited, end
        events = self.events(answer)
        options = turn.reply_options(answer.config, answer.info)
        reply = turn.dialect.encode_reply(events, options, turn.generation.minting)
        return orjson.dumps(reply), self.end_of(answer, events)

    def end_of(self, answer: Answer, events: Sequence[NeutralEvent]) -> RelayEnd:
        """Return how a whole reply ended that is told by these events."""
        return RelayEnd(usage=usage_of_events(events), stop=stop_of_events(events), is_empty=answer.is_empty)

    def _edited(self, answer: Answer, document: dict[str, Any]) -> bytes | None:
        """Return the reply of the same dialect with the edits that it needs, None where it has to be decoded for them."""
        turn, body = self.turn, answer.body
        assert body is not None  # noqa: S101 - a type fact: an answer to a request without stream is whole
        staging = turn.staging(answer.config)
        if turn.is_decoded(answer.config, staging, answer.info):
            return None
        self._remember_signatures(answer, document)
        if staging.rules.any():
            if StagedChat(new_stage=staging.new, minting=turn.generation.minting).edit_reply(document):
                body = orjson.dumps(document)
            self.tell_stages(answer, staging)
        return touch_reply(body, document, turn.dialect.name, turn.touches(answer.config), self.record.stripped)

    def _decoded(self, answer: Answer) -> Sequence[NeutralEvent]:
        turn, upstream = self.turn, self.turn.dialect_of(answer.config)
        options = turn.reply_options(answer.config, answer.info)
        events = upstream.decode_reply(_document(answer), options, turn.generation.minting)
        if upstream is turn.dialect:
            self._remember_signatures(answer, _document(answer))
        return events_with_input(events, turn.input_estimate(answer.config))

    def _remember_signatures(self, answer: Answer, document: dict[str, Any]) -> None:
        """Note who signed the thinking that this client is going to send back, where several sign."""
        if self.turn.generation.signs:
            for signature in signatures_of_reply(document):
                self.turn.generation.memory.origins.remember(signature, answer.config.base_url)

    def _estimate(self, answer: Answer) -> Usage:
        """Return the usage of a reply that tells none; it goes out as it is, so it need not be readable."""
        with suppress(ProviderFailed):
            return usage_of_events(self._decoded(answer))
        return Usage(estimated=True)


def _document(answer: Answer) -> dict[str, Any]:
    assert answer.document is not None  # noqa: S101 - a type fact: the caller looked
    return answer.document
