"""States of one managed process, and the rules that need no clock of their own: pure.

    stopped, failed ──> starting ──> (loading ──>) ready ──> stopping ──> stopped
                            └────────────┴── ended or late ────┘            └── tries used up ──> failed


Owner: the task `process/<id>` (`process_owner.py`). Source: supervision.md 21.6, 21.9."""

from __future__ import annotations

import math
import signal
from enum import StrEnum

from attrs import evolve, frozen

from router.errors import FailureReason

TRIES_PER_START = 3
FIRST_DELAY_S = 2.0
LONGEST_DELAY_S = 30.0
FIRST_POLL_S = 0.1  # a warm small model is ready in 1 to 2 s
LONGEST_POLL_S = 1.0
SUCCESS = range(200, 300)
ASKS_FOR_A_KEY = (401, 403)
LOADING_STATUS = 503  # llama.cpp while it reads the model


class ProcessState(StrEnum):
    """Where a managed process is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"  # runs, nothing listens yet
    LOADING = "loading"  # listens and says 503
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"  # the last start did not get it ready


_S = ProcessState
FOLLOWS: dict[ProcessState, frozenset[ProcessState]] = {
    _S.STOPPED: frozenset({_S.STARTING, _S.FAILED}),
    _S.FAILED: frozenset({_S.STARTING, _S.FAILED, _S.STOPPED}),
    _S.STARTING: frozenset({_S.LOADING, _S.READY, _S.STOPPING}),
    _S.LOADING: frozenset({_S.LOADING, _S.READY, _S.STOPPING}),
    _S.READY: frozenset({_S.STOPPING}),
    _S.STOPPING: frozenset({_S.STOPPING, _S.STOPPED}),
}


@frozen(kw_only=True)
class ProcessStatus:
    """What others may know of a managed process.

    `since` is when the state began, trio clock. `pid` is its guardian's, which leads the process tree; None while
    nothing runs. `leases` counts requests that use it or wait for it. `last_exit` is the exit code of the last run,
    negative for a signal; `last_error` why the last start failed."""

    id: str
    providers: tuple[str, ...]
    state: ProcessState = ProcessState.STOPPED
    since: float = 0.0
    pid: int | None = None
    leases: int = 0
    idle_since: float = 0.0
    last_exit: int | None = None
    last_error: str | None = None


@frozen(kw_only=True)
class StartFailure:
    """Why a start did not get the process ready. `final`: the same would happen again at once, so it is not retried."""

    reason: FailureReason
    message: str
    exit: int | None = None
    final: bool = False


def moved(status: ProcessStatus, state: ProcessState, *, now: float, pid: int | None = None) -> ProcessStatus:
    """Return the status in its next state. Raises ValueError when the state cannot follow: a bug in the owner."""
    if state not in FOLLOWS[status.state]:
        message = f"{status.id}: {status.state} cannot become {state}"
        raise ValueError(message)
    since = status.since if state is status.state else now
    idle_since = now if state is ProcessState.READY else status.idle_since
    return evolve(status, state=state, since=since, pid=pid, idle_since=idle_since)


def leased(status: ProcessStatus, by: int, *, now: float) -> ProcessStatus:
    """Return the status with `by` leases more or less; the last one to leave begins the idle time."""
    leases = status.leases + by
    return evolve(status, leases=leases, idle_since=status.idle_since if leases else now)


def idle_at(status: ProcessStatus, idle_stop_s: float) -> float:
    """Return when an idle stop is due, trio clock; infinity while it is in use or never stops."""
    if status.leases or not idle_stop_s:
        return math.inf
    return status.idle_since + idle_stop_s


def retry_delay_s(failures: int) -> float:
    """Return the pause after the n-th failed try of a start: 2, 4, 8, 16, then 30 s."""
    return min(FIRST_DELAY_S * 2.0 ** (failures - 1), LONGEST_DELAY_S)


def poll_pause_s(waited_s: float) -> float:
    """Return the pause before the next look at a starting server: about a tenth of what it took so far."""
    return min(max(waited_s / 10, FIRST_POLL_S), LONGEST_POLL_S)


def is_ready_answer(status: int | None) -> bool:
    """Tell whether a server that answers so can take requests: 2xx, or it asks for a key."""
    return status is not None and (status in SUCCESS or status in ASKS_FOR_A_KEY)


def not_ready_in_time(seen: int | None, url: str, waited_s: float) -> StartFailure:
    """Return the failure of a start whose time is over; `seen` is the last status that the server answered at `url`."""
    if seen == LOADING_STATUS:
        message = f"is still loading after {waited_s:g} s: give it a longer ready_timeout_s"
        return StartFailure(reason=FailureReason.LOADING, message=message)
    answer = "does not answer" if seen is None else f"answers {seen}"
    message = f"{answer} at {url} after {waited_s:g} s: check its own log, or correct ready_url"
    return StartFailure(reason=FailureReason.TIMEOUT, message=message)


def ended_early(exit_code: int | None, tail: str) -> StartFailure:
    """Return the failure of a try whose process ended before it was ready."""
    last_line = next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")
    message = f"{exit_words(exit_code)} before it was ready" + (f": {last_line[:200]}" if last_line else "")
    return StartFailure(reason=FailureReason.CONNECTION, message=message, exit=exit_code)


def exit_words(exit_code: int | None) -> str:
    """Return an exit code in words: `exited with 3`, `was ended by SIGKILL`."""
    if exit_code is None:
        return "does not end"
    if exit_code >= 0:
        return f"exited with {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"
