"""One flush of the cache of a provider whose replies have drifted: the child `drift-reload` of a provider supervisor.

Tried once per debt, however it ends: the child is never restarted, its result is an event (supervision.md 5.4, 21.9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from router.domain.health_events import DriftReloaded
from router.providers.cache_flush import FlushResult
from supervisors.health_board import Cell

FLUSH_S = 10.0  # supervision.md 5.4
Flush = Callable[[str], Awaitable[FlushResult]]

_CUT_OFF = FlushResult(success=False, detail="was interrupted before it ended")
_TOO_SLOW = FlushResult(success=False, detail=f"did not finish within {FLUSH_S:g} s")


async def run(cell: Cell, gen: int, *, flush: Flush) -> None:
    """Flush the provider's cache within FLUSH_S, and report.

    Also when cancelled or crashed: else the supervisor that is started anew would try again, and crash again."""
    result = _CUT_OFF
    try:
        with trio.move_on_after(FLUSH_S) as limit:
            result = await flush(cell.name)
        if limit.cancelled_caught:
            result = _TOO_SLOW
    finally:
        cell.apply(
            DriftReloaded(gen=gen, success=result.success, detail=result.detail, is_supported=result.supported),
        )
