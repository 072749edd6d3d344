"""The Quart app behind the front, imported when its first page is asked for.

Quart and what it brings cost 0.2 s and 8 to 11 MiB (stack.md), which a daemon that only answers models never pays. The
import runs in a worker thread, so that open streams do not stand still for it."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import define, field

from router.ingress.asgi_types import ASGIApp, Message, Receive, Scope, Send
from router.ingress.exchange import Exchange

REQUEST_ID = "router.request_id"  # in `scope["state"]`: what its pages tell of a request


@define(eq=False)
class ColdApp:
    """`load` imports and builds the app; it is called once, in a worker thread."""

    load: Callable[[], ASGIApp]
    _app: ASGIApp | None = None
    _loading: trio.Lock = field(factory=trio.Lock)

    async def answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        """Let the app answer; its head gets the exchange's id headers, its end the exchange's care for the connection."""
        app = await self._get()
        scope = {**scope, "state": {**scope.get("state", {}), REQUEST_ID: exchange.request_id}}
        await app(scope, hidden_disconnect(exchange, receive), answering(exchange))

    async def _get(self) -> ASGIApp:
        async with self._loading:
            if self._app is None:
                self._app = await trio.to_thread.run_sync(self.load)
        return self._app


def hidden_disconnect(exchange: Exchange, receive: Receive) -> Receive:
    """Return `receive` without the disconnect that follows a complete answer.

    Quart-trio cancels its request on every disconnect; with this one it would cancel the server's own clean-up in the
    middle of the last send, and the connection would stay open for ever (stack.md, defect 1)."""

    async def receive_while_answering() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect" and exchange.is_finished:
            await trio.sleep_forever()
        return message

    return receive_while_answering


def answering(exchange: Exchange) -> Send:
    """Return the `send` that writes an app's ASGI messages through the exchange."""

    async def send(message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
                await exchange.start(message["status"], headers)
            case "http.response.body" if message.get("more_body", False):
                await exchange.write(message["body"])
            case "http.response.body":
                await exchange.finish(message.get("body", b""))

    return send
