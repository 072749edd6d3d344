"""The one handler of every model route: decode, plan, dispatch, encode, report (layout.md, Data flow).

It runs inside `front_serve.serve`, which watches for the client's departure and cancels it. A route holds no error
JSON and no dialect `if`: both are the dialect's."""

from __future__ import annotations

from functools import partial
from math import inf

import trio
from attrs import define, field

from router.config.schema import ProviderConfig
from router.errors import ErrorKind, NoProviderAvailable, RouterError, ShuttingDown
from router.ingress.answer_headers import early_headers, error_headers
from router.ingress.asgi_types import Send
from router.ingress.body import ClientGone
from router.ingress.exchange import Exchange
from router.ingress.front_serve import refuse
from router.ingress.generation import Generation
from router.ingress.grammar_check import GrammarCheck
from router.ingress.guarding import Guards
from router.ingress.learning import Learning
from router.ingress.live_requests import Entry
from router.ingress.rank_facts import rank_facts
from router.ingress.reading_on import ReadingOn
from router.ingress.record import Record
from router.ingress.recording import asked_by
from router.ingress.routes import ModelRoute
from router.ingress.stream_answer import StreamAnswer
from router.ingress.stream_summary import summed_up, wants_summary
from router.ingress.stream_writer import StreamWriter
from router.ingress.turn import Turn
from router.ingress.whole_answer import WholeAnswer
from router.ports import Provider, UpstreamCall
from router.routing.answer import Ask, Deliver, RelayEnd
from router.routing.chain_events import tell_plan
from router.routing.dispatch import Walk


async def handle(exchange: Exchange, generation: Generation, route: ModelRoute) -> None:
    """Answer one request on a model route; the answer, or its error, is complete when this returns."""
    record = Record(exchange=exchange, observer=generation.observer, redact=generation.upstreams.redact)
    with generation.live.entered(exchange, record) as entry:
        try:
            with entry.outer as until_asked:
                await _answer(exchange, generation, route, entry)
            if until_asked.cancelled_caught:
                entry.check()
        except RouterError as error:
            record.failed(error)
            await refuse(exchange, error, error_headers(record, error, exchange.dialect))
        finally:
            record.finish(trio.current_time())


async def _answer(exchange: Exchange, generation: Generation, route: ModelRoute, entry: Entry) -> None:
    """Answer, unless the request's own scope is cancelled before it has a chain to walk. Raises RouterError."""
    record = entry.record
    body = await exchange.read_body(generation.config.server.max_body_bytes)
    turn = Turn.read(generation, exchange, route, body)
    record.choice, record.agent, record.model, record.is_stream = turn.choice, turn.agent, turn.model, turn.is_stream
    if generation.capture is not None:
        generation.capture.take(asked_by(exchange, turn))
    guards = Guards(turn=turn, record=record)
    guards.before()
    handler = Handler(exchange=exchange, turn=turn, record=record, guards=guards, entry=entry)
    async with generation.fairness.slot(turn.agent.session, turn.agent.klass):
        await (handler.stream() if turn.is_stream else handler.whole())


@define(kw_only=True)
class Handler:
    """One decoded request on its way; owner of its trace and record."""

    exchange: Exchange
    turn: Turn
    record: Record
    guards: Guards
    entry: Entry
    learning: Learning = field(init=False)

    def __attrs_post_init__(self) -> None:
        generation = self.turn.generation
        sink = generation.upstreams.sink
        self.learning = Learning(turn=self.turn, record=self.record, guards=self.guards, memory=generation.memory, sink=sink)

    async def whole(self) -> None:
        """Answer with one JSON body. Raises RouterError when nobody answered; nothing was sent then."""
        self.record.end = await self._walk(self._whole_answer().deliver)

    async def stream(self) -> None:
        """Answer with a stream; an error after the head is the dialect's own event. Raises RouterError before it."""
        early = partial(early_headers, self.record, self.turn.stream_type)
        writer = StreamWriter(exchange=self.exchange, dialect=self.turn.dialect, early_headers=early)
        if wants_summary(self.exchange.headers, is_default=self.turn.generation.config.server.stream_summary):
            writer.summed_up = partial(summed_up, self.record, self.turn.dialect)
        if self.turn.generation.config.server.grammar_check:
            self.exchange.tap(self._checked)
        failed: RouterError | None = None
        async with trio.open_nursery() as nursery:
            server = self.turn.generation.config.server
            keepalive_s = inf if self.turn.question.is_array else server.sse_keepalive_s  # which has no place for one
            nursery.start_soon(
                partial(writer.keep_alive, grace_s=server.header_grace_s, keepalive_s=keepalive_s),
                name="keep-alive",
            )
            try:
                self.record.end = await self._walk(self._stream_answer(writer).deliver)
            except RouterError as error:
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            await self._fail(writer, failed)

    def _whole_answer(self) -> WholeAnswer:
        return WholeAnswer(exchange=self.exchange, turn=self.turn, record=self.record, learning=self.learning)

    def _stream_answer(self, writer: StreamWriter) -> StreamAnswer:
        whole = self._whole_answer()
        return StreamAnswer(
            exchange=self.exchange, turn=self.turn, record=self.record, guards=self.guards, writer=writer, whole=whole
        )

    def _checked(self, send: Send) -> Send:
        return GrammarCheck(send=send, record=self.record, tally=self.turn.generation.tally)

    async def _fail(self, writer: StreamWriter, error: RouterError) -> None:
        """End the stream in its dialect's error event where the head is out already, or where only that is understood.

        Raises the error elsewhere: its status tells it."""
        if not self.exchange.is_head_sent:
            if not self.turn.dialect.tells_in_stream(error):
                raise error
            await writer.commit(early_headers(self.record, self.turn.stream_type))
        self.record.failed(error)
        await writer.finish(self.turn.encoder(None).failed(error))

    async def _walk(self, deliver: Deliver) -> RelayEnd:
        """Ask the chain. Raises RouterError: nobody answered, the request's deadline, or the daemon's drain deadline."""
        turn, generation = self.turn, self.turn.generation
        now = trio.current_time()
        plan = generation.plan(turn.profile, now, rank_facts(turn, generation, now, self.exchange.request_id))
        self.record.trace.take_plan(plan, turn.profile.providers)
        tell_plan(plan, self.exchange.request_id, generation.observer)
        limit_s = self._limit_s()
        with self.exchange.drain.cancelled_at_deadline() as scope:
            scope.deadline = self.exchange.opened_at + limit_s
            walk = Walk(plan=plan, ask=self._ask(scope), upstreams=generation.upstreams, trace=self.record.trace)
            with self.entry.cancels(scope):
                end = await walk.run(deliver)
        if scope.cancelled_caught:
            self._check_wanted()
            self.entry.check()
            raise self._cut_short(limit_s)
        return end

    def _ask(self, scope: trio.CancelScope) -> Ask:
        turn = self.turn

        def call(provider: Provider, config: ProviderConfig) -> UpstreamCall:
            reads_on = ReadingOn.at(config, self.exchange, self.record, scope)
            return turn.call(provider, config, cut=self.guards.verdict_for(config), reads_on=reads_on)

        return Ask(
            profile=turn.profile,
            is_stream=turn.is_stream,
            call=call,
            shows_thinking=turn.shows_thinking,
            check_wanted=self._check_wanted,
            usage_so_far=self.record.usage_told,
            ended=self.learning.ended,
            input_tokens=turn.priced_tokens,
            max_tokens=turn.max_tokens,
            trace=self.record.place,
            is_exported=turn.generation.is_exported,
        )

    def _check_wanted(self) -> None:
        """Raise ClientGone for a client that left an answer that was read on."""
        if self.exchange.has_client_left:
            raise ClientGone

    def _cut_short(self, limit_s: float) -> RouterError:
        if self.exchange.drain.is_expired:
            return ShuttingDown(message="the router is stopping")
        message = f"the request exceeded its deadline of {limit_s:g} s"
        return NoProviderAvailable(kind=ErrorKind.TIMEOUT, message=message, profile=self.turn.profile.name)

    def _limit_s(self) -> float:
        """Return how long the whole request may take; without limits of the user's for ever."""
        limits = [self.turn.profile.request_deadline_s]
        if self.turn.is_stream:
            limits.append(self.turn.generation.config.server.stream_deadline_s)
        return min((limit for limit in limits if limit is not None), default=inf)
