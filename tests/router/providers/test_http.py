"""The HTTP client against real sockets: what it keeps, what it closes, what its failures are called."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NoReturn

import pytest
import trio
from attrs import evolve

from router.errors import FailureReason, ProviderFailed
from router.providers.http import MAX_IDLE, HttpxClient
from router.providers.transport import HttpRequest, HttpTimeouts
from tests.fakes.plans import AFTER_CONTENT, AFTER_HEAD, BEFORE_HEAD, Framing, How, Plan
from tests.fakes.upstream import Upstream, open_upstream

pytestmark = pytest.mark.e2e

PATIENT = HttpTimeouts(connect_s=5, head_s=5, idle_s=5)
STREAM = b'{"model":"any","stream":true}'
WHOLE = b'{"model":"any"}'


@asynccontextmanager
async def open_rig() -> AsyncIterator[tuple[Upstream, HttpxClient]]:
    async with open_upstream() as upstream:
        client = HttpxClient(provider="p")
        yield upstream, client
        await client.aclose()


def asking(upstream: Upstream, content: bytes = WHOLE, timeouts: HttpTimeouts = PATIENT) -> HttpRequest:
    return HttpRequest(
        url=f"{upstream.chat_url}/chat/completions",
        headers=((b"content-type", b"application/json"), (b"x-mine", b"1")),
        content=content,
        timeouts=timeouts,
    )


async def read_all(client: HttpxClient, request: HttpRequest) -> tuple[int, bytes]:
    async with client.open(request) as answer:
        body = b""
        while chunk := await answer.read():
            body += chunk
        return answer.status, body


async def failure_of(client: HttpxClient, request: HttpRequest) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        await read_all(client, request)
    return caught.value


async def test_a_request_arrives_as_it_was_given_and_its_answer_comes_back() -> None:
    async with open_rig() as (upstream, client):
        async with client.open(asking(upstream)) as answer:
            assert answer.status == 200
            assert dict(answer.headers)["request-id"] == "req_fake"
            while await answer.read():
                pass
            assert await answer.read() == b""

        exchange = upstream.exchanges[0]
        assert (exchange.method, exchange.target, exchange.body) == ("POST", "/v1/chat/completions", WHOLE)
        assert exchange.headers == (
            ("host", f"127.0.0.1:{upstream.port}"),
            ("content-type", "application/json"),
            ("x-mine", "1"),
            ("content-length", str(len(WHOLE))),
        )


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.LENGTH])
async def test_a_connection_is_used_again_after_a_whole_body(framing: Framing) -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(framing=framing)
        for _ in range(3):
            await read_all(client, asking(upstream))

        assert upstream.connections_total == 1
        assert client.connections == (0, 1)


async def test_a_connection_that_the_server_closes_with_its_answer_is_not_used_again() -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(framing=Framing.CLOSE)

        assert (await read_all(client, asking(upstream)))[0] == 200
        assert (await read_all(client, asking(upstream)))[0] == 200
        assert upstream.connections_total == 2


@pytest.mark.parametrize("framing", [b"content-length: 2\r\n\r\n{}", b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"])
async def test_bytes_behind_a_whole_answer_cost_the_connection_and_not_the_answer(framing: bytes, nursery: trio.Nursery) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
            await stream.receive_some()

    listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
    client = HttpxClient(provider="p")

    assert await read_all(client, HttpRequest(url=url, headers=(), timeouts=PATIENT)) == (200, b"{}")
    assert client.connections == (0, 0)


async def test_a_stream_that_is_left_right_before_its_end_keeps_its_connection() -> None:
    async with open_rig() as (upstream, client):
        async with client.open(asking(upstream, STREAM)) as answer:
            body = b""
            while b"[DONE]" not in body:
                body += await answer.read()
            await upstream.wait_until(lambda: upstream.exchanges[0].finished_at is not None)  # its last bytes are here
        assert client.connections == (0, 1)


async def test_a_stream_that_is_left_in_the_middle_is_closed_at_once() -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(deltas=1000, every_s=0.05)
        async with client.open(asking(upstream, STREAM)) as answer:
            await answer.read()
        with trio.fail_after(5):
            await upstream.wait_until(lambda: upstream.aborts == 1)

        assert client.connections == (0, 0)


@pytest.mark.parametrize("plan", [Plan(deltas=1000, every_s=0.05), Plan().broken(How.STALL, BEFORE_HEAD)])
async def test_a_cancelled_request_is_closed_at_once(plan: Plan) -> None:
    async with open_rig() as (upstream, client):
        upstream.default = plan
        with trio.move_on_after(0.1):
            await read_all(client, asking(upstream, STREAM))
        with trio.fail_after(5):
            await upstream.wait_until(lambda: upstream.aborts == 1)

        assert client.connections == (0, 0)


async def test_no_generator_of_httpx_is_left_to_the_garbage_collector() -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(deltas=1000, every_s=0.01)
        async with client.open(asking(upstream, STREAM)) as answer:
            await answer.read()
        with trio.move_on_after(0.05):
            await read_all(client, asking(upstream, STREAM))
        del answer
        gc.collect()  # trio warns about an unfinished generator, and a warning is an error here
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_request_to_a_mute_server_leaves_nothing_to_the_garbage_collector(scheme: str, nursery: trio.Nursery) -> None:
    async def never_read(stream: trio.SocketStream) -> None:
        async with stream:
            await trio.sleep_forever()

    listeners = await nursery.start(partial(trio.serve_tcp, never_read, 0, host="127.0.0.1"))
    url = f"{scheme}://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
    client = HttpxClient(provider="p")

    with trio.move_on_after(0.1) as cancelled:  # in the writing of the body; in the TLS handshake
        await read_all(client, HttpRequest(url=url, headers=(), content=b"x" * 2**25, timeouts=PATIENT))
    gc.collect()  # a warning of an unfinished generator or an open socket is an error here
    await trio.testing.wait_all_tasks_blocked()

    assert cancelled.cancelled_caught
    assert client.connections == (0, 0)


async def test_a_kept_connection_that_ends_unanswered_is_replaced_once_and_nobody_notices() -> None:
    async with open_rig() as (upstream, client):
        dead = Plan().broken(How.CLOSE, BEFORE_HEAD)
        upstream.script(Plan(), dead, Plan(text="second"))
        await read_all(client, asking(upstream))

        status, body = await read_all(client, asking(upstream))

        assert status == 200
        assert b"second" in body
        assert (len(upstream.exchanges), upstream.connections_total) == (3, 2)


async def test_a_reset_of_a_kept_connection_is_replaced_too() -> None:
    async with open_rig() as (upstream, client):
        upstream.script(Plan(), Plan().broken(How.RESET, BEFORE_HEAD), Plan())
        await read_all(client, asking(upstream))

        assert (await read_all(client, asking(upstream)))[0] == 200


@pytest.mark.parametrize("how", [How.CLOSE, How.RESET])
async def test_a_new_connection_that_ends_unanswered_is_a_failure(how: How) -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan().broken(how, BEFORE_HEAD)

        assert (await failure_of(client, asking(upstream))).reason is FailureReason.CONNECTION
        assert len(upstream.exchanges) == 1


async def test_a_dead_server_gets_one_more_try_and_no_third() -> None:
    async with open_rig() as (upstream, client):
        await read_all(client, asking(upstream))
        upstream.default = Plan().broken(How.CLOSE, BEFORE_HEAD)

        assert (await failure_of(client, asking(upstream))).reason is FailureReason.CONNECTION
        assert len(upstream.exchanges) == 3


async def test_a_connection_that_the_server_closed_meanwhile_is_not_tried() -> None:
    async with open_upstream() as upstream:
        client = HttpxClient(provider="p")
        await read_all(client, asking(upstream))
    async with open_upstream(port=upstream.port) as again:
        again.default = Plan().broken(How.CLOSE, BEFORE_HEAD)

        assert (await failure_of(client, asking(again))).reason is FailureReason.CONNECTION
        assert len(again.exchanges) == 1
        await client.aclose()


@pytest.mark.slow
async def test_what_a_burst_leaves_above_the_limit_is_closed() -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(head_after_s=0.3)
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(MAX_IDLE + 6):
                    nursery.start_soon(read_all, client, asking(upstream))

        assert client.connections == (0, MAX_IDLE)
        await client.aclose()
        assert client.connections == (0, 0)


async def test_an_answer_that_outlives_its_client_closes_its_connection() -> None:
    async with open_rig() as (upstream, client):
        async with client.open(asking(upstream)) as answer:
            await client.aclose()
            while await answer.read():
                pass

        assert client.connections == (0, 0)


@pytest.mark.parametrize(
    ("plan", "content", "reason", "words"),
    [
        (Plan(raw=b"SSH-2.0-OpenSSH_9.9\r\n"), WHOLE, FailureReason.CONNECTION, "was not HTTP"),
        (Plan().broken(How.CLOSE, AFTER_HEAD), STREAM, FailureReason.CONNECTION, "ended too soon"),
        (Plan().broken(How.RESET, 2), STREAM, FailureReason.CONNECTION, "Connection reset by peer"),
        (Plan().broken(How.CLOSE, AFTER_CONTENT), STREAM, FailureReason.CONNECTION, "ended too soon"),
    ],
)
async def test_a_broken_answer_is_a_connection_failure(plan: Plan, content: bytes, reason: FailureReason, words: str) -> None:
    async with open_rig() as (upstream, client):
        upstream.default = plan

        failure = await failure_of(client, asking(upstream, content))

        assert (failure.reason, failure.provider) == (reason, "p")
        assert words in failure.message
        assert client.connections == (0, 0)


@pytest.mark.parametrize(
    ("plan", "changes", "words"),
    [
        (Plan().broken(How.STALL, BEFORE_HEAD), {"head_s": 0.05}, "no answer within 0.05 s"),
        (Plan().broken(How.STALL, 1), {"idle_s": 0.05}, "stopped sending"),
        (Plan().broken(How.STALL, AFTER_HEAD), {"idle_s": 0.05}, "stopped sending"),
    ],
)
async def test_a_limit_that_is_passed_is_a_timeout(plan: Plan, changes: dict[str, float], words: str) -> None:
    async with open_rig() as (upstream, client):
        upstream.default = plan

        failure = await failure_of(client, asking(upstream, STREAM, evolve(PATIENT, **changes)))

        assert failure.reason is FailureReason.TIMEOUT
        assert words in failure.message
        with trio.fail_after(5):
            await upstream.wait_until(lambda: upstream.aborts == 1)
        assert client.connections == (0, 0)


async def test_the_idle_limit_does_not_hold_before_the_head() -> None:
    async with open_rig() as (upstream, client):
        upstream.default = Plan(head_after_s=0.2)

        assert (await read_all(client, asking(upstream, timeouts=evolve(PATIENT, idle_s=0.05))))[0] == 200


class NoNames(trio.abc.HostnameResolver):
    """A resolver that knows no host."""

    async def getaddrinfo(self, *_: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_: object) -> NoReturn:
        raise AssertionError("no address is looked up by name here")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/v1", "cannot connect: Connection refused"),
        ("http://no-such-host/v1", "cannot connect: the host name is not known"),
    ],
)
async def test_an_upstream_that_is_not_there_is_told_without_its_address(url: str, words: str) -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    client = HttpxClient(provider="p")

    failure = await failure_of(client, HttpRequest(url=url, headers=(), timeouts=PATIENT))

    assert (failure.reason, failure.message) == (FailureReason.CONNECTION, words)


@pytest.mark.parametrize("url", ["http://a..b/v1", f"http://{'a' * 64}.example/v1", "http://xn--zz/v1", "http://999.1.1.1/v1"])
async def test_a_host_that_nobody_can_look_up_fails_the_attempt(url: str) -> None:
    failure = await failure_of(HttpxClient(provider="p"), HttpRequest(url=url, headers=(), timeouts=PATIENT))

    assert (failure.reason, failure.message) == (FailureReason.CONNECTION, "cannot connect: the host name cannot be looked up")


async def test_a_header_that_http_cannot_carry_fails_the_attempt_and_is_not_told() -> None:
    async with open_rig() as (upstream, client):
        bad = evolve(asking(upstream), headers=((b"x-mine", b"hunter22\n"),))

        failure = await failure_of(client, bad)

        assert (failure.reason, failure.message) == (FailureReason.CONNECTION, "the request cannot be sent")
        assert client.connections == (0, 0)
        assert (await read_all(client, asking(upstream)))[0] == 200


async def test_a_server_without_tls_behind_an_https_address_is_told_so(nursery: trio.Nursery) -> None:
    async def greet(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"220 this is no TLS\r\n")
            while await stream.receive_some():
                pass

    listeners = await nursery.start(partial(trio.serve_tcp, greet, 0, host="127.0.0.1"))
    url = f"https://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"

    failure = await failure_of(HttpxClient(provider="p"), HttpRequest(url=url, headers=(), timeouts=PATIENT))

    assert failure.reason is FailureReason.CONNECTION
    assert failure.message.startswith("cannot connect: TLS failed")


@pytest.mark.slow
async def test_many_broken_and_cancelled_requests_leave_no_connection_behind() -> None:
    plans = [
        Plan(status=500),
        Plan().broken(How.RESET, BEFORE_HEAD),
        Plan().broken(How.CLOSE, AFTER_HEAD),
        Plan().broken(How.RESET, 1),
        Plan().broken(How.HALF_FRAME, 1),
        Plan().broken(How.STALL, 1),
        Plan().broken(How.STALL, BEFORE_HEAD),
    ]
    impatient = HttpTimeouts(connect_s=1, head_s=0.1, idle_s=0.1)
    async with open_rig() as (upstream, client):

        async def try_it(plan: Plan) -> None:
            upstream.script(plan)
            with trio.move_on_after(0.15), suppress(ProviderFailed):
                await read_all(client, asking(upstream, STREAM, impatient))

        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for plan in plans * 4:
                    nursery.start_soon(try_it, plan)
        await client.aclose()
        with trio.fail_after(5):
            await upstream.wait_until(lambda: upstream.connections_open == 0)

        assert client.connections == (0, 0)


async def test_an_idle_connection_is_closed_when_its_time_is_over() -> None:
    async with open_rig() as (upstream, client):
        await read_all(client, asking(upstream))
        assert client.connections == (0, 1)

        client.keep_alive_s = 0
        await client.close_expired()

        assert client.connections == (0, 0)
