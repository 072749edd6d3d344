"""one_for_one (I20): what a crash of one child leaves alone: its siblings' tasks, and the requests that are under way.

Their values are watched at every step (I23): nobody but an applied event changes one."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from tests.sim.backends import Backend, Network, Seen
from tests.sim.call import Call

TAKE_ALONG = frozenset({"ingress", "processes", "restarts"})  # connections and servers are their own, and end with them


@define(eq=False, kw_only=True)
class Siblings:
    """Remembers, at a crash, what is under way, and looks at it when no task can run: time has not passed."""

    network: Network
    calls: dict[str, Call]
    broken: Callable[[str, str], None]
    _victims: list[str] = field(factory=list)
    _answering: list[tuple[Backend, Seen]] = field(factory=list)

    def crashed(self, name: str) -> None:
        """Remember what the backends are answering."""
        if name in TAKE_ALONG:
            return
        self._victims.append(name)
        self._answering += [(backend, seen) for backend in self.network.backends.values() for seen in backend.open.values()]

    def quiet(self, *, is_ending: bool) -> None:
        """Check that the daemon has closed none of those whose client is still there."""
        if not self._victims:
            return
        victims, self._victims = self._victims, []
        answering, self._answering = self._answering, []
        for backend, seen in answering:
            call = self.calls.get(seen.mark)
            is_open = seen.is_answered or any(seen is other for other in backend.open.values())
            if not is_open and not is_ending and backend.is_up and call is not None and call.left_at is None:
                self.broken("I20", f"{seen.mark} at {backend.name} was ended by a crash of {victims}")
