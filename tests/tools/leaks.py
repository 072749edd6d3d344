"""What a test left behind in this process: open descriptors and living children."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Mapping
from pathlib import Path

from supervisors import guardian

_DESCRIPTORS = Path("/proc/self/fd")
_THREADS = Path("/proc/self/task")

# /proc is Linux; elsewhere the guards see nothing and say nothing. CI runs on Linux.
CAN_SEE = _DESCRIPTORS.is_dir()
_LIBC = ctypes.CDLL(None)


def descriptors() -> dict[int, str]:
    """Return every open descriptor with what it points at, such as `socket:[4711]`."""
    found: dict[int, str] = {}
    if CAN_SEE:
        for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 -- pathlib would build an object per descriptor, for every test
            try:
                found[int(name)] = os.readlink(_DESCRIPTORS / name)  # noqa: PTH115 -- the same
            except OSError:
                continue  # the one that this very listing used
    return found


def children() -> dict[int, str]:
    """Return every child process that lives, or is dead and not reaped, with its command line."""
    found: dict[int, str] = {}
    if CAN_SEE:
        for thread in _THREADS.iterdir():
            found |= {int(pid): _command_line(pid) for pid in _children_of(thread)}
    return found


def left_descriptors(before: Mapping[int, str]) -> dict[int, str]:
    """Return the descriptors that were not open before, once what only garbage holds is collected.

    A socket that garbage held warns while it is collected; pytest turns that warning into an error, too."""
    new = _new(descriptors(), before)
    if new:
        gc.collect()
        new = _new(descriptors(), before)
    return new


def left_children(before: Mapping[int, str]) -> dict[int, str]:
    """Return the children that were not there before."""
    return {pid: command for pid, command in children().items() if pid not in before}


def disown_orphans() -> None:
    """Leave the orphans of other programs to init: a daemon that ran in this process has made it their parent."""
    if CAN_SEE:
        _LIBC.prctl(guardian.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _new(now: Mapping[int, str], before: Mapping[int, str]) -> dict[int, str]:
    return {number: target for number, target in now.items() if before.get(number) != target}


def _children_of(thread: Path) -> list[str]:
    try:
        return (thread / "children").read_text().split()
    except OSError:
        return []  # the thread has just ended; what it started is another thread's child now


def _command_line(pid: str) -> str:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "(gone)"
    return b" ".join(words).decode(errors="replace").strip() or "(no command line: not started yet, or dead and not reaped)"
