"""The one owner of one managed process: task `process/<id>`.

Leases and restart jobs ask for a start and wait for its result; everything that changes the process happens in
`ManagedProcess.run`. A start that is asked for while the process is ready is a restart: it is stopped first.
Between two checkpoints a task is alone: the owner sees "no lease, idle time over" and says STOPPING in one go, so a
lease either finds the process ready and holds it, or asks for the next start, never in between (R-29, R-30)."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import StrEnum

import trio
from attrs import define, evolve, field

from router.errors import FailureReason, ProviderFailed
from router.ports import Observer
from supervisors.process_port import PortTaken
from supervisors.process_probe import Probe
from supervisors.process_runner import Job, Redact, Runner, scrubbed_tail
from supervisors.process_spec import ProcessSpec
from supervisors.process_state import (
    LOADING_STATUS,
    LONGEST_DELAY_S,
    TRIES_PER_START,
    ProcessState,
    ProcessStatus,
    StartFailure,
    ended_early,
    exit_words,
    idle_at,
    is_ready_answer,
    leased,
    moved,
    not_ready_in_time,
    poll_pause_s,
    retry_delay_s,
)
from supervisors.pulse import Pulse

SERVER_KEYS = "base_url, restart.argv and restart.ready_url"
PROBE_S = 2.0  # one look at a starting server
UnaskedEnd = Callable[[tuple[str, ...], str], None]  # the providers behind a process, and how it ended
STOPPED = StartFailure(reason=FailureReason.CONNECTION, message="is not running: managed processes are stopped")


def _nobody(_providers: tuple[str, ...], _message: str) -> None:
    return


@define(eq=False)
class Start:
    """One asked-for start; every lease that comes meanwhile joins it."""

    done: trio.Event = field(factory=trio.Event, init=False)
    failure: StartFailure | None = field(default=None, init=False)


class EndReason(StrEnum):
    """Why a run ended, as the events say it."""

    SHUTDOWN = "shutdown"
    NOT_READY = "not-ready"
    IDLE = "idle"
    RESTART = "restart"
    UNASKED = "unasked"  # it was ready, and nobody wanted it to end


@define(kw_only=True, eq=False)
class Run:
    """One run of the process."""

    job: Job
    began: float = field(factory=trio.current_time, init=False)
    reason: EndReason = field(default=EndReason.SHUTDOWN, init=False)

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return round(trio.current_time() - self.began, 3)


@define(kw_only=True, eq=False)
class ManagedProcess:
    """One process, its published status, and the start that is asked for.

    `status` is written by `run` and, for the count of leases, by `lease`; both without waiting in between.
    `on_unasked_end` is told when it ends by itself after it was ready (21.5.2); it must not wait. `redact` is applied to
    what the process wrote, and to whatever a failed start is told with."""

    spec: ProcessSpec
    runner: Runner
    observer: Observer
    probe: Probe
    on_unasked_end: UnaskedEnd = _nobody
    redact: Redact = field(default=lambda text: text)
    status: ProcessStatus = field(init=False)
    _start: Start | None = field(default=None, init=False)
    _changed: Pulse = field(factory=Pulse, init=False)
    _last_failure: StartFailure = field(default=STOPPED, init=False)
    _hold_off_until: float = field(default=-math.inf, init=False)
    _is_running: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.status = ProcessStatus(id=self.spec.id, providers=self.spec.providers)

    @asynccontextmanager
    async def lease(self, provider: str) -> AsyncIterator[None]:
        """Hold the process ready inside the context, starting it if need be.

        Raises ProviderFailed (connection, loading, timeout) when it cannot be had, within `ready_timeout_s` and the
        seconds that a running stop takes, twice where a restart comes between; for LONGEST_DELAY_S after a failed start
        at once, with that failure."""
        self._count(1)
        try:
            if self.status.state is not ProcessState.READY:
                await self._wait_started(provider)
            if self._start is not None:  # a restart is asked for, just now or meanwhile: what is ready is about to be stopped
                await self._wait_started(provider)
            yield
        finally:
            self._count(-1)

    async def restart(self) -> StartFailure | None:
        """Start it, or stop it first when it is ready, however many use it; join a start that is under way.

        Returns why it did not get ready, None when it did. Does not heed the pause after a failed start: a restart has
        a budget of its own. Cancelling stops the wait, not the start."""
        if not self._is_running:
            return STOPPED
        start = self._ask()
        await start.done.wait()
        return start.failure

    def configure(self, spec: ProcessSpec) -> None:
        """Take other settings for the same command."""
        self.spec = spec
        self.status = evolve(self.status, providers=spec.providers)
        self._changed.touch()

    def disown(self) -> None:
        """Report no end any more: the configuration does not name it, and its providers have another server, or none."""
        self.on_unasked_end = _nobody

    def open(self) -> None:
        """Let leases wait: `run` is there, or about to be."""
        self._is_running = True

    def close(self) -> None:
        """Refuse leases, and those that wait."""
        self._is_running = False
        self._resolve(STOPPED)

    async def wait_unused(self) -> None:
        """Return once no lease holds it or waits for it."""
        while self.status.leases:
            await self._changed.next.wait()

    async def run(
        self, *, after: Iterable[trio.Event] = (), task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Start, serve and stop the process as leases ask for it, until cancelled; then it has ended.

        Started when leases are served, not when the process runs: it does not before the events `after` are set."""
        self.open()
        if self.spec.start == "boot":
            self._ask()
        task_status.started()
        try:
            for event in after:
                await event.wait()
            while True:
                while self._start is None:
                    await self._changed.next.wait()
                await self._serve_start()
        finally:
            self.close()
            if self.status.state is ProcessState.FAILED:
                self._move(ProcessState.STOPPED)

    # what leases do

    def _count(self, by: int) -> None:
        self.status = leased(self.status, by, now=trio.current_time())
        self._changed.touch()

    def _ask(self) -> Start:
        if self._start is None:
            self._start = Start()
            self._changed.touch()
        return self._start

    async def _wait_started(self, provider: str) -> None:
        if not self._is_running:
            raise self._as_provider_failed(provider, STOPPED)
        if self._start is None and trio.current_time() < self._hold_off_until:
            raise self._as_provider_failed(provider, self._last_failure)
        start = self._ask()
        await start.done.wait()
        if start.failure is not None:
            raise self._as_provider_failed(provider, start.failure)

    def _as_provider_failed(self, provider: str, failure: StartFailure) -> ProviderFailed:
        remaining = self._hold_off_until - trio.current_time()
        return ProviderFailed(
            provider=provider,
            reason=failure.reason,
            message=f"managed process {self.spec.id!r} {failure.message}"[:500],
            retry_after_s=remaining if remaining > 0 else None,
        )

    # what the owner does

    async def _serve_start(self) -> None:
        """Try until the process is ready, then serve until it has ended; or fail the start."""
        deadline = trio.current_time() + self.spec.ready_timeout_s
        tries = 0
        while (failure := await self._try_once(deadline)) is not None:
            tries += 1
            pause = retry_delay_s(tries)
            if failure.final or tries == TRIES_PER_START or trio.current_time() + pause >= deadline:
                self._fail(failure, tries=tries)
                return
            await trio.sleep(pause)

    async def _try_once(self, deadline: float) -> StartFailure | None:
        """Run the process once. Return why it did not get ready; None when it did, served and has ended."""
        try:
            with self.runner.hold_port(self.spec):
                return await self._run_once(deadline)
        except PortTaken as taken:
            whose = "another router" + ("" if taken.owner is None else f" (pid {taken.owner})")
            hint = f"stop that router, or give this server another port: in {SERVER_KEYS} of its provider"
            self._tell("process-port-taken", port=taken.port, owner=taken.owner, hint=hint)
            message = f"is not started: port {taken.port} belongs to a managed server of {whose}: {hint}"
            return StartFailure(reason=FailureReason.CONNECTION, message=message, final=True)
        except OSError as error:  # of the port's claim, or of a look at the command: no descriptor is left, say
            return StartFailure(reason=FailureReason.CONNECTION, message=f"cannot be started: {error}", final=True)

    async def _run_once(self, deadline: float) -> StartFailure | None:
        obstacle = await self._obstacle()
        if obstacle is not None:
            return StartFailure(reason=FailureReason.CONNECTION, message=obstacle, final=True)
        run = None
        try:
            async with self.runner.open_job(self.spec) as job:
                run = self._started(job)
                try:
                    failure = await self._wait_ready(run, deadline)
                    if failure is None:
                        await self._serve(run)
                    else:
                        run.reason = EndReason.NOT_READY
                finally:
                    self._move(ProcessState.STOPPING, pid=job.pid)
        except OSError as error:
            return StartFailure(reason=FailureReason.CONNECTION, message=f"cannot be started: {error}", final=True)
        finally:
            if run is not None:
                self._ended(run)
        return failure

    async def _obstacle(self) -> str | None:
        missing = self.runner.why_not_runnable(self.spec)
        if missing is None and await self._look() is not None:
            return f"is not started: another program answers at {self.spec.ready_url}"
        return missing

    async def _look(self) -> int | None:
        with trio.move_on_after(PROBE_S):
            return await self.probe(self.spec.ready_url)
        return None

    async def _wait_ready(self, run: Run, deadline: float) -> StartFailure | None:
        job = run.job
        seen = None
        is_ready = False
        with trio.move_on_at(deadline):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_at_end, job, nursery.cancel_scope, name=f"job-end/{self.spec.id}")
                while not is_ready:
                    seen = await self._look()
                    is_ready = is_ready_answer(seen)
                    if seen == LOADING_STATUS:
                        self._move(ProcessState.LOADING, pid=job.pid)
                    if not is_ready:
                        await trio.sleep(poll_pause_s(run.age_s))
                nursery.cancel_scope.cancel()
        if job.exit_code is not None:
            return ended_early(job.exit_code, self._tail())
        return None if is_ready else not_ready_in_time(seen, self.spec.ready_url, self.spec.ready_timeout_s)

    async def _serve(self, run: Run) -> None:
        """Say that it is ready, then wait until it ends, a restart is asked for, or nobody has used it for `idle_stop_s`."""
        self._move(ProcessState.READY, pid=run.job.pid)
        self._hold_off_until = -math.inf
        self.status = evolve(self.status, last_error=None)
        self._tell("process-ready", pid=run.job.pid, start_s=run.age_s)
        self._resolve(None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_at_end, run.job, nursery.cancel_scope, name=f"job-end/{self.spec.id}")
            while self._start is None and trio.current_time() < (due := idle_at(self.status, self.spec.idle_stop_s)):
                with trio.move_on_at(due):
                    await self._changed.next.wait()
            # no checkpoint between the look at the leases and this: see the top of the file
            self._move(ProcessState.STOPPING, pid=run.job.pid)
            run.reason = EndReason.IDLE if self._start is None else EndReason.RESTART
            nursery.cancel_scope.cancel()
        if run.reason is EndReason.SHUTDOWN:
            run.reason = EndReason.UNASKED

    # what changes the state: no waiting below

    def _started(self, job: Job) -> Run:
        self._move(ProcessState.STARTING, pid=job.pid)
        self._tell("process-started", pid=job.pid)
        return Run(job=job)

    def _ended(self, run: Run) -> None:
        code = run.job.exit_code
        self.status = evolve(self.status, last_exit=code)
        self._move(ProcessState.STOPPED)
        facts = {"pid": run.job.pid, "exit": code, "uptime_s": run.age_s}
        if run.reason is EndReason.IDLE:
            self._tell("process-idle-stopped", **facts)
        else:
            tail = self._tail() if run.reason in (EndReason.UNASKED, EndReason.NOT_READY) else ""
            self._tell("process-ended", **facts, reason=run.reason, tail=tail)
        if run.reason is EndReason.UNASKED:
            self.on_unasked_end(self.spec.providers, f"managed process {self.spec.id!r} {exit_words(code)}")

    def _fail(self, failure: StartFailure, *, tries: int) -> None:
        now = trio.current_time()
        failure = evolve(failure, message=self.redact(failure.message))  # an address or a path may hold a key, too
        self._last_failure = failure
        self._hold_off_until = -math.inf if failure.final else now + LONGEST_DELAY_S
        self.status = evolve(self.status, last_error=failure.message)
        self._move(ProcessState.FAILED)
        self._tell("process-start-failed", tries=tries, reason=failure.reason, message=failure.message, exit=failure.exit)
        self._resolve(failure)

    def _tail(self) -> str:
        return scrubbed_tail(self.runner, self.spec, self.redact)

    def _resolve(self, failure: StartFailure | None) -> None:
        """Give the start that is asked for its result; who asks from now on asks for another."""
        start, self._start = self._start, None
        if start is not None:
            start.failure = failure
            start.done.set()

    def _move(self, state: ProcessState, pid: int | None = None) -> None:
        self.status = moved(self.status, state, now=trio.current_time(), pid=pid)

    def _tell(self, name: str, **facts: object) -> None:
        self.observer.event(name, {"process": self.spec.id, "provider": ",".join(self.spec.providers), **facts})


async def _cancel_at_end(job: Job, scope: trio.CancelScope) -> None:
    await job.wait()
    scope.cancel()
