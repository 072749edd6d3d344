"""The configuration's file, changed whole or not at all, with one copy of what it was; and the way back (supervision.md 19.2)."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from attrs import frozen

BACKUP_SUFFIX = ".bak"


class Rolled(StrEnum):
    """What `rollback` has come to."""

    RESTORED = "restored"
    WOULD_RESTORE = "would-restore"
    NO_BACKUP = "no-backup"
    IDENTICAL = "identical"
    FAILED = "failed"


ROLLBACK_CODES = {Rolled.RESTORED: 0, Rolled.WOULD_RESTORE: 0, Rolled.FAILED: 1, Rolled.NO_BACKUP: 2, Rolled.IDENTICAL: 2}


@frozen(kw_only=True)
class Rollback:
    """How it went, with which two files; `why` only where it failed."""

    status: Rolled
    path: Path
    backup: Path
    why: str = ""


def backup_of(path: Path) -> Path:
    """Return where the copy of a file stands: beside what a link points to."""
    target = Path(os.path.realpath(path.expanduser()))
    return target.with_name(target.name + BACKUP_SUFFIX)


def write(path: Path, text: bytes) -> Path | None:
    """Put the text in the file's place and what was there in the place of its copy; return the copy. Raises OSError.

    None, and both files untouched, where the file says the same. Modes and owners are kept; a link stays one. Where
    something ends this between the two, a Ctrl-C too, the older copy is back in its place."""
    target = Path(os.path.realpath(path.expanduser()))
    old = target.read_bytes()
    if old == text:
        return None
    backup = backup_of(path)
    copy, new = _beside(target, old), None
    older = copy.with_name(f"{copy.name}.older")  # nobody else has it: the copy's own name is nobody else's
    try:
        new = _beside(target, text)
        if not backup.is_dir():
            with suppress(FileNotFoundError):
                backup.replace(older)
        copy.replace(backup)
        new.replace(target)
    finally:
        if new is not None and new.exists():  # it has not taken the file's place
            with suppress(FileNotFoundError):
                older.replace(backup)
        for unused in (copy, new, older):
            if unused is not None:
                unused.unlink(missing_ok=True)
    return backup


def rollback(path: Path, *, is_dry: bool = False) -> Rollback:
    """Let the file and its copy change places: done twice, nothing has happened. Never raises for what the disk does."""
    target, backup = Path(os.path.realpath(path.expanduser())), backup_of(path)
    try:
        if not backup.is_file():
            return Rollback(status=Rolled.NO_BACKUP, path=target, backup=backup)
        if target.exists() and target.read_bytes() == backup.read_bytes():
            return Rollback(status=Rolled.IDENTICAL, path=target, backup=backup)
        if is_dry:
            return Rollback(status=Rolled.WOULD_RESTORE, path=target, backup=backup)
        _swap(target, backup)
    except OSError as error:
        return Rollback(status=Rolled.FAILED, path=target, backup=backup, why=error.strerror or str(error))
    return Rollback(status=Rolled.RESTORED, path=target, backup=backup)


def _swap(target: Path, backup: Path) -> None:
    if not target.exists():  # it was deleted: the copy is all that there is, and stays
        _beside(backup, backup.read_bytes()).replace(target)
        return
    now = _beside(target, target.read_bytes())
    try:
        _give_to_its_owner(backup, target.stat())  # somebody else may have made the copy
        backup.replace(target)
        now.replace(backup)
    finally:
        if now.exists() and not backup.exists():  # the other one has taken the file's place
            now.replace(backup)
        now.unlink(missing_ok=True)


def _beside(file: Path, content: bytes) -> Path:
    """Return an unnamed file in the same directory, on the disk, with the file's mode and owner.

    Raises OSError, and leaves nothing, where it cannot be so: a router of that owner could not read it any more."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        _give_to_its_owner(made, file.stat())
        shutil.copymode(file, made)  # behind the owner: a change of that takes bits of the mode away
    except OSError:
        made.unlink(missing_ok=True)
        raise
    return made


def _give_to_its_owner(made: Path, old: os.stat_result) -> None:
    new = made.stat()
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.chown(made, old.st_uid, old.st_gid)
    except OSError as error:
        why = f"it would no longer belong to user {old.st_uid}, group {old.st_gid}: run this as that user"
        raise PermissionError(error.errno, why) from error
