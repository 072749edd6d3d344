"""Run one job under its guardian: start, log file, end of the whole tree.

`Job` and `Runner` are what the owner of a process needs; `GuardedRunner` is the real one, tests have one in memory.
Source: founding decision 17; supervision.md 21.6; stack.md, "Child processes and the guardian"."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import trio
from attrs import define, field, frozen

from router.ports import Observer
from supervisors import guardian
from supervisors.leftovers import MARK, RELEASED, Mark, Swept, Ward, reap_released, sweep_leftovers, sweep_orphans, this_instance
from supervisors.process_port import hold_port
from supervisors.process_spec import ProcessSpec, job_argv, job_environment, why_not_runnable

GRACE_S = 5.0  # after TERM: supervision.md 21.6
SWEEP_S = 2.0  # a guardian needs 20 ms; what outlives this hangs in the kernel
LOG_CHECK_S = 10.0
LOG_BYTES = 4 * 1024 * 1024  # per file, two files per job
TAIL_BYTES = 4096  # of the log, in events (supervision.md 21.6)

Redact = Callable[[str], str]  # takes secrets out of a text


class Job(Protocol):
    """One run of a process."""

    @property
    def pid(self) -> int:
        """The process that leads its tree."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""

    async def wait(self) -> None:
        """Return once it has ended by itself or by somebody else's hand."""


class Runner(Protocol):
    """Starts and ends jobs."""

    async def prepare(self) -> tuple[Swept, ...]:
        """End what dead instances left behind, at each start of the part; touches no job of a living one."""

    def why_not_runnable(self, spec: ProcessSpec) -> str | None:
        """Return what is missing on this machine, None when nothing is."""

    def hold_port(self, spec: ProcessSpec) -> AbstractContextManager[None]:
        """Own the spec's port among all routers of this machine inside. Raises PortTaken."""

    def open_job(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Job]:
        """Start the job; leaving the context ends it with all its descendants. Raises OSError.

        Where the spec says `lets_go`, a job that has ended by itself leaves its descendants alive."""

    def tail(self, spec: ProcessSpec, max_bytes: int = TAIL_BYTES) -> str:
        """Return the end of what the job wrote last, "" when there is nothing."""

    def end_now(self) -> None:
        """End every job without grace."""


@define(eq=False)
class Lifeline:
    """The only write end of a guardian's pipe; closing it, once, ends the guardian's tree."""

    _fd: int | None

    def close(self) -> None:
        """Close it; harmless when it is closed."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@frozen(kw_only=True, eq=False)
class GuardedJob:
    """A guardian process and its lifeline."""

    process: trio.Process
    lifeline: Lifeline
    ward: Ward
    lets_go: bool = False

    @property
    def pid(self) -> int:
        """The guardian's pid."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """The job's, since its guardian ends as it did; 137 when the pipe was closed."""
        return self.process.returncode

    async def wait(self) -> None:
        """Return once the guardian has ended, and with it everything below it."""
        await self.process.wait()


@define(kw_only=True, eq=False)
class GuardedRunner:
    """Runs jobs under guardians; `directory`, made when the first starts, takes `<id>.log` and, of the run before, `<id>.log.1`.

    A job whose log cannot be made runs without one (D35): event `process-log-failed`, for the first of several.
    Knows the guardians that live, so that a sweep of orphans spares them. One at a time is born or swept: between fork
    and exec a guardian looks like an orphan."""

    directory: Path
    observer: Observer
    grace_s: float = GRACE_S
    log_bytes: int = LOG_BYTES
    log_check_s: float = LOG_CHECK_S
    _inherits: bool = field(default=False, init=False)  # orphans come to a subreaper only
    _jobs: set[GuardedJob] = field(factory=set, init=False)
    _unlogged: set[str] = field(factory=set, init=False)  # whose last run had no log
    _let_go: int = field(default=0, init=False)  # commands that may have left something behind
    _one_at_a_time: trio.Lock = field(factory=trio.Lock, init=False)

    async def prepare(self) -> tuple[Swept, ...]:
        """Make this process a subreaper and end what a dead instance left behind."""
        self._inherits = guardian.become_subreaper()
        return await sweep_leftovers()

    def why_not_runnable(self, spec: ProcessSpec) -> str | None:
        """Return what is missing on this machine, None when nothing is."""
        return why_not_runnable(spec, job_environment(spec, os.environ))

    def hold_port(self, spec: ProcessSpec) -> AbstractContextManager[None]:
        """Own the spec's port among all routers of this machine inside. Raises PortTaken."""
        return hold_port(spec.port)

    @asynccontextmanager
    async def open_job(self, spec: ProcessSpec) -> AsyncIterator[Job]:
        """Start the job under a guardian; leaving the context ends it: TERM, `grace_s`, then KILL for all below.

        Raises OSError when it cannot be started. A job that cannot be executed ends with 126 or 127. With `lets_go` a
        job that has ended by itself is over, and what it left behind is not ours any more."""
        job = await self._start(spec)
        try:
            async with trio.open_nursery() as nursery:
                if spec.id not in self._unlogged:
                    nursery.start_soon(self._keep_small, self._log_path(spec), name=f"log/{spec.id}")
                yield job
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(self.grace_s + 3 * SWEEP_S, shield=True):
                await self._end(job)

    def tail(self, spec: ProcessSpec, max_bytes: int = TAIL_BYTES) -> str:
        """Return the end of what the job wrote to stdout and stderr in its last run, "" when that had no log."""
        if spec.id in self._unlogged:
            return ""
        return _last_bytes(self._log_path(spec), max_bytes).decode(errors="replace")

    def end_now(self) -> None:
        """End every job without grace: a second TERM does not wait."""
        for job in self._jobs:
            job.lifeline.close()

    def _log_path(self, spec: ProcessSpec) -> Path:
        return self.directory / f"{spec.id}.log"

    def _open_log(self, spec: ProcessSpec) -> BinaryIO:
        """Open the log of a new run; what throws its output away where there can be none: the server is worth more."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            log = _open_log(self._log_path(spec))
        except OSError as error:
            if not self._unlogged:
                self.observer.event("process-log-failed", {"path": str(self.directory), "error": str(error)})
            self._unlogged.add(spec.id)
            return Path(os.devnull).open("wb")
        self._unlogged.discard(spec.id)
        return log

    async def _start(self, spec: ProcessSpec) -> GuardedJob:
        if spec.lets_go:
            self._let_go += 1  # a mark of its own: a sweep after this command spares what an earlier one left
            mark = Mark(instance=RELEASED, job=f"{spec.id}.{self._let_go}.{this_instance()}")
        else:
            mark = Mark(instance=this_instance(), job=spec.id)
        environment = job_environment(spec, os.environ) | {MARK: str(mark)}
        # shielded: a start that is given up half-way would lose the process; a fork takes milliseconds
        with trio.CancelScope(shield=True):
            async with self._one_at_a_time:
                self._reap_released()
                with _open_lifeline() as (read_end, lifeline), self._open_log(spec) as output:
                    process = await trio.lowlevel.open_process(
                        _guardian_argv(spec, read_end),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        pass_fds=(read_end,),
                        start_new_session=True,
                        cwd=spec.cwd,
                        env=environment,
                    )
                seen = guardian.read_process(process.pid)
                ward = Ward(mark=mark, since=seen.started if seen else 0)
                job = GuardedJob(process=process, lifeline=lifeline, ward=ward, lets_go=spec.lets_go)
                self._jobs.add(job)
        return job

    async def _keep_small(self, log: Path) -> None:
        """Copy a log that has grown over `log_bytes` beside itself and empty it, until cancelled.

        The job appends, so it goes on at the start of the empty file. What it writes between copy and cut is lost."""
        while True:
            await trio.sleep(self.log_check_s)
            if _size(log) > self.log_bytes:
                await trio.to_thread.run_sync(_turn_over, log, self.log_bytes)

    async def _end(self, job: GuardedJob) -> None:
        """TERM, grace, close the pipe; never KILL. Then look after a guardian that ended without being told."""
        asked = job.exit_code is None
        if asked:
            job.process.terminate()
            with trio.move_on_after(self.grace_s):
                await job.process.wait()
        job.lifeline.close()
        if job.exit_code is None:
            job.process.send_signal(signal.SIGCONT)  # a stopped guardian does not see its pipe close
            with trio.move_on_after(SWEEP_S):
                await job.process.wait()
        if job.exit_code is None:
            return  # it hangs in the kernel; it stays known, so that no sweep takes it for an orphan
        async with self._one_at_a_time:
            self._jobs.discard(job)
            is_lost = job.exit_code == -signal.SIGKILL or not (asked or job.lets_go)
            if self._inherits and is_lost:
                await sweep_orphans(job.ward, keep=self._guardians())
            self._reap_released()

    def _guardians(self) -> frozenset[int]:
        return frozenset(job.pid for job in self._jobs)

    def _reap_released(self) -> None:
        if self._inherits and self._let_go:
            reap_released(keep=self._guardians())


def scrubbed_tail(runner: Runner, spec: ProcessSpec, redact: Redact) -> str:
    """Return at most TAIL_BYTES of what the job wrote last, without secrets."""
    return scrubbed(runner.tail(spec, 2 * TAIL_BYTES), redact)


def scrubbed(text: str, redact: Redact) -> str:
    """Return at most TAIL_BYTES of the end, without secrets: taken out before the cut, which could halve one."""
    return redact(text).encode("utf-8", "replace")[-TAIL_BYTES:].decode("utf-8", "ignore")


def _guardian_argv(spec: ProcessSpec, lifeline: int) -> list[str]:
    let_go = [guardian.LET_GO] if spec.lets_go else []
    return [sys.executable, "-I", "-S", guardian.__file__, str(lifeline), *let_go, "--", *job_argv(spec)]


def _turn_over(log: Path, max_bytes: int) -> None:
    # a full disk: what is emptied then is lost, and the job lives
    with contextlib.suppress(OSError):
        last = _last_bytes(log, max_bytes)
        with _open_private(_older(log), os.O_TRUNC) as older:
            older.write(last)
    with contextlib.suppress(OSError):  # somebody tidied up just now
        os.truncate(log, 0)


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:  # somebody tidied up: the job writes on to the unlinked file
        return 0


@contextlib.contextmanager
def _open_lifeline() -> Iterator[tuple[int, Lifeline]]:
    """Yield a pipe for a guardian: we hold its read end only inside, and the lifeline on if nothing is raised."""
    read_end, write_end = os.pipe()
    lifeline = Lifeline(write_end)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(lifeline.close)
        try:
            yield read_end, lifeline
        finally:
            os.close(read_end)
        on_failure.pop_all()


def _open_log(log: Path) -> BinaryIO:
    """Open a new log for appending, readable by its owner alone; that of the run before stays beside it."""
    with contextlib.suppress(FileNotFoundError):
        log.replace(_older(log))
    return _open_private(log, os.O_APPEND)


def _open_private(path: Path, flag: int) -> BinaryIO:
    """Open a file for writing that only its owner may read, also where it was there before and others could."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
    with contextlib.suppress(OSError):  # some file systems know no modes
        os.fchmod(file, 0o600)
    return os.fdopen(file, "wb")


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _last_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max_bytes))
            return file.read(max_bytes)
    except OSError:
        return b""
