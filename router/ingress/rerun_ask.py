"""One recorded request, asked of one provider for real, and what it answered as a client would have got it.

The request is put as the handler puts it (encoding, what the guards change of it for this provider) and the answer goes through
the same stages. What depends on what a daemon has seen before, health, calibration, signatures, stands at its beginning."""

from __future__ import annotations

from collections.abc import Iterable

import trio
from attrs import define, evolve, field

from router.config.schema import ProviderConfig
from router.domain.events import NeutralEvent, SaidCall, SaidText, TextDelta, ThinkingDelta, ToolStarted, Usage, UsageSeen, fold
from router.domain.messages import Tool, ToolKind
from router.domain.rerun import Answered, Called
from router.errors import FailureReason, InvalidRequest, ProviderFailed
from router.guards.stages import Stage
from router.ingress.guarding import budget_verdict
from router.ingress.rerun_limit import limited, most_output
from router.ingress.staging import functions
from router.ingress.turn import Turn
from router.ports import OpenReply, Provider, UpstreamCall
from router.providers.transport import is_good
from router.routing.booking import with_input
from router.routing.cost import Price, cost_of
from router.routing.relay_neutral import staged
from router.wire.dialect import InbandError
from router.wire.inband import failed
from router.wire.json_text import parse_object, parse_whole
from router.wire.schema_fit import misfit

TIMEOUT = "timeout"
INPUT_MARGIN = 1.25  # our count of a prompt may be too low by so much
CHARS_PER_TOKEN = 4  # of an answer whose usage nobody told

_MARK = "cache_control"  # in a body itself: the vendor is to find what it may keep
_CONTENT = (TextDelta, ThinkingDelta, ToolStarted)


def most_usd(turn: Turn, config: ProviderConfig, price: Price) -> float:
    """Return the most that an answer may cost: the whole prompt at its dearest, and as many tokens as it may have.

    That is fresh, or where something asks for a cache written to it, for as long as costs the most."""
    may_write = turn.has_cache_marks or config.auto_cache or _MARK in config.extra_body
    written = max(1.0, price.cache_write, price.cache_write_1h) if may_write else 1.0
    return turn.count() * INPUT_MARGIN * price.input_usd * written + most_output(turn, config) * price.output_usd


@define(kw_only=True, eq=False)
class Asking:
    """One attempt. `most` is what is booked where nobody knows what an answer that broke off has cost."""

    turn: Turn
    provider: Provider
    config: ProviderConfig
    price: Price
    most: float
    timeout_s: float
    _sent_at: float | None = None
    _first_at: float | None = None
    _is_open: bool = False
    _events: list[NeutralEvent] = field(factory=list)

    @property
    def is_sent(self) -> bool:
        """Whether the request has gone out."""
        return self._sent_at is not None

    async def answer(self) -> Answered:
        """Return what came of it. Raises nothing but Cancelled."""
        name = self.config.name
        try:
            call = self._call()
        except InvalidRequest as error:
            return Answered(provider=name, failure=str(error.kind), detail=error.message, is_sent=False)
        except ProviderFailed as failure:
            return Answered(provider=name, failure=str(failure.reason), detail=failure.message, is_sent=False)
        with trio.move_on_after(self.timeout_s):
            try:
                await self._listen(call)
            except ProviderFailed as failure:
                return self._failed(str(failure.reason), failure.message, was_refused=self._was_refused(failure))
            except InvalidRequest as error:  # the provider's dialect cannot say it
                return Answered(provider=name, failure=str(error.kind), detail=error.message, is_sent=self.is_sent)
            return self._answered(call)
        return self._failed(TIMEOUT, f"no complete answer within {self.timeout_s:g} s", was_refused=False)

    def _call(self) -> UpstreamCall:
        """Return the request for this provider. Raises InvalidRequest, ProviderFailed where it does not fit its window."""
        turn, config = self.turn, self.config
        cut = None if turn.profile.context_budget_action == "off" else budget_verdict(turn, config)
        if cut is not None and cut.state == "reject":
            reason = FailureReason.CONTEXT_OVERFLOW
            raise ProviderFailed(provider=config.name, reason=reason, message="the prompt does not fit the window")
        return evolve(limited(turn.call(self.provider, config, cut=cut), turn, config), on_send=self._sent)

    def _sent(self) -> None:
        self._sent_at = trio.current_time()

    async def _listen(self, call: UpstreamCall) -> None:
        staging = self.turn.staging(self.config)
        async with self.provider.open(call) as reply:
            self._is_open = True
            if call.stream and reply.info.is_event_stream:
                await self._stream(reply, staging.new() if staging.rules.any() else None)
            else:
                decoded = await self._whole(reply)
                has_call = any(isinstance(event, ToolStarted) for event in decoded)
                self._take(decoded, staging.new(has_call=has_call) if staging.rules.any() else None)
            reply.settle(self._usage()[0])

    async def _stream(self, reply: OpenReply, stage: Stage | None) -> None:
        turn = self.turn
        upstream, generation = turn.dialect_of(self.config), turn.generation
        decoder = upstream.decoder(turn.reply_options(self.config, reply.info), generation.minting)
        reader = upstream.frame_reader()
        while frames := await reply.receive():
            for frame in frames:
                self._take(decoder.feed(frame), stage)
                if reader.is_last(frame):
                    return
        self._take(decoder.close(), stage)

    async def _whole(self, reply: OpenReply) -> list[NeutralEvent]:
        turn = self.turn
        document = parse_whole(await reply.read_body())
        if document is None:
            raise failed(
                self.config.name, InbandError(reason=FailureReason.BAD_RESPONSE, message="the body is not a JSON object")
            )
        options = turn.reply_options(self.config, reply.info)
        return [*turn.dialect_of(self.config).decode_reply(document, options, turn.generation.minting)]

    def _take(self, events: Iterable[NeutralEvent], stage: Stage | None) -> None:
        for event in staged(events, stage):
            if self._first_at is None and isinstance(event, _CONTENT):
                self._first_at = trio.current_time()
            self._events.append(event)

    def _answered(self, call: UpstreamCall) -> Answered:
        reply, now = fold(self._events), trio.current_time()
        began = now if self._sent_at is None else self._sent_at
        usage, is_told = self._usage()
        is_guessed = not is_told and self.most > 0
        tools = {tool.name: tool for tool in functions(self.turn.offer())}
        return Answered(
            provider=self.config.name,
            ttft_s=self._first_at - began if call.stream and self._first_at is not None else None,
            total_s=now - began,
            usage=usage,
            cost_usd=self.most if is_guessed else cost_of(usage, self.price).total_usd,
            is_cost_guessed=is_guessed,
            text="".join(block.text for block in reply.blocks if isinstance(block, SaidText)),
            calls=tuple(_called(block, tools) for block in reply.blocks if isinstance(block, SaidCall)),
        )

    def _was_refused(self, failure: ProviderFailed) -> bool:
        """Tell whether there is an error in the place of an answer, which costs nothing: an error in one only breaks it off."""
        if self._is_open:
            return False
        is_error = failure.status is not None and not is_good(failure.status)
        return is_error or failure.reason is FailureReason.BUDGET  # which is no repeat of a refused one

    def _failed(self, reason: str, detail: str, *, was_refused: bool) -> Answered:
        """Return a failure; what broke off after it was sent is booked at the most: what it told until then may grow yet."""
        usage, is_told = self._usage()
        is_guessed = self.is_sent and not was_refused and self.most > 0
        told_usd = cost_of(usage, self.price).total_usd if is_told else 0.0
        cost = max(self.most, told_usd) if is_guessed else told_usd
        began = self._sent_at
        return Answered(
            provider=self.config.name,
            failure=reason,
            detail=detail,
            is_sent=self.is_sent,
            total_s=None if began is None else trio.current_time() - began,
            cost_usd=cost,
            is_cost_guessed=is_guessed,
        )

    def _usage(self) -> tuple[Usage, bool]:
        """Return what the answer has used, and whether its provider has told so; else it is estimated."""
        told = next((event.usage for event in reversed(self._events) if isinstance(event, UsageSeen)), None)
        if told is not None and (told.input or told.output):
            return with_input(told, self.turn.count()), not told.estimated
        chars = sum(len(event.text) for event in self._events if isinstance(event, TextDelta | ThinkingDelta))
        return Usage(input=self.turn.count(), output=-(-chars // CHARS_PER_TOKEN), estimated=True), False


def _called(said: SaidCall, tools: dict[str, Tool]) -> Called:
    if said.kind is not ToolKind.FUNCTION:  # its input is any text
        return Called(name=said.name, arguments={"input": said.json_text})
    arguments = parse_object(said.json_text.encode("utf-8", "replace") or b"{}")
    if arguments is None:
        return Called(name=said.name, arguments=None, misfit="the arguments are not a JSON object")
    tool = tools.get(said.name)
    return Called(
        name=said.name,
        arguments=arguments,
        misfit="is not one of the tools offered" if tool is None else misfit(arguments, tool.schema),
    )
