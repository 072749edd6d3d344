"""What an operator may do to the running daemon; implements `Control` of `router/ports.py`.

It owns no state: actions are events to a provider's cell, a reload is asked of who reloads. Source: supervision.md 21.5.2
(operator rows), 21.1 (tree)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import field, frozen

from router.domain.control import ReloadOutcome, TreeNode
from router.domain.health_events import Operated, OperatorAction
from router.domain.probe import ProbeResult
from router.errors import NotFound
from supervisors.health_board import Cell, HealthBoard
from supervisors.tree_walk import walk

ROOT = "root"  # the outermost word of the picture in 21.1

ProbeNow = Callable[[str], Awaitable[ProbeResult]]
Reload = Callable[[], Awaitable[ReloadOutcome]]


@frozen(kw_only=True)
class BoardControl:
    """Control over one board, made in the task that holds the rings: the tree is walked from there.

    `probe_now` asks one provider by the rules of the continuous probe (class, paid policy, time limit) and applies the result
    as evidence. `reload_now` returns when the new configuration is at work, or refused. `redact` takes secrets out of the
    names of tasks."""

    board: HealthBoard
    probe_now: ProbeNow
    reload_now: Reload
    redact: Callable[[str], str] = str
    top: trio.lowlevel.Task = field(factory=trio.lowlevel.current_task)

    def operate(self, provider: str, action: OperatorAction) -> None:
        """Exclude, restore or hold a provider, at once. Raises NotFound for a name that is not configured."""
        self._cell(provider).apply(Operated(action=action))

    async def probe(self, provider: str) -> ProbeResult:
        """Ask a provider something small now; the result counts as evidence. Raises NotFound."""
        self._cell(provider)
        return await self.probe_now(provider)

    async def reload(self) -> ReloadOutcome:
        """Read the configuration again; returns when it is at work, or refused."""
        return await self.reload_now()

    def tree(self, most: int | None = None) -> TreeNode:
        """Return the live nursery tree, or its first `most` tasks; trio's own two, above and beside it, are left out."""
        return walk(self.top, name=ROOT, most=most, redact=self.redact)

    def _cell(self, provider: str) -> Cell:
        try:
            return self.board.cell(provider)
        except KeyError:
            known = ", ".join(cell.name for cell in self.board.cells())
            raise NotFound(message=f"no provider {provider[:64]}; configured: {known}") from None
