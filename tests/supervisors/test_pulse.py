from __future__ import annotations

import trio
from trio.testing import MockClock

from supervisors.pulse import Pulse


async def test_a_touch_between_a_look_and_the_wait_is_not_missed(autojump_clock: MockClock) -> None:
    pulse = Pulse()

    before = pulse.next
    pulse.touch()

    with trio.fail_after(1):
        await before.wait()
    assert not pulse.next.is_set()
