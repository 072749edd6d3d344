"""The stream under Hypercorn, on a real pair of sockets: its read-ahead and its write deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define
from trio.testing import wait_all_tasks_blocked

from router.ingress.client_link import ClientLink
from supervisors.client_stream import CHUNK_BYTES, READ_AHEAD_BYTES, ClientStream

pytestmark = pytest.mark.e2e


@define
class Pair:
    """Both ends; `client` is the other side's."""

    server: ClientStream
    client: trio.SocketStream


@asynccontextmanager
async def open_pair(write_timeout_s: float = 5.0) -> AsyncIterator[Pair]:
    ours, theirs = trio.socket.socketpair()
    server = ClientStream(stream=trio.SocketStream(ours), link=ClientLink(), write_timeout_s=write_timeout_s)
    client = trio.SocketStream(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.read_ahead)
        yield Pair(server, client)
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(server.stream)
    await trio.aclose_forcefully(client)


async def test_bytes_come_through_in_order() -> None:
    async with open_pair() as pair:
        await pair.client.send_all(b"one")
        first = await pair.server.receive_some()
        await pair.client.send_all(b"two")

        assert (first, await pair.server.receive_some()) == (b"one", b"two")


async def test_the_end_is_told_before_what_lies_in_front_of_it_is_read() -> None:
    async with open_pair() as pair:
        await pair.client.send_all(b"pipelined")
        await pair.client.aclose()
        await wait_all_tasks_blocked()

        assert pair.server.link.is_gone
        assert [await pair.server.receive_some(), await pair.server.receive_some()] == [b"pipelined", b""]


async def test_a_reader_that_waits_is_woken_by_the_end() -> None:
    async with open_pair() as pair:
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pair.server.receive_some)
                await wait_all_tasks_blocked()
                await pair.client.aclose()


async def test_it_reads_ahead_so_far_and_no_further() -> None:
    async with open_pair() as pair:
        sent = 0
        with trio.move_on_after(0.1):
            while True:
                await pair.client.send_all(bytes(CHUNK_BYTES))
                sent += CHUNK_BYTES
        received = 0
        with trio.move_on_after(0.1):
            while received < sent:
                received += len(await pair.server.receive_some())

        assert sent >= READ_AHEAD_BYTES
        assert received >= sent


async def test_a_send_that_nobody_reads_ends_the_connection_at_its_deadline() -> None:
    async with open_pair(write_timeout_s=0.1) as pair:
        began_at = trio.current_time()

        with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)), trio.fail_after(2):
            await pair.server.send_all(bytes(32 * 1024 * 1024))

        assert trio.current_time() - began_at < 1
        assert pair.server.link.is_gone
        assert await pair.server.receive_some() == b""


async def test_the_deadline_is_over_with_the_send() -> None:
    async with open_pair(write_timeout_s=0.05) as pair:
        await pair.server.send_all(b"x")
        await trio.sleep(0.1)

        assert not pair.server.link.is_gone


async def test_a_send_to_a_client_that_reset_tells_that_it_is_gone() -> None:
    async with open_pair() as pair:
        await pair.client.aclose()

        with pytest.raises(trio.BrokenResourceError):
            await pair.server.send_all(b"x")

        assert pair.server.link.is_gone


async def test_an_abort_ends_everything_that_waits() -> None:
    async with open_pair() as pair:
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pair.server.receive_some)
                await wait_all_tasks_blocked()
                pair.server.abort()
                pair.server.abort()

        assert pair.server.link.is_gone


async def test_what_the_kernel_takes_is_sent_at_once_and_the_rest_is_told() -> None:
    async with open_pair() as pair:
        assert pair.server.send_now(b"hello") == 5
        assert await pair.client.receive_some(5) == b"hello"

        taken = [pair.server.send_now(b"x" * 4_000_000) for _ in range(10)]

        assert taken[0] < 4_000_000
        assert taken[-1] == 0


async def test_sending_at_once_to_a_client_that_is_gone_tells_it() -> None:
    async with open_pair() as pair:
        await pair.client.aclose()

        with pytest.raises(trio.BrokenResourceError):
            pair.server.send_now(b"x")

        assert pair.server.link.is_gone


async def test_sending_at_once_on_a_closed_connection_is_refused() -> None:
    async with open_pair() as pair:
        await pair.server.aclose()

        with pytest.raises(trio.ClosedResourceError):
            pair.server.send_now(b"x")
