"""What goes out to a client in one piece (client_server.py), on real sockets."""

from __future__ import annotations

import os

import pytest
import trio

from router.ingress.exchange import Exchange
from supervisors.client_stream import ClientStream
from tests.e2e.front_harness import JSON, open_front, post


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what the kernel was handed, piece by piece."""
    handed: list[bytes] = []

    def keep(stream: ClientStream, data: bytes) -> int:
        handed.append(data)
        return os.write(stream.socket.fileno(), data)

    monkeypatch.setattr(ClientStream, "send_now", keep)
    return handed


async def test_a_whole_answer_goes_out_in_one_piece(pieces: list[bytes]) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.read_body(1024)
        await exchange.respond(200, JSON, b'{"a":1}')

    async with open_front(answer) as served, served.connect() as client:
        for _ in range(2):
            await client.send(post())
            assert (await client.read_response())[2] == b'{"a":1}'

    assert len(pieces) == 2
    assert all(piece.startswith(b"HTTP/1.1 200") and piece.endswith(b'{"a":1}') for piece in pieces)


async def test_the_head_of_a_stream_goes_out_before_its_first_part(pieces: list[bytes]) -> None:
    told = trio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.read_body(1024)
        await exchange.start(200, JSON)
        await told.wait()
        await exchange.finish(b"late")

    async with open_front(answer) as served, served.connect() as client:
        await client.send(post())
        await client.read_until(b"\r\n\r\n")
        assert len(pieces) == 1
        told.set()
        await client.read_until(b"late")
