"""Which processes live, and how long it takes until they do not."""

from __future__ import annotations

from pathlib import Path

import trio

from supervisors.guardian import read_process
from tests.supervisors import process_tree

TREE = Path(process_tree.__file__)
START_S = 15.0  # seven interpreters on a busy machine
GONE_S = 1.0  # acceptance: within one second no descendant lives


def tree_argv(directory: Path, *code: str) -> tuple[str, ...]:
    """Return the command of a job that tries to outlive its end."""
    return ("python", "-I", "-S", str(TREE), str(directory), *code)


async def wait_tree(directory: Path) -> dict[str, int]:
    """Return the pids of the tree once it stands."""
    with trio.fail_after(START_S):
        while not (directory / "main").exists() or not (directory / "main").read_text():  # noqa: ASYNC110 - another process
            await trio.sleep(0.01)
    return {name: int((directory / name).read_text()) for name in (*process_tree.NAMES, "main")}


def living(pids: dict[str, int]) -> list[str]:
    """Return the names of those that live; a dead one that nobody has reaped does not."""
    return [name for name, pid in pids.items() if (found := read_process(pid)) is not None and found.state not in "ZX"]


async def wait_gone(pids: dict[str, int]) -> float:
    """Return after how many milliseconds none lives. Raises AssertionError after GONE_S."""
    began = trio.current_time()
    while left := living(pids):
        assert trio.current_time() < began + GONE_S, f"still alive: {left}"
        await trio.sleep(0.001)
    return (trio.current_time() - began) * 1000
