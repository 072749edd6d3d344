"""Across the lives of a daemon: what the state file holds, what is taken up of it, budgets that outlive it (I4, I17).

Kept by the world. Expectations come from the words of the rows and from what was seen, not from the code that reads or
writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen

from router.domain.health import Admission, Health, HealthPolicy, HealthState, HoldReason
from router.state.rows import HEALTH, RESTART_BUDGET, Row
from supervisors.health_board import Cell
from supervisors.restart_config import RestartGroup
from supervisors.restart_runner import Restarts
from tests.sim.crashes import Crashes

if TYPE_CHECKING:
    from tests.sim.outside import WorldClock
    from tests.sim.store import LifeStore

MAX_AGE_S, LEVEL_MAX = 86_400.0, 2  # of what is taken up (supervision.md 21.10)
Fields = Mapping[str, object]


@frozen
class Held:
    """What a provider's row should have said from `at` on, virtual time; None where there should have been none."""

    at: float
    fields: Fields | None


@frozen
class Start:
    """A restart that was seen to begin: virtual time, and unix seconds at that time."""

    at: float
    wall: float


@define(eq=False, kw_only=True)
class Kept:
    """Follows what has to outlive a life: `begin` at its start, `died` at its end."""

    wall: WorldClock
    broken: Callable[[str, str], None]
    histories: dict[str, list[Held]] = field(factory=dict)  # by provider, of this life
    starts: dict[str, list[Start]] = field(factory=dict)  # by restart group, of all lives, as far as they are on disk
    _flying: set[str] = field(factory=set)
    _groups: frozenset[str] = frozenset()  # of the configuration at work: what a reload takes out is forgotten (D24)
    _born: float = 0.0

    def begin(self, store: LifeStore, cells: Iterable[Cell], restarts: Restarts) -> None:
        """Compare what a new life has taken up with what the file held (I17, 21.10)."""
        self._born, self._flying = trio.current_time(), set()
        on_disk, opened = _rows(store.rows()), {} if store.opened is None else _rows(store.opened.rows)
        self.histories = {}
        for cell in cells:
            row = opened.get((HEALTH, cell.name))
            on_file = on_disk.get((HEALTH, cell.name))
            self.histories[cell.name] = [Held(-inf, None if on_file is None else _fields(on_file.value))]
            if row is not None and self._is_too_old(row):
                self.histories[cell.name].append(Held(self._born, None))
                row = None
            self._taken_up(cell, row)
        if store.opened is None:
            self.starts.clear()
            return
        known = {group.id for group in restarts.groups}
        self.starts = {group: starts for group, starts in self.starts.items() if group in known}
        for group in sorted(known):
            row = opened.get((RESTART_BUDGET, group))
            wanted = () if row is None else tuple(_list(row.value["starts"]))
            if restarts.history(group).starts != wanted:
                self.broken("I17", f"restarts of {group}: {restarts.history(group).starts} were taken up, {wanted} written")

    def _is_too_old(self, row: Row) -> bool:
        age_s = self.wall.now() - float(str(row.value["wall"]))
        return age_s > MAX_AGE_S and row.value["hold_reason"] != HoldReason.OPERATOR

    def _taken_up(self, cell: Cell, row: Row | None) -> None:
        health = cell.health
        found, wanted = _fields(fields_of(health)), fields_of(Health()) if row is None else _today(row.value, cell.policy)
        wrong = {name: (value, found[name]) for name, value in wanted.items() if found[name] != value}
        if wrong:
            self.broken("I17", f"{cell.name}: not taken up as it was written: {wrong}")
        if health.restart_owed is not None:
            self.broken("I17", f"{cell.name}: taken up with a restart that is owed before any probe")
        is_probed = health.admission is Admission.EXCLUDED or health.hold_reason is HoldReason.AUTH
        if is_probed and row is not None and row.value["admission"] == health.admission and health.next_probe_at > self._born:
            self.broken("I17", f"{cell.name}: out, and its first probe is due only in {health.next_probe_at - self._born} s")

    # -- during a life

    def changed(self, name: str, health: Health | None) -> None:
        """Take a committed value, None for a provider that has left the configuration."""
        fields = None if health is None else _fields(fields_of(health))
        self.histories.setdefault(name, [Held(-inf, None)]).append(Held(trio.current_time(), fields))

    def clock_was_set(self) -> None:
        """Take notice of another wall clock: a stamp that is in the future now counts as of now."""
        wall = self.wall.now()
        for group, starts in self.starts.items():
            self.starts[group] = [Start(start.at, min(start.wall, wall)) for start in starts]

    def quiet(self, crashes: Crashes, groups: Sequence[RestartGroup]) -> None:
        """See which restarts have begun since time last passed (I4)."""
        self._groups = frozenset(group.id for group in groups)
        victim = crashes.living.get("restarts")
        tasks = [] if victim is None else [task for nursery in victim.task.child_nurseries for task in nursery.child_tasks]
        flying = {task.name.removeprefix("restart/") for task in tasks}
        for name in sorted(flying - self._flying):
            group = next((group for group in groups if group.id == name), None)
            if group is not None:
                self._begun(group)
        self._flying = flying

    def _begun(self, group: RestartGroup) -> None:
        now, budget = self.wall.now(), group.budget
        starts = self.starts.setdefault(group.id, [])
        if starts and now - starts[-1].wall < budget.cooldown_s:
            self.broken(
                "I4", f"{group.id} was restarted {now - starts[-1].wall:.1f} s ago, its cool-down is {budget.cooldown_s} s"
            )
        starts.append(Start(trio.current_time(), now))
        recent = [start for start in starts if now - start.wall < budget.window_s]
        if len(recent) > budget.max:
            ages = [round(now - start.wall, 1) for start in recent]
            self.broken("I4", f"{group.id}: restarts {ages} s ago, {budget.max} in {budget.window_s} s are allowed")

    # -- the end of a life

    def died(self, store: LifeStore) -> None:
        """Compare the file with what was committed when it was written last; forget the restarts that it does not know."""
        at, on_disk = store.written_to, _rows(store.rows())
        for name, history in self.histories.items():
            row = on_disk.get((HEALTH, name))
            found = None if row is None else _fields(row.value)
            if _lasting(found) not in map(_lasting, _at(history, at)):
                self.broken("kept", f"{name}: the file says {found}, it was {_at(history, at)} when it was written at {at}")
        for group, starts in self.starts.items():
            self.starts[group] = written = [start for start in starts if start.at < self._born or start.at < at]
            row = on_disk.get((RESTART_BUDGET, group))
            booked = 0 if row is None else len(_list(row.value["starts"]))
            if booked < len(written) and group in self._groups:
                self.broken(
                    "I4", f"{group}: {len(written)} restarts had begun when the file was written at {at}, it has {booked}"
                )


def fields_of(health: Health) -> dict[str, object]:
    """Return what of a value outlives the daemon, in the words of its row."""
    return {
        "health": str(health.state),
        "failures": health.failures,
        "admission": str(health.admission),
        "gen": health.gen,
        "since_wall": health.since_wall,
        "level": health.level,
        "hold_reason": None if health.hold_reason is None else str(health.hold_reason),
        "last_ok_wall": health.last_ok_wall,
    }


def _fields(value: Fields) -> dict[str, object]:
    return {name: entry for name, entry in value.items() if name != "wall"}


def _lasting(fields: Fields | None) -> Fields | None:
    """Return the fields without the time of the last success: a row for that alone may wait."""
    return None if fields is None else {name: entry for name, entry in fields.items() if name != "last_ok_wall"}


def _today(row: Fields, policy: HealthPolicy) -> dict[str, object]:
    """Return what has to be taken up of a row under the policy of today."""
    fields = _fields(row) | {"level": min(int(str(row["level"])), LEVEL_MAX)}
    admission = row["admission"]
    if admission in (Admission.EXCLUDED, Admission.PROBATION) and not policy.excludes:
        return {"admission": str(Admission.ADMITTED), "gen": row["gen"]}
    if admission == Admission.ADMITTED and row["health"] == HealthState.UNHEALTHY and policy.excludes:
        return {"admission": str(Admission.EXCLUDED), "gen": int(str(row["gen"])) + 1}
    return fields | ({"health": str(HealthState.UNHEALTHY)} if admission == Admission.EXCLUDED else {})


def _at(history: Sequence[Held], at: float) -> list[Fields | None]:
    """Return what was right at a moment, all of it where more than one thing happened then."""
    before = [held.fields for held in history if held.at < at or held.at == -inf]
    return [*before[-1:], *(held.fields for held in history if held.at == at != -inf)]


def _rows(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row.namespace, row.key): row for row in rows}


def _list(value: object) -> list[float]:
    return value if isinstance(value, list) else []
