"""Keep one job's whole process tree mortal: end all of it when the job ends, or when the router is gone.

    python -I -S guardian.py FD [let-go] -- argv...

Stand-alone: standard library only, so that it also runs when an upgrade has replaced the packages under a running
router. The router starts one guardian per job, in a session of its own, and holds the only write end of the pipe whose
read end is FD. The job gets another session. Then

- end of file on FD (the router closed it, or is gone, `kill -9` included): every descendant is killed; exit 137;
- TERM, INT, HUP, USR1: passed on to the job's process group;
- the job ended: what it left behind is killed; the guardian ends as the job did, same code or same signal;
- the job ended, `let-go` was said and no TERM, INT or HUP passed on: what it left behind lives on, its parent is whoever
  is next above (a restart command that leaves a daemon: supervision.md 21.6);
- the job cannot be started: exit 127 (no such program) or 126, the reason on stderr.

As a subreaper (Linux) it becomes the parent of whatever a job double-forks, so that a walk from parent to child finds
every descendant, whatever its session, environment or signal mask. Where the system has no subreaper or no /proc
(macOS) only the job's process group is killed: a descendant with a session of its own escapes.

Never send KILL to a guardian: it frees its tree. `leftovers.py` uses the functions on /proc as well.
Source: founding decision 17; stack.md, "Child processes and the guardian"."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import sys
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
EXIT_ROUTER_GONE = 137  # as a shell reports a process that KILL ended
EXIT_NOT_RUNNABLE = 126
EXIT_NOT_FOUND = 127
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # after one of these nothing is let go
LET_GO = "let-go"
FIRST_PAUSE_S = 0.002  # a killed process is gone within one or two of these
LONGEST_PAUSE_S = 0.5  # what still lives sits in the kernel: wait for it without burning a core


class Process(NamedTuple):
    """One line of /proc: `started` in clock ticks since boot tells a reused pid from the process that was seen."""

    pid: int
    parent: int
    session: int
    state: str
    started: int


def become_subreaper() -> bool:
    """Make this process the new parent of orphaned descendants; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def read_process(pid: int) -> Process | None:
    """Return what /proc tells of one process, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (pathlib would double the start-up time)
            stat = file.read()
    except OSError:
        return None
    # the name, second and in parentheses, may hold spaces and parentheses itself: fields count from its end
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0].decode(), int(fields[19]))


def read_processes() -> list[Process]:
    """Return every process of /proc, zombies included; empty on a system without it."""
    try:
        names = os.listdir("/proc")  # noqa: PTH208 (as above)
    except OSError:
        return []
    return [found for name in names if name.isdigit() and (found := read_process(int(name))) is not None]


def descendants(roots: set[int], processes: list[Process]) -> list[Process]:
    """Return everything below `roots`, without them."""
    by_parent: dict[int, list[Process]] = {}
    for process in processes:
        by_parent.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = list(roots)
    while waiting:
        children = by_parent.get(waiting.pop(), [])
        found.extend(children)
        waiting.extend(child.pid for child in children)
    return found


def kill(process: Process) -> None:
    """Send KILL to exactly this process, never to another that has got its pid meanwhile."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(process.pid)  # Linux 5.3; callers have found the process in /proc, so this is Linux
        try:
            now = read_process(process.pid)
            if now is not None and now.started == process.started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _main(arguments: list[str]) -> int:
    """Run the job and return the exit code; does not return when the job ended by a signal."""
    lets_go = arguments[1:2] == [LET_GO]
    descriptor, separator, argv = "".join(arguments[:1]), arguments[1 + lets_go : 2 + lets_go], arguments[2 + lets_go :]
    if not descriptor.isdigit() or separator != ["--"] or not argv:
        sys.stderr.write("usage: guardian.py FD [let-go] -- argv...\n")
        return 2
    lifeline = int(descriptor)
    os.set_inheritable(lifeline, False)  # the job must not hold it
    wake = _open_signal_pipe()
    become_subreaper()
    try:
        job = _spawn(argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        return EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_NOT_RUNNABLE
    status, is_asked = _watch(job, lifeline, wake)
    if is_asked or not lets_go:
        _sweep(job, wake)
    return EXIT_ROUTER_GONE if status is None else _end_as(status)


def _open_signal_pipe() -> int:
    """Return the end that becomes readable with each signal, its number as one byte."""
    wake, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.set_blocking(wake, False)
    for number in (*FORWARDED, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return wake


def _spawn(argv: list[str]) -> int:
    # Python ignores these three; the job starts with every signal at its default
    defaults = [signal.SIGPIPE, signal.SIGXFSZ, *FORWARDED, signal.SIGCHLD]
    return os.posix_spawnp(argv[0], argv, os.environ, setsid=True, setsigmask=[], setsigdef=defaults)


def _watch(job: int, lifeline: int, wake: int) -> tuple[int | None, bool]:
    """Return the job's wait status once it ended, None when the router is gone; and whether somebody asked for the end."""
    is_asked = False
    while True:
        readable, _, _ = select.select([lifeline, wake], [], [])
        if lifeline in readable and not os.read(lifeline, 4096):
            return None, True
        if wake not in readable:
            continue
        for number in os.read(wake, 4096):
            is_asked = is_asked or number in ENDING
            if number != signal.SIGCHLD:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(job, number)
        status = _reap(job)
        if status is not None:
            return status, is_asked


def _reap(job: int) -> int | None:
    """Collect every ended child; return the job's wait status when it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == job:
                found = status
    return found


def _sweep(job: int, wake: int) -> None:
    """Kill and reap until there is no child left, and so no descendant: orphans come to a subreaper as children."""
    pause = FIRST_PAUSE_S
    while True:
        processes = read_processes()
        for process in descendants({os.getpid()}, processes):
            kill(process)
        if not processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job, signal.SIGKILL)  # all that can be done without /proc
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        select.select([wake], [], [], pause)
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _end_as(status: int) -> int:
    """Return the job's exit code, or die of the signal that ended it."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the job may have left a core: a second one says nothing
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    return 128 - code  # the signal is blocked: the code of a shell


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
