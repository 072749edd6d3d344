"""What an operator sees of the running daemon and may ask of it: values only.

`supervisors/control.py` makes them, `router/ingress/` shows them. Source: supervision.md 21.1, 21.5.2, W36."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class TaskState(StrEnum):
    """What a task does at the moment of the walk."""

    RUNNING = "running"  # it is the one that walks
    READY = "ready"  # its turn comes with the next batch
    WAITING = "waiting"
    CANCELLED = "cancelled"  # it has been told to end, and cleans up


@frozen(kw_only=True)
class TreeNode:
    """One task of the nursery tree, and those in its nurseries, outer nurseries first.

    `waits_in` is the qualified name of the function that waits, `waits_for` what it called of trio, both "" where it does
    not wait. `deadline_in_s` is what is left of the nearest deadline around it, None for none."""

    name: str
    state: TaskState
    waits_in: str = ""
    waits_for: str = ""
    deadline_in_s: float | None = None
    children: tuple[TreeNode, ...] = ()


class ReloadVerdict(StrEnum):
    """What became of a request to read the configuration again."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"  # the old one is still at work


@frozen(kw_only=True)
class ReloadOutcome:
    """`generation` is the number of the configuration at work; `messages` are mistakes, or what was left as it is."""

    result: ReloadVerdict
    generation: int
    messages: tuple[str, ...] = ()


@frozen(kw_only=True)
class RestartBudget:
    """Restarts of a provider's server: `used` of `max` in the last `window_s` seconds."""

    used: int
    max: int
    window_s: float


@frozen(kw_only=True)
class ChildReport:
    """One supervised child of the tree; `restarts` counts all that it needed, `state` is the supervisor's word for it."""

    name: str
    state: str
    restarts: int = 0
    last_error: str = ""


@frozen(kw_only=True)
class SinkReport:
    """A file that is written behind everybody's back: `lag_s` is the age of the oldest change that is not in it yet.

    `dropped` counts what could not be kept for it, `error` is why the last write failed, "" after one that succeeded."""

    name: str
    lag_s: float = 0.0
    pending: int = 0
    dropped: int = 0
    error: str = ""


@frozen(kw_only=True)
class DaemonReport:
    """What the tree says of itself. `degraded` are parts that gave up while the rest goes on.

    `rejected` are the mistakes of the configuration that was refused last, () once one was taken. `observers` counts the
    events that each listener has failed at, `log_lines_dropped` what the log could not write."""

    degraded: tuple[str, ...] = ()
    children: tuple[ChildReport, ...] = ()
    rejected: tuple[str, ...] = ()
    sinks: tuple[SinkReport, ...] = ()
    observers: Mapping[str, int] = field(factory=dict)
    log_lines_dropped: int = 0
