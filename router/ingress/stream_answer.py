"""An answer as the stream that the client asked for, to its proper end: whole, cut short, gone on with by another, or an error.

Until the first byte of an attempt is written another provider may be asked; after that its stream ends here, in one of the
four ways (wire.md 16.2, 17.3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import trio
from attrs import define, evolve, frozen

from router.config.redact import cut_word
from router.config.schema import ProviderConfig
from router.domain.events import NeutralEvent, Stopped, StopReason, Usage, UsageSeen
from router.domain.frame import Frame
from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed, RouterError, StreamBroken
from router.guards.drift import Severity
from router.guards.stages import Chain, Stage
from router.ingress.exchange import Exchange
from router.ingress.guarding import Guards
from router.ingress.record import Record
from router.ingress.staging import Staging
from router.ingress.stream_writer import StreamWriter
from router.ingress.turn import Turn
from router.ingress.usage_estimate import InputTold
from router.ingress.whole_answer import WholeAnswer
from router.ports import Provider, UpstreamCall
from router.routing.answer import Answer, RelayEnd
from router.routing.booking import with_input
from router.routing.call_check import CallCheck
from router.routing.continuation import AfterBreak, Prefill, Said, after_break, prefill_style, prefilled
from router.routing.continued import Continued, together
from router.routing.relay import Pipeline, RawPipeline
from router.routing.relay_neutral import NeutralPipeline
from router.routing.seam import Seam
from router.wire.anthropic.signatures import signature_of_frame
from router.wire.dialect import EventEncoder, Partial
from router.wire.errors import MAX_MESSAGE_CHARS
from router.wire.openai_chat.staged import StagedChat
from router.wire.sse import SseFramer
from router.wire.touch import frame_touch


@define(kw_only=True)
class StreamAnswer:
    """Delivers one; the owner is the request's pump. `said` is kept only where a broken answer may be more than an error."""

    exchange: Exchange
    turn: Turn
    record: Record
    guards: Guards
    writer: StreamWriter
    whole: WholeAnswer
    _encoder: EventEncoder | None = None
    _said: Said | None = None
    _used: Usage | None = None  # of those whose answer is gone on with
    _prefill: Prefill | None = None  # of the one that is asked to go on

    async def deliver(self, answer: Answer) -> RelayEnd:
        """Send the answer as a stream. Raises ProviderFailed only before its first byte."""
        self.record.answered(answer)
        turn = self.turn
        encoder = self._encoder = self.writer.encoder = turn.encoder(answer)
        if answer.document is not None:
            return await self._replay(answer, encoder)
        staging = turn.staging(answer.config)
        pipeline = self._pipeline(answer, staging)
        self.exchange.failure_frames = encoder.failed
        await self.writer.commit(self.whole.headers(answer, stream_type=self.turn.stream_type))
        return await self._relay(answer, pipeline, staging)

    async def _relay(self, answer: Answer, pipeline: Pipeline, staging: Staging) -> RelayEnd:
        """Pump: one read, one feed, one send, until the terminator, the end of body or a failure."""
        tokens = self.turn.input_estimate(answer.config)
        self.record.usage_so_far = lambda: with_input(pipeline.usage(), tokens)
        out = pipeline.feed(answer.held)
        try:
            while not pipeline.is_done and pipeline.failure is None:
                if out:
                    await self.writer.write(out)
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
        usage = with_input(pipeline.usage(), tokens)
        if pipeline.failure is not None and self._tolerates(answer, pipeline.failure):
            out += self._taken_for_whole(pipeline, usage)
        self.whole.tell_stages(answer, staging)
        self.whole.tell_invalid(answer, pipeline.invalid_calls, pipeline.calls_seen)
        if pipeline.failure is None:
            end = RelayEnd(usage=usage, stop=pipeline.stop, is_empty=pipeline.is_empty)
            return await self._finish(answer, out, end)
        return await self._broken(answer, pipeline, out, usage)

    async def _replay(self, answer: Answer, encoder: EventEncoder) -> RelayEnd:
        """Send a whole reply as the stream that the client asked for (wire.md 8.4)."""
        events = self.whole.events(answer)
        out = b"".join(encoder.encode(event) for event in events)
        await self.writer.commit(self.whole.headers(answer, stream_type=self.turn.stream_type))
        return await self._finish(answer, out, self.whole.end_of(answer, events))

    def _pipeline(self, answer: Answer, staging: Staging) -> Pipeline:
        turn, config = self.turn, answer.config
        upstream = turn.dialect_of(config)
        has_stage = staging.rules.any()
        if upstream is turn.dialect and not turn.keeps_text and not turn.is_decoded(config, staging, answer.info):
            return RawPipeline(
                reader=upstream.frame_reader(),
                provider=config.name,
                last_frame=upstream.last_frame if self.encoder.reframe is None else self.encoder.closing,
                shows_thinking=turn.shows_thinking(config),
                touch=self._touch(config),
                on_frame=self._signatures(config) or self.encoder.follow,
                drops_comments=not upstream.is_commented,
                stage=StagedChat(new_stage=staging.new, minting=turn.generation.minting) if has_stage else None,
            )
        if turn.keeps_text:
            self._said = Said()
        return self._neutral_pipeline(answer, staging.new() if has_stage else None)

    def _touch(self, config: ProviderConfig) -> Callable[[Frame], bytes] | None:
        """Return what is edited of each frame that passes: its fields, and its form for a client that reads another."""
        touch = frame_touch(self.turn.dialect.name, self.turn.touches(config), self.record.stripped)
        reframe = self.encoder.reframe
        if reframe is None or touch is None:
            return touch or reframe
        return lambda frame: b"".join(map(reframe, SseFramer().feed(touch(frame))))

    def _neutral_pipeline(self, answer: Answer, stage: Stage | None) -> NeutralPipeline:
        turn, config = self.turn, answer.config
        upstream = turn.dialect_of(config)
        decoder = upstream.decoder(turn.reply_options(config, answer.info), turn.generation.minting)
        tokens = turn.input_estimate(config)
        return NeutralPipeline(
            decoder=InputTold(decoder, tokens) if tokens else decoder,
            encoder=self.encoder,
            calls=CallCheck(config.name),
            is_last=upstream.frame_reader().is_last,
            stage=stage,
            listener=self._said,
            on_frame=self._signatures(config) if upstream is turn.dialect else None,
            on_call=turn.remember_call,
            echo_model=turn.touches(config).echo_model,
        )

    def last_words(self, provider: str, failure: ProviderFailed, usage: Usage) -> bytes:
        """Return what ends a stream with which nobody goes on: an end cut short where that is wanted, else an error.

        Where the answer was to be gone on with it is an error, too: the client is to have all of it, or to know better."""
        encoder, said = self.encoder, self._said
        if said is None or self._verdict_of(said) is not AfterBreak.SURFACE or not encoder.can_cut:
            return encoder.failed(StreamBroken(provider=failure.provider, reason=failure.reason, message=failure.message))
        self.record.tell(
            "partial-stitch-surfaced",
            provider=provider,
            profile=self.turn.profile.name,
            text_blocks=len(said.texts),
            text_length=len(said.text),
        )
        return encoder.cut(Partial.of(failure, usage, texts=said.texts))

    @property
    def encoder(self) -> EventEncoder:
        """What writes the client's stream, from its first event to its last."""
        assert self._encoder is not None  # noqa: S101 - a type fact: it is made before anything is written
        return self._encoder

    def _verdict_of(self, said: Said) -> AfterBreak:
        """Return what becomes of a broken answer: what is possible, as far as the profile wants it."""
        made, action = after_break(said), self.turn.profile.partial_stitch_action
        if made is AfterBreak.CONTINUE and action == "surface":
            return AfterBreak.SURFACE
        is_wanted = action == made.value or (made is AfterBreak.FINISH_AS_TOOL_USE and action != "off")
        return made if is_wanted else AfterBreak.FAIL

    def _tolerates(self, answer: Answer, failure: ProviderFailed) -> bool:
        """Tell whether a broken answer is taken for whole."""
        said, action = self._said, self.turn.profile.stream_truncation_action
        if failure.reason is not FailureReason.STREAM_TRUNCATED:
            return False
        if action != "off":
            is_in_call = said is not None and said.has_open_call
            facts = {"provider": answer.config.name, "action": action, "wire": str(answer.provider.dialect)}
            self.record.tell("stream-truncation-detected", **facts, tool_call_in_flight=is_in_call)
        return said is not None and action != "error" and not said.has_open_call

    def _taken_for_whole(self, pipeline: Pipeline, usage: Usage) -> bytes:
        """Return the end that the upstream has not said; what the stages hold is read as at any other end."""
        assert isinstance(pipeline, NeutralPipeline)  # noqa: S101 - a type fact: what is said is known of no other
        has_call = self._said is not None and self._said.has_whole_call
        return pipeline.take_for_whole(usage, StopReason.TOOL_USE if has_call else StopReason.END)

    def _signatures(self, config: ProviderConfig) -> Callable[[Frame], None] | None:
        """Return what remembers who signed the thinking that goes by, None where nobody asks for it."""
        if self.turn.dialect.name is not DialectName.ANTHROPIC or not self.turn.generation.signs:
            return None
        origins = self.turn.generation.memory.origins

        def remember(frame: Frame) -> None:
            if (signature := signature_of_frame(frame)) is not None:
                origins.remember(signature, config.base_url)

        return remember

    async def _broken(self, answer: Answer, pipeline: Pipeline, out: bytes, usage: Usage) -> RelayEnd:
        """End a stream that broke off, or leave it open for somebody who goes on.

        What a stage holds is not sent then: it may be half of a call, which the next provider says again as a whole."""
        failure = pipeline.failure
        assert failure is not None  # noqa: S101 - a type fact: it broke
        failure.message = cut_word(failure.message, self.turn.generation.upstreams.redact, MAX_MESSAGE_CHARS)
        verdict, told = AfterBreak.FAIL if self._said is None else self._verdict_of(self._said), self._told(usage)
        if verdict is AfterBreak.CONTINUE:
            await self.writer.write(out)
            self._used = told
            return RelayEnd(usage=usage, failure=failure, broken=BrokenStream(self, answer.config.name, failure, told))
        out += pipeline.release()
        if verdict is AfterBreak.FINISH_AS_TOOL_USE:
            ending: tuple[NeutralEvent, ...] = (UsageSeen(told), Stopped(reason=StopReason.TOOL_USE))
            end = RelayEnd(usage=usage, failure=failure, stop=StopReason.TOOL_USE)
            return await self._finish(answer, out + b"".join(map(self.encoder.encode, ending)), end)
        out += self.last_words(answer.config.name, failure, told)
        return await self._finish(answer, out, RelayEnd(usage=usage, failure=failure))

    async def _finish(self, answer: Answer, out: bytes, end: RelayEnd) -> RelayEnd:
        """Send the last bytes, and behind them what was found of the whole answer: the head is long gone."""
        self.whole.learning.saw(answer.config, end, trio.current_time())
        if (drift := self.record.drift) is not Severity.NONE and self.turn.dialect.is_commented:
            out += b": x-router-drift: %b\n\n" % str(drift).encode()
        answer.book(end.usage)
        await self.writer.finish(out, end)
        return end

    def continuing_call(self, provider: Provider, config: ProviderConfig) -> UpstreamCall | None:
        """Return the request to go on with what was said, None for a provider that cannot, or that would not take it."""
        said, style = self._said, prefill_style(config)
        if said is None or style is None:
            return None
        with suppress(RouterError):
            said_tokens = 0 if self._used is None else self._used.output
            request = self.turn.request_for(config, self.guards.verdict_for(config))
            self._prefill = prefilled(request, said.text, style, said_tokens=said_tokens)
            if self._prefill is not None:
                return self.turn.continuing_call(provider, config, self._prefill.request)
        return None

    async def go_on(self, answer: Answer) -> RelayEnd:
        """Send what another provider says behind what was said. Raises ProviderFailed only before its first byte."""
        begun, used = self._prefill, self._used
        assert begun is not None  # noqa: S101 - a type fact: nobody else is asked to go on
        assert used is not None  # noqa: S101 - the same
        self.record.answered(answer)
        seam = Continued(seam=Seam(sent=begun.sent, held=begun.held), provider=answer.config.name, used=used)
        staging = self.turn.staging(answer.config, goes_on=True)
        stage = Chain((seam, staging.new())) if staging.rules.any() else seam
        if answer.document is not None:
            events = self.whole.events(answer, seam)
            end = evolve(self.whole.end_of(answer, events), usage=seam.own or Usage(estimated=True))
            self.record.usage_so_far = lambda: end.usage
            return await self._finish(answer, b"".join(map(self.encoder.encode, events)), end)
        return await self._relay(answer, self._neutral_pipeline(answer, stage), staging)

    def _told(self, usage: Usage) -> Usage:
        """Return what the client is told of this provider's usage, and of those before it."""
        return usage if self._used is None else together(self._used, usage)


@frozen
class BrokenStream:
    """A stream whose client waits for somebody to go on; the Broken of router/routing/answer.py."""

    stream: StreamAnswer
    provider: str
    failure: ProviderFailed
    usage: Usage

    def call(self, provider: Provider, config: ProviderConfig) -> UpstreamCall | None:
        """Return the request to go on with, None for a provider that cannot."""
        return self.stream.continuing_call(provider, config)

    async def deliver(self, answer: Answer) -> RelayEnd:
        """Send the rest. Raises ProviderFailed only before its first byte."""
        return await self.stream.go_on(answer)

    async def give_up(self) -> None:
        """End the stream: nobody goes on."""
        last = self.stream.last_words(self.provider, self.failure, self.usage)
        await self.stream.writer.finish(last, RelayEnd(usage=self.usage, failure=self.failure))
