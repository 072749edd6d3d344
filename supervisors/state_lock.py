"""One daemon per state directory: an advisory lock that ends with its holder, however that ends (decision 5, exit 75)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from router.errors import StateFailed, StateLocked
from router.state.directory import make_private

LOCKED = 75  # decision 5: EX_TEMPFAIL
FILE_NAME = "router.lock"
_PID_DIGITS = 20


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory until the context is left; creates it where it is missing.

    Raises StateLocked where another process holds it, and StateFailed where there can be no lock: the directory cannot
    be created or written. A file that a dead holder left is no lock. Started programs do not inherit it."""
    try:
        make_private(directory)
        descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(directory, error) from error
    try:
        _take(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateLocked(directory=str(directory), pid=_pid_in(descriptor)) from error
    except OSError as error:  # a file system without locks
        raise _failed(directory, error) from error
    with suppress(OSError):  # a full disk: the lock holds, only its holder stays unnamed
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_DIGITS, 0).strip()
    return int(text) if text.isdigit() else None


def _failed(directory: Path, error: OSError) -> StateFailed:
    return StateFailed(path=str(directory), operation="lock", message=str(error))
