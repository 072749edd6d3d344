from __future__ import annotations

import signal
from functools import partial

import pytest
import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from router.ingress.drain import Drain
from supervisors import service
from tests.e2e.front_harness import Seen

pytestmark = pytest.mark.e2e


@define
class Service:
    """The signal task with what it works on."""

    drain: Drain = field(factory=Drain)
    seen: Seen = field(factory=Seen)
    ended_now: int = 0

    async def start(self, nursery: trio.Nursery) -> None:
        run = partial(service.run, drain=self.drain, observer=self.seen, end_now=self.end_now)
        await nursery.start(run)

    def end_now(self) -> None:
        self.ended_now += 1

    async def get(self, number: signal.Signals) -> None:
        signal.raise_signal(number)
        await trio.sleep(0.01)  # the signal comes through trio's wake-up pipe
        await wait_all_tasks_blocked()


async def test_term_begins_the_drain(nursery: trio.Nursery) -> None:
    daemon = Service()
    await daemon.start(nursery)

    await daemon.get(signal.SIGTERM)

    assert daemon.drain.is_started
    assert daemon.ended_now == 0
    assert daemon.seen.events == [("stop-requested", {"signal": "SIGTERM", "in_flight": 0, "hastened": False})]
    nursery.cancel_scope.cancel()


async def test_a_second_stop_signal_does_not_wait(nursery: trio.Nursery) -> None:
    daemon = Service()
    await daemon.start(nursery)
    await daemon.get(signal.SIGINT)
    with daemon.drain.counted():
        await daemon.get(signal.SIGTERM)

        with trio.fail_after(1):
            await daemon.drain.wait_quiet()

    assert daemon.ended_now == 1
    nursery.cancel_scope.cancel()


async def test_hup_kills_nobody_and_is_told(nursery: trio.Nursery) -> None:
    daemon = Service()
    await daemon.start(nursery)

    await daemon.get(signal.SIGHUP)

    assert not daemon.drain.is_started
    assert daemon.seen.names() == ["config-reload"]
    nursery.cancel_scope.cancel()
