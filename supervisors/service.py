"""The signals and the clocks: what the world outside asks of the daemon, and does to it.

TERM and INT stop it, a second one does not wait. HUP asks for a reload (R-59), USR1 for a state dump. A wall clock that
jumps against trio's means that the machine was suspended (D25)."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import trio
from attrs import frozen

from router.ingress.drain import Drain
from router.ports import Observer
from supervisors.sd_notify import Notifier
from supervisors.seams import WallClock

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
COMPARE_S = 5.0  # how often the clocks are compared (supervision.md 21.7)
JUMP_S = 30.0  # below it NTP steps and a busy machine look alike
USUAL_DRAIN_S = 20.0  # what TimeoutStopSec of the unit allows for, with everything behind it (supervision.md 21.11)
UNIT_STOP_S = 40.0  # TimeoutStopSec

OpenSignals = Callable[..., AbstractContextManager[AsyncIterator[int]]]  # as trio.open_signal_receiver


@frozen(kw_only=True)
class Reactions:
    """What is done about a signal or a jump; every function is sync, and quick.

    `end_now`: the second stop signal has come; what waits for its children ends them. `reload` is asked once for a volley
    of HUPs, which the system merges, and may be asked again before it has begun. `state` is what a dump shows. `on_jump`
    gets the seconds that the wall clock went further than trio's, negative for a clock that was set back."""

    end_now: Callable[[], None]
    state: Callable[[], Mapping[str, object]]
    on_jump: Callable[[float], None]
    reload: Callable[[], None]


@frozen(kw_only=True)
class Service:
    """The task `service`; it writes nothing but the drain."""

    drain: Drain
    observer: Observer
    notifier: Notifier
    wall: WallClock
    reactions: Reactions
    drain_timeout_s: float
    open_signals: OpenSignals = trio.open_signal_receiver

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """React to signals and jumps until cancelled. Started once the signals are caught."""
        with self.open_signals(*STOP_SIGNALS, signal.SIGHUP, signal.SIGUSR1) as signals:
            async with trio.open_nursery() as nursery:
                watch = partial(watch_clocks, self.wall, observer=self.observer, on_jump=self.reactions.on_jump)
                nursery.start_soon(watch, name="clocks")
                task_status.started()
                async for number in signals:
                    self._react(signal.Signals(number))

    def _react(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGHUP:
                self.reactions.reload()
            case signal.SIGUSR1:
                self.observer.event("state-dump", {"state": dict(self.reactions.state())})
            case _:
                self._stop(number.name)

    def _stop(self, name: str) -> None:
        drain = self.drain
        hastened = drain.is_started
        fields = {"signal": name, "in_flight": drain.in_flight, "hastened": hastened}
        if drain.in_flight and not hastened:
            fields["detail"] = "open answers may finish; a second signal ends them now"
        self.observer.event("stop-requested", fields)
        if hastened:
            drain.hasten()
            self.reactions.end_now()
        else:
            status = f"stopping; {drain.in_flight} answers are still open"
            self.notifier.stopping(status, within_s=longer_stop_s(self.drain_timeout_s))
            drain.begin()


async def watch_clocks(wall: WallClock, *, observer: Observer, on_jump: Callable[[float], None]) -> None:
    """Compare the wall clock with trio's every COMPARE_S, until cancelled; tell each jump of more than JUMP_S.

    trio's clock stands still while the machine is suspended, and while the wall clock is set."""
    ahead_s = wall.now() - trio.current_time()
    while True:
        await trio.sleep(COMPARE_S)
        was_s, ahead_s = ahead_s, wall.now() - trio.current_time()
        by_s = ahead_s - was_s
        if abs(by_s) > JUMP_S:
            observer.event("clock-jumped", {"by_s": round(by_s, 1)})
            on_jump(by_s)


def longer_stop_s(drain_timeout_s: float) -> float | None:
    """Return what a stop may take where the drain is longer than usual, None where the unit's own limit holds it."""
    if drain_timeout_s <= USUAL_DRAIN_S:
        return None
    return UNIT_STOP_S - USUAL_DRAIN_S + drain_timeout_s
