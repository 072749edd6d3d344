"""Find and end processes of managed jobs that lost their guardian, or whose router is gone.

Every job carries `NURSERY_ROUTER_JOB=<instance>:<job>` in its environment. An instance is the router's pid namespace,
pid and start time, so that a dead one is recognised without a file, and a container's is never judged from outside. Two cases:

- `sweep_leftovers`: at start, what carries the mark of a dead instance (router and guardian were killed together);
- `sweep_orphans`: a guardian ended without having been told; the router, a subreaper itself, has become the parent of
  what it guarded. A job that cleared its environment is found by parenthood here, but escapes `sweep_leftovers`.

What a restart command left running on purpose is nobody's leftover: its mark names no instance (`RELEASED`). A router that
is a subreaper becomes its parent all the same, and reaps it when it has ended (`reap_released`).

Without /proc (macOS) they find nothing. Source: founding decision 17; stack.md, "Child processes and the guardian"."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import trio
from attrs import frozen

from supervisors.guardian import Process, descendants, kill, read_process, read_processes
from supervisors.restart_names import digest

MARK = "NURSERY_ROUTER_JOB"
RELEASED = "released"  # in place of the instance: no sweep at start ever takes it
SWEEP_S = 1.0  # acceptance: within one second no descendant of a job lives
PAUSE_S = 0.003  # a killed process leaves /proc within one or two of these


@frozen(kw_only=True)
class Mark:
    """Whose job a process belongs to."""

    instance: str
    job: str

    def __str__(self) -> str:
        return f"{self.instance}:{self.job}"


@frozen(kw_only=True)
class Swept:
    """One process that was killed: its program, at most 200 characters, and a hash of its arguments, which may be keys."""

    pid: int
    job: str
    instance: str
    command: str
    arguments_hash: str


@frozen(kw_only=True)
class Ward:
    """What a lost guardian was responsible for: its job's mark, and its own start in ticks since boot."""

    mark: Mark
    since: int


def this_instance() -> str:
    """Return the name of this router process: `<pid namespace>-<pid>-<start in ticks since boot>`."""
    process = read_process(os.getpid())
    return _instance(_namespace(), os.getpid(), process.started if process else 0)


async def sweep_leftovers() -> tuple[Swept, ...]:
    """Kill the marked processes of dead instances with everything below them; return them, each once.

    Waits until they are gone, at most SWEEP_S. Leaves other users' processes and our own ancestors alone."""
    swept: dict[int, Swept] = {}
    with trio.move_on_after(SWEEP_S):
        while found := _leftovers():
            for process, mark in found:
                if process.pid not in swept:
                    swept[process.pid] = _swept(process, mark)
                kill(process)
            await trio.sleep(PAUSE_S)
    return tuple(swept.values())


async def sweep_orphans(ward: Ward, *, keep: frozenset[int]) -> tuple[Swept, ...]:
    """Kill and reap what a lost guardian left to us, with everything below it; return it, each process once.

    `keep` holds the pids of our own children. Reaps by pid: waiting for any child would steal those of trio."""
    swept: dict[int, Swept] = {}
    with trio.move_on_after(SWEEP_S):
        while found := orphans(ward, read_processes(), me=os.getpid(), keep=keep, mark_of=read_mark):
            for process in found:
                if process.pid not in swept and process.state != "Z":
                    swept[process.pid] = _swept(process, ward.mark)
                kill(process)
                _reap(process.pid)
            await trio.sleep(PAUSE_S)
    return tuple(swept.values())


def reap_released(*, keep: frozenset[int]) -> None:
    """Reap the dead that a restart command had left to us: ended children of ours that are in no session of ours.

    `keep` holds the pids of our own children, which trio waits for. Called while none is being born: see `orphans`."""
    processes = read_processes()
    me = os.getpid()
    session = next((process.session for process in processes if process.pid == me), 0)
    for process in processes:
        if process.parent == me and process.state == "Z" and process.session != session and process.pid not in keep:
            _reap(process.pid)


def orphans(
    ward: Ward,
    processes: list[Process],
    *,
    me: int,
    keep: frozenset[int],
    mark_of: Callable[[int], Mark | None],
) -> list[Process]:
    """Return which processes below `me` are the ward's: marked so, or unmarked and not older than its guardian.

    Our own direct children are in `keep` or in our session; a job never is, since it starts in a new one and can only
    leave it for another new one."""
    session = next((process.session for process in processes if process.pid == me), 0)
    heirs = []
    for process in processes:
        if process.parent != me or process.pid in keep or process.session == session:
            continue
        mark = mark_of(process.pid)
        if mark == ward.mark or (mark is None and process.started >= ward.since):
            heirs.append(process)
    return heirs + descendants({process.pid for process in heirs}, processes)


def read_mark(pid: int) -> Mark | None:
    """Return the mark in a process's environment, None without one or when it cannot be read."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            instance, _, job = entry.removeprefix(prefix).decode(errors="replace").partition(":")
            return Mark(instance=instance, job=job)
    return None


def _leftovers() -> list[tuple[Process, Mark]]:
    processes = [process for process in read_processes() if process.state not in "ZX"]
    namespace = _namespace()
    alive = {_instance(namespace, process.pid, process.started) for process in processes}
    spared = _lineage(os.getpid(), processes)
    found: dict[int, tuple[Process, Mark]] = {}
    for process in processes:
        if process.pid in spared or not _is_ours(process.pid):
            continue
        mark = read_mark(process.pid)
        if mark is None or mark.instance in alive or not mark.instance.startswith(f"{namespace}-"):
            continue
        for victim in (process, *descendants({process.pid}, processes)):
            if victim.pid not in spared:
                found.setdefault(victim.pid, (victim, mark))
    return list(found.values())


def _instance(namespace: str, pid: int, started: int) -> str:
    return f"{namespace}-{pid}-{started}"


def _namespace() -> str:
    """Return the inode of our pid namespace: pids of another one mean nothing here."""
    try:
        return Path("/proc/self/ns/pid").readlink().name.removeprefix("pid:[").removesuffix("]")
    except OSError:
        return "0"


def _is_ours(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.geteuid()
    except OSError:
        return False


def _lineage(pid: int, processes: Iterable[Process]) -> set[int]:
    """Return the process and its ancestors: a router started from inside a leftover must not end itself."""
    parents = {process.pid: process.parent for process in processes}
    lineage = set()
    while pid and pid not in lineage:
        lineage.add(pid)
        pid = parents.get(pid, 0)
    return lineage


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # a grandchild: it becomes our child when its parent has ended
        os.waitpid(pid, os.WNOHANG)


def _swept(process: Process, mark: Mark) -> Swept:
    try:
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        line = b""
    program, *arguments = line.decode(errors="replace").removesuffix("\0").split("\0")
    return Swept(
        pid=process.pid, job=mark.job, instance=mark.instance, command=program[:200], arguments_hash=digest(tuple(arguments))
    )
