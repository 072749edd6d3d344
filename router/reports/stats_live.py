"""`router stats` as it runs: looks at the daemon again and again, and draws what it saw, until a key or a signal ends it.

A look that fails is told and tried again, also while the picture is paused. Its owner is the command's own nursery."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable

import trio
from attrs import define, evolve, field

from router.reports.daemon import Answer, DaemonClient, DaemonUnreachableError
from router.reports.stats import Picture, View
from router.reports.stats_facts import Pace, Reading
from router.reports.terminal import Terminal

PAGES = ("/metrics.json", "/status")
FETCH_S = 2.0  # supervision.md 18
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128  # and the number, as shells count the end by a signal

Look = Callable[[], Awaitable[Reading]]


class LookFailed(Exception):
    """The daemon did not answer, or refused; the text says which."""


@define(kw_only=True)
class Live:
    """What the tasks share. `look` raises LookFailed; `draw` is called after each change.

    Its tasks write it between two checkpoints, each its own part: looks `_seen`, `_pace` and `view.problem`, keys the rest."""

    look: Look
    draw: Callable[[View], None]
    view: View
    _seen: Reading | None = None
    _pace: Pace = field(factory=Pace)
    _wanted: trio.Event = field(factory=trio.Event)  # a look, before its time
    _is_asked: bool = False  # by a key: shown also while paused

    async def keep_looking(self) -> None:
        """Look, show, and wait; runs until cancelled."""
        while True:
            self._wanted = trio.Event()
            await self.look_once()
            with trio.move_on_after(self.view.interval_s):
                await self._wanted.wait()

    async def look_once(self) -> None:
        """Look at the daemon and show it, or why that was not possible."""
        try:
            self._seen = await self.look()
        except LookFailed as failure:
            self.view = evolve(self.view, problem=str(failure))
        else:
            self._pace = self._pace.after(self._seen)
            self.view = evolve(self.view, problem="")
            if not self.view.is_paused or self._is_asked:
                self._show_seen()
        self._is_asked = False
        self.draw(self.view)

    def press(self, key: str) -> bool:
        """Do what a key says, and tell whether that is the end."""
        match key:
            case "q":
                return True
            case "p":
                self.view = evolve(self.view, is_paused=not self.view.is_paused)
                if not self.view.is_paused:
                    self._show_seen()
            case "f":
                self.view = evolve(self.view, failures_only=not self.view.failures_only)
            case "r":
                self._is_asked = True
                self._wanted.set()
            case _:
                return False
        self.draw(self.view)
        return False

    def _show_seen(self) -> None:
        self.view = evolve(self.view, reading=self._seen, pace=self._pace)


async def watch(daemon: DaemonClient, terminal: Terminal, interval_s: float) -> int:
    """Show the daemon until `q` or a signal, and return the exit code: 0, or 128 and the signal's number."""
    patient = evolve(daemon, answer_s=FETCH_S)

    async def look() -> Reading:
        return await trio.to_thread.run_sync(read, patient, abandon_on_cancel=True)

    def draw(view: View) -> None:
        terminal.draw(Picture(view))

    live = Live(look=look, draw=draw, view=View(url=daemon.url, interval_s=interval_s))
    codes: list[int] = []
    with trio.open_signal_receiver(*_ENDING, signal.SIGWINCH, signal.SIGTSTP) as signals, terminal.taken():
        draw(live.view)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live.keep_looking, name="looks")
            nursery.start_soon(_press_keys, live, terminal, nursery.cancel_scope, name="keys")
            async for number in signals:
                if number in _ENDING:
                    codes.append(_SIGNALLED + number)
                    break
                if number == signal.SIGTSTP:
                    terminal.suspend()
                draw(live.view)
            nursery.cancel_scope.cancel()
    return codes[0] if codes else 0


async def _press_keys(live: Live, terminal: Terminal, scope: trio.CancelScope) -> None:
    """Hand each key on, and end all with the one that says so."""
    while not live.press(await terminal.key()):
        pass
    scope.cancel()


def read(daemon: DaemonClient) -> Reading:
    """Return one look at the daemon. Raises LookFailed."""
    try:
        metrics, status = (_good(page, daemon.ask("GET", page)) for page in PAGES)
    except DaemonUnreachableError as error:
        raise LookFailed(str(error)) from error
    return Reading(metrics=metrics.body, status=status.body)


def _good(page: str, answer: Answer) -> Answer:
    if not answer.is_success:
        raise LookFailed(f"{page}: {answer.refusal}")
    return answer
