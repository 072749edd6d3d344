"""A disk that is full: for this process alone, or for all."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

SMALL_BYTES = 65_536
UMOUNT_S = 10.0


@contextmanager
def disk_of(max_bytes: int) -> Iterator[None]:
    """Let no file grow over that; a write then fails as on a full disk. The signal is ignored by Python."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def open_full_disk(at: Path) -> AsyncIterator[Path]:
    """Mount a disk without a free byte at a directory; yield the file that fills it. Skips where this user may mount none."""
    mount = ("mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "none", str(at))
    if (await trio.run_process(mount, check=False, capture_stderr=True)).returncode:
        # a disk of our own is the only one that a test may fill; mounting it is root's right
        pytest.skip("no disk can be mounted here")
    try:
        filler = at / "filler"
        filler.touch(0o600)
        filler.write_bytes(bytes(SMALL_BYTES))
        yield filler
    finally:
        with trio.move_on_after(UMOUNT_S, shield=True):
            await trio.run_process(("umount", str(at)))
