"""`on_disconnect = "drain"`: an attempt goes on without its client, so that its usage is known (founding decision 16).

There is no task of its own for that: the request's pump reads on in its own nursery, its writes go nowhere, and it keeps
all that it holds: the provider's place, the lease on its server, its count in flight. What ends it is the budget, or the
daemon's stop, which waits for nobody who is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define

from router.config.schema import ProviderConfig
from router.ingress.exchange import Exchange
from router.ingress.record import Record


@define(eq=False, kw_only=True)
class ReadingOn:
    """One attempt's; the ReadsOn of `router/ports.py`. `scope` is cancelled at the end of the budget."""

    exchange: Exchange
    record: Record
    scope: trio.CancelScope
    max_bytes: int
    max_s: float
    _size: int = 0

    @classmethod
    def at(cls, config: ProviderConfig, exchange: Exchange, record: Record, scope: trio.CancelScope) -> ReadingOn | None:
        """Return what lets an attempt at this provider go on, None for one that ends with its client."""
        if config.on_disconnect != "drain":
            return None
        max_bytes, max_s = config.drain_max_bytes, config.drain_max_s
        return cls(exchange=exchange, record=record, scope=scope, max_bytes=max_bytes, max_s=max_s)

    @property
    def has_begun(self) -> bool:
        """The client has left, and this reads on."""
        return self.exchange.has_client_left

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let the request outlive its client inside."""
        self.exchange.outlives_client(self._begin)
        try:
            yield
        finally:
            self.exchange.outlives_client(None)

    def took(self, size: int) -> None:
        """Count bytes that nobody listens to; past the budget the request is cancelled."""
        if not self.has_begun:
            return
        self._size += size
        self.record.drained_bytes = self._size
        if self._size > self.max_bytes:
            self.scope.cancel()

    def _begin(self) -> None:
        self.record.left_alone()
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + self.max_s)
        self.exchange.drain.cancel_at_begin(self.scope)
