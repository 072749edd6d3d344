from __future__ import annotations

import gzip

import pytest
import trio
from trio.testing import MockClock

from router.domain.request import DialectName
from router.errors import InvalidJson
from router.ingress.asgi_types import Message
from router.ingress.drain import Drain
from router.ingress.exchange import LINGER_MAX_BYTES, LINGER_S, Exchange, choose_request_id, decode_headers
from tests.router.ingress.memory import Conversation

JSON = [("content-type", "application/json")]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "abc-1.2_Z"}, "abc-1.2_Z"),
        ({"x-client-request-id": "from-codex"}, "from-codex"),
        ({"x-request-id": "bad id", "x-client-request-id": "good"}, "good"),
    ],
)
def test_a_clients_harmless_id_is_taken_over(headers: dict[str, str], expected: str) -> None:
    assert choose_request_id(headers) == expected


@pytest.mark.parametrize("value", ["", "two words", "x" * 65, "a\nb", "é"])
def test_any_other_id_is_replaced_by_a_fresh_one(value: str) -> None:
    fresh = choose_request_id({"x-request-id": value})

    assert fresh.startswith("req_")
    assert len(fresh) == 28


def test_of_repeated_headers_the_last_counts_but_betas_are_joined() -> None:
    raw = [(b"anthropic-beta", b"a"), (b"x", b"1"), (b"anthropic-beta", b"b,c"), (b"x", b"2")]

    assert decode_headers(raw) == {"anthropic-beta": "a,b,c", "x": "2"}


async def test_an_answer_is_a_head_with_length_and_ids_and_a_body() -> None:
    talk = Conversation(headers=[("x-request-id", "mine")])

    await talk.exchange().respond(200, JSON, b"{}")

    assert talk.status == 200
    assert talk.headers == {
        "content-type": "application/json",
        "content-length": "2",
        "x-request-id": "mine",
        "request-id": "mine",
    }
    assert (talk.body, talk.is_complete) == (b"{}", True)


async def test_only_anthropic_clients_get_their_own_id_header() -> None:
    talk = Conversation()

    await talk.exchange(DialectName.OPENAI_CHAT).respond(200, JSON)

    assert "request-id" not in talk.headers


async def test_an_answer_is_finished_before_its_last_message_is_sent() -> None:
    talk = Conversation()
    finished_at_send: list[bool] = []

    async def send(message: Message) -> None:
        finished_at_send.append(exchange.is_finished)
        await talk.send(message)

    exchange = Exchange.of(talk.scope, talk.receive, send, dialect=DialectName.ANTHROPIC, drain=Drain())
    await exchange.start(200, JSON)
    await exchange.write(b"x")
    await exchange.finish()

    assert finished_at_send == [False, False, True]


async def test_the_time_of_the_last_write_moves_on(autojump_clock: MockClock) -> None:
    talk = Conversation()
    exchange = talk.exchange()
    await exchange.start(200, JSON)
    await trio.sleep(7)

    await exchange.write(b"x")

    assert exchange.last_write_at - exchange.opened_at == 7


async def test_two_writers_take_turns(autojump_clock: MockClock) -> None:
    talk = Conversation()
    exchange = talk.exchange()
    await exchange.start(200, JSON)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(exchange.write, str(number).encode())

    assert sorted(talk.body) == sorted(b"012")


async def test_a_cancelled_handler_sends_no_half_head() -> None:
    talk = Conversation()
    exchange = talk.exchange()
    with trio.CancelScope() as scope:
        scope.cancel()
        await exchange.start(200, JSON)

    assert scope.cancelled_caught
    assert (talk.sent, exchange.is_head_sent) == ([], False)


async def test_the_end_goes_out_even_when_the_handler_is_cancelled_meanwhile() -> None:
    talk = Conversation()
    exchange = talk.exchange()
    await exchange.start(200, JSON)
    with trio.CancelScope() as scope:
        scope.cancel()
        await exchange.finish()

    assert talk.is_complete


async def test_an_unread_body_is_read_on_after_the_answer_and_before_its_end() -> None:
    talk = Conversation("POST", headers=[("content-length", "20")])
    exchange = talk.exchange()
    for _ in range(2):
        talk.part(b"x" * 10, more=True)
    talk.part(b"")

    await exchange.respond(413, JSON, b"{}")

    assert talk.headers["connection"] == "close"
    assert [message.get("more_body") for message in talk.sent[1:]] == [True, False]
    assert talk.body == b"{}"


async def test_a_body_that_was_read_to_a_bad_end_leaves_a_usable_connection() -> None:
    body = gzip.compress(b"{}")[:-4]
    talk = Conversation("POST", headers=[("content-length", str(len(body))), ("content-encoding", "gzip")])
    exchange = talk.exchange()
    talk.part(body)
    with pytest.raises(InvalidJson, match="ends early"):
        await exchange.read_body(1000)

    with trio.fail_after(1):
        await exchange.respond(400, JSON, b"{}")

    assert "connection" not in talk.headers
    assert talk.is_complete


async def test_a_client_that_sends_for_ever_is_read_for_ten_seconds(autojump_clock: MockClock) -> None:
    talk = Conversation("POST", headers=[("transfer-encoding", "chunked")])

    await talk.exchange().respond(413, JSON, b"{}")

    assert trio.current_time() == pytest.approx(LINGER_S, abs=0.01)
    assert talk.is_complete


async def test_a_client_that_sends_too_much_is_read_no_further() -> None:
    talk = Conversation("POST", headers=[("transfer-encoding", "chunked")])
    for _ in range(3):
        talk.part(bytes(LINGER_MAX_BYTES // 2), more=True)

    await talk.exchange().respond(413, JSON, b"{}")

    assert talk.is_complete
    assert (await talk.receive())["more_body"] is True


async def test_a_request_without_a_body_reads_nothing() -> None:
    assert await Conversation().exchange().read_body(100) == b""
