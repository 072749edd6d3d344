"""Keep-alives of a stream, on the virtual clock."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest
import trio
from attrs import define
from trio.testing import MockClock

from router.ingress.stream_writer import StreamWriter
from router.wire.dialect import EventEncoder
from router.wire.registry import DIALECTS
from tests.builders import CHAT
from tests.router.ingress.memory import Conversation
from tests.sim.deterministic import run

PING = b": keep-alive\n\n"


def a_writer(talk: Conversation) -> StreamWriter:
    return StreamWriter(exchange=talk.exchange(CHAT), dialect=DIALECTS[CHAT], early_headers=lambda: [("x-early", "1")])


@pytest.mark.parametrize(("grace_s", "seconds", "pings"), [(10, 9, 0), (10, 14, 0), (10, 16, 1), (10, 31, 4), (4, 31, 5)])
async def test_the_head_goes_out_after_the_grace_and_pings_follow(
    grace_s: float, seconds: float, pings: int, autojump_clock: MockClock
) -> None:
    del autojump_clock
    talk = Conversation("POST", "/v1/chat/completions")
    writer = a_writer(talk)

    with trio.move_on_after(seconds):
        await writer.keep_alive(grace_s=grace_s, keepalive_s=5)

    assert bool(talk.sent) is (seconds > grace_s)
    assert talk.body == PING * pings


async def test_pings_do_not_wait_for_the_grace_once_the_answer_has_begun(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    del autojump_clock
    talk = Conversation("POST", "/v1/chat/completions")
    writer = a_writer(talk)
    nursery.start_soon(partial(writer.keep_alive, grace_s=60, keepalive_s=1))

    await writer.commit([])
    await writer.write(b"data: x\n\n")
    await trio.sleep(2.5)

    assert talk.body == b"data: x\n\n" + PING * 2
    nursery.cancel_scope.cancel()


@define
class Talker:
    """An encoder that can say that an answer goes on."""

    said: int = 0

    def progress(self) -> bytes:
        self.said += 1
        return b"event: in_progress\n\n"


async def test_a_client_that_counts_no_comments_is_told_every_minute_of_silence(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    del autojump_clock
    talk = Conversation("POST", "/v1/responses")
    writer = a_writer(talk)
    writer.encoder = cast("EventEncoder", Talker())
    nursery.start_soon(partial(writer.keep_alive, grace_s=1, keepalive_s=15))

    await trio.sleep(100)  # before the answer has begun there is nothing to say of it
    assert b"in_progress" not in talk.body
    await writer.write(b"data: x\n\n")
    await trio.sleep(70)
    assert talk.body.count(b"in_progress") == 1
    await writer.write(b"data: y\n\n")
    await trio.sleep(125)

    assert talk.body.count(b"in_progress") == 3
    nursery.cancel_scope.cancel()


def test_a_rest_too_short_to_move_the_clock_is_not_slept_for_ever() -> None:
    async def ping_across(before_s: float) -> bytes:
        """Write before the clock needs one bit more, ping after it: there a rest can be less than the clock can tell."""
        talk = Conversation("POST", "/v1/chat/completions")
        writer = a_writer(talk)
        await writer.commit([])
        for number in range(12, 22):
            await trio.sleep_until(2.0**number - before_s)
            await writer.write(b"data: x\n\n")
            with trio.move_on_after(15.5):
                await writer.keep_alive(grace_s=10, keepalive_s=15)
        return talk.body

    pings = [run(partial(ping_across, 14.5 / (1 + number / 7)), seed=1).count(PING) for number in range(30)]

    assert pings == [10] * 30
