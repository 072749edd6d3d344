from __future__ import annotations

import orjson
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from router.config.redact import Redactor
from router.config.secret import Secret
from router.errors import FailureReason, NotFound, RouterError, StreamBroken
from router.ingress.exchange import Exchange
from router.ingress.front_serve import Handler, refuse, serve
from tests.router.ingress.memory import Conversation, Seen

JSON = [("content-type", "application/json")]


async def served(talk: Conversation, handler: Handler) -> Seen:
    seen = Seen()
    await serve(talk.exchange(), handler, seen)
    return seen


def failing(error: Exception) -> Handler:
    """Return a handler that raises before it has answered."""

    async def handler(_exchange: Exchange) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    return handler


class Waiting:
    """Handler that never answers by itself."""

    def __init__(self) -> None:
        self.was_cancelled = False
        self.had_client_left = False

    async def __call__(self, exchange: Exchange) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.was_cancelled = True
            self.had_client_left = exchange.has_client_left


async def test_a_disconnect_cancels_a_handler_that_has_not_answered(nursery: trio.Nursery) -> None:
    talk, waiting = Conversation(), Waiting()
    nursery.start_soon(served, talk, waiting)
    await wait_all_tasks_blocked()

    talk.leave()
    await wait_all_tasks_blocked()

    assert (waiting.was_cancelled, waiting.had_client_left) == (True, True)
    assert talk.sent == []


async def test_the_connections_own_word_cancels_as_well(nursery: trio.Nursery) -> None:
    talk, waiting = Conversation(), Waiting()
    nursery.start_soon(served, talk, waiting)
    await wait_all_tasks_blocked()

    talk.link.lost()
    await wait_all_tasks_blocked()

    assert (waiting.was_cancelled, waiting.had_client_left) == (True, True)


async def test_a_client_that_left_before_its_request_was_served_is_noticed() -> None:
    talk, waiting = Conversation(), Waiting()
    talk.link.lost()

    await served(talk, waiting)

    assert waiting.had_client_left


async def test_a_disconnect_after_the_answer_cancels_nothing() -> None:
    talk = Conversation()
    booked = False

    async def handler(exchange: Exchange) -> None:
        nonlocal booked
        await exchange.respond(200, JSON, b"{}")
        talk.leave()
        await wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()
        booked = True

    await served(talk, handler)

    assert booked


async def test_a_client_that_leaves_in_its_body_gets_no_answer() -> None:
    talk = Conversation("POST", headers=[("content-length", "9")])
    talk.leave()

    seen_by_handler: list[bool] = []

    async def handler(exchange: Exchange) -> None:
        try:
            await exchange.read_body(100)
        finally:
            seen_by_handler.append(exchange.has_client_left)

    seen = await served(talk, handler)

    assert (talk.sent, seen.events) == ([], [])
    assert seen_by_handler == [True]


async def test_a_router_error_is_answered_in_the_clients_dialect() -> None:
    talk = Conversation()

    seen = await served(talk, failing(NotFound(message="no such thing")))

    assert talk.status == 404
    assert orjson.loads(talk.body)["error"]["type"] == "not_found_error"
    assert seen.events == []


async def test_a_router_error_is_found_inside_groups() -> None:
    talk = Conversation()

    await served(talk, failing(ExceptionGroup("outer", [ExceptionGroup("inner", [NotFound(message="no such thing")])])))

    assert talk.status == 404


async def test_anything_else_is_a_500_that_says_nothing_and_is_told_once() -> None:
    talk = Conversation(headers=[("x-request-id", "mine")])

    seen = await served(talk, failing(ZeroDivisionError("secret detail")))

    assert talk.status == 500
    body = orjson.loads(talk.body)
    assert body["request_id"] == "mine"
    assert "secret" not in talk.body.decode()
    assert seen.names() == ["request-crashed"]
    assert isinstance(seen.events[0][1]["exc_info"], ZeroDivisionError)


async def test_a_crash_tells_no_half_of_a_secret_of_its_path() -> None:
    talk, seen = Conversation(path=f"/{'p' * 190}plain-key-4711{'p' * 300}"), Seen()
    exchange = talk.exchange()
    exchange.redact = Redactor.of([Secret("plain-key-4711")]).redact

    await serve(exchange, failing(ZeroDivisionError()), seen)

    assert seen.events[0][1]["path"] == f"/{'p' * 190}***pppppp"


async def test_a_crash_beside_a_router_error_is_a_500() -> None:
    talk = Conversation()

    seen = await served(talk, failing(ExceptionGroup("both", [NotFound(message="x"), ZeroDivisionError()])))

    assert (talk.status, seen.names()) == (500, ["request-crashed"])


async def test_a_crash_in_a_stream_ends_in_the_dialects_own_frames() -> None:
    talk = Conversation()

    async def handler(exchange: Exchange) -> None:
        exchange.failure_frames = lambda error: f"event: error {error.kind}\n\n".encode()
        await exchange.start(200, JSON)
        await exchange.write(b"data: 1\n\n")
        raise ZeroDivisionError

    await served(talk, handler)

    assert talk.body == b"data: 1\n\nevent: error internal\n\n"
    assert talk.is_complete


async def test_a_crash_after_a_head_without_frames_leaves_the_answer_cut() -> None:
    talk = Conversation()

    async def handler(exchange: Exchange) -> None:
        await exchange.start(200, JSON)
        raise StreamBroken(provider="p", reason=FailureReason.TIMEOUT, message="")

    await served(talk, handler)

    assert not talk.is_complete


async def test_a_crash_after_a_complete_answer_is_only_told() -> None:
    talk = Conversation()

    async def handler(exchange: Exchange) -> None:
        await exchange.respond(200, JSON, b"{}")
        raise ZeroDivisionError

    seen = await served(talk, handler)

    assert (talk.status, talk.body, seen.names()) == (200, b"{}", ["request-crashed"])


async def test_a_cancelled_daemon_passes_its_cancellation_on() -> None:
    talk, waiting = Conversation(), Waiting()
    with trio.CancelScope() as scope:
        scope.cancel()
        await served(talk, waiting)

    assert scope.cancelled_caught
    assert not waiting.had_client_left


async def test_a_refusal_of_options_has_no_body() -> None:
    talk = Conversation("OPTIONS")

    await refuse(talk.exchange(), NotFound(message="x"), [("x-more", "1")])

    assert (talk.status, talk.body, talk.headers["x-more"]) == (404, b"", "1")


@pytest.mark.parametrize("error", [RouterError(), NotFound(message="x")])
async def test_the_watcher_ends_with_the_handler(error: RouterError) -> None:
    before = trio.lowlevel.current_statistics().tasks_living

    await served(Conversation(), failing(error))

    assert trio.lowlevel.current_statistics().tasks_living == before
