"""The load generator counts what was sent: every answer, every delta, however a proxy cuts the bytes."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.bench.load import Target, cancel_latencies, drive
from tests.bench.workloads import STALL, Order, request_body
from tests.e2e.daemon import free_port, open_program

in_thread = trio.to_thread.run_sync  # the load generator blocks

pytestmark = pytest.mark.slow  # a process and its start

RESHAPED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"8\r\ndata: @0\r\n13\r\n0000000000000000001\r\n1a\r\n word @00000000000000000001\r\n1\r\n2\r\n0\r\n\r\n"
)


@pytest.fixture
async def mock(tmp_path: Path) -> AsyncIterator[Target]:
    port = free_port()
    argv = ("-m", "tests.bench.mock_upstream", "--port", str(port))
    async with open_program(argv, port=port, directory=tmp_path):
        yield Target(name="mock", port=port)


async def test_whole_answers_are_counted_without_errors(mock: Target) -> None:
    run = await in_thread(lambda: drive(mock, request_body(Order(), large=True), connections=4, seconds=0.1))

    assert run.answered > 4
    assert run.errors == 0
    assert len(run.latencies_ns) == run.answered


async def test_every_delta_of_every_stream_is_counted_once(mock: Target) -> None:
    run = await in_thread(lambda: drive(mock, request_body(Order(deltas=500)), connections=8, seconds=5, once=True))

    assert run.answered == 8
    assert len(run.transits_ns) == 8 * 500
    assert all(transit >= 0 for transit in run.transits_ns)


async def test_a_client_that_leaves_is_reported_by_the_mock(mock: Target) -> None:
    body = request_body(Order(deltas=2, every_ms=STALL))
    seen = await in_thread(lambda: cancel_latencies(mock, body, mock_port=mock.port, times=3))

    assert len(seen) == 3
    assert max(seen) < 500_000_000


async def test_a_stamp_that_is_cut_by_chunk_edges_still_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        target = Target(name="reshaping proxy", port=listener.getsockname()[1])

        def answer_in_pieces() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                for at in range(0, len(RESHAPED), 7):
                    connection.sendall(RESHAPED[at : at + 7])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, answer_in_pieces)
            run = await in_thread(lambda: drive(target, request_body(Order(deltas=2)), connections=1, seconds=2, once=True))

    assert run.answered == 1
    assert len(run.transits_ns) == 2
