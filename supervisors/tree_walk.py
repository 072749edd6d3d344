"""The live nursery tree, walked from trio: every task with what it does now, and how long it may.

Without a wait: what it returns is one moment. It costs 10 to 25 us a task, so 200 streams (1,000 tasks) stand still for up to
25 ms when somebody looks; who looks again and again asks for the first tasks only. Source: supervision.md 21.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from math import inf, isfinite

import trio

from router.domain.control import TaskState, TreeNode


def walk(
    task: trio.lowlevel.Task, *, name: str | None = None, most: int | None = None, redact: Callable[[str], str] = str
) -> TreeNode:
    """Return a task and everything below it; `name` stands for its own. In a running trio loop only.

    No more than the first `most` tasks, read from the top down; None for all. `redact` takes secrets out of their names:
    a request's task is called by the id that its client has chosen."""
    return _walk(task, count() if most is None else iter(range(most - 1)), redact, name)


def _walk(task: trio.lowlevel.Task, places: Iterator[int], redact: Callable[[str], str], name: str | None = None) -> TreeNode:
    deadline = deadline_of(task)
    state = state_of(task, deadline)
    waits_in, waits_for = waiting_place(task) if state is not TaskState.RUNNING else ("", "")
    left_s = deadline - trio.current_time()
    return TreeNode(
        name=name or redact(shown_name(task.name)),
        state=state,
        waits_in=waits_in,
        waits_for=waits_for,
        deadline_in_s=round(left_s, 3) if isfinite(left_s) else None,
        children=tuple(
            _walk(child, places, redact)
            for nursery in task.child_nurseries
            for child in children_of(nursery)
            if next(places, None) is not None
        ),
    )


def shown_name(name: str) -> str:
    """Return a task's name, that of a function which nobody named shortened to its last two words: `Class.method`."""
    return name if "/" in name else ".".join(name.split(".")[-2:])


def state_of(task: trio.lowlevel.Task, deadline: float) -> TaskState:
    """Return what a task does at this moment; `deadline` is its own (`deadline_of`)."""
    if task is trio.lowlevel.current_task():
        return TaskState.RUNNING
    if deadline == -inf and _is_told_to_end(task):
        return TaskState.CANCELLED
    is_scheduled = task._next_send_fn is not None  # noqa: SLF001 - trio does not tell it otherwise; pinned to its minor
    return TaskState.READY if is_scheduled else TaskState.WAITING


def deadline_of(task: trio.lowlevel.Task) -> float:
    """Return when a task is cancelled, trio clock: the nearest deadline around it, shields heeded; -inf where it is already."""
    return task._cancel_status.effective_deadline()  # noqa: SLF001 - trio has it in public for the calling task only


def _is_told_to_end(task: trio.lowlevel.Task) -> bool:
    """Tell whether it is the task that was cancelled: of one whose sleep is over, only a scope of its own is."""
    nursery = task.parent_nursery
    return nursery is None or nursery._cancel_status.effective_deadline() == -inf  # noqa: SLF001 - as below


def waiting_place(task: trio.lowlevel.Task) -> tuple[str, str]:
    """Return (the innermost function that is not trio's, trio's function that it has called).

    Ours is a `Class.method` or a `module.function`, trio's its qualified name."""
    ours, theirs = "", ""
    for frame, _ in task.iter_await_frames():
        module, function = str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
        if _is_trio(module):
            theirs = theirs or function
        else:
            ours, theirs = function if "." in function else f"{module.rpartition('.')[2]}.{function}", ""
    return ours, theirs


def children_of(nursery: trio.Nursery) -> list[trio.lowlevel.Task]:
    """Return the tasks of a nursery, oldest first: trio keeps them as a set."""
    return sorted(nursery.child_tasks, key=lambda task: task._counter)  # noqa: SLF001 - the only order there is


def _is_trio(module: str) -> bool:
    return module.startswith("trio.") or module in ("trio", "outcome")
