"""One client's connection, as the request that is being answered on it sees it.

The server puts a ClientLink into `scope["state"]` of each connection. It tells a
client's departure also where `receive()` cannot: bytes that the client pipelined,
or a full queue of body messages, hide the end of the connection from the server's
own reader (stack.md, defect 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

STATE_KEY = "router.client_link"


@define(eq=False)
class ClientLink:
    """`is_gone` becomes True once, at end of file or reset; its writer is the connection's reader task.

    `is_more_coming` lets what is written wait for what is written next: a head for the body that follows at once. Its writer is
    the exchange that answers."""

    is_gone: bool = False
    is_more_coming: bool = False
    _watchers: list[Callable[[], None]] = field(factory=list)

    def lost(self) -> None:
        """Say that the client has left; tells the requests that watch, at once. Only the first call counts."""
        if self.is_gone:
            return
        self.is_gone = True
        for watcher in tuple(self._watchers):
            watcher()

    @contextmanager
    def watched(self, on_gone: Callable[[], None]) -> Iterator[None]:
        """Call `on_gone` when the client leaves, at once if it has left already."""
        self._watchers.append(on_gone)
        try:
            if self.is_gone:
                on_gone()
            yield
        finally:
            self._watchers.remove(on_gone)
