from __future__ import annotations

import threading

import trio

from router.ingress.asgi_types import ASGIApp, Receive, Scope, Send
from router.ingress.front_cold import ColdApp, hidden_disconnect
from tests.router.ingress.memory import Conversation


async def streaming_app(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-page", b"1")]})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})


async def test_a_page_is_answered_with_the_requests_id() -> None:
    talk = Conversation(headers=[("x-request-id", "mine")])
    talk.part(b"")

    await ColdApp(lambda: streaming_app).answer(talk.exchange(), talk.scope, talk.receive)

    assert (talk.status, talk.body, talk.is_complete) == (201, b"ab", True)
    assert (talk.headers["x-page"], talk.headers["x-request-id"]) == ("1", "mine")


async def test_the_app_is_loaded_once_and_off_the_loop() -> None:
    threads: list[str] = []

    def load() -> ASGIApp:
        threads.append(threading.current_thread().name)
        return streaming_app

    cold = ColdApp(load)

    async def ask() -> None:
        talk = Conversation()
        talk.part(b"")
        await cold.answer(talk.exchange(), talk.scope, talk.receive)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)

    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name


async def test_the_disconnect_after_a_complete_answer_is_hidden() -> None:
    talk = Conversation()
    exchange = talk.exchange()
    receive = hidden_disconnect(exchange, talk.receive)
    await exchange.respond(200, [])
    talk.leave()

    with trio.move_on_after(0.01) as waited:
        await receive()

    assert waited.cancelled_caught


async def test_the_disconnect_before_it_is_told() -> None:
    talk = Conversation()
    talk.leave()

    message = await hidden_disconnect(talk.exchange(), talk.receive)()

    assert message["type"] == "http.disconnect"
