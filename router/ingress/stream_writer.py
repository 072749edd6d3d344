"""One client's stream, written by two tasks: the pump, and the keep-alive while the pump waits for the upstream.

The head goes out at commit or at `header_grace_s`, whichever is first; a ping is sent after `keepalive_s` in which
nothing was written (wire.md 18). Neither commits a provider. Exchange gives each write its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from router.ingress.exchange import Exchange
from router.routing.answer import RelayEnd
from router.wire.dialect import Dialect, EventEncoder

PROGRESS_S = 60.0  # Codex gives up after 300 s without an event (wire.md 10.2)

Headers = Sequence[tuple[str, str]]
SummedUp = Callable[[bytes, RelayEnd | None], bytes]  # the last bytes of a stream, with what is told of its way


@define(kw_only=True)
class StreamWriter:
    """The pump calls `commit`, `write` and `finish`; `keep_alive` runs beside it until it is cancelled."""

    exchange: Exchange
    dialect: Dialect
    early_headers: Callable[[], Headers]  # what is known when the grace is over
    summed_up: SummedUp = lambda last, _end: last
    encoder: EventEncoder | None = None  # of the answer, once there is one
    _has_begun: bool = False  # an event of the answer, not only a keep-alive, has been written
    _is_writing: bool = False
    _said_at: float = field(factory=trio.current_time)  # by the upstream, or in its place for a client that waits

    async def commit(self, headers: Headers) -> None:
        """Send the head, unless the grace has sent it."""
        if not self.exchange.is_head_sent:
            await self.exchange.start(200, headers)

    async def write(self, data: bytes) -> None:
        """Send bytes of the answer; returns when the connection took them (back-pressure)."""
        self._has_begun = True
        self._said_at = trio.current_time()
        self._is_writing = True
        await self.exchange.write(data)
        self._is_writing = False

    async def finish(self, data: bytes = b"", end: RelayEnd | None = None) -> None:
        """Send the last bytes and the end; nothing is written after it. `end` tells how an answer ended, None: there was none."""
        self._is_writing = True
        await self.exchange.finish(self.summed_up(data, end))

    async def keep_alive(self, *, grace_s: float, keepalive_s: float) -> None:
        """Send the head after `grace_s`, then a ping after every `keepalive_s` of silence; runs until cancelled."""
        grace_over = trio.current_time() + grace_s
        while not self.exchange.is_head_sent:
            if (now := trio.current_time()) >= grace_over:
                await self.exchange.start(200, self.early_headers())
            else:
                await trio.sleep_until(min(grace_over, now + keepalive_s))
        while True:
            # until a moment, not for a while: a rest too short to move the clock would be slept for ever
            if trio.current_time() < (due := self.exchange.last_write_at + keepalive_s):
                await trio.sleep_until(due)
            elif self._is_writing:
                await trio.sleep(keepalive_s)  # a slow reader is no silence
            else:
                await self.exchange.write(self._sign_of_life())

    def _sign_of_life(self) -> bytes:
        """Return what says that the answer goes on: in a long silence an event, for clients that count no comments."""
        now = trio.current_time()
        if self._has_begun and self.encoder is not None and now - self._said_at >= PROGRESS_S:
            self._said_at = now
            if said := self.encoder.progress():
                return said
        return self.dialect.keepalive(started=self._has_begun)
