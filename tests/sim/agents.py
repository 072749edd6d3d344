"""Clients of the daemon: agents that hold long sessions, in both dialects, and check every answer that they get."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import orjson
import trio
from attrs import define, field, frozen

from router.domain.request import DialectName
from router.providers.h1_body import Body, BodyError, body_of
from router.wire.grammar import GrammarMonitor, GrammarViolation
from router.wire.registry import MONITORS
from tests.sim.lines import MemoryLine

CHAT = DialectName.OPENAI_CHAT
PATHS = {DialectName.ANTHROPIC: "/v1/messages", CHAT: "/v1/chat/completions"}
IDLE_CLOSE_S = 60.0  # as the clients' pools do: before the daemon closes at 120 s
HISTORY = 6  # turns that a request repeats
TOOL = {"type": "object", "properties": {"path": {"type": "string"}}}
STATUSES = frozenset({200, 400, 401, 402, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529})


class How(StrEnum):
    """What a client does with its answer."""

    READS = "reads"
    LEAVES = "leaves"  # closes after a while
    RESETS = "resets"  # the same, the hard way
    DAWDLES = "dawdles"  # pauses between reads


@frozen(kw_only=True)
class Habits:
    """How an agent behaves. Seconds; `pause_s` is the mean between two bursts, `quick_s` the longest inside one."""

    dialect: DialectName
    profiles: tuple[str, ...]
    pause_s: float
    quick_s: float = 4.0
    burst: int = 6
    side_by_side: int = 1
    streams: float = 0.8  # share of requests
    leaves: float = 0.1


class Door(Protocol):
    """How an agent gets a connection. Raises ConnectionRefusedError once the listener is gone."""

    def connect(self) -> MemoryLine:
        """Return our end of a new connection."""


@define(eq=False)
class Call:
    """One request under way, as the invariants see it. `left_at` is when its client went away."""

    mark: str
    began: float
    how: How
    stream: bool
    dialect: DialectName
    left_at: float | None = None
    words: str = "sent"
    received: int = 0


@define(eq=False, kw_only=True)
class Agent:
    """One session. `bound_s` is the longest that any request may take; `broken` tells a violation."""

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
    sent: int = 0
    history: list[dict[str, str]] = field(factory=list)

    async def live(self, until: float) -> None:
        """Send bursts of requests, with pauses between, until the time has come."""
        async with trio.open_nursery() as nursery:
            for lane in range(self.habits.side_by_side):
                nursery.start_soon(self._lane, lane, until, name=f"{self.name}/{lane}")

    async def _lane(self, lane: int, until: float) -> None:
        rng = random.Random(f"{self.rng.random()}/{lane}")
        line: MemoryLine | None = None
        await trio.sleep(rng.uniform(0, self.habits.pause_s))
        while trio.current_time() < until:
            for _ in range(rng.randint(1, self.habits.burst)):
                if trio.current_time() >= until:
                    break
                try:
                    if line is None or not line.is_alive():
                        line = self.connect()
                except ConnectionRefusedError:
                    line = None
                else:
                    line = await self._ask(rng, line)
                await trio.sleep(rng.uniform(0.1, self.habits.quick_s))
            pause_s = rng.expovariate(1 / self.habits.pause_s)
            if line is not None and pause_s > IDLE_CLOSE_S:
                await trio.sleep(IDLE_CLOSE_S)
                line.close()
                line, pause_s = None, pause_s - IDLE_CLOSE_S
            await trio.sleep(pause_s)
        if line is not None:
            line.close()

    async def _ask(self, rng: random.Random, line: MemoryLine) -> MemoryLine | None:
        """Send one request and read its answer; return the connection if it can be used again."""
        self.sent += 1
        how = How.READS
        if rng.random() < self.habits.leaves:
            how = rng.choice((How.LEAVES, How.LEAVES, How.RESETS, How.DAWDLES))
        stream = rng.random() < self.habits.streams
        mark = f"sim-{self.number}-{self.sent}"
        call = Call(mark, trio.current_time(), how, stream, self.habits.dialect)
        self.calls[mark] = call
        leave_s = rng.choice((0.0, 0.5, 2.0, 8.0, 20.0)) if how in (How.LEAVES, How.RESETS) else self.bound_s
        request = self._request(mark, rng.choice(self.habits.profiles), stream=stream, has_tools=rng.random() < 0.3)
        reading = Reading(call=call, line=line, pause_s=rng.uniform(0, 3) if how is How.DAWDLES else 0.0)
        with trio.move_on_after(leave_s) as limit:
            try:
                await line.send_all(request)
                await reading.run()
            except (trio.BrokenResourceError, trio.ClosedResourceError, Cut) as error:
                call.words = f"cut: {error}"
                if not self.may_be_cut(call):
                    self.broken("answer", f"{mark} was cut: {error!r} after {call.received} bytes")
            except (GrammarViolation, BodyError, Odd) as error:
                call.words = f"odd: {error}"
                self.broken("grammar", f"{mark} ({self.habits.dialect}): {error}")
        if limit.cancelled_caught and how not in (How.LEAVES, How.RESETS):
            self.broken("deadline", f"{mark} has no end after {self.bound_s:g} s: {call.words}, {call.received} bytes")
        if limit.cancelled_caught:
            call.left_at = trio.current_time()
            call.words += ", left"
            (line.reset if how is How.RESETS else line.close)()
        if reading.is_over:
            del self.calls[mark]
        self.told(call)
        if reading.can_go_on:
            return line
        line.close()
        return None

    def _request(self, mark: str, profile: str, *, stream: bool, has_tools: bool) -> bytes:
        """Return the bytes of a request; the mark stands in its last message."""
        dialect = self.habits.dialect
        asking = {"role": "user", "content": f"turn {self.sent}"}
        body: dict[str, Any] = {
            "model": "sim",
            "max_tokens": 256,
            "stream": stream,
            "messages": [*self.history, {"role": "user", "content": f"{mark}: go on"}],
        }
        self.history += [asking, {"role": "assistant", "content": "done"}]
        del self.history[: -2 * HISTORY]
        if dialect is CHAT:
            if stream and self.sent % 2:
                body["stream_options"] = {"include_usage": True}
            if has_tools:
                body["tools"] = [{"type": "function", "function": {"name": "read_file", "parameters": TOOL}}]
        elif has_tools:
            body["tools"] = [{"name": "read_file", "input_schema": TOOL}]
        content = orjson.dumps(body)
        head = (
            f"POST {PATHS[dialect]} HTTP/1.1\r\nhost: 127.0.0.1:8088\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\nx-router-profile: {profile}\r\nx-request-id: {mark}\r\n\r\n"
        )
        return head.encode() + content


class Cut(Exception):
    """The connection ended before the answer did."""


class Odd(Exception):
    """The answer is none that the daemon may give."""


@define(eq=False, kw_only=True)
class Reading:
    """One answer, read and checked. `is_over`: it ended; `can_go_on`: the connection can be used again."""

    call: Call
    line: MemoryLine
    pause_s: float
    is_over: bool = False
    can_go_on: bool = False
    body: Body | None = None
    monitor: GrammarMonitor | None = None
    whole: list[bytes] = field(factory=list)
    status: int = 0

    async def run(self) -> None:
        """Read to the end. Raises Cut, Odd, GrammarViolation, BodyError and what the line raises."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += await self._more()
        headers = self._head(data[:end])
        body = self.body = body_of(self.status, headers)
        self._take(body, data[end + 4 :])
        while not body.is_done:
            self._take(body, await self._more())
            if self.pause_s:
                await trio.sleep(self.pause_s)
        self.is_over = True
        self._judge()
        self.can_go_on = dict(headers).get(b"connection") != b"close"

    async def _more(self) -> bytes:
        data = await self.line.receive_some()
        if not data:
            if self.body is not None:
                self.body.end()
            raise Cut("the connection ended")
        self.call.received += len(data)
        return data

    def _head(self, head: bytes) -> list[tuple[bytes, bytes]]:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        self.call.words = str(self.status)
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        by_name = dict(headers)
        if self.status not in STATUSES:
            raise Odd(f"status {self.status}")
        if by_name.get(b"x-request-id") != self.call.mark.encode():
            raise Odd(f"another request's id: {by_name.get(b'x-request-id')!r}")
        if by_name.get(b"content-type", b"").startswith(b"text/event-stream"):
            if not self.call.stream:
                raise Odd("a stream that nobody asked for")
            self.monitor = MONITORS[self.call.dialect]()
        return headers

    def _take(self, body: Body, data: bytes) -> None:
        content = body.feed(data)
        if self.monitor is not None:
            self.monitor.feed(content)
        else:
            self.whole.append(content)

    def _judge(self) -> None:
        """Check the end of a stream, or the whole document."""
        if self.monitor is not None:
            self.monitor.close()
            self.call.words += " stream"
            return
        try:
            document = orjson.loads(b"".join(self.whole))
        except orjson.JSONDecodeError as error:
            raise Odd(f"{self.status} is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise Odd(f"{self.status} is no object")
        if self.status != 200:
            told = document.get("error")
            if not isinstance(told, dict) or not isinstance(told.get("message"), str):
                raise Odd(f"{self.status} has no error in it")
            self.call.words += f" {told.get('type')}"
        elif "choices" not in document and "content" not in document:
            raise Odd("an answer without choices or content")
