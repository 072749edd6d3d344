"""Jobs without processes: a runner and a probe that play a plan on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio
from attrs import define, field, frozen

from supervisors.leftovers import Swept
from supervisors.process_port import PortTaken
from supervisors.process_spec import ProcessSpec

TERM = -15


@frozen(kw_only=True)
class JobPlan:
    """How one run goes, seconds from its start: until it listens, until it is ready, until it ends by itself.

    `stop_s` is how long it takes to end when it is asked to; `unstartable` raises instead."""

    listens_s: float = 0.0
    ready_s: float = 1.0
    ends_s: float | None = None
    exit_code: int = 1
    says: str = ""
    stop_s: float = 0.0
    unstartable: OSError | None = None


@define(kw_only=True, eq=False)
class FakeJob:
    pid: int
    plan: JobPlan
    began: float = field(factory=trio.current_time)
    exit_code: int | None = None
    ended: trio.Event = field(factory=trio.Event)

    async def wait(self) -> None:
        if self.plan.ends_s is not None:
            with trio.move_on_at(self.began + self.plan.ends_s):
                await self.ended.wait()
            self.end(self.plan.exit_code)
        await self.ended.wait()

    def end(self, exit_code: int) -> None:
        if self.exit_code is None:
            self.exit_code = exit_code
            self.ended.set()


@define(kw_only=True, eq=False)
class FakeRunner:
    """Plays `plans` one after the other, the last one for every further run; refuses to run two jobs of a spec at once."""

    plans: list[JobPlan] = field(factory=lambda: [JobPlan()])
    leftovers: tuple[Swept, ...] = ()
    missing: str | None = None
    jobs: list[FakeJob] = field(factory=list)
    live: dict[str, FakeJob] = field(factory=dict)  # by ready_url, commands by id
    taken_by: int | None = None  # the pid of another router that owns every port
    unclaimable: OSError | None = None  # why no port can be claimed
    foreign: dict[str, int] = field(factory=dict)  # what another program answers, by URL

    async def prepare(self) -> tuple[Swept, ...]:
        await trio.lowlevel.checkpoint()
        return self.leftovers

    def why_not_runnable(self, spec: ProcessSpec) -> str | None:  # noqa: ARG002 - the port's signature
        return self.missing

    @contextmanager
    def hold_port(self, spec: ProcessSpec) -> Iterator[None]:
        if self.taken_by is not None:
            raise PortTaken(spec.port, self.taken_by)
        if self.unclaimable is not None:
            raise self.unclaimable
        yield

    @asynccontextmanager
    async def open_job(self, spec: ProcessSpec) -> AsyncIterator[FakeJob]:
        await trio.lowlevel.checkpoint()
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if plan.unstartable is not None:
            raise plan.unstartable
        name = spec.ready_url or spec.id  # a command has no URL
        assert name not in self.live, "two runs of one process at once"
        job = FakeJob(pid=1000 + len(self.jobs), plan=plan)
        self.jobs.append(job)
        self.live[name] = job
        try:
            yield job
        finally:
            if job.exit_code is None:
                with trio.move_on_after(60, shield=True):
                    await trio.sleep(plan.stop_s)
                job.end(TERM)
            del self.live[name]

    def tail(self, spec: ProcessSpec, max_bytes: int = 4096) -> str:  # noqa: ARG002 - the port's signature
        return self.jobs[-1].plan.says[-max_bytes:] if self.jobs else ""

    def end_now(self) -> None:
        for job in self.live.values():
            job.end(TERM)

    async def probe(self, url: str) -> int | None:
        await trio.lowlevel.checkpoint()
        job = self.live.get(url)
        if job is None:
            return self.foreign.get(url)
        age = trio.current_time() - job.began
        if age < job.plan.listens_s or job.exit_code is not None:
            return None
        return 200 if age >= job.plan.ready_s else 503


@define
class EventLog:
    """An observer that remembers, with the time of each event."""

    events: list[tuple[float, str, Mapping[str, Any]]] = field(factory=list)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        self.events.append((trio.current_time(), name, fields))

    def names(self) -> list[str]:
        return [name for _, name, _ in self.events]

    def times(self, name: str) -> list[float]:
        return [round(when, 3) for when, told, _ in self.events if told == name]

    def last(self, name: str) -> Mapping[str, Any]:
        return next(fields for _, told, fields in reversed(self.events) if told == name)
