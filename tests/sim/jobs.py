"""Managed servers without processes: a job makes its backend listen, load, be ready, end, or not want to end."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio
from attrs import define, field

from supervisors.leftovers import Swept
from supervisors.process_spec import ProcessSpec
from tests.sim.backends import Backend

GRACE_S = 5.0
KILLED, TERMINATED = -9, -15
LOADS_S = (0.3, 1.0, 3.0, 8.0, 25.0, 90.0)  # the last one is longer than most starts may take


@define(eq=False)
class SimJob:
    """One run."""

    pid: int
    port: int = 0
    exit_code: int | None = None
    is_deaf: bool = False  # ends by KILL only
    ended: trio.Event = field(factory=trio.Event)

    async def wait(self) -> None:
        """Return once it has ended."""
        await self.ended.wait()

    def end(self, code: int) -> None:
        """End it, once."""
        if self.exit_code is None:
            self.exit_code = code
            self.ended.set()


@define(eq=False)
class SimRunner:
    """Implements Runner over backends by port. `live` are the jobs that run, by process id of the configuration."""

    backends: dict[int, Backend]
    rng: random.Random
    live: dict[str, SimJob] = field(factory=dict)
    is_calm: Callable[[], bool] = lambda: False  # nothing goes wrong any more
    starts: int = 0

    async def prepare(self) -> tuple[Swept, ...]:
        """Find nothing."""
        await trio.lowlevel.checkpoint()
        return ()

    def why_not_runnable(self, spec: ProcessSpec) -> str | None:
        """Find everything."""
        del spec
        return None

    @asynccontextmanager
    async def open_job(self, spec: ProcessSpec) -> AsyncIterator[SimJob]:
        """Run a job; leaving the context ends it."""
        await trio.lowlevel.checkpoint()
        if not spec.ready_url:
            yield await self._command()
            return
        assert spec.id not in self.live, f"two jobs of {spec.id} at once"
        self.starts += 1
        job = SimJob(pid=1000 + self.starts, port=spec.port, is_deaf=self.rng.random() < 0.15)
        self.live[spec.id] = job
        backend = self.backends[spec.port]
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._play, job, backend, name=f"job/{spec.id}")
                yield job
                nursery.cancel_scope.cancel()
        finally:
            if job.exit_code is None and job.is_deaf:
                with trio.move_on_after(GRACE_S, shield=True):
                    await job.wait()
            job.end(KILLED if job.is_deaf else TERMINATED)
            backend.is_up = backend.is_ready = False
            backend.crash()
            del self.live[spec.id]

    async def _command(self) -> SimJob:
        """Return the job of a oneshot command that has ended: well, badly, or late."""
        job = SimJob(pid=1)
        await trio.sleep(self.rng.choice((0.1, 2.0, 2.0, 45.0)))
        job.end(self.rng.choice((0, 0, 0, 1)))
        return job

    async def _play(self, job: SimJob, backend: Backend) -> None:
        if self.rng.random() < 0.1 and not self.is_calm():
            await trio.sleep(self.rng.uniform(0.05, 3.0))
            job.end(1)
            return
        await trio.sleep(self.rng.uniform(0.05, 0.5))
        backend.is_up, backend.is_ready = True, False
        with trio.move_on_after(self.rng.choice(LOADS_S[: 3 if self.is_calm() else None])):
            await job.wait()
        if job.exit_code is None:
            backend.is_ready = True
            await job.wait()
        backend.is_up = backend.is_ready = False
        backend.crash()

    @contextmanager
    def hold_port(self, spec: ProcessSpec) -> Iterator[None]:
        """Own every port."""
        del spec
        yield

    def tail(self, spec: ProcessSpec, max_bytes: int = 4096) -> str:
        """Return what it said last."""
        del max_bytes
        return f"{spec.id} says nothing"

    def end_now(self) -> None:
        """End every job without grace."""
        for job in tuple(self.live.values()):
            job.end(KILLED)

    def kill(self, port: int) -> None:
        """End the job behind a port, as `kill -9` does."""
        for job in self.live.values():
            if job.port == port:
                job.end(KILLED)
