"""Hypercorn's protocol server of one connection, with sends and an idle limit of our own, which cost less.

The stock idle limit also runs on when the client has closed between two requests: its socket would stay, half closed,
until the limit. Hypercorn's server class is internal: it is pinned to its minor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import trio
from attrs import define
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from router.ingress.client_link import ClientLink
from supervisors.client_stream import ClientStream


class ClientServer(TCPServer):
    """The server of one client's connection; the state holds its ClientLink."""

    def __init__(
        self, app: ASGIWrapper, config: Config, context: WorkerContext, state: ConnectionState, client: ClientStream
    ) -> None:
        super().__init__(app, config, context, state, client)  # type: ignore[arg-type]  # it is not TLS
        self.client = client
        self.unsent = b""  # of what may wait (`ClientLink.is_more_coming`)
        self.idle_task = IdleLimit(  # type: ignore[assignment]  # Hypercorn calls these two methods of its own, no other
            limit_s=config.keep_alive_timeout, link=client.link, context=context, close=self._initiate_server_close
        )

    async def protocol_send(self, event: Event) -> None:
        """Send as the stock server does, but at once what the kernel takes at once, and a head together with its body."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        data = self.unsent + event.data
        if self.client.link.is_more_coming:
            self.unsent = data
            return
        self.unsent = b""
        try:
            if data and not self.send_lock.locked():
                data = data[self.client.send_now(data) :]
            if data:
                async with self.send_lock:
                    with trio.CancelScope(shield=True):  # ClientStream cuts a client that does not read
                        await self.client.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self.protocol.handle(Closed())


@define(eq=False, kw_only=True)
class IdleLimit:
    """Closes a connection that is idle for `limit_s`, whose client has left, or whose server stops (`context.terminated`).

    One task from request to request, with a deadline that moves: the stock one is started anew for every pause."""

    limit_s: float
    link: ClientLink
    context: WorkerContext
    close: Callable[[], Awaitable[None]]
    _waiting: trio.CancelScope | None = None
    _is_idle: bool = False

    async def restart(self, tasks: TaskGroup, _action: Callable[[], Awaitable[None]]) -> None:
        """Begin a pause: at the connection's start, and after each answer."""
        self._is_idle = True
        if self._waiting is None:
            self._waiting = trio.CancelScope()
            tasks.spawn(self._wait, self._waiting)
        self._waiting.deadline = trio.current_time() + self.limit_s

    async def stop(self) -> None:
        """End the pause: a request has come."""
        self._is_idle = False
        if self._waiting is not None:
            self._waiting.deadline = inf

    async def _wait(self, waiting: trio.CancelScope) -> None:
        trio.lowlevel.current_task().name = "idle-limit"
        with waiting, self.link.watched(waiting.cancel):
            await self.context.terminated.wait()
        self._waiting = None
        if self._is_idle:  # else the server itself closes after the answer, or `restart` finds that the client has left
            with trio.CancelScope(shield=True):
                await self.close()
