"""Scripted model servers and the network to them, in memory: HTTP/1.1 bytes of both dialects."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import h11
import orjson
import trio
from attrs import define, evolve, field

from router.providers.h1 import Line
from tests.fakes.pieces import Asked, Wire
from tests.fakes.plans import Plan
from tests.fakes.sender import ConnectionGone, Sender, answer
from tests.sim import caches, received, words
from tests.sim.caches import Cache
from tests.sim.lines import MemoryLine, pair, refused
from tests.sim.moods import TALKS, UP, Mood, page_of, plan_of

MARK = re.compile(rb"sim-[0-9]+-[0-9]+")  # in the last message: which client's request it is
WIRES = {"/v1/chat/completions": Wire.CHAT, "/v1/messages": Wire.ANTHROPIC}
QUIRKS = (*sorted(TALKS), Mood.TORN, Mood.TORN)
MANY, TOKENS_PER_DELTA = 1_000, 3
BYTES_PER_TOKEN = 8  # of a prompt: no more than the router's own count, so that no answer costs more than was reserved for it
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@define(eq=False)
class Seen:
    """One request that a backend got. `mark` is the client's, "" for a probe; `line` the backend's end of its connection."""

    mark: str
    target: str
    began: float
    line: MemoryLine
    bytes_sent: int = 0
    deltas_sent: int = 0
    first_delta_at: float | None = None
    is_answered: bool = False


@define(eq=False)
class Backend:
    """One model server. `mood` is set by the faults; a managed one listens only while its job does (`is_up`)."""

    name: str
    port: int
    rng: random.Random
    mood: Mood = Mood.HEALTHY
    flap_s: float = 20.0
    cache: Cache = Cache.NONE
    is_up: bool = True
    is_ready: bool = True  # False: its job still loads
    open: dict[int, Seen] = field(factory=dict)  # requests being answered
    asked: int = 0
    gone_on: int = 0  # answers that another one had begun
    lines: dict[int, MemoryLine] = field(factory=dict)  # our ends of the open connections
    answered_at: list[float] = field(factory=list)  # whole good answers
    quirks: float = 0.0  # share of its answers that a guard is for while it is well
    complain: Callable[[str, str], None] = lambda _name, _text: None  # about what it gets
    _changed: trio.Event = field(factory=trio.Event)
    _number: int = 0

    def turn(self, mood: Mood) -> None:
        """Change the mood; a crash resets what is open."""
        self.mood = mood
        self._changed.set()
        self._changed = trio.Event()
        if mood is Mood.DOWN:
            self.crash()

    def crash(self) -> None:
        """Reset every connection."""
        for line in tuple(self.lines.values()):
            line.reset()

    @property
    def now(self) -> Mood:
        """The mood of this moment."""
        if not self.is_ready:
            return Mood.LOADING
        if self.mood is Mood.FLAPPING:
            return Mood.DOWN if int(trio.current_time() / self.flap_s) % 2 else Mood.HEALTHY
        return self.mood

    @property
    def is_listening(self) -> bool:
        """Whether a connection is taken."""
        return self.is_up and self.now is not Mood.DOWN

    async def serve(self, ours: MemoryLine, theirs: MemoryLine) -> None:
        """Answer on one connection until either side closes it."""
        number = self._number = self._number + 1
        self.lines[number] = ours
        with trio.CancelScope() as scope:
            theirs.on_close = ours.on_close = scope.cancel
            try:
                while await self._serve_request(ours):
                    pass
            except (ConnectionGone, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        ours.close()
        del self.lines[number]

    async def speak(self) -> None:
        """Wait while the backend hangs."""
        while self.mood is Mood.HUNG:
            await self._changed.wait()

    async def _serve_request(self, line: MemoryLine) -> bool:
        """Answer one request; False when the connection is over."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if not (more := await line.receive_some()):
                return False
            data += more
        length = _LENGTH.search(data, 0, end + 2)
        whole = end + 4 + (int(length[1]) if length else 0)
        while len(data) < whole:
            if not (more := await line.receive_some()):
                return False
            data += more
        target = data[: data.index(b"\r\n")].split(b" ")[1].decode()
        self.asked += 1
        key = self.asked
        mark = MARK.search(data, end)
        seen = self.open[key] = Seen(mark[0].decode() if mark else "", target, trio.current_time(), line)
        try:
            can_go_on = await self._answer(line, seen, target, data[end + 4 :])
            seen.is_answered = True
            return can_go_on
        finally:
            del self.open[key]

    async def _answer(self, line: MemoryLine, seen: Seen, target: str, body: bytes) -> bool:
        sender = LineSender(line=line, backend=self, exchange=seen)
        wire = WIRES.get(target)
        mood = self.now
        await self.speak()
        if wire is None:
            status, page = await self._page(mood, target)
            await sender.page(status, page)
            return True
        request = orjson.loads(body)
        asked = _asked(wire, request)
        if seen.mark:
            for fault in received.complaints(wire, request):
                self.complain("GUARD", f"{seen.mark} at {self.name}: {fault}")
        if seen.mark and mood is Mood.HEALTHY and self.rng.random() < self.quirks:
            mood = self.rng.choice(QUIRKS)
        plan = self._plan(mood, wire, request, len(body))
        await answer(sender, plan, asked)
        if sender.is_reset:
            line.reset()
        if not sender.is_cut and plan.fault is None and plan.status == 200:
            self.answered_at.append(trio.current_time())
        return not sender.is_cut

    def _plan(self, mood: Mood, wire: Wire, request: Mapping[str, Any], size: int) -> Plan:
        """Return the answer to a request: the rest of one that it has begun, if it has."""
        limit = request.get("max_tokens") or request.get("max_completion_tokens") or MANY
        most = max(1, limit // TOKENS_PER_DELTA)
        plan = plan_of(mood, self.rng, most=most, has_tools=bool(request.get("tools")))
        if plan.status == 200 and plan.body is None and plan.events is None and plan.raw is None:
            if said := words.started_answer(wire, request):
                plan = words.gone_on(plan, said, self.rng)
                self.gone_on += 1
            plan = words.within(plan, most)
        return evolve(plan, input_tokens=size // BYTES_PER_TOKEN)

    async def _page(self, mood: Mood, target: str) -> tuple[int, bytes]:
        """Return an answer that is no completion; a slot at work is erased when it is free."""
        if caches.is_asked(target) and mood in UP:
            await trio.sleep(
                self.rng.choice((0.0,) * 9 + (3.0, 60.0)) if "erase" in target and self.cache is Cache.SLOTS else 0.0
            )
            return caches.page_of(self.cache, target)
        return (404, b"{}") if target.endswith("count_tokens") else page_of(mood, self.rng, Wire.CHAT)


class LineSender(Sender):
    """The fakes' sender with a framing of its own: h11 would cost more than the router."""

    def __init__(self, *, line: MemoryLine, backend: Backend, exchange: Seen) -> None:
        super().__init__(stream=line, conn=_NO_H11, exchange=exchange, on_delta=_nothing)
        self.backend = backend
        self.is_chunked = False
        self.left = 0

    async def event(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        """Send one event."""
        if isinstance(event, h11.Data):
            await self.raw(b"%x\r\n%b\r\n" % (len(event.data), event.data) if self.is_chunked else bytes(event.data))
            self.left -= len(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if self.is_chunked:
                await self.raw(b"0\r\n\r\n")
            elif self.left > 0:
                raise h11.LocalProtocolError("less than the length says")

    async def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the response head."""
        names = dict(headers)
        self.is_chunked = "transfer-encoding" in names
        self.left = int(names.get("content-length", "0"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        await self.raw(f"HTTP/1.1 {status} Sim\r\n{lines}\r\n".encode())

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are, once the backend does not hang."""
        if self.backend.mood is Mood.HUNG:
            await self.backend.speak()
        await super().raw(data)

    async def page(self, status: int, body: bytes) -> None:
        """Send a small whole answer."""
        kind = "text/html" if body.startswith(b"<") else "application/json"
        await self.head(status, [("content-type", kind), ("content-length", str(len(body)))])
        await self.raw(body)


_NO_H11 = h11.Connection(h11.SERVER)


def _nothing() -> None:
    return


def _asked(wire: Wire, request: Mapping[str, Any]) -> Asked:
    options = request.get("stream_options") or {}
    return Asked(
        wire=wire,
        model=str(request.get("model", "")),
        stream=bool(request.get("stream", False)),
        include_usage=bool(options.get("include_usage", False)),
    )


@define(eq=False)
class Network:
    """Who listens on which port. `nursery` holds the backends' connections."""

    backends: dict[int, Backend]
    nursery: trio.Nursery | None = None
    dials: int = 0

    async def dial(self, host: str, port: int) -> Line:
        """Connect. Raises ConnectionRefusedError; waits for ever on an unreachable host."""
        del host
        await trio.lowlevel.checkpoint()
        self.dials += 1
        backend = self.backends.get(port)
        if backend is None or not backend.is_listening:
            raise refused()
        if backend.mood is Mood.UNREACHABLE:
            await trio.sleep_forever()
        assert self.nursery is not None
        theirs, ours = pair()
        self.nursery.start_soon(backend.serve, ours, theirs, name=f"backend/{backend.name}")
        return theirs

    def cut(self) -> None:
        """Reset every connection, as the kernel does when the daemon's process is gone."""
        for backend in self.backends.values():
            backend.crash()

    def open_lines(self) -> int:
        """Return how many connections to backends are open at the daemon's end."""
        return sum(not line.outgoing.is_unread for backend in self.backends.values() for line in backend.lines.values())

    def holders(self, mark: str) -> list[str]:
        """Return the backends that still answer one client's request on a connection that the daemon holds."""
        return [
            backend.name
            for backend in self.backends.values()
            for seen in backend.open.values()
            if seen.mark == mark and not seen.line.outgoing.is_unread
        ]
