"""One daemon per state directory: an advisory lock that ends with its holder, however that ends (founding decision 5, exit 75).

A directory that is removed or replaced takes the lock's file along, and whoever looks there finds no lock. So its holder
looks after it, and takes the lock anew where the path leads; who comes second there goes on in memory alone.

    held ── the path leads elsewhere ──> taken anew: told, the writers look again
                                    └──> another has it: told, nothing is written any more"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ESTALE
from pathlib import Path
from secrets import token_hex

import trio
from attrs import define

from router.errors import StateFailed, StateLocked
from router.ports import Observer
from router.state.directory import make_private
from supervisors.disk import NOT_AGAIN
from supervisors.seams import Execute, Lock

LOCKED = 75  # founding decision 5: EX_TEMPFAIL
FILE_NAME = "router.lock"
LOOK_S = 2.0  # how long a removed directory may be anybody's; a look is one `stat`
_PID_DIGITS = 20
_UNTIL_RESTART = f"{NOT_AGAIN}, even when the other one ends: stop the other one, then restart this one"
_STILL_OPEN = f"another instance may start there; this is retried every {LOOK_S:g} s"


@define(eq=False)
class Held:
    """The lock of one directory, in the hands of whoever opened `descriptor`; implements `Lock` of `seams.py`."""

    directory: Path
    descriptor: int

    def renew(self) -> bool:
        """Take the lock anew where its file is no longer at its path, and tell whether that was so.

        Raises StateLocked where somebody else has taken it there, StateFailed where there can be none."""
        if self._is_in_place():
            return False
        old, self.descriptor = self.descriptor, _taken(self.directory)
        os.close(old)
        return True

    def _is_in_place(self) -> bool:
        path = self.directory / FILE_NAME
        try:
            found, ours = path.stat(), os.fstat(self.descriptor)
            return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) or self._shows_at(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno == ESTALE:  # a network file system, from whose server our file is gone
                return False
            raise _failed(self.directory, error) from error

    def _shows_at(self, path: Path) -> bool:
        """Tell whether a word that is written into our file can be read at the path: a copy of the file has an older one.

        Some network file systems number one file differently by its path and by its descriptor."""
        text = f"{os.getpid()}\n{token_hex(8)}\n".encode()
        os.pwrite(self.descriptor, text, 0)
        os.fsync(self.descriptor)
        return path.read_bytes() == text


@contextmanager
def locked(directory: Path) -> Iterator[Held]:
    """Hold the directory until the context is left; creates it where it is missing.

    Raises StateLocked where another process holds it, and StateFailed where there can be no lock: the directory cannot
    be created or written. A file that a dead holder left is no lock. Started programs do not inherit it."""
    held = Held(directory, _taken(directory))
    try:
        yield held
    finally:
        os.close(held.descriptor)


async def watch(
    lock: Lock,
    *,
    execute: Execute,
    observer: Observer,
    on_renewed: Callable[[], None],
    on_lost: Callable[[StateFailed], None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Look after the lock every LOOK_S, until cancelled; each of the two is called when it has been told.

    Once it is somebody else's, nothing is looked after any more, not even when that one ends: what it has kept there, money
    spent for one, would give way to older rows of this one. Started at once; raises nothing for the disk."""
    told = ""
    task_status.started()
    while True:
        await trio.sleep(LOOK_S)
        try:
            was_gone = await execute(lock.renew)
        except StateLocked as error:
            observer.event("state-locked", {"message": str(error), "then": _UNTIL_RESTART})
            on_lost(StateFailed(path=error.directory, operation="lock", message=str(error)))
            await trio.sleep_forever()
        except StateFailed as error:
            if str(error) != told:
                told = str(error)
                fields = {"path": error.path, "operation": error.operation, "error": told, "pending": 0, "then": _STILL_OPEN}
                observer.event("state-store-failed", fields)
        except RuntimeError:  # the machine gives no thread: at the next look
            continue
        else:
            told = ""
            if was_gone:
                observer.event("state-lock-renewed", {"path": str(lock.directory)})
                on_renewed()


def _taken(directory: Path) -> int:
    """Return the descriptor that holds the lock."""
    try:
        make_private(directory)
        descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(directory, error) from error
    try:
        _take(descriptor, directory)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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
    text = os.pread(descriptor, _PID_DIGITS, 0).partition(b"\n")[0].strip()
    return int(text) if text.isdigit() else None


def _failed(directory: Path, error: OSError) -> StateFailed:
    return StateFailed(path=str(directory), operation="lock", message=error.strerror or str(error))
