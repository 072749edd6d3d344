"""One answer, read as a client reads it, and checked: its status, its ids, its framing, its grammar, and what it says."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import trio
from attrs import define, field

from router.providers.h1_body import Body, body_of
from router.wire.grammar import GrammarMonitor
from router.wire.registry import MONITORS
from tests.sim.call import Call
from tests.sim.heard import Heard
from tests.sim.lines import MemoryLine


class Cut(Exception):
    """The connection ended before the answer did."""


class Odd(Exception):
    """The answer is none that the daemon may give."""


@define(eq=False, kw_only=True)
class Reading:
    """One answer, read and checked. `is_over`: it ended; `can_go_on`: the connection can be used again.

    `statuses` are those that are legal at that moment."""

    call: Call
    line: MemoryLine
    pause_s: float
    statuses: Callable[[], frozenset[int]]
    is_over: bool = False
    can_go_on: bool = False
    body: Body | None = None
    monitor: GrammarMonitor | None = None
    whole: list[bytes] = field(factory=list)
    status: int = 0
    code: str = ""  # of an error
    provider: str = ""
    heard: Heard = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.heard = Heard(self.call.dialect)

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
        if self.status not in self.statuses():
            raise Odd(f"status {self.status}")
        if by_name.get(b"x-request-id") != self.call.mark.encode():
            raise Odd(f"another request's id: {by_name.get(b'x-request-id')!r}")
        if by_name.get(b"content-type", b"").startswith(b"text/event-stream"):
            if not self.call.stream:
                raise Odd("a stream that nobody asked for")
            self.monitor = MONITORS[self.call.dialect]()
        self.provider = by_name.get(b"x-router-provider", b"").decode()
        return headers

    def _take(self, body: Body, data: bytes) -> None:
        content = body.feed(data)
        if self.monitor is not None:
            self.monitor.feed(content)
            self.heard.feed(content)
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
            self.code = code_of(told)
            self.call.words += f" {told.get('type')}" + (f" {self.code}" if self.code else "")
        elif "choices" not in document and "content" not in document:
            raise Odd("an answer without choices or content")
        else:
            self.heard.whole(document)


def code_of(error: dict[str, object]) -> str:
    """Return which guard has refused, "" for any other error."""
    message, told = str(error["message"]), f"{error.get('code')} {error.get('type')} {error.get('details')}"
    if message.startswith("prompt is too long"):
        return "too-long"
    if "tool_loop" in told or message.startswith("tool loop"):
        return "tool-loop"
    return "tool-count" if "tool_count" in told or "tool calls since the user's last message" in message else ""
