"""Crashes of supervised children, at the k-th step of their own task: `Keeper.wrap` of a world (supervision.md 21.12).

The wrapper's cancel scope is cancelled when the step comes, so every checkpoint can be hit, nursery waits included, and
trio's own state stays whole; then the wrapper raises, as a bug in the child would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field

from supervisors.keep_running import Child
from supervisors.policies import ChildSpec


class InjectedCrash(Exception):
    """The world wanted this child to crash."""


def is_cancelled(error: BaseException) -> bool:
    """Tell whether a task was cancelled, and nothing else happened to it."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancelled(member) for member in error.exceptions)
    return isinstance(error, trio.Cancelled)


@define(eq=False)
class Victim:
    """One living child."""

    name: str
    task: trio.lowlevel.Task
    scope: trio.CancelScope


@define(eq=False)
class Crashes(trio.abc.Instrument):
    """Knows the children that live, and crashes one when its step has come.

    Counts steps only while a crash is armed: an instrument costs a call per step of every task."""

    broken: Callable[[str, str], None]
    on_crash: Callable[[str], None]
    on_cancelled: Callable[[str], None]  # somebody else ended this child
    living: dict[str, Victim] = field(factory=dict)
    injected: dict[str, int] = field(factory=dict)
    _armed: dict[trio.lowlevel.Task, tuple[Victim, int]] = field(factory=dict)

    def wrap(self, spec: ChildSpec, child: Child) -> Child:
        """Return the child, made to crash on demand."""

        async def crashing(*, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
            if spec.name in self.living:
                self.broken("I5", f"two of {spec.name} live at once")
            with trio.CancelScope() as scope:
                victim = self.living[spec.name] = Victim(spec.name, trio.lowlevel.current_task(), scope)
                try:
                    await child(task_status=task_status)
                except BaseException as error:
                    if is_cancelled(error) and not scope.cancel_called:
                        self.on_cancelled(spec.name)
                    raise
                finally:
                    self.living.pop(spec.name, None)
                    self._disarm(victim)
            if scope.cancelled_caught:
                raise InjectedCrash(spec.name)

        return crashing

    async def crash(self, name: str, steps: int, patience_s: float) -> bool:
        """Crash a child at its step from now, or after `patience_s` wherever it waits; False where none lives."""
        victim = self.living.get(name)
        if victim is None:
            return False
        if not self._armed:
            trio.lowlevel.add_instrument(self)
        self._armed[victim.task] = (victim, steps)
        await trio.sleep(patience_s)
        if victim.task in self._armed:
            self._disarm(victim)
            self._hit(victim)
        return True

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step of a child that is to crash."""
        if (armed := self._armed.get(task)) is None:
            return
        victim, left = armed
        if left > 1:
            self._armed[task] = (victim, left - 1)
        else:
            self._disarm(victim)
            self._hit(victim)

    def _hit(self, victim: Victim) -> None:
        if self.living.get(victim.name) is victim:
            self.injected[victim.name] = self.injected.get(victim.name, 0) + 1
            self.on_crash(victim.name)
            victim.scope.cancel()

    def _disarm(self, victim: Victim) -> None:
        if self._armed.pop(victim.task, None) is not None and not self._armed:
            trio.lowlevel.remove_instrument(self)
