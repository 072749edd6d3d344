"""The one handler of every model route: decode, plan, dispatch, encode, report (layout.md, Data flow).

It runs inside `front_serve.serve`, which watches for the client's departure and cancels it. A route holds no error
JSON and no dialect `if`: both are the dialect's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import orjson
import trio
from attrs import define

from router.config.schema import ProviderConfig
from router.domain.events import NeutralEvent, Usage
from router.errors import ErrorKind, NoProviderAvailable, ProviderFailed, RouterError, ShuttingDown, StreamBroken
from router.ingress.answer_headers import Headers, answer_headers, early_headers, error_headers
from router.ingress.asgi_types import Send
from router.ingress.body import ClientGone
from router.ingress.exchange import Exchange
from router.ingress.front_serve import refuse
from router.ingress.generation import Generation
from router.ingress.grammar_check import GrammarCheck
from router.ingress.reading_on import ReadingOn
from router.ingress.record import Record
from router.ingress.stream_writer import StreamWriter
from router.ingress.turn import Turn
from router.ingress.usage_estimate import InputTold, events_with_input, with_input
from router.ports import Provider, UpstreamCall
from router.routing.call_check import CallCheck, invalid_calls
from router.routing.chain_events import tell_plan
from router.routing.dispatch import Answer, Ask, Deliver, Walk
from router.routing.relay import NeutralPipeline, Pipeline, RawPipeline, RelayEnd, renamed, usage_of_events
from router.wire.dialect import EventEncoder
from router.wire.touch import frame_touch, tag_reply, touch_reply


async def handle(exchange: Exchange, generation: Generation) -> None:
    """Answer one request on a model route; the answer, or its error, is complete when this returns."""
    record = Record(exchange=exchange, observer=generation.observer)
    try:
        body = await exchange.read_body(generation.config.server.max_body_bytes)
        turn = Turn.read(generation, exchange, body)
        record.choice, record.model, record.is_stream = turn.choice, turn.model, turn.is_stream
        handler = Handler(exchange=exchange, turn=turn, record=record)
        await (handler.stream() if turn.is_stream else handler.whole())
    except RouterError as error:
        record.failed(error)
        await refuse(exchange, error, error_headers(record, error, exchange.dialect))
    finally:
        record.finish(trio.current_time())


@define(kw_only=True)
class Handler:
    """One decoded request on its way; owner of its trace and record."""

    exchange: Exchange
    turn: Turn
    record: Record

    async def whole(self) -> None:
        """Answer with one JSON body. Raises RouterError when nobody answered; nothing was sent then."""
        self.record.end = await self._walk(self._deliver_whole)

    async def stream(self) -> None:
        """Answer with a stream; an error after the head is the dialect's own event. Raises RouterError before it."""
        writer = StreamWriter(
            exchange=self.exchange, dialect=self.turn.dialect, early_headers=partial(early_headers, self.record)
        )
        if self.turn.generation.config.server.grammar_check:
            self.exchange.tap(self._checked)
        failed: RouterError | None = None
        async with trio.open_nursery() as nursery:
            server = self.turn.generation.config.server
            nursery.start_soon(
                partial(writer.keep_alive, grace_s=server.header_grace_s, keepalive_s=server.sse_keepalive_s),
                name="keep-alive",
            )
            try:
                self.record.end = await self._walk(partial(self._deliver_stream, writer))
            except RouterError as error:
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            await self._fail(writer, failed)

    def _checked(self, send: Send) -> Send:
        return GrammarCheck(send=send, record=self.record, tally=self.turn.generation.tally)

    async def _fail(self, writer: StreamWriter, error: RouterError) -> None:
        """End the stream in its dialect's error event where the head is out already. Raises the error where it is not."""
        if not self.exchange.is_head_sent:
            raise error
        self.record.failed(error)
        await writer.finish(self._encoder(None).failed(error))

    async def _walk(self, deliver: Deliver) -> RelayEnd:
        """Ask the chain. Raises RouterError: nobody answered, the request's deadline, or the daemon's drain deadline."""
        turn, generation = self.turn, self.turn.generation
        plan = generation.plan(turn.profile, trio.current_time())
        self.record.trace.take_plan(plan, turn.profile.providers)
        tell_plan(plan, self.exchange.request_id, generation.observer)
        limit_s = self._limit_s()
        with self.exchange.drain.cancelled_at_deadline() as scope:
            scope.deadline = self.exchange.opened_at + limit_s
            walk = Walk(plan=plan, ask=self._ask(scope), upstreams=generation.upstreams, trace=self.record.trace)
            end = await walk.run(deliver)
        if scope.cancelled_caught:
            self._check_wanted()
            raise self._cut_short(limit_s)
        return end

    def _ask(self, scope: trio.CancelScope) -> Ask:
        turn = self.turn

        def call(provider: Provider, config: ProviderConfig) -> UpstreamCall:
            return turn.call(provider, config, ReadingOn.at(config, self.exchange, self.record, scope))

        return Ask(
            profile=turn.profile,
            is_stream=turn.is_stream,
            call=call,
            shows_thinking=turn.shows_thinking,
            check_wanted=self._check_wanted,
        )

    def _check_wanted(self) -> None:
        """Raise ClientGone for a client that left an answer that was read on."""
        if self.exchange.has_client_left:
            raise ClientGone

    def _cut_short(self, limit_s: float) -> RouterError:
        if self.exchange.drain.is_expired:
            return ShuttingDown(message="the router is stopping")
        message = f"the request's deadline of {limit_s:g} s is over"
        return NoProviderAvailable(kind=ErrorKind.TIMEOUT, message=message, profile=self.turn.profile.name)

    def _limit_s(self) -> float:
        """Return how long the whole request may take; without limits of the user's for ever."""
        limits = [self.turn.profile.request_deadline_s]
        if self.turn.is_stream:
            limits.append(self.turn.generation.config.server.stream_deadline_s)
        return min((limit for limit in limits if limit is not None), default=inf)

    async def _deliver_whole(self, answer: Answer) -> RelayEnd:
        """Send the whole reply. Raises ProviderFailed, before anything was sent, for one that cannot be read."""
        self.record.answered(answer)
        headers = self._headers(answer, is_sse=False)
        body, end = self._whole_body(answer)
        if self.turn.generation.config.server.tag_body:
            body = tag_reply(body, answer.config.name)
        await self.exchange.respond(200, headers, body)
        return end

    def _whole_body(self, answer: Answer) -> tuple[bytes, RelayEnd]:
        assert answer.body is not None  # noqa: S101 - a type fact: an answer to a request without stream is whole
        assert answer.document is not None  # noqa: S101 - same
        turn = self.turn
        upstream = turn.generation.upstreams.dialects[answer.config.name]
        if upstream is turn.dialect:
            usage = upstream.reply_usage(answer.document) or self._estimate(answer, answer.document)
            end = RelayEnd(usage=self._with_input(usage, answer))
            touches = turn.touches(answer.config)
            return touch_reply(answer.body, answer.document, upstream.name, touches, self.record.stripped), end
        events = self._events(answer, answer.document)
        options = turn.reply_options(answer.config, answer.info)
        reply = turn.dialect.encode_reply(events, options, turn.generation.minting)
        return orjson.dumps(reply), RelayEnd(usage=usage_of_events(events))

    def _events(self, answer: Answer, document: dict[str, Any]) -> Sequence[NeutralEvent]:
        """Return what a whole reply says. Raises ProviderFailed for one that cannot be read, or has no whole call to run."""
        events = self._decoded(answer, document)
        self._tell_invalid(answer, invalid_calls(events, answer.config.name))
        return tuple(renamed(events, self.turn.touches(answer.config).echo_model))

    def _decoded(self, answer: Answer, document: dict[str, Any]) -> Sequence[NeutralEvent]:
        turn = self.turn
        upstream = turn.generation.upstreams.dialects[answer.config.name]
        options = turn.reply_options(answer.config, answer.info)
        events = upstream.decode_reply(document, options, turn.generation.minting)
        return events_with_input(events, turn.input_estimate(answer.config))

    def _with_input(self, usage: Usage, answer: Answer) -> Usage:
        """Return what is booked: where nobody told the input, our count of it, should the provider want that."""
        return with_input(usage, self.turn.input_estimate(answer.config)) if usage.estimated else usage

    def _estimate(self, answer: Answer, document: dict[str, Any]) -> Usage:
        """Return the usage of a reply that tells none; it goes out as it is, so it need not be readable."""
        with suppress(ProviderFailed):
            return usage_of_events(self._decoded(answer, document))
        return Usage(estimated=True)

    def _tell_invalid(self, answer: Answer, calls: int) -> None:
        if calls:
            facts = {"request_id": self.exchange.request_id, "provider": answer.config.name, "calls": calls}
            self.turn.generation.observer.event("tool-args-invalid", facts)

    async def _deliver_stream(self, writer: StreamWriter, answer: Answer) -> RelayEnd:
        """Send the answer as a stream. Raises ProviderFailed only before its first byte."""
        self.record.answered(answer)
        encoder = self._encoder(answer)
        if answer.document is not None:
            return await self._replay(writer, answer, encoder)
        pipeline = self._pipeline(answer, encoder)
        self.record.usage_so_far = lambda: self._with_input(pipeline.usage(), answer)
        self.exchange.failure_frames = encoder.failed
        await writer.commit(self._headers(answer, is_sse=True))
        await self._relay(writer, answer, pipeline, encoder)
        self._tell_invalid(answer, pipeline.invalid_calls)
        return RelayEnd(usage=self._with_input(pipeline.usage(), answer), failure=pipeline.failure)

    async def _relay(self, writer: StreamWriter, answer: Answer, pipeline: Pipeline, encoder: EventEncoder) -> None:
        """Pump: one read, one feed, one send, until the terminator, the end of body or a failure."""
        out = pipeline.feed(answer.held)
        try:
            while not pipeline.is_done and pipeline.failure is None:
                if out:
                    await writer.write(out)
                    self.record.is_delivered = pipeline.has_ended
                frames = await answer.reply.receive()
                out = pipeline.feed(frames)
                if not frames:
                    break
        except ProviderFailed as failure:
            pipeline.failure = failure
            out = b""
        if pipeline.failure is None:
            out += pipeline.close()
        if (broken := pipeline.failure) is not None:
            broken.message = self.turn.generation.upstreams.redact(broken.message)
            out += encoder.failed(StreamBroken(provider=broken.provider, reason=broken.reason, message=broken.message))
        await writer.finish(out)

    async def _replay(self, writer: StreamWriter, answer: Answer, encoder: EventEncoder) -> RelayEnd:
        """Send a whole reply as the stream that the client asked for (wire.md 8.4)."""
        assert answer.document is not None  # noqa: S101 - a type fact: the caller looked
        events = self._events(answer, answer.document)
        out = b"".join(encoder.encode(event) for event in events)
        await writer.commit(self._headers(answer, is_sse=True))
        await writer.finish(out)
        return RelayEnd(usage=usage_of_events(events))

    def _pipeline(self, answer: Answer, encoder: EventEncoder) -> Pipeline:
        turn, config = self.turn, answer.config
        upstream = turn.generation.upstreams.dialects[config.name]
        reader = upstream.frame_reader()
        if upstream is turn.dialect:
            return RawPipeline(
                reader=reader,
                provider=config.name,
                last_frame=upstream.last_frame,
                touch=frame_touch(upstream.name, turn.touches(config), self.record.stripped),
            )
        decoder = upstream.decoder(turn.reply_options(config, answer.info), turn.generation.minting)
        tokens = turn.input_estimate(config)
        return NeutralPipeline(
            decoder=InputTold(decoder, tokens) if tokens else decoder,
            encoder=encoder,
            calls=CallCheck(config.name),
            is_last=reader.is_last,
            echo_model=turn.touches(config).echo_model,
        )

    def _encoder(self, answer: Answer | None) -> EventEncoder:
        """Return the client's encoder; without an answer it can only say an error."""
        turn = self.turn
        options = turn.error_options() if answer is None else turn.reply_options(answer.config, answer.info)
        return turn.dialect.encoder(options, turn.generation.minting)

    def _headers(self, answer: Answer, *, is_sse: bool) -> Headers:
        is_same_dialect = self.turn.generation.upstreams.dialects[answer.config.name] is self.turn.dialect
        degraded = self.turn.degraded(answer.info)
        return answer_headers(self.record, answer.info, is_sse=is_sse, is_same_dialect=is_same_dialect, degraded=degraded)
