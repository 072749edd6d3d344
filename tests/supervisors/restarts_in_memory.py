"""Running `Restarts` over jobs in memory, on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field

from router.domain.health_events import RestartOutcome
from supervisors.process_spec import ProcessSpec
from supervisors.processes import Processes
from supervisors.restart_config import RestartGroup
from supervisors.restart_job import RestartTools
from supervisors.restart_runner import Restarts
from tests.supervisors.jobs_in_memory import EventLog, FakeRunner, JobPlan

URL = "http://127.0.0.1:8089/health"
GROUP = RestartGroup(id="gpu", members=("a", "b"), mode="oneshot", argv=("run", "--key", "hunter22"))
MANAGED = RestartGroup(id="server", members=("m",), mode="managed", argv=("serve",))
DONE = JobPlan(ends_s=1, exit_code=0)


@define
class WallOfTheTest:
    """Unix seconds that run with the virtual clock, `ahead` of it."""

    ahead: float = 1e9

    def now(self) -> float:
        return trio.current_time() + self.ahead


@define
class RowsInMemory:
    kept: dict[tuple[str, str], Mapping[str, object]] = field(factory=dict)

    def put(self, namespace: str, key: str, row: Mapping[str, object]) -> None:
        self.kept[namespace, key] = row

    def delete(self, namespace: str, key: str) -> None:
        del self.kept[namespace, key]


@define(kw_only=True, eq=False)
class World:
    restarts: Restarts
    runner: FakeRunner
    log: EventLog
    nursery: trio.Nursery
    wall: WallOfTheTest
    rows: RowsInMemory
    processes: Processes
    outcomes: dict[str, RestartOutcome] = field(factory=dict)

    async def ask(self, provider: str) -> None:
        self.outcomes[provider] = await self.restarts.restart(provider)

    def refusals(self) -> list[str]:
        return [fields["reason"] for _, name, fields in self.log.events if name == "self-healing-restart-suppressed"]

    def began(self) -> list[float]:
        return [round(job.began, 3) for job in self.runner.jobs]


@asynccontextmanager
async def a_world(*groups: RestartGroup, stored: Mapping[str, object] | None = None, **fields: Any) -> AsyncIterator[World]:  # noqa: ANN401 - fields of the runner and of Restarts
    runner = FakeRunner(plans=fields.pop("plans", [DONE]), missing=fields.pop("missing", None))
    log, wall, rows = EventLog(), WallOfTheTest(), RowsInMemory()
    spec = ProcessSpec(id="server", providers=("m",), argv=("serve",), ready_url=URL, ready_timeout_s=60)
    processes = Processes([spec], observer=log, runner=runner, probe=runner.probe)
    restarts = Restarts(
        observer=log,
        tools=RestartTools(runner=runner, processes=processes, probe=runner.probe),
        groups=groups or (GROUP, MANAGED),
        rows=rows,
        wall=wall,
        **fields,
    )
    restarts.resume(stored or {})
    async with trio.open_nursery() as nursery:
        await nursery.start(processes.run)
        await nursery.start(restarts.run)
        world = World(restarts=restarts, runner=runner, log=log, nursery=nursery, wall=wall, rows=rows, processes=processes)
        yield world
        nursery.cancel_scope.cancel()
