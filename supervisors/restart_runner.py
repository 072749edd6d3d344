"""Restarts: at most one job per group at a time, joined by every member, within a budget that outlives the router.

    provider/<name> ── restart child ──> Restarts.restart ──┬── refused: told, SUPPRESSED
                                                            └── flight of its group ──> task restart/<group> ──> result

A flight is not its member's: when one of two providers is held, the other still gets its restart. The last one to leave
ends it, with every process of its command. Source: supervision.md 21.6; D5, D6, D15, D18; W3, W4, W41; I4."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import trio
from attrs import define, field

from router.domain.control import RestartBudget
from router.domain.health_events import RefusalReason, RestartEnded, RestartOutcome
from router.ports import Observer
from supervisors.health_board import Cell
from supervisors.process_runner import Redact, scrubbed
from supervisors.pulse import Pulse
from supervisors.restart_budget import (
    History,
    Refusal,
    begun,
    ended,
    from_row,
    not_ahead,
    refusal,
    to_row,
)
from supervisors.restart_config import RestartGroup
from supervisors.restart_job import JobResult, RestartTools, perform
from supervisors.seams import NoRows, Rows, SystemWallClock, WallClock

NAMESPACE = "restart-budget"  # of the stored rows, one per group

_CUT_OFF = JobResult(error="the restart was interrupted before it ended")
_GIVEN_UP = JobResult(error="the restart was abandoned: no provider of the group waits for it any more")
_REPLACED = JobResult(error="the restart was abandoned: the configuration names another command, or none")


async def run(cell: Cell, gen: int, *, restarts: Restarts) -> None:
    """Make the restart that generation `gen` is owed, or join it, and report; cancelling leaves it to the other members."""
    outcome = await restarts.restart(cell.name)
    cell.apply(RestartEnded(gen=gen, outcome=outcome))


@define(kw_only=True, eq=False)
class Flight:
    """One restart under way; `waiting` members have joined it. `given_up` is what it comes to when it is cancelled."""

    group: RestartGroup
    given_up: JobResult = _GIVEN_UP
    waiting: int = 0
    outcome: RestartOutcome = RestartOutcome.FAILED
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    done: trio.Event = field(factory=trio.Event)

    @property
    def is_given_up(self) -> bool:
        """Whether it only cleans up: who comes now waits for its end and starts another."""
        return self.scope.cancel_called


@define(kw_only=True, eq=False)
class Restarts:
    """The groups, their flights and their histories; all of it is written here. `run` must run for anything to restart.

    `redact` takes secrets out of a text. `is_stopping` tells that the daemon drains: nothing is started any more."""

    observer: Observer
    tools: RestartTools
    groups: Iterable[RestartGroup] = ()
    rows: Rows = field(factory=NoRows)
    wall: WallClock = field(factory=SystemWallClock)
    redact: Redact = field(default=lambda text: text)
    is_stopping: Callable[[], bool] = field(default=lambda: False)
    _by_provider: dict[str, RestartGroup] = field(factory=dict, init=False)
    _histories: dict[str, History] = field(factory=dict, init=False)
    _flights: dict[str, Flight] = field(factory=dict, init=False)
    _begun: list[Flight] = field(factory=list, init=False)  # that `run` has not seen yet
    _changed: Pulse = field(factory=Pulse, init=False)
    _is_running: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.configure(self.groups)

    def configure(self, groups: Iterable[RestartGroup]) -> None:
        """Take the groups of another configuration. A flight whose group is gone, or does something else now, ends.

        Histories stay, and are stored again for a group that comes back: taking it out for a moment frees no budget (I4)."""
        self.groups = tuple(groups)
        self._by_provider = {provider: group for group in self.groups for provider in group.members}
        for group in self.groups:
            if self.history(group.id).starts:
                self._keep(group, self.history(group.id))
        by_id = {group.id: group for group in self.groups}
        for flight in self._flights.values():
            now = by_id.get(flight.group.id)
            if now is None or now.work != flight.group.work:
                flight.given_up = _REPLACED
                flight.scope.cancel()
            else:
                flight.group = now

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the flights until cancelled; every process of a command has ended when it returns."""
        self._is_running = True
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    changed = self._changed.next
                    while self._begun:
                        flight = self._begun.pop(0)
                        nursery.start_soon(self._fly, flight, name=f"restart/{flight.group.id}")
                    await changed.wait()
        finally:
            self._is_running = False
            while self._begun:
                self._land(self._begun.pop(0), _CUT_OFF, took_s=0.0)

    async def restart(self, provider: str) -> RestartOutcome:
        """Restart what is behind the provider, or join the restart of its group; never raises for what goes wrong there."""
        while (flight := self._joinable(provider)) is not None and flight.is_given_up:
            await flight.done.wait()
        if flight is None:
            refused = self._refusal(provider)
            if refused is not None:
                self._tell_refusal(provider, refused)
                return RestartOutcome.SUPPRESSED
            flight = self._begin(self._by_provider[provider])
        flight.waiting += 1
        try:
            await flight.done.wait()
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.scope.cancel()
        return flight.outcome

    def resume(self, stored: Mapping[str, object]) -> None:
        """Take up the rows of NAMESPACE that an earlier daemon has left, before anything is restarted."""
        self._histories.update({group: from_row(row) for group, row in stored.items()})

    def budget_of(self, provider: str) -> RestartBudget | None:
        """Return how often what is behind the provider may be restarted still, None without a restart table."""
        group = self._by_provider.get(provider)
        if group is None:
            return None
        budget, now = group.budget, self.wall.now()
        used = sum(now - start < budget.window_s for start in self.history(group.id).starts)
        return RestartBudget(used=used, max=budget.max, window_s=budget.window_s)

    def history(self, group: str) -> History:
        """Return when a group was restarted; empty for one that never was."""
        return self._histories.get(group, History())

    # nothing below waits but `_fly`

    def _joinable(self, provider: str) -> Flight | None:
        group = self._by_provider.get(provider)
        return None if group is None else self._flights.get(group.id)

    def _refusal(self, provider: str) -> Refusal | None:
        group = self._by_provider.get(provider)
        if group is None or (group.mode == "managed" and self.tools.processes.status_of(group.members[0]) is None):
            return Refusal(reason=RefusalReason.MODE)
        if not self._is_running or self.is_stopping():
            return Refusal(reason=RefusalReason.SHUTTING_DOWN)
        now = self.wall.now()
        history = self.history(group.id)
        if (settled := not_ahead(history, now)) != history:
            self._keep(group, settled)
        return refusal(settled, group.budget, now)

    def _begin(self, group: RestartGroup) -> Flight:
        """Book the start before anything runs: a router that dies in the middle has used it up (I4)."""
        self._keep(group, begun(self.history(group.id), self.wall.now()))
        flight = self._flights[group.id] = Flight(group=group)
        self._begun.append(flight)
        self._changed.touch()
        return flight

    async def _fly(self, flight: Flight) -> None:
        began = trio.current_time()
        result = _CUT_OFF
        try:
            with flight.scope:
                await trio.lowlevel.checkpoint()  # a start is shielded: what is given up already must not reach it
                result = await perform(flight.group, self.tools)
            if flight.scope.cancelled_caught:
                result = flight.given_up
        finally:
            self._land(flight, result, took_s=trio.current_time() - began)

    def _land(self, flight: Flight, result: JobResult, *, took_s: float) -> None:
        group = flight.group
        del self._flights[group.id]
        self._keep(group, ended(self.history(group.id), self.wall.now()))
        flight.outcome = RestartOutcome.OK if result.is_ok else RestartOutcome.FAILED
        self.observer.event(
            "self-healing-restart",
            {
                **_names(group),
                "command": group.argv[0],
                "arguments_hash": group.arguments_hash,
                "success": result.is_ok,
                "duration_s": round(took_s, 1),
                "exit": result.exit,
                "error": self.redact(result.error)[:500],
                "tail": scrubbed(result.tail, self.redact),
            },
        )
        flight.done.set()

    def _keep(self, group: RestartGroup, history: History) -> None:
        self._histories[group.id] = history
        self.rows.put(NAMESPACE, group.id, to_row(history))

    def _tell_refusal(self, provider: str, refused: Refusal) -> None:
        group = self._by_provider.get(provider)
        retry_in_s = refused.retry_in_s
        self.observer.event(
            "self-healing-restart-suppressed",
            {
                **({"group": "", "mode": "", "providers": []} if group is None else _names(group)),
                "provider": provider,
                "reason": str(refused.reason),
                "retry_in_s": None if retry_in_s is None else math.ceil(retry_in_s),
            },
        )


def _names(group: RestartGroup) -> dict[str, object]:
    return {"provider": ",".join(group.members), "providers": list(group.members), "group": group.id, "mode": group.mode}
