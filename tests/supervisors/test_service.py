from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from router.ingress.drain import Drain
from supervisors.sd_notify import Notifier
from supervisors.seams import SystemWallClock
from supervisors.service import Reactions, Service, longer_stop_s
from tests.e2e.front_harness import Seen
from tests.e2e.notify import open_notify_socket

pytestmark = pytest.mark.e2e


@define
class Daemon:
    """The signal task with what it works on."""

    drain: Drain = field(factory=Drain)
    seen: Seen = field(factory=Seen)
    ended_now: int = 0
    reloads: int = 0

    async def start(self, nursery: trio.Nursery, *, notifier: Notifier | None = None, drain_timeout_s: float = 20) -> None:
        reactions = Reactions(
            end_now=self.end_now,
            state=self.state,
            on_jump=lambda _by_s: None,
            reload=self.reload,
        )
        service = Service(
            drain=self.drain,
            observer=self.seen,
            notifier=notifier or Notifier(),
            wall=SystemWallClock(),
            reactions=reactions,
            drain_timeout_s=drain_timeout_s,
        )
        await nursery.start(service.run)

    def end_now(self) -> None:
        self.ended_now += 1

    def reload(self) -> None:
        self.reloads += 1

    def state(self) -> Mapping[str, object]:
        return {"in_flight": self.drain.in_flight}

    async def get(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            signal.raise_signal(number)
        await trio.sleep(0.01)  # the signal comes through trio's wake-up pipe
        await wait_all_tasks_blocked()


async def test_term_begins_the_drain(nursery: trio.Nursery) -> None:
    daemon = Daemon()
    await daemon.start(nursery)

    await daemon.get(signal.SIGTERM)

    assert daemon.drain.is_started
    assert daemon.ended_now == 0
    assert daemon.seen.events == [("stop-requested", {"signal": "SIGTERM", "in_flight": 0, "hastened": False})]
    nursery.cancel_scope.cancel()


async def test_a_second_stop_signal_does_not_wait(nursery: trio.Nursery) -> None:
    daemon = Daemon()
    await daemon.start(nursery)
    await daemon.get(signal.SIGINT)
    with daemon.drain.counted():
        await daemon.get(signal.SIGTERM)

        with trio.fail_after(1):
            await daemon.drain.wait_quiet()

    assert daemon.ended_now == 1
    nursery.cancel_scope.cancel()


async def test_hup_asks_for_a_reload_and_kills_nobody(nursery: trio.Nursery) -> None:
    daemon = Daemon()
    await daemon.start(nursery)

    await daemon.get(signal.SIGHUP)

    assert not daemon.drain.is_started
    assert daemon.reloads == 1
    nursery.cancel_scope.cancel()


async def test_a_volley_of_hups_asks_at_least_once_and_again_after_it(nursery: trio.Nursery) -> None:
    daemon = Daemon()
    await daemon.start(nursery)

    for _ in range(5):
        os.kill(os.getpid(), signal.SIGHUP)
    await daemon.get()
    asked = daemon.reloads
    await daemon.get(signal.SIGHUP)

    assert 1 <= asked <= 5
    assert daemon.reloads == asked + 1
    nursery.cancel_scope.cancel()


async def test_usr1_dumps_the_state(nursery: trio.Nursery) -> None:
    daemon = Daemon()
    await daemon.start(nursery)

    with daemon.drain.counted():
        await daemon.get(signal.SIGUSR1)

    assert daemon.seen.events == [("state-dump", {"state": {"in_flight": 1}})]
    nursery.cancel_scope.cancel()


async def test_a_stop_is_told_once_with_the_time_that_a_long_drain_needs(nursery: trio.Nursery, tmp_path: Path) -> None:
    daemon = Daemon()
    with open_notify_socket(tmp_path) as manager:
        notifier = Notifier.at(manager.name)
        await daemon.start(nursery, notifier=notifier, drain_timeout_s=100)
        with daemon.drain.counted():
            await daemon.get(signal.SIGTERM)
            await daemon.get(signal.SIGTERM)
        messages = await manager.messages_for(0.05)
        notifier.close()

    status = "stopping; 1 answers are still open"
    assert messages == [{"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "120000000", "STATUS": status}]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("drain_timeout_s", "asked_s"), [(0, None), (20, None), (21, 41), (3600, 3620)])
def test_the_unit_limit_grows_with_the_drain(drain_timeout_s: float, asked_s: float | None) -> None:
    assert longer_stop_s(drain_timeout_s) == asked_s
