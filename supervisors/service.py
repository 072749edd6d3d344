"""The signals: TERM and INT stop the daemon, a second one does not wait, HUP is told and kills nobody (R-59)."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import trio

from router.ingress.drain import Drain
from router.ports import Observer

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

OpenSignals = Callable[..., AbstractContextManager[AsyncIterator[int]]]  # as trio.open_signal_receiver


async def run(
    *,
    drain: Drain,
    observer: Observer,
    end_now: Callable[[], None],
    open_signals: OpenSignals = trio.open_signal_receiver,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Turn signals into a drain, until cancelled. Started once they are caught.

    `end_now` is called with the second stop signal, beside the drain's own haste: what waits for its children ends them."""
    with open_signals(*STOP_SIGNALS, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number not in STOP_SIGNALS:
                detail = "a running daemon does not read its configuration again yet; restart it"
                observer.event("config-reload", {"result": "not-supported", "detail": detail})
                continue
            hastened = drain.is_started
            name = signal.Signals(number).name
            fields = {"signal": name, "in_flight": drain.in_flight, "hastened": hastened}
            if drain.in_flight and not hastened:
                fields["detail"] = "open answers may end; a second signal ends them now"
            observer.event("stop-requested", fields)
            if hastened:
                drain.hasten()
                end_now()
            else:
                drain.begin()
