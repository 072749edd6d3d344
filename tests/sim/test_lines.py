"""Connections in memory behave as sockets do."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.sim.lines import CAPACITY, pair


async def test_what_was_sent_before_a_close_arrives_and_then_the_end() -> None:
    ours, theirs = pair()
    await ours.send_all(b"last words")
    ours.close()

    assert await theirs.receive_some() == b"last words"
    assert await theirs.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        theirs.send_now(b"too late")


async def test_a_reset_takes_what_is_on_the_way() -> None:
    ours, theirs = pair()
    await ours.send_all(b"lost")
    ours.reset()

    with pytest.raises(trio.BrokenResourceError):
        await theirs.receive_some()


async def test_who_has_ended_can_still_read() -> None:
    ours, theirs = pair()
    await ours.send_eof()
    await theirs.send_all(b"an answer")

    assert await theirs.receive_some() == b""
    assert await ours.receive_some() == b"an answer"
    with pytest.raises(trio.ClosedResourceError):
        ours.send_now(b"after the end")


async def test_a_writer_waits_for_room_and_a_reader_for_bytes(autojump_clock: MockClock) -> None:
    del autojump_clock
    ours, theirs = pair()

    with trio.move_on_after(1) as limit:
        await ours.send_all(b"x" * (CAPACITY + 1))
    assert limit.cancelled_caught
    assert len(await theirs.receive_some()) == CAPACITY
    with trio.move_on_after(1) as limit:
        await theirs.receive_some()
    assert limit.cancelled_caught


async def test_an_idle_connection_is_alive_until_something_comes() -> None:
    ours, theirs = pair()

    assert ours.is_alive()
    theirs.close()
    assert not ours.is_alive()
