"""The four defects of the server under us, each cured, on real sockets (stack.md, Ingress behaviour)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from router.ingress.exchange import Exchange
from tests.e2e.front_harness import JSON, PATIENCE_S, Served, get, open_front, post

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
SOON_S = 0.5  # a disconnect takes milliseconds; the rest is for a machine that is busy


async def answer_at_once(exchange: Exchange) -> None:
    await exchange.read_body(MIB)
    await exchange.respond(200, JSON, b"{}")


class Waiting:
    """Model handler that never answers; tells when it began and how it ended."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.cancelled = trio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.read_body(MIB)
        self.begun.set()
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled.set()


class Flooding:
    """Model handler that streams without end; tells when it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = trio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.read_body(MIB)
        try:
            await exchange.start(200, JSON)
            while True:
                await exchange.write(b"x" * 65536)
        finally:
            self.cancelled.set()


async def stop_and_time(served: Served) -> float:
    """Begin the drain; return how long it took."""
    begun_at = trio.current_time()
    served.drain.begin()
    with trio.fail_after(PATIENCE_S):
        await served.stopped.wait()
    return trio.current_time() - begun_at


REQUESTS = {
    "model route": post(),
    "page": get("/livez"),
    "Quart page": get("/status"),
    "refusal": get("/nowhere"),
}


@pytest.mark.slow
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
async def test_an_idle_connection_is_closed_on_time_after_any_answer(request_bytes: bytes) -> None:
    async with open_front(answer_at_once, idle_connection_s=0.3) as served, served.connect() as client:
        await client.send(request_bytes)
        await client.read_response()
        answered_at = trio.current_time()

        rest = await client.read_to_end()

        assert rest == b""
        assert 0.2 < trio.current_time() - answered_at < PATIENCE_S / 2


@pytest.mark.slow
async def test_neither_a_long_answer_nor_several_short_pauses_are_an_idle_connection() -> None:
    async def answer_late(exchange: Exchange) -> None:
        await exchange.read_body(MIB)
        await trio.sleep(0.6)
        await exchange.respond(200, JSON, b"{}")

    async with open_front(answer_late, idle_connection_s=0.4) as served, served.connect() as client:
        for _ in range(3):
            await client.send(post())
            assert (await client.read_response())[0] == 200
            await trio.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
async def test_an_idle_connection_does_not_hold_up_a_stop(request_bytes: bytes) -> None:
    async with open_front(answer_at_once) as served, served.connect() as client:
        await client.send(request_bytes)
        await client.read_response()

        assert await stop_and_time(served) < SOON_S


@pytest.mark.slow
async def test_a_client_that_stops_reading_is_cut_at_the_write_deadline() -> None:
    flooding = Flooding()
    async with open_front(flooding, write_timeout_s=0.3) as served, served.connect() as client:
        await client.send(post())
        await client.read_until(b"200")

        with trio.fail_after(PATIENCE_S):
            await flooding.cancelled.wait()

        with pytest.raises(trio.BrokenResourceError):  # reset: what the kernel still held is dropped with it
            await client.read_to_end()


@pytest.mark.slow
async def test_a_client_that_stops_reading_cannot_hold_up_a_stop() -> None:
    flooding = Flooding()
    async with open_front(flooding, write_timeout_s=60, drain_timeout_s=0.1) as served, served.connect() as client:
        await client.send(post())
        await client.read_until(b"200")
        await trio.sleep(0.1)

        assert await stop_and_time(served) < 2.0
        assert flooding.cancelled.is_set()


async def test_a_departure_behind_pipelined_bytes_is_seen() -> None:
    waiting = Waiting()
    async with open_front(waiting) as served, served.connect() as client:
        await client.send(post() + post())
        await waiting.begun.wait()

        await client.stream.aclose()

        with trio.fail_after(SOON_S):
            await waiting.cancelled.wait()


@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_a_departure_cancels_the_request_in_answer(how: str) -> None:
    waiting = Waiting()
    async with open_front(waiting) as served, served.connect() as client:
        await client.send(post())
        await waiting.begun.wait()

        match how:
            case "close":
                await client.stream.aclose()
            case "half-close":
                await client.stream.send_eof()
            case _:
                client.reset()

        with trio.fail_after(SOON_S):
            await waiting.cancelled.wait()


@pytest.mark.slow
async def test_a_refusal_of_a_big_unread_body_leaves_no_task_behind() -> None:
    async with open_front(answer_at_once, tokens=("right",)) as served:
        await wait_all_tasks_blocked()
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        async with served.connect() as client:
            await client.send(post(body=b"x" * 2 * MIB))

            status, headers, _ = await client.read_response()
            rest = await client.read_to_end()

        await trio.sleep(0.05)
        assert (status, headers["connection"], rest) == (401, "close", b"")
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before


@pytest.mark.slow
async def test_an_answer_beside_a_full_queue_of_body_messages_leaves_no_task_behind() -> None:
    async def answer_late_and_unread(exchange: Exchange) -> None:
        await trio.sleep(0.3)  # the client's 32 messages fill the server's queue of 10 meanwhile
        await exchange.respond(200, JSON, b"{}")

    async with open_front(answer_late_and_unread) as served:
        await wait_all_tasks_blocked()
        tasks_before = trio.lowlevel.current_statistics().tasks_living
        async with served.connect() as client, trio.open_nursery() as sending:
            sending.start_soon(client.send, post(body=b"x" * 2 * MIB))

            status, _, _ = await client.read_response()
            rest = await client.read_to_end()

        await trio.sleep(0.05)
        assert (status, rest) == (200, b"")
        assert trio.lowlevel.current_statistics().tasks_living == tasks_before


@pytest.mark.slow
@pytest.mark.parametrize("framing", [b"content-length: 8388608", b"transfer-encoding: chunked"])
async def test_a_client_that_is_still_sending_gets_the_whole_413(framing: bytes) -> None:
    async with open_front(answer_at_once) as served, served.connect() as client:
        is_chunked = framing.endswith(b"chunked")
        await client.send(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n" + framing + b"\r\n\r\n")

        for _ in range(8 * MIB // 65536):
            piece = b"x" * 65536
            await client.send(b"10000\r\n" + piece + b"\r\n" if is_chunked else piece)
        if is_chunked:
            await client.send(b"0\r\n\r\n")
        status, headers, body = await client.read_response()
        rest = await client.read_to_end()

        assert (status, headers["connection"], rest) == (413, "close", b"")
        assert b'"request_too_large"' in body
