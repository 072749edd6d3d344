"""Whether requests are still taken, how many are being answered, and how those end at the drain deadline.

One value per daemon, shared by the front (counts), the model handler (scopes) and
`supervisors/ingress.py` (the steps of supervision.md 21.11)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import trio
from attrs import define, field


@define(eq=False)
class Drain:
    """`is_started` means that nothing new is taken; `is_expired` that answers still open have to end now.

    `in_flight` counts the requests to models that are being answered; refusals and pages do not count."""

    is_started: bool = False
    is_expired: bool = False
    in_flight: int = 0
    _is_hastened: bool = False
    _started: trio.Event = field(factory=trio.Event)
    _changed: trio.Event = field(factory=trio.Event)
    _scopes: set[trio.CancelScope] = field(factory=set)
    _unheard: set[trio.CancelScope] = field(factory=set)  # answers that nobody waits for

    def begin(self) -> None:
        """Take nothing new from now on."""
        self.is_started = True
        self._started.set()
        for scope in self._unheard:
            scope.cancel()

    def hasten(self) -> None:
        """Do not wait for the answers that are still open: the drain deadline is now."""
        self.begin()
        self._is_hastened = True
        self._changed.set()

    def expire(self) -> None:
        """Cancel every scope of `cancelled_at_deadline`, and those opened later, too."""
        self.is_expired = True
        for scope in self._scopes:
            scope.cancel()

    async def wait_started(self) -> None:
        """Return once `begin` was called."""
        await self._started.wait()

    async def wait_quiet(self) -> None:
        """Return as soon as no request is being answered, or nobody wants to wait for that any more."""
        while self.in_flight and not self._is_hastened:
            self._changed = trio.Event()
            await self._changed.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one request as being answered until the context is left."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._changed.set()

    def cancelled_at_deadline(self) -> UntilDeadline:
        """Cancel what runs inside `with` at the drain deadline.

        Afterwards `scope.cancelled_caught` says that it was; the handler then sends its dialect's error and the end, for
        which `supervisors/ingress.py` leaves it a second."""
        return UntilDeadline(self)

    def add(self, scope: trio.CancelScope) -> None:
        """Let the deadline cancel `scope`, at once where it has passed."""
        self._scopes.add(scope)
        if self.is_expired:
            scope.cancel()

    def discard(self, scope: trio.CancelScope) -> None:
        """Forget `scope`."""
        self._scopes.discard(scope)
        self._unheard.discard(scope)

    def cancel_at_begin(self, scope: trio.CancelScope) -> None:
        """Let the stop itself cancel `scope`, one of `cancelled_at_deadline`, at once where it has begun."""
        self._unheard.add(scope)
        if self.is_started:
            scope.cancel()


@define(eq=False)
class UntilDeadline:
    """A cancel scope that its drain knows. A class, since type checkers take a generator's context for one that raises on."""

    _drain: Drain
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __enter__(self) -> trio.CancelScope:
        self._drain.add(self._scope)
        return self._scope.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        self._drain.discard(self._scope)
        return self._scope.__exit__(kind, error, traceback)
