from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing
from attrs import define, field
from hypercorn.app_wrappers import ASGIWrapper

from router.ingress.asgi_types import Receive, Scope, Send
from router.ingress.drain import Drain
from supervisors.ingress import (
    BoundAddress,
    CannotBindError,
    Ingress,
    IngressOptions,
    bound_address,
    open_listeners,
    resolve,
    run,
    server_config,
)
from tests.e2e.front_harness import Seen

pytestmark = pytest.mark.e2e


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def fetch(address: BoundAddress) -> bytes:
    async with await trio.open_tcp_stream(address.host, address.port) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return b"".join([data async for data in stream])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


# containers often have no ::1 to bind; whether it is there is found out by binding it
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
async def test_it_listens_on_a_free_port_and_says_which(host: str, nursery: trio.Nursery) -> None:
    drain = Drain()
    listen = partial(run, hello, IngressOptions(host=host, port=0), drain=drain, observer=Seen())

    (address,) = await nursery.start(listen)

    assert (await fetch(address)).endswith(b"hi")
    assert (address.host, address.port > 0) == (host, True)
    drain.begin()


async def test_localhost_is_every_loopback_address_on_one_port() -> None:
    listeners = await open_listeners(IngressOptions(host="localhost", port=0))
    bound = [listener.socket.getsockname()[:2] for listener in listeners]
    for listener in listeners:
        await listener.aclose()

    assert {host for host, _ in bound} <= {"127.0.0.1", "::1"}
    assert len({port for _, port in bound}) == 1


async def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotBindError, match=rf"127\.0\.0\.1:{port}: .*in use") as caught:
            await open_listeners(IngressOptions(host="127.0.0.1", port=port))

    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EADDRINUSE


async def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(CannotBindError):
        await open_listeners(IngressOptions(host="192.0.2.1", port=0))


async def test_an_address_literal_needs_no_name_service() -> None:
    assert await resolve("127.0.0.1") == ("127.0.0.1",)


def test_an_address_is_told_as_a_url() -> None:
    assert BoundAddress(host="127.0.0.1", port=8088).url == "http://127.0.0.1:8088"
    assert BoundAddress(host="::1", port=8088).url == "http://[::1]:8088"


async def test_a_stop_without_requests_takes_no_time_and_frees_the_port(nursery: trio.Nursery) -> None:
    drain = Drain()
    listen = partial(run, hello, IngressOptions(host="127.0.0.1", port=0), drain=drain, observer=Seen())
    async with trio.open_nursery() as ring:
        (address,) = await ring.start(listen)
        await fetch(address)
        begun_at = trio.current_time()
        drain.begin()

    assert trio.current_time() - begun_at < 0.5
    listeners = await open_listeners(IngressOptions(host="127.0.0.1", port=address.port))
    for listener in listeners:
        await listener.aclose()


async def test_a_crash_elsewhere_ends_it_without_waiting() -> None:
    drain, busy = Drain(), trio.Event()

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        busy.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as ring:
        listen = partial(run, never, IngressOptions(host="127.0.0.1", port=0), drain=drain, observer=Seen())
        (address,) = await ring.start(listen)
        async with await trio.open_tcp_stream(address.host, address.port) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await busy.wait()
            begun_at = trio.current_time()
            ring.cancel_scope.cancel()

    assert trio.current_time() - begun_at < 0.5


@define
class Waking(Seen):
    """Tells a waiting test that something was told."""

    told: trio.Event = field(factory=trio.Event)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        super().event(name, fields)
        self.told.set()


class Counting(Ingress):
    """Notes the turn of the scheduler in which each client was taken."""

    turn = 0
    taken: list[int]

    async def serve_client(self, stream: trio.SocketStream) -> None:
        self.taken.append(self.turn)
        await stream.aclose()


def an_ingress(kind: type[Ingress] = Ingress, observer: Seen | None = None) -> Ingress:
    options = IngressOptions(host="127.0.0.1", port=0)
    app = ASGIWrapper(cast("Any", hello))
    return kind(app=app, config=server_config(options), options=options, observer=observer or Seen())


async def test_everybody_who_waits_is_taken_in_one_turn() -> None:
    ingress = an_ingress(Counting)
    assert isinstance(ingress, Counting)
    ingress.taken = []
    listeners = await open_listeners(ingress.options)
    address = bound_address(listeners[0])
    clients = [socket.create_connection((address.host, address.port)) for _ in range(50)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ingress.accept, listeners, nursery)
        while len(ingress.taken) < len(clients):
            await trio.lowlevel.checkpoint()
            ingress.turn += 1
        nursery.cancel_scope.cancel()
    for client in clients:
        client.close()

    assert max(ingress.taken) - min(ingress.taken) <= 1  # the counter's own place within a turn is any


@pytest.mark.parametrize("number", [errno.EPERM, errno.EPROTO, errno.ECONNRESET, errno.ENETDOWN])
async def test_what_is_wrong_with_one_client_is_not_the_listeners_end(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = socket.socket.accept
    failures = iter([OSError(number, "one of them")])

    def stumbling(waiting: socket.socket) -> tuple[socket.socket, Any]:
        client = accept(waiting)
        for failure in failures:
            client[0].close()
            raise failure
        return client

    monkeypatch.setattr(socket.socket, "accept", stumbling)
    seen = Seen()
    ingress = an_ingress(observer=seen)
    listeners = await open_listeners(ingress.options)
    address = bound_address(listeners[0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ingress.accept, listeners, nursery)
        first, second = [await trio.open_tcp_stream(address.host, address.port) for _ in range(2)]
        async with first, second:
            await second.send_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = b"".join([data async for data in second])
        nursery.cancel_scope.cancel()

    assert answer.endswith(b"hi")
    assert seen.events == []


async def test_without_descriptors_it_waits_for_some_and_says_so() -> None:
    seen = Waking()
    ingress = an_ingress(observer=seen)
    listeners = await open_listeners(ingress.options)
    address = bound_address(listeners[0])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ingress.accept, listeners, nursery)
        await trio.testing.wait_all_tasks_blocked()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = trio.socket.socket()
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            await client.connect((address.host, address.port))
            await seen.told.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        async with trio.SocketStream(client) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = b"".join([data async for data in stream])
        nursery.cancel_scope.cancel()

    assert answer.endswith(b"hi")
    assert set(seen.names()) == {"accept-paused"}


class Faulty:
    """A stream with a bug in it."""

    def __init__(self, real: trio.SocketStream) -> None:
        self.socket = real.socket
        self.aclose = real.aclose
        self.send_eof = real.send_eof

    async def receive_some(self, _max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError


async def test_a_fault_in_one_connection_is_told_and_ends_only_that() -> None:
    seen = Seen()
    ingress = an_ingress(observer=seen)
    ours, theirs = trio.socket.socketpair()
    with theirs:
        await ingress.serve_client(cast("trio.SocketStream", Faulty(trio.SocketStream(ours))))

    assert seen.names() == ["connection-crashed"]
    await ingress.wait_empty()


async def test_a_connection_that_a_fault_ends_is_closed_at_once() -> None:
    ours, theirs = trio.socket.socketpair()
    with theirs, ours:
        await an_ingress(observer=Seen()).serve_client(cast("trio.SocketStream", Faulty(trio.SocketStream(ours))))

        assert ours.fileno() < 0
        with trio.fail_after(5):
            assert await theirs.recv(1) == b""
