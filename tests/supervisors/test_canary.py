from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from router.errors import FailureReason, ProviderFailed
from router.providers.transport import HttpRequest
from supervisors import canary
from supervisors.canary import Canary, authority, why_failed
from tests.builders import RememberingObserver, chat_stream

WATCHDOG_S = 30.0


def said_back(request: HttpRequest) -> list[bytes]:
    """Return a whole answer that has the word of the request in it."""
    word = orjson.loads(request.content)["messages"][0]["content"]
    return chat_stream(word)


@define
class FakeAnswer:
    status: int
    headers: Sequence[tuple[str, str]]
    chunks: list[bytes | float]

    async def read(self) -> bytes:
        while self.chunks:
            chunk = self.chunks.pop(0)
            if isinstance(chunk, bytes):
                await trio.lowlevel.checkpoint()
                return chunk
            await trio.sleep(chunk)
        return b""


@define(kw_only=True)
class FakeListener:
    """The daemon as its canary sees it; `answer` gives the chunks, with pauses in seconds between them."""

    answer: Callable[[HttpRequest], Sequence[bytes | float]] = said_back
    status: int = 200
    refusal: ProviderFailed | None = None
    requests: list[HttpRequest] = field(factory=list)
    open_clients: int = 0

    def connect(self) -> FakeListener:
        self.open_clients += 1
        return self

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[FakeAnswer]:
        await trio.lowlevel.checkpoint()
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        yield FakeAnswer(self.status, (), list(self.answer(request)))

    async def reach(self, url: str, *, connect_s: float) -> None:
        pytest.fail(f"a canary asks, and never only connects: {url}, {connect_s}")

    async def close_expired(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.open_clients -= 1


def a_canary(listener: FakeListener, *, host: str = "127.0.0.1") -> Canary:
    headers = (("x-router-canary", "secret"),)
    return Canary(host=host, port=8088, host_header="router.local", headers=headers, connect=listener.connect)


@define
class Fed:
    """The watchdog's end: when it was fed."""

    at: list[float] = field(factory=list)

    def feed(self) -> None:
        self.at.append(round(trio.current_time(), 3))


async def run_for(seconds: float, listener: FakeListener) -> tuple[list[float], RememberingObserver]:
    fed, observer = Fed(), RememberingObserver()
    with trio.move_on_after(seconds):
        await canary.run(a_canary(listener), watchdog_s=WATCHDOG_S, feed=fed.feed, observer=observer)
    return fed.at, observer


async def test_the_watchdog_is_fed_at_once_and_every_third_of_its_time(autojump_clock: trio.testing.MockClock) -> None:
    fed_at, observer = await run_for(35, FakeListener())

    assert fed_at == [0, 10, 20, 30]
    assert observer.events == []


async def test_a_slow_answer_does_not_move_the_next_question(autojump_clock: trio.testing.MockClock) -> None:
    fed_at, _ = await run_for(25, FakeListener(answer=lambda request: [4.0, *said_back(request)]))

    assert fed_at == [4, 14, 24]


async def test_a_request_path_that_never_answers_starves_the_watchdog(autojump_clock: trio.testing.MockClock) -> None:
    listener = FakeListener(answer=lambda request: [said_back(request)[0], 1e9])

    fed_at, observer = await run_for(25, listener)

    assert fed_at == []
    assert observer.named("canary-failed") == [{"reason": "no complete answer within 5 s", "watchdog_s": 30.0}] * 2
    assert listener.open_clients == 0


async def test_it_feeds_again_once_answers_come_again(autojump_clock: trio.testing.MockClock) -> None:
    answers = iter([[1e9], None, None])
    listener = FakeListener(answer=lambda request: next(answers) or said_back(request))

    fed_at, _ = await run_for(25, listener)

    assert fed_at == [10, 20]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request: said_back(request)[:-1], "the stream ends too early"),
        (lambda _request: [], "the stream ends too early"),
        (lambda _request: [b"<html>"], "the last frame has no blank line"),
        (lambda _request: [b"data: nonsense\n\n"], "a frame that is not a JSON object: b'nonsense'"),
        (lambda _request: chat_stream("another"), "the answer belongs to another request"),
    ],
)
async def test_only_a_whole_answer_to_this_question_counts(answer: Callable[[HttpRequest], Sequence[bytes]], reason: str) -> None:
    assert await why_failed(a_canary(FakeListener(answer=answer))) == reason


async def test_a_refusal_does_not_count() -> None:
    assert await why_failed(a_canary(FakeListener(status=503))) == "status 503"


async def test_a_listener_that_does_not_accept_does_not_count() -> None:
    refusal = ProviderFailed(provider="canary", reason=FailureReason.CONNECTION, message="refused")

    assert await why_failed(a_canary(FakeListener(refusal=refusal))) == "refused"


async def test_it_asks_over_a_new_connection_and_proves_who_it_is() -> None:
    listener = FakeListener()

    for _ in range(2):
        await why_failed(a_canary(listener))

    first, second = listener.requests
    assert first.url == "http://127.0.0.1:8088/v1/chat/completions"
    assert {(b"host", b"router.local:8088"), (b"connection", b"close"), (b"x-router-canary", b"secret")} <= set(first.headers)
    assert first.content != second.content
    assert listener.open_clients == 0


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - it is about such an address
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
async def test_a_listener_on_every_address_is_asked_on_loopback(host: str, asked: str) -> None:
    listener = FakeListener()

    await why_failed(evolve(a_canary(listener), host=host))

    assert listener.requests[0].url.startswith(f"http://{asked}:8088/")


def test_an_authority_has_one_pair_of_brackets() -> None:
    assert authority("[::1]", 1) == authority("::1", 1) == "[::1]:1"
