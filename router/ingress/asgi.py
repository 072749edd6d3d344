"""The ASGI app that the server gets: says no early, sends model routes to their handler, the rest to small pages or Quart.

Host check, token, in-flight limit and the drain sit here, once. The front has nothing to start or stop, and neither has
the Quart app behind it: the front answers the lifespan by itself and Quart never sees one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import orjson
import trio
from attrs import define

from router.config.redact import cut_word
from router.domain.hops import loop_of
from router.errors import InvalidRequest, LoopDetected, NotFound, OverCapacity, RouterError, ShuttingDown, Unauthorized
from router.ingress.asgi_types import Receive, Scope, Send
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange, NewId, hex_id
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.front_serve import answered, refuse, serve
from router.ingress.front_websocket import deny_websocket
from router.ingress.routes import (
    ACTING_PAGES,
    COLD_PAGES,
    DASHBOARD,
    DASHBOARD_LOGIN,
    OPEN_PAGES,
    VIEWED_PAGES,
    ModelRoute,
    Page,
    Target,
    dialect_asked,
    find_target,
    guess_dialect,
)
from router.ports import Observer
from router.wire.errors import status_of


class ModelHandler(Protocol):
    """Answers the model routes."""

    async def __call__(self, exchange: Exchange, *, route: ModelRoute) -> None:
        """Answer one request; a RouterError that it raises is answered for it."""


@define(eq=False, kw_only=True)
class Front:
    """Immutable but for what `drain` counts. `answer_model` gets every model route (`chat.py`).

    `is_canary` tells by its headers the daemon's own question whether it lives (canary.py): load and drain, which it must not
    count in, are no reason to say no. `hop` is what a request carries that this very process has sent (domain/hops.py)."""

    gate: FrontGate
    drain: Drain
    observer: Observer
    answer_model: ModelHandler
    cold: ColdApp
    max_in_flight: int
    version: str
    new_id: NewId = hex_id
    is_canary: Callable[[Mapping[str, str]], bool] = lambda _headers: False
    hop: str = ""
    redact: Callable[[str], str] = str  # takes the configured secrets out of what is told of a request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope: `http`, `websocket` (always refused) or `lifespan`."""
        match scope["type"]:
            case "http":
                await self._answer_http(scope, receive, send)
            case "websocket":
                await deny_websocket(scope, send, self.gate)
            case "lifespan":
                await answer_lifespan(receive, send)

    async def _answer_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = guess_dialect(scope["path"], scope["headers"])
        exchange = Exchange.of(scope, receive, send, dialect=dialect, drain=self.drain, new_id=self.new_id, redact=self.redact)
        trio.lowlevel.current_task().name = f"request/{exchange.request_id}"  # the server gives each request its own task
        try:
            target = self._admit(exchange, scope["raw_path"])
        except RouterError as error:
            await serve(exchange, partial(self._refuse, error=error), self.observer)
            return
        if isinstance(target, ModelRoute):
            with nullcontext() if self.is_canary(exchange.headers) else self.drain.counted():
                await serve(exchange, partial(self.answer_model, route=target), self.observer)
        elif target in COLD_PAGES:  # Quart reads `receive()` for itself
            await answered(exchange, partial(self.cold.answer, scope=scope, receive=receive), self.observer)
        else:
            await serve(exchange, partial(self._answer_page, page=target), self.observer)

    def _admit(self, exchange: Exchange, raw_path: bytes) -> Target:
        """Return what answers, or raise what refuses: target's form, Host, route, token, loop, drain, load, in this order."""
        if not raw_path.startswith(b"/"):
            # Quart would route an absolute target by its path, past every check that looked at the whole of it (stack.md)
            raise InvalidRequest(message="the request target must be a path that starts with /")
        self.gate.check_host(exchange.headers)
        target = find_target(exchange.method, exchange.path, exchange.query)
        if exchange.method == "POST" and target in ACTING_PAGES:
            self.gate.check_origin(exchange.headers)
        if target in OPEN_PAGES:
            return target
        if target is Page.ADMIN:
            self.gate.check_operator(exchange.method, exchange.headers, exchange.query, exchange.peer)
            return target
        if target in VIEWED_PAGES:
            self.gate.check_viewer(exchange.headers, exchange.query, exchange.peer)
            return target
        if target is Page.METRICS:
            self.gate.check_scraper(exchange.headers, exchange.peer)
            return target
        self.gate.check_token(exchange.headers, exchange.query)
        if isinstance(target, ModelRoute) and (loop := loop_of(exchange.headers, self.hop)):
            raise LoopDetected(message=loop)
        if isinstance(target, ModelRoute) and not self.is_canary(exchange.headers):
            if self.drain.is_started:
                raise ShuttingDown(message="the router is stopping; try again in a few seconds")
            if self.drain.in_flight >= self.max_in_flight:
                raise OverCapacity(message=f"{self.max_in_flight} requests are already being answered")
        return target

    async def _refuse(self, exchange: Exchange, *, error: RouterError) -> None:
        if isinstance(error, Unauthorized) and exchange.path in {
            DASHBOARD,
            f"{DASHBOARD}/",
        }:  # people read no JSON: they get a form
            await exchange.respond(303, [("location", DASHBOARD_LOGIN)])
            return
        dialect = dialect_asked(exchange.method, exchange.path)
        self.observer.event(
            "request-refused",
            {
                "request_id": exchange.request_id,
                "method": cut_word(exchange.method, exchange.redact),
                "path": exchange.told_path,
                "kind": error.kind.value,
                "status": status_of(error, exchange.dialect),
                "peer": exchange.peer,
                **({} if dialect is None else {"dialect": dialect}),
            },
        )
        await refuse(exchange, error)

    async def _answer_page(self, exchange: Exchange, *, page: Page) -> None:
        status, body = 200, {}
        match page:
            case Page.ROOT:
                body = {"service": "router", "version": self.version}
            case Page.LIVEZ:
                body = {"status": "alive"}
            case Page.READYZ:
                status, body = (503, {"status": "stopping"}) if self.drain.is_started else (200, {"status": "ready"})
            case Page.STORED:
                raise NotFound(message="answers are not stored here: send the whole conversation with each request")
            case _:
                await exchange.discard_body()
        await exchange.respond(status, [("content-type", "application/json")], orjson.dumps(body))


async def answer_lifespan(receive: Receive, send: Send) -> None:
    """Say yes to start-up and shutdown: what the daemon starts and stops is its tree's business."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
