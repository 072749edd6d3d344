"""HTTP/2 clients, with prior knowledge: their bodies may come without a length, and no header speaks of the connection."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from attrs import define, field
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from router.ingress.exchange import Exchange
from tests.e2e.front_harness import JSON, PATIENCE_S, Served, open_front

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
Headers = Sequence[tuple[str, str]]


@define
class Answer:
    """What one stream gave."""

    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""
    is_over: bool = False
    is_reset: bool = False

    def take(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=headers):
                self.headers = {bytes(name).decode(): bytes(value).decode() for name, value in headers or ()}
            case DataReceived(data=data):
                self.body += data or b""
            case StreamEnded():
                self.is_over = True
            case StreamReset():
                self.is_over = self.is_reset = True


async def ask(served: Served, method: str, path: str, body: bytes | None = None, headers: Headers = ()) -> Answer:
    """Send one request on a connection of its own, its body without a content-length."""
    answer = Answer()
    http = H2Connection(config=H2Configuration(client_side=True))
    http.initiate_connection()
    target = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost")]
    http.send_headers(1, [*target, *headers], end_stream=body is None)
    if body is not None:
        http.send_data(1, body, end_stream=True)
    async with served.connect() as client:
        with trio.fail_after(PATIENCE_S):
            while not answer.is_over:
                await client.send(http.data_to_send())
                data = await client.stream.receive_some(65536)
                assert data, "closed before the end of the answer"
                for event in http.receive_data(data):
                    answer.take(event)
    return answer


async def tell_length(exchange: Exchange) -> None:
    body = await exchange.read_body(MIB)
    await exchange.respond(200, JSON, b'{"got":%d}' % len(body))


async def test_a_body_without_a_length_is_read() -> None:
    async with open_front(tell_length) as served:
        answer = await ask(served, "POST", "/v1/messages", b"x" * 5000)

    assert (answer.headers[":status"], answer.body) == ("200", b'{"got":5000}')


async def test_an_empty_body_is_an_empty_body() -> None:
    async with open_front(tell_length) as served:
        answer = await ask(served, "POST", "/v1/messages")

    assert answer.body == b'{"got":0}'


@pytest.mark.parametrize("path", ["/livez", "/v1/models"])
async def test_a_page_is_answered(path: str) -> None:
    async with open_front(tell_length) as served:
        answer = await ask(served, "GET", path)

    assert (answer.headers[":status"], answer.is_reset) == ("200", False)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [None, b"x" * 5000])
async def test_a_refusal_is_told_whether_its_body_was_read_or_not(method: str, body: bytes | None) -> None:
    async with open_front(tell_length, tokens=("right",)) as served:
        answer = await ask(served, method, "/v1/messages" if method == "POST" else "/status", body)

    assert (answer.headers[":status"], answer.is_reset) == ("401", False)
    assert "connection" not in answer.headers
    assert b"error" in answer.body
