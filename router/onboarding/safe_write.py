"""Files of people, replaced so that nothing of theirs is lost: whole or not at all, with a copy of what was there."""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path


def replace_text(path: Path, text: str) -> Path | None:
    """Write a file and return the copy of what it was, None where there was none or it said the same. Raises OSError.

    A link stays one: what it points to is replaced. An old file keeps its permissions, a new one can be written by its owner
    only; directories on the way are made."""
    target = Path(os.path.realpath(path.expanduser()))
    is_there = target.exists()
    if is_there and target.read_bytes() == text.encode():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    backup = _copied(target) if is_there else None
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name on an empty file
        if is_there:
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return backup


def _copied(target: Path) -> Path:
    """Return a copy beside the file, under a name that nothing has: an older copy is not lost to a newer one."""
    names = (target.with_name(f"{target.name}.bak{f'.{number}' if number else ''}") for number in count())
    backup = next(name for name in names if not os.path.lexists(name))
    descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # a key in it is nobody else's for a moment, either
    try:
        with os.fdopen(descriptor, "wb") as copy, target.open("rb") as old:
            shutil.copyfileobj(old, copy)
        shutil.copystat(target, backup)
    except OSError:
        backup.unlink(missing_ok=True)
        raise
    return backup
