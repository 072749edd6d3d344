"""Hands each event to everybody who listens: the log, the metrics, the files, the pages.

Direct calls, no logging level in between, so that a daemon that logs little counts all the same (W29). A listener may not
wait: what writes puts into a bounded buffer of its own. One that fails is counted and told once, and the request goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from attrs import define, field

from router.domain.told import Told
from router.observers.events import level_of
from router.ports import Observer


@runtime_checkable
class Listener(Protocol):
    """Takes stamped events; sync, never waits."""

    def told(self, told: Told) -> None:
        """Take one event in."""


@define(eq=False)
class Fanout:
    """An Observer in front of `log` and of listeners by name (`metrics`, `audit`, ...).

    `wall` gives unix seconds. `failures` counts what each listener has raised."""

    log: Observer
    wall: Callable[[], float]
    failures: dict[str, int] = field(factory=dict)
    _listeners: tuple[tuple[str, Listener], ...] = ()
    _seq: int = 0
    _tell_log: Callable[[Told], None] = field(init=False)

    @_tell_log.default
    def _as_the_log_takes_it(self) -> Callable[[Told], None]:
        log = self.log
        return log.told if isinstance(log, Listener) else lambda told: log.event(told.name, told.fields)

    def listen(self, name: str, listener: Listener) -> None:
        """Let a listener hear of every event from now on, behind those that listen already."""
        self._listeners += ((name, listener),)

    def counted_failures(self) -> dict[str, int]:
        """Return how often each listener has failed, 0 included."""
        return {name: self.failures.get(name, 0) for name, _ in self._listeners}

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Tell one event to everybody."""
        self._seq += 1
        told = Told(self._seq, self.wall(), level_of(name, fields), name, fields)
        self._tell_log(told)
        for channel, listener in self._listeners:
            try:
                listener.told(told)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the listener's, and no request's
                self._failed(channel, error)

    def _failed(self, channel: str, error: Exception) -> None:
        """Count a failure; the first of each listener is told, to the log alone: the others may be what fails."""
        self.failures[channel] = self.failures.get(channel, 0) + 1
        if self.failures[channel] == 1:
            self.log.event("observer-failed", {"observer": channel, "exc_info": error})
