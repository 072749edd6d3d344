"""Waiting before the chain (FAIR): who may run runs, nobody waits too long, and main agents are passed over a few times at most.

A request waits from its arrival until its plan is told; everything between takes no time. A main agent that is the first of
its class in its session may be passed over while it could run: by one sub-agent of its own session (every fifth turn goes
to who waits longest), and by each other session that waits once per turn, of which it may need two. So 2 S - 1 times, S
being the sessions that wait. Whoever may run does so at once; so with one session that is the end of two of its running
requests. Source: router/providers/waiting_room.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from router.config.schema import RouterConfig
from router.config.schema_server import ServerConfig
from router.errors import ErrorKind
from tests.sim.agents import CHILD, MAIN
from tests.sim.call import Call

SLACK_S = 0.05
_FULL = (ErrorKind.RATE_LIMITED, ErrorKind.ALL_OVERLOADED)  # of a request without a plan
Session = str | None


@frozen
class Runs:
    """A request that holds a place."""

    session: Session
    klass: str


@define(eq=False)
class Waits:
    """A main agent's request that waits, first of its class in its session: who has passed it, among how many sessions."""

    passed: int = 0
    sessions: int = 1


@define(eq=False, kw_only=True)
class Queues:
    """Follows the places of one life of the daemon: `waiting` and `running` are what it says itself."""

    calls: Mapping[str, Call]
    configs: Sequence[RouterConfig]  # that were at work in this life
    waiting: Callable[[], int]
    running: Callable[[], int]
    broken: Callable[[str, str], None]
    now: Callable[[], float]
    waited: int = 0  # requests that had to
    longest_s: float = 0.0
    _inside: dict[str, Runs] = field(factory=dict)
    _born: float = field(init=False)  # whoever came before it has been cut off, and may read on what it was sent
    _before: dict[str, Runs] = field(factory=dict)  # the same, when time last passed
    _over: dict[str, None] = field(factory=dict)  # has ended for the daemon, and its client may not know yet
    _entered: list[str] = field(factory=list)  # since time last passed
    _first: dict[Session, tuple[str, Waits]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._born = self.now()

    def take(self, name: str, fields: Mapping[str, object]) -> None:
        """Take an event."""
        if name in ("chain-resolved", "chain-empty"):
            self._enter(str(fields["request_id"]))
        elif name == "request-complete":
            self._end(str(fields["request_id"]), str(fields["outcome"]))
        elif name == "config-reload":
            self._first.clear()  # other rules: what was waited until now says nothing about them

    def quiet(self) -> None:
        """Compare who waits with who may run."""
        self._over = {mark: None for mark in self._over if mark in self.calls}
        queued = [call for mark, call in self.calls.items() if self._is_queued(mark, call)]
        if (self.waiting(), self.running()) != (len(queued), len(self._inside)):
            told = f"{self.waiting()} wait and {self.running()} run, it says"
            self.broken("FAIR", f"{told}; {[call.mark for call in queued]} wait, {[*self._inside]} run")
        if queued:
            self._waiting(queued)
        self._first = {call.session: self._first.get(call.session, (call.mark, Waits())) for call in _mains(queued)}
        self._entered.clear()
        self._before = dict(self._inside)

    def _waiting(self, queued: Sequence[Call]) -> None:
        now, patience_s, server = self.now(), self._patience_s(), self.configs[-1].server
        for call in queued:
            if now - call.began > patience_s + SLACK_S:
                self.broken("FAIR", f"{call.mark} has waited for {now - call.began:.2f} s, {patience_s} s are the most")
            if _may_run(call, self._inside, server):
                self.broken("FAIR", f"{call.mark} ({call.klass}) waits, and nothing keeps it: {self._inside}")
        sessions = len({call.session for call in queued})
        for call in _mains(queued):
            mark, waits = self._first.get(call.session, ("", Waits()))
            if mark != call.mark:
                waits = Waits()
                self._first[call.session] = call.mark, waits
            else:
                waits.passed += sum(map(int, self._passed(call, server)))
            waits.sessions = max(waits.sessions, sessions)
            if waits.passed > 2 * waits.sessions - 1:
                told = f"was passed over {waits.passed} times by {waits.sessions} sessions"
                self.broken("FAIR", f"{call.mark}, a main agent's, {told}")

    def _passed(self, call: Call, server: ServerConfig) -> Iterator[bool]:
        """Yield, for each that went in since time last passed, whether it went in in the place of this one."""
        is_full = _is_full(call.session, self._inside, server)
        for mark in self._entered:
            runs = self._inside.get(mark)
            if runs is not None:
                yield runs.klass != MAIN if runs.session == call.session else not is_full

    def _is_queued(self, mark: str, call: Call) -> bool:
        is_known = mark in self._inside or mark in self._over or call.began < self._born
        return not (is_known or call.has_ended) and call.left_at is None

    def _enter(self, mark: str) -> None:
        call = self.calls.get(mark)
        self._inside[mark] = Runs(None, "") if call is None else Runs(call.session, call.klass)
        self._entered.append(mark)
        if call is not None:
            self._told(call)

    def _end(self, mark: str, outcome: str) -> None:
        was_inside = self._inside.pop(mark, None) is not None
        self._over[mark] = None
        call = self.calls.get(mark)
        if call is None or was_inside:
            return
        self._told(call)
        server = self.configs[-1].server
        if outcome in _FULL and all(_may_run(call, inside, server) for inside in (self._before, self._inside)):
            self.broken("FAIR", f"{mark} ({call.klass}) was refused a place, and nothing keeps it: {self._inside}")

    def _told(self, call: Call) -> None:
        """Check how long a request has waited that waits no more."""
        waited_s = self.now() - call.began
        self.waited += waited_s > 0
        self.longest_s = max(self.longest_s, waited_s)
        if waited_s > self._patience_s() + SLACK_S:
            self.broken("FAIR", f"{call.mark} has waited for {waited_s:.2f} s, {self._patience_s()} s are the most")

    def _patience_s(self) -> float:
        """Return the longest that a request may wait: it keeps to the time that it came with."""
        return max(config.server.queue_timeout_s for config in self.configs)


def _may_run(call: Call, inside: Mapping[str, Runs], server: ServerConfig) -> bool:
    """Tell whether the rules let a request in beside those."""
    if server.max_running is not None and len(inside) >= server.max_running:
        return False
    most = server.session_max_in_flight
    if call.session is None or not most:
        return True
    children = sum(runs.session == call.session and runs.klass == CHILD for runs in inside.values())
    return not _is_full(call.session, inside, server) and not (call.klass == CHILD and children >= max(most - 1, 1))


def _is_full(session: Session, inside: Mapping[str, Runs], server: ServerConfig) -> bool:
    most = server.session_max_in_flight
    return bool(session and most) and sum(runs.session == session for runs in inside.values()) >= most


def _mains(queued: Sequence[Call]) -> Iterator[Call]:
    """Yield the main agent's request that has waited longest, for each session."""
    seen: set[Session] = set()
    for call in queued:
        if call.klass == MAIN and call.session is not None and call.session not in seen:
            seen.add(call.session)
            yield call
