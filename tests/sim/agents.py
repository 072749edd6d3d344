"""Clients of the daemon: agents that hold long sessions, in both dialects, alone or with sub-agents beside them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson
import trio
from attrs import define, frozen

from router.config.schema import RouterConfig
from router.domain.request import DialectName
from router.providers.h1_body import BodyError
from router.wire.grammar import GrammarViolation
from tests.sim.call import Call, How
from tests.sim.conversations import Conversation, Item, Kind, has_calls, rendered, tools
from tests.sim.expected import promise, refused_calls, statuses
from tests.sim.heard import complaints, left_over
from tests.sim.lines import MemoryLine
from tests.sim.reading import Cut, Odd, Reading

CHAT = DialectName.OPENAI_CHAT
PATHS = {DialectName.ANTHROPIC: "/v1/messages", CHAT: "/v1/chat/completions"}
IDLE_CLOSE_S = 60.0  # as the clients' pools do: before the daemon closes at 120 s
MAIN, CHILD = "main", "subagent"


@frozen(kw_only=True)
class Habits:
    """How an agent behaves. Seconds; `pause_s` is the mean between two bursts, `quick_s` the longest inside one.

    `children` is the most that it sends off side by side, with requests of their own. `tools` is the share of plain
    requests that declare tools. Requests name their `session`, "" for none."""

    dialect: DialectName
    profiles: tuple[str, ...]
    pause_s: float
    quick_s: float = 4.0
    burst: int = 6
    side_by_side: int = 1
    streams: float = 0.8  # share of requests
    leaves: float = 0.1
    kind: Kind = Kind.PLAIN
    tools: float = 0.3
    max_tokens: int = 256
    session: str = ""
    children: int = 0


class Door(Protocol):
    """How an agent gets a connection. Raises ConnectionRefusedError once the listener is gone."""

    def connect(self) -> MemoryLine:
        """Return our end of a new connection."""


@define(eq=False)
class Seat:
    """Who asks: the main agent or one of its children, with a conversation and a connection of its own."""

    rng: random.Random
    talk: Conversation
    klass: str = ""
    agent: str = ""
    line: MemoryLine | None = None


@define(eq=False, kw_only=True)
class Agent:
    """One session. `bound_s` is the longest that any request may take; `broken` tells a violation.

    `configs` are those that the daemon has had at work in its present life; `was_torn` tells of an answer that broke off."""

    name: str
    number: int
    rng: random.Random
    habits: Habits
    connect: Callable[[], MemoryLine]
    bound_s: float
    broken: Callable[[str, str], None]
    told: Callable[[Call], None]
    calls: dict[str, Call]
    may_be_cut: Callable[[Call], bool]
    configs: Callable[[], Sequence[RouterConfig]]
    was_torn: Callable[[Call], bool]
    sent: int = 0

    async def live(self, until: float) -> None:
        """Send bursts of requests, with pauses between, until the time has come."""
        async with trio.open_nursery() as nursery:
            for lane in range(self.habits.side_by_side):
                nursery.start_soon(self._lane, lane, until, name=f"{self.name}/{lane}")
            if self.habits.children:
                nursery.start_soon(self._errands, until, name=f"{self.name}/errands")

    async def _lane(self, lane: int, until: float) -> None:
        seat = self._seat(lane, MAIN if self.habits.session else "")
        rng = seat.rng
        await trio.sleep(rng.uniform(0, self.habits.pause_s))
        while trio.current_time() < until:
            await self._burst(seat, rng.randint(1, self.habits.burst), until)
            pause_s = rng.expovariate(1 / self.habits.pause_s)
            if seat.line is not None and pause_s > IDLE_CLOSE_S:
                await trio.sleep(IDLE_CLOSE_S)
                seat.line.close()
                seat.line, pause_s = None, pause_s - IDLE_CLOSE_S
            await trio.sleep(pause_s)
        if seat.line is not None:
            seat.line.close()

    async def _errands(self, until: float) -> None:
        """Send off children now and then, all at once, while the main agent goes on asking."""
        rng = random.Random(f"{self.rng.random()}/errands")
        while trio.current_time() < until:
            await trio.sleep(rng.expovariate(1 / self.habits.pause_s))
            async with trio.open_nursery() as nursery:
                for child in range(rng.randint(2, self.habits.children)):
                    seat = self._seat(f"child/{child}", CHILD, agent=f"child-{self.number}-{child}")
                    nursery.start_soon(self._once, seat, rng.randint(1, 3), until, name=f"{self.name}/child/{child}")
                main = self._seat("beside", MAIN)
                nursery.start_soon(self._once, main, rng.randint(2, 5), until, name=f"{self.name}/beside")

    def _seat(self, word: object, klass: str, *, agent: str = "") -> Seat:
        rng = random.Random(f"{self.rng.random()}/{word}")
        return Seat(rng, Conversation(rng=rng, kind=self.habits.kind), klass, agent)

    async def _once(self, seat: Seat, count: int, until: float) -> None:
        await trio.sleep(seat.rng.choice((0.0, 0.0, 0.5)))
        await self._burst(seat, count, until)
        if seat.line is not None:
            seat.line.close()

    async def _burst(self, seat: Seat, count: int, until: float) -> None:
        for _ in range(count):
            if trio.current_time() >= until:
                break
            try:
                if seat.line is None or not seat.line.is_alive():
                    seat.line = self.connect()
            except ConnectionRefusedError:
                seat.line = None
            else:
                seat.line = await self._ask(seat, seat.line)
            await trio.sleep(seat.rng.uniform(0.1, self.habits.quick_s))

    async def _ask(self, seat: Seat, line: MemoryLine) -> MemoryLine | None:
        """Send one request and read its answer; return the connection if it can be used again."""
        self.sent += 1
        rng, how = seat.rng, How.READS
        if rng.random() < self.habits.leaves:
            how = rng.choice((How.LEAVES, How.LEAVES, How.RESETS, How.DAWDLES))
        items = seat.talk.turn(f"sim-{self.number}-{self.sent}")
        has_tools = has_calls(items) or rng.random() < self.habits.tools
        call, request = self._request(seat, items, how, has_tools=has_tools)
        self.calls[call.mark] = call
        leave_s = rng.choice((0.0, 0.5, 2.0, 8.0, 20.0)) if how in (How.LEAVES, How.RESETS) else self.bound_s
        pause_s = rng.uniform(0, 3) if how is How.DAWDLES else 0.0
        reading = Reading(call=call, line=line, pause_s=pause_s, statuses=lambda: statuses(self.configs()))
        with trio.move_on_after(leave_s) as limit:
            try:
                await line.send_all(request)
                await reading.run()
                self._judge(reading, seat, has_tools=has_tools)
            except (trio.BrokenResourceError, trio.ClosedResourceError, Cut) as error:
                call.words = f"cut: {error}"
                if not self.may_be_cut(call):
                    self.broken("answer", f"{call.mark} was cut: {error!r} after {call.received} bytes")
            except (GrammarViolation, BodyError, Odd) as error:
                call.words = f"odd: {error}"
                self.broken("grammar", f"{call.mark} ({call.dialect}): {error}")
        if limit.cancelled_caught and how not in (How.LEAVES, How.RESETS):
            self.broken("deadline", f"{call.mark} has no end after {self.bound_s:g} s: {call.words}, {call.received} bytes")
        if limit.cancelled_caught:
            call.left_at = trio.current_time()
            call.words += ", left"
            (line.reset if how is How.RESETS else line.close)()
        call.has_ended = True
        if reading.is_over:
            del self.calls[call.mark]
        self.told(call)
        if reading.can_go_on:
            return line
        line.close()
        return None

    def _judge(self, reading: Reading, seat: Seat, *, has_tools: bool) -> None:
        """Check what a whole answer says, and whether its refusal leaves a way out; then do as a client does (GUARD)."""
        call, configs = reading.call, self.configs()
        if reading.code:
            if reading.code != "too-long" and seat.talk.is_person_last:
                self.broken("GUARD", f"{call.mark}: {reading.code}, and a person has spoken last")
            seat.talk.refused(reading.code)
        elif reading.status == 200 and refused_calls(configs, call.profile, seat.talk.calls):
            self.broken("GUARD", f"{call.mark}: {seat.talk.calls} calls behind a person's message were let through")
        if reading.status != 200:
            return
        heard = reading.heard
        found = [*complaints(heard)]
        if not heard.has_error and not self.was_torn(call):
            made = promise(configs, reading.provider, has_tools=has_tools)
            found += left_over(heard, made.forms, thinks=made.thinks, marks=made.marks)
        for text in found:
            self.broken("GUARD", f"{call.mark} from {reading.provider}: {text}")

    def _request(self, seat: Seat, items: Sequence[Item], how: How, *, has_tools: bool) -> tuple[Call, bytes]:
        """Return the call and the bytes of a request."""
        habits, rng, mark = self.habits, seat.rng, f"sim-{self.number}-{self.sent}"
        stream, profile = rng.random() < habits.streams, rng.choice(habits.profiles)
        body: dict[str, Any] = {
            "model": "sim",
            "max_tokens": habits.max_tokens,
            "stream": stream,
            "messages": rendered(items, habits.dialect),
        }
        if habits.dialect is CHAT and stream and self.sent % 2:
            body["stream_options"] = {"include_usage": True}
        if has_tools:
            body["tools"] = tools(habits.dialect)
        content = orjson.dumps(body)
        lines = {
            "host": "127.0.0.1:8088",
            "content-type": "application/json",
            "content-length": str(len(content)),
            "x-router-profile": profile,
            "x-request-id": mark,
            **self._session(seat),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        call = Call(
            mark=mark,
            began=trio.current_time(),
            how=how,
            stream=stream,
            dialect=habits.dialect,
            profile=profile,
            session=habits.session or None,
            klass=seat.klass,
            size=len(content),
        )
        return call, f"POST {PATHS[habits.dialect]} HTTP/1.1\r\n{head}\r\n".encode() + content

    def _session(self, seat: Seat) -> dict[str, str]:
        """Return the headers that Claude Code sends."""
        if not self.habits.session:
            return {}
        lines = {"x-claude-code-session-id": self.habits.session, "x-claude-code-request-class": seat.klass}
        return lines | ({"x-claude-code-agent-id": seat.agent} if seat.agent else {})
