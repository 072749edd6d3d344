from __future__ import annotations

import gzip
from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from router.errors import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMediaType
from router.ingress.asgi_types import Message, Receive
from router.ingress.body import ClientGone, read_body

LIMIT = 1000


def parts(*pieces: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    return playing([*messages, {"type": "http.request", "body": b"", "more_body": False}])


def playing(messages: Iterable[Message]) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        await trio.lowlevel.checkpoint()
        return next(left)

    return receive


async def test_the_parts_of_a_body_are_joined() -> None:
    assert await read_body(parts(b'{"a":', b"1}"), {}, LIMIT) == b'{"a":1}'


async def test_a_body_of_exactly_the_limit_passes() -> None:
    assert len(await read_body(parts(b"x" * LIMIT), {"content-length": str(LIMIT)}, LIMIT)) == LIMIT


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(playing([]), {"content-length": str(LIMIT + 1)}, LIMIT)


async def test_a_chunked_body_is_counted() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(parts(b"x" * LIMIT, b"x"), {"transfer-encoding": "chunked"}, LIMIT)


async def test_a_client_that_falls_silent_in_its_body_is_not_waited_for(autojump_clock: MockClock) -> None:
    del autojump_clock

    async def receive() -> Message:
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(InvalidRequest, match="60 s"):
        await read_body(receive, {}, LIMIT)

    assert trio.current_time() == pytest.approx(60, abs=0.01)


async def test_a_gzipped_body_in_pieces_is_unfolded() -> None:
    packed = gzip.compress(b'{"a":1}')

    assert await read_body(parts(packed[:7], packed[7:]), {"content-encoding": "gzip"}, LIMIT) == b'{"a":1}'


async def test_a_gzip_bomb_stops_at_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(parts(gzip.compress(b"x" * 10_000_000)[:LIMIT]), {"content-encoding": "gzip"}, LIMIT)


async def test_members_that_unfold_to_nothing_are_counted_too() -> None:
    empty = gzip.compress(b"")
    endless = ({"type": "http.request", "body": empty * 10, "more_body": True} for _ in range(1_000))

    with pytest.raises(BodyTooLarge):
        await read_body(playing(endless), {"content-encoding": "gzip"}, LIMIT)


async def test_a_broken_gzip_body_is_the_clients_mistake() -> None:
    with pytest.raises(InvalidJson):
        await read_body(parts(b"no gzip"), {"content-encoding": "gzip"}, LIMIT)
    with pytest.raises(InvalidJson):
        await read_body(parts(gzip.compress(b"{}")[:-4]), {"content-encoding": "gzip"}, LIMIT)


@pytest.mark.parametrize("headers", [{"content-encoding": "br"}, {"content-type": "text/plain"}])
async def test_other_encodings_and_types_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_body(parts(b"{}"), headers, LIMIT)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.x+json", ""])
async def test_json_types_and_none_are_read(content_type: str) -> None:
    assert await read_body(parts(b"{}"), {"content-type": content_type, "content-encoding": "identity"}, LIMIT) == b"{}"


async def test_a_client_that_leaves_in_the_middle_is_gone() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    with pytest.raises(ClientGone):
        await read_body(playing(messages), {}, LIMIT)
