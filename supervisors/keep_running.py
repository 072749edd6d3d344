"""Keep a child of the tree running: restart it within limits, then give up in the way that its policy says.

The one place that catches what a task of the tree raises (supervision.md 21.9). A restart begins when the old child's
nursery is drained, and the new child starts from what was committed, never from the dead one's locals (I22, I23)."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from router.errors import StateFailed
from router.ports import Observer
from supervisors.policies import ChildSpec, OnExhausted, is_exhausted, restart_delay_s

QUICK_S = 1.0  # a crash this soon after the start, three times at one place, is poison in the state
POISON_CRASHES = 3


class Child(Protocol):
    """A task function of the tree; `started` tells that others may rely on it."""

    def __call__(self, *, task_status: trio.TaskStatus[Any]) -> Awaitable[None]:
        """Run until cancelled, or for ever."""


class ChildState(StrEnum):
    """Where a kept child is."""

    RUNNING = "running"
    WAITING = "waiting"  # for its restart
    EXHAUSTED = "exhausted"
    ENDED = "ended"


@define(kw_only=True)
class ChildFacts:
    """What `/status` tells of one child; written by its `keep_running` alone. `ends` are of the last period, trio clock."""

    name: str
    state: ChildState = ChildState.RUNNING
    restarts_total: int = 0
    ends: tuple[float, ...] = ()
    last_error: str = ""


class SupervisorExhausted(Exception):
    """A child ended too often, and the daemon cannot do without it: exit 70."""

    def __init__(self, child: str, ends: tuple[float, ...]) -> None:
        """Name the child and the times of its ends, trio clock."""
        super().__init__(f"{child} ended {len(ends)} times")
        self.child = child
        self.ends = ends


@frozen(kw_only=True)
class End:
    """How one run of a child ended; `group` is None for a normal end."""

    group: ExceptionGroup[Exception] | None
    uptime_s: float

    @property
    def error(self) -> Exception | None:
        """The innermost first exception."""
        error: Exception | None = self.group
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        return error

    @property
    def told(self) -> StateFailed | None:
        """The trouble of a disk, which its writer has told already: no mistake of ours, so its words say everything."""
        error = self.error
        return error if isinstance(error, StateFailed) else None

    @property
    def place(self) -> str:
        """Class and line of the crash, "" for a normal end."""
        error = self.error
        if error is None:
            return ""
        frames = traceback.extract_tb(error.__traceback__)
        return f"{type(error).__name__} at {frames[-1].name}:{frames[-1].lineno}" if frames else type(error).__name__


Wrap = Callable[[ChildSpec, Child], Child]


def as_it_is(_spec: ChildSpec, child: Child) -> Child:
    """Return the child itself."""
    return child


def _raise(error: SupervisorExhausted) -> None:
    raise error


@define(kw_only=True, eq=False)
class Keeper:
    """Keeps the children of one tree and knows how they fare.

    `wrap` is the simulator's: it injects crashes. `escalate` ends the daemon; where nothing else is given, by raising.

    `facts` has one entry per child, in the order in which they were first started."""

    observer: Observer
    wrap: Wrap = as_it_is
    escalate: Callable[[SupervisorExhausted], None] = _raise
    facts: dict[str, ChildFacts] = field(factory=dict)

    async def keep_running(
        self,
        spec: ChildSpec,
        child: Child,
        *,
        on_exhausted: Callable[[], None] | None = None,
        on_poison: Callable[[], None] | None = None,
        is_over: Callable[[], bool] = lambda: False,
        fatal_at_start: type[Exception] | None = None,
        task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run `child` again and again until cancelled, until a normal end when `is_over`, or until it is exhausted.

        Started with what the child's first run starts with; None for one that crashed before, where the daemon can do without
        it. Raises SupervisorExhausted where the policy escalates, also
        that of a child further down, and `fatal_at_start` as it comes before the first `started`. `on_poison` puts the
        child's state aside."""
        run = _Kept(
            spec=spec,
            child=self.wrap(spec, child),
            observer=self.observer,
            facts=self.facts.setdefault(spec.name, ChildFacts(name=spec.name)),
            fatal_at_start=fatal_at_start,
            task_status=task_status,
        )
        run.facts.state = ChildState.RUNNING
        while True:
            end = await run.once()
            if end.group is None and is_over():
                run.facts.state = ChildState.ENDED
                return
            if not await run.restart_after(end, on_poison):
                self._give_up(run, end, on_exhausted)
                return

    def forget(self, name: str) -> None:
        """Drop the facts of a child that is no longer configured."""
        self.facts.pop(name, None)

    def _give_up(self, run: _Kept, end: End, on_exhausted: Callable[[], None] | None) -> None:
        run.facts.state = ChildState.EXHAUSTED
        fields = {"child": run.spec.name, "action": str(run.spec.on_exhausted)}
        self.observer.event("supervisor-exhausted", _as_detail(fields, end))
        if on_exhausted is not None:
            on_exhausted()
        if run.spec.on_exhausted is OnExhausted.ESCALATE:
            error = SupervisorExhausted(run.spec.name, run.facts.ends)
            self.escalate(error)
            if not run.is_started:
                raise error  # who waits for it waits in vain


@define(kw_only=True, eq=False)
class _Kept:
    spec: ChildSpec
    child: Child
    observer: Observer
    facts: ChildFacts
    fatal_at_start: type[Exception] | None
    task_status: trio.TaskStatus[Any]
    is_started: bool = False
    _restarts: int = 0  # since the last quiet period
    _poison: tuple[str, ...] = ()

    async def once(self) -> End:
        """Run the child to its end and return that; cancellation passes through."""
        began = trio.current_time()
        crash: ExceptionGroup[Exception] | None = None
        try:
            async with trio.open_nursery() as nursery:
                value = await nursery.start(self.child, name=self.spec.name)
                self.start(value)
        except* Exception as group:  # the one place: told and counted, and the child's policy decides
            if group.subgroup(SupervisorExhausted) or self._is_fatal(group):
                raise
            crash = group
        if crash is not None and self.spec.on_exhausted is not OnExhausted.ESCALATE:
            self.start(None)  # the others do not wait for a part that they can do without
        return End(group=crash, uptime_s=trio.current_time() - began)

    def _is_fatal(self, group: ExceptionGroup[Exception]) -> bool:
        is_at_start = not self.is_started and self.fatal_at_start is not None
        return is_at_start and group.subgroup(self.fatal_at_start) is not None  # type: ignore[arg-type]  # not None here

    def start(self, value: object) -> None:
        """Say, once, that the child is there."""
        if not self.is_started:
            self.is_started = True
            self.task_status.started(value)

    async def restart_after(self, end: End, on_poison: Callable[[], None] | None) -> bool:
        """Tell the end and wait for the restart; False where there is none left."""
        now = trio.current_time()
        if not self.facts.ends or now - self.facts.ends[-1] >= self.spec.period_s:
            self._restarts = 0
        self.facts.ends = (*(at for at in self.facts.ends if at > now - self.spec.period_s), now)
        self.facts.last_error = end.place
        self._tell_end(end)
        if is_exhausted(self.spec, self.facts.ends, now):
            return False
        self._look_for_poison(end, on_poison)
        delay_s = restart_delay_s(self.spec, self._restarts)
        self._restarts += 1
        self.facts.state = ChildState.WAITING
        await trio.sleep(delay_s)
        self.facts.state = ChildState.RUNNING
        self.facts.restarts_total += 1
        fields = {"child": self.spec.name, "delay_s": delay_s}
        self.observer.event("supervisor-child-restarted", _as_detail(fields, end))
        return True

    def _tell_end(self, end: End) -> None:
        fields: dict[str, object] = {
            "child": self.spec.name,
            "reason": "normal" if end.group is None else "crash",
            "error_class": end.place,
            "uptime_s": round(end.uptime_s, 3),
            "restarts_in_period": len(self.facts.ends),
        }
        if end.told is not None:
            fields["error"] = str(end.told)
        elif end.group is not None:
            fields["exc_info"] = end.group
        self.observer.event("supervisor-child-ended", _as_detail(fields, end))

    def _look_for_poison(self, end: End, on_poison: Callable[[], None] | None) -> None:
        if end.group is None or end.uptime_s > QUICK_S:
            self._poison = ()
            return
        self._poison = (*self._poison, end.place)[-POISON_CRASHES:]
        if on_poison is not None and self._poison == (end.place,) * POISON_CRASHES:
            on_poison()
            self.observer.event("supervisor-quarantine", {"child": self.spec.name, "error_class": end.place})
            self._poison = ()


def _as_detail(fields: Mapping[str, object], end: End) -> Mapping[str, object]:
    """Return the fields of an event, marked as a detail where the child has told its end itself."""
    return fields if end.told is None else {**fields, "told": True}
