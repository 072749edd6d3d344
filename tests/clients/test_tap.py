"""The tap hands on what it gets, and tells what it was."""

from __future__ import annotations

import httpx
import pytest
import trio

from tests.clients.tap import Connection, exchanges_of, open_tap
from tests.e2e.daemon import free_port
from tests.fakes.plans import How, Plan
from tests.fakes.upstream import open_upstream

ASK = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nX-Kept: Yes\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize(
    ("asked", "answered", "seen"),
    [
        (
            ASK + ASK,
            OK + OK.replace(b"200 OK", b"404 No"),
            ["POST /v1/messages?beta=true -> 200", "POST /v1/messages?beta=true -> 404"],
        ),
        (
            HEAD + ASK,
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + OK,
            ["HEAD / -> 200", "POST /v1/messages?beta=true -> 200"],
        ),
        (ASK, OK[:-2], ["POST /v1/messages?beta=true -> 200"]),
        (ASK, b"", ["POST /v1/messages?beta=true -> no answer"]),
        (ASK[:-1], b"", []),
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", b"", []),
        (b"", b"", []),
    ],
    ids=["two on one connection", "a head has no body", "cut answer", "no answer", "half a request", "no HTTP", "nothing"],
)
def test_the_bytes_of_a_connection_are_read_as_requests(asked: bytes, answered: bytes, seen: list[str]) -> None:
    assert [str(exchange) for exchange in exchanges_of(Connection(bytearray(asked), bytearray(answered)))] == seen


def test_headers_keep_their_case_and_the_body_is_whole() -> None:
    (exchange,) = exchanges_of(Connection(bytearray(ASK), bytearray(OK)))

    assert ("X-Kept", "Yes") in exchange.headers
    assert exchange.body == b"{}"


@pytest.mark.e2e
async def test_a_stream_comes_through_and_is_seen() -> None:
    async with open_upstream() as upstream, open_tap(upstream.port) as tap, httpx.AsyncClient(base_url=tap.url) as client:
        reply = await client.post("/v1/messages", json={"model": "ok", "stream": True})
        missing = await client.get("/nowhere")

        assert reply.text.endswith('"message_stop"}\n\n')
        assert missing.status_code == 404
        assert [str(exchange) for exchange in tap.exchanges()] == ["POST /v1/messages -> 200", "GET /nowhere -> 404"]


@pytest.mark.e2e
async def test_a_cut_is_a_cut_on_the_other_side_too() -> None:
    async with open_upstream() as upstream, open_tap(upstream.port) as tap, httpx.AsyncClient(base_url=tap.url) as client:
        upstream.script(Plan().broken(How.CLOSE, 2))

        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/v1/messages", json={"model": "ok", "stream": True})


@pytest.mark.e2e
async def test_a_client_that_leaves_is_gone_on_the_other_side_too() -> None:
    async with open_upstream(default=Plan(head_after_s=60)) as upstream, open_tap(upstream.port) as tap:
        connection = await trio.open_tcp_stream("127.0.0.1", tap.port)
        await connection.send_all(ASK)
        with trio.fail_after(2):
            await upstream.wait_until(lambda: len(upstream.exchanges) == 1)
            await connection.aclose()
            await upstream.wait_until(lambda: upstream.aborts == 1)


@pytest.mark.e2e
async def test_without_a_router_the_client_is_hung_up_on() -> None:
    async with open_tap(free_port()) as tap, httpx.AsyncClient(base_url=tap.url) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/")

        assert tap.exchanges() == []
