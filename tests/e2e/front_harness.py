"""A front on a real socket, with handlers and pages of the test's own, and a client that writes raw bytes."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import cast

import trio
from attrs import define, field

from router.domain.control import ReloadOutcome, ReloadVerdict, TaskState, TreeNode
from router.domain.health import ProviderStatus
from router.domain.health_events import OperatorAction, ProbeVerdict
from router.domain.probe import ProbeClass, ProbeResult
from router.errors import NotFound
from router.ingress.asgi import Front
from router.ingress.asgi_types import ASGIApp
from router.ingress.dashboard_hub import Hub
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.live_requests import LiveRequests
from router.ingress.metrics_body import Watched
from router.ingress.routes import ModelRoute
from router.ingress.status_report import ProviderReport, StatusReport
from router.observers.views import Views
from supervisors.ingress import BoundAddress, IngressOptions, run
from tests.builders import a_config, a_provider

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JSON = [("content-type", "application/json")]
PATIENCE_S = 5.0  # for anything that should happen at once; a test that waits so long has failed

ModelAnswer = Callable[[Exchange], Awaitable[None]]


@define
class Seen:
    """Observer that keeps what it is told."""

    events: list[tuple[str, dict[str, object]]] = field(factory=list)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((name, dict(fields)))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@define
class Facts:
    """StatusSource of one provider."""

    is_routable: bool = True

    def report(self) -> StatusReport:
        return StatusReport(
            version="1",
            started_at=STARTED_AT,
            uptime_s=5.0,
            addresses=(),
            is_stopping=False,
            in_flight=0,
            default_profile="coding",
            is_routable=self.is_routable,
            profiles={"coding": ("local",)},
            providers=(ProviderReport(kind="openai_compat", model="m", status=ProviderStatus(name="local")),),
        )

    def model_ids(self) -> tuple[str, ...]:
        return ("claude-x", "coding")

    def model_sees(self, name: str) -> bool:
        return name != "coding"

    def model_window(self, name: str) -> int:
        return {"coding": 32_768}.get(name, 200_000)


@define
class Operators:
    """Control over one provider, `local`, that remembers what was asked of it."""

    asked: list[str] = field(factory=list)
    verdict: ProbeVerdict = ProbeVerdict.OK
    result: ReloadVerdict = ReloadVerdict.APPLIED

    def operate(self, provider: str, action: OperatorAction) -> None:
        if provider != "local":
            raise NotFound(message=f"no provider {provider}; configured: local")
        self.asked.append(f"{action} {provider}")

    async def probe(self, provider: str) -> ProbeResult:
        self.asked.append(f"probe {provider}")
        await trio.lowlevel.checkpoint()
        return ProbeResult(
            provider=provider, cls=ProbeClass.MODELS, verdict=self.verdict, started_at=0.0, latency_ms=4.0, status=200
        )

    async def reload(self) -> ReloadOutcome:
        self.asked.append("reload")
        await trio.lowlevel.checkpoint()
        return ReloadOutcome(result=self.result, generation=2)

    def tree(self, most: int | None = None) -> TreeNode:  # noqa: ARG002 - it is small
        return TreeNode(name="root", state=TaskState.RUNNING)


@define(kw_only=True)
class Served:
    """A running front."""

    front: Front
    drain: Drain
    seen: Seen
    hub: Hub
    address: BoundAddress
    stopped: trio.Event

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open one connection to it; reset at the end, should it still be there."""
        stream = await trio.open_tcp_stream(self.address.host, self.address.port)
        try:
            yield Client(stream)
        finally:
            await trio.aclose_forcefully(stream)


@define
class Client:
    """One raw connection."""

    stream: trio.SocketStream
    received: bytes = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_until(self, needle: bytes) -> bytes:
        """Return everything received so far once it holds `needle`."""
        with trio.fail_after(PATIENCE_S):
            while needle not in self.received:
                data = await self.stream.receive_some(65536)
                assert data, f"closed before {needle!r}: {self.received!r}"
                self.received += data
        return self.received

    async def read_to_end(self) -> bytes:
        """Return everything up to the end of the connection."""
        with trio.fail_after(PATIENCE_S):
            while data := await self.stream.receive_some(65536):
                self.received += data
        return self.received

    async def read_response(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer with a content-length."""
        head, _, rest = (await self.read_until(b"\r\n\r\n")).partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        with trio.fail_after(PATIENCE_S):
            while len(rest) < length:
                data = await self.stream.receive_some(65536)
                assert data, f"closed in the body: {rest!r}"
                rest += data
        self.received = rest[length:]
        return int(status_line.split(" ")[1]), headers, rest[:length]

    def reset(self) -> None:
        """Leave without a word: the other side gets a reset."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


def load_pages(hub: Hub, seen: Seen, gate: FrontGate) -> ASGIApp:
    from router.ingress.quart_app import build_app  # noqa: PLC0415 - as the daemon does: only when a page is asked for

    config = a_config(a_provider("local"))
    watched = Watched(
        source=hub.source, config=lambda: config, metrics=hub.views.metrics, recent=hub.views.recent, unix_now=time.time
    )
    return cast("ASGIApp", build_app(hub, watched, seen, lambda: gate, started_at=STARTED_AT))


@asynccontextmanager
async def open_front(
    answer: ModelAnswer,
    *,
    tokens: tuple[str, ...] = (),
    max_in_flight: int = 16,
    write_timeout_s: float = 10.0,
    drain_timeout_s: float = 10.0,
    idle_connection_s: float = 60.0,
    facts: Facts | None = None,
    operators: Operators | None = None,
    admin_token: str | None = None,
    metrics_token: str | None = None,
    tick_s: float = 1.0,
    live: LiveRequests | None = None,
    port: int = 0,
) -> AsyncIterator[Served]:
    """Serve a front whose model routes all answer with `answer`; stops it, hastened, at the end."""

    async def answer_model(exchange: Exchange, *, route: ModelRoute) -> None:
        del route
        await answer(exchange)

    drain, seen, stopped = Drain(), Seen(), trio.Event()
    hub = Hub(
        source=facts or Facts(),
        control=operators or Operators(),
        live=live or LiveRequests(),
        views=Views(),
        drain=drain,
        unix_now=time.time,
        tick_s=tick_s,
    )
    gate = FrontGate.of(
        bind_host="127.0.0.1",
        allowed_hosts=("router.test",),
        tokens=tokens,
        admin_token=admin_token,
        metrics_token=metrics_token,
        unix_now=time.time,
    )
    front = Front(
        gate=gate,
        drain=drain,
        observer=seen,
        answer_model=answer_model,
        cold=ColdApp(lambda: load_pages(hub, seen, gate)),
        max_in_flight=max_in_flight,
        version="1",
    )
    options = IngressOptions(
        host="127.0.0.1",
        port=port,
        write_timeout_s=write_timeout_s,
        drain_timeout_s=drain_timeout_s,
        idle_connection_s=idle_connection_s,
    )

    async def serve(*, task_status: trio.TaskStatus[tuple[BoundAddress, ...]]) -> None:
        async with trio.open_nursery() as serving:
            task_status.started(await serving.start(partial(run, front, options, drain=drain, observer=seen)))
        stopped.set()

    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(serve)
        yield Served(front=front, drain=drain, seen=seen, hub=hub, address=address, stopped=stopped)
        drain.hasten()
        with trio.fail_after(PATIENCE_S):
            await stopped.wait()


def post(path: str = "/v1/messages", body: bytes = b"{}", headers: str = "", host: str = "127.0.0.1") -> bytes:
    """Return the bytes of a POST request."""
    lines = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return lines.encode() + body


def get(path: str, headers: str = "", host: str = "127.0.0.1", method: str = "GET") -> bytes:
    """Return the bytes of a GET request."""
    return f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n".encode()
