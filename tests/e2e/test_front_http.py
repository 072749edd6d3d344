"""The front on real sockets: what a client reads, whatever it sends."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx
import orjson
import pytest
import trio

from router.errors import ShuttingDown
from router.ingress.exchange import Exchange
from tests.e2e.front_harness import JSON, PATIENCE_S, Client, Facts, Served, get, open_front, post

pytestmark = pytest.mark.e2e

UPGRADE = (
    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


async def answer_at_once(exchange: Exchange) -> None:
    body = await exchange.read_body(1000)
    await exchange.respond(200, JSON, b'{"got":%d}' % len(body))


class Holding:
    """Model handler that streams until the drain deadline and then ends in grammar; counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.read_body(1000)
        await exchange.start(200, [("content-type", "text/event-stream")])
        self.inside += 1
        with exchange.drain.cancelled_at_deadline():
            while True:
                await exchange.write(b"data: x\n\n")
                await trio.sleep(0.01)
        await exchange.finish(b"event: error\n\n")
        self.inside -= 1


async def ask(served: Served, request: bytes) -> tuple[int, dict[str, str], bytes]:
    async with served.connect() as client:
        await client.send(request)
        return await client.read_response()


async def test_one_connection_moves_between_models_pages_and_refusals() -> None:
    async with open_front(answer_at_once) as served, served.connect() as client:
        statuses = []
        for request in [post(), get("/status"), get("/nowhere"), post(body=b"[]"), get("/"), get("/v1/models"), post()]:
            await client.send(request)
            status, headers, _ = await client.read_response()
            statuses.append(status)
            assert headers["x-request-id"]

    assert statuses == [200, 200, 404, 200, 200, 200, 200]


async def test_head_gets_the_length_and_no_body() -> None:
    async with open_front(answer_at_once) as served, served.connect() as client:
        await client.send(get("/", method="HEAD") + get("/livez"))

        head = await client.read_until(b"alive")

    assert head.startswith(b"HTTP/1.1 200")
    assert b"router" not in head


@pytest.mark.parametrize("target", ["http://127.0.0.1/status", "http://evil.test/status", "*"])
async def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    async with open_front(answer_at_once, tokens=("token",)) as served:
        status, _, body = await ask(served, get(target))

    assert status == 400
    assert orjson.loads(body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/messages", "/status", "/"])
async def test_a_foreign_host_is_refused_everywhere(path: str) -> None:
    async with open_front(answer_at_once) as served:
        status, _, _ = await ask(served, get(path, host="evil.test"))

    assert status == 403


async def test_an_old_client_without_host_is_refused() -> None:
    async with open_front(answer_at_once) as served:
        status, _, _ = await ask(served, b"GET /status HTTP/1.0\r\n\r\n")

    assert status == 403


async def test_an_allowed_host_passes() -> None:
    async with open_front(answer_at_once) as served:
        status, _, _ = await ask(served, get("/status", host="router.test:8088"))

    assert status == 200


async def test_a_websocket_upgrade_gets_426_at_once() -> None:
    async with open_front(answer_at_once) as served, served.connect() as client:
        await client.send(get("/v1/responses", headers=UPGRADE))
        with trio.fail_after(0.5):
            status, headers, body = await client.read_response()
        rest = await client.read_to_end()

    assert (status, headers["content-type"], rest) == (426, "application/json", b"")
    assert orjson.loads(body)["error"]["code"] == "websocket_unsupported"


async def test_a_websocket_from_a_foreign_page_gets_403() -> None:
    async with open_front(answer_at_once) as served:
        status, _, _ = await ask(served, get("/v1/responses", headers=UPGRADE, host="evil.test"))

    assert status == 403


async def test_a_head_over_64_kib_is_refused_and_others_go_on() -> None:
    async with open_front(answer_at_once) as served:
        async with served.connect() as client:
            await client.send(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 70_000)
            refused = await client.read_to_end()
        status, _, _ = await ask(served, post())

    assert refused.startswith(b"HTTP/1.1 431")
    assert status == 200


@pytest.mark.slow
async def test_http_2_in_clear_is_answered_as_well() -> None:
    async with (
        open_front(answer_at_once) as served,
        httpx.AsyncClient(http1=False, http2=True, trust_env=False, base_url=served.address.url) as client,
    ):
        whole = await client.post("/v1/messages", content=b"{}")
        refused = await client.post("/nowhere", content=b"{}")
        page = await client.get("/status")

    assert [reply.http_version for reply in (whole, refused, page)] == ["HTTP/2"] * 3
    assert [reply.status_code for reply in (whole, refused, page)] == [200, 404, 200]


async def test_an_unroutable_default_profile_shows_in_healthz() -> None:
    async with open_front(answer_at_once, facts=Facts(is_routable=False)) as served:
        status, _, body = await ask(served, get("/healthz"))

    assert (status, orjson.loads(body)["status"]) == (503, "degraded")


async def test_healthz_names_no_provider_to_who_asks_from_elsewhere() -> None:
    async with open_front(answer_at_once) as served:
        _, _, here = await ask(served, get("/healthz"))
        status, _, elsewhere = await ask(served, get("/healthz", headers="x-forwarded-for: 192.0.2.7\r\n"))

    assert (status, orjson.loads(elsewhere)) == (200, {"status": "ok"})
    assert set(orjson.loads(here)) > {"status", "providers"}


async def test_the_model_list_has_both_shapes() -> None:
    async with open_front(answer_at_once) as served:
        _, _, openai = await ask(served, get("/v1/models"))
        _, _, anthropic = await ask(served, get("/v1/models?limit=1", headers="anthropic-version: 2023-06-01\r\n"))
        _, _, one = await ask(served, get("/v1/models/claude-x", headers="x-api-key: k\r\n"))
        bad, _, why = await ask(served, get("/v1/models?limit=0", headers="x-api-key: k\r\n"))
        unknown, _, error = await ask(served, get("/v1/models/unknown", headers="x-api-key: k\r\n"))

    assert [entry["id"] for entry in orjson.loads(openai)["data"]] == ["claude-x", "coding"]
    assert (orjson.loads(anthropic)["has_more"], orjson.loads(one)["type"]) == (True, "model")
    assert (bad, unknown) == (400, 404)
    assert orjson.loads(why)["error"]["message"] == "limit: must be a whole number from 1 to 1000"
    assert orjson.loads(error)["type"] == "error"


async def test_a_crash_of_the_handler_cuts_one_connection_only() -> None:
    async def crash_in_a_stream(exchange: Exchange) -> None:
        await exchange.read_body(1000)
        await exchange.start(200, JSON)
        await exchange.write(b"[")
        raise ZeroDivisionError

    async with open_front(crash_in_a_stream) as served:
        async with served.connect() as client:
            await client.send(post())
            cut = await client.read_to_end()
        status, _, _ = await ask(served, get("/livez"))

    assert cut.endswith(b"[\r\n")  # no last chunk: every HTTP client sees a broken answer
    assert status == 200
    assert served.seen.names() == ["request-crashed"]


async def open_streams(clients: list[Client], holding: Holding) -> None:
    for client in clients:
        await client.send(post())
    for client in clients:
        await client.read_until(b"data: x")
    assert holding.inside == len(clients)


@pytest.mark.slow
async def test_at_the_drain_deadline_streams_end_in_grammar() -> None:
    holding = Holding()
    async with open_front(holding, drain_timeout_s=0.3, max_in_flight=50) as served, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served.connect()) for _ in range(20)]
        await open_streams(clients, holding)
        begun_at = trio.current_time()

        served.drain.begin()
        ends = [await client.read_to_end() for client in clients]
        with trio.fail_after(PATIENCE_S):
            await served.stopped.wait()
        took_s = trio.current_time() - begun_at

    assert all(end.endswith(b"event: error\n\n\r\n0\r\n\r\n") for end in ends)
    assert 0.3 <= took_s < 1.0


@pytest.mark.slow
async def test_while_draining_new_requests_are_told_to_come_back() -> None:
    holding = Holding()
    async with open_front(holding) as served, served.connect() as client:
        await open_streams([client], holding)

        served.drain.begin()
        await trio.sleep(0.05)
        refused, headers, body = await ask(served, post())
        ready, _, _ = await ask(served, get("/readyz"))
        alive, _, _ = await ask(served, get("/livez"))

        assert (refused, headers["retry-after"], headers["connection"]) == (503, "5", "close")
        assert orjson.loads(body)["error"]["type"] == "overloaded_error"
        assert (ready, alive) == (503, 200)


@pytest.mark.slow
async def test_a_drain_is_over_with_its_last_request() -> None:
    release = trio.Event()

    async def answer_when_released(exchange: Exchange) -> None:
        await exchange.read_body(1000)
        await release.wait()
        await exchange.respond(200, JSON, b"{}")

    async with open_front(answer_when_released, drain_timeout_s=60) as served, served.connect() as client:
        await client.send(post())
        await trio.sleep(0.05)
        served.drain.begin()
        await trio.sleep(0.05)
        released_at = trio.current_time()

        release.set()
        status, _, _ = await client.read_response()
        with trio.fail_after(PATIENCE_S):
            await served.stopped.wait()

        assert status == 200
        assert trio.current_time() - released_at < 0.5


async def test_a_handler_that_only_raises_at_the_deadline_still_answers() -> None:
    async def give_up(exchange: Exchange) -> None:
        await exchange.read_body(1000)
        with exchange.drain.cancelled_at_deadline():
            await trio.sleep_forever()
        raise ShuttingDown(message="stopping")

    async with open_front(give_up, drain_timeout_s=0.05) as served, served.connect() as client:
        await client.send(post())
        await trio.sleep(0.05)

        served.drain.begin()
        status, _, _ = await client.read_response()

        assert status == 503
