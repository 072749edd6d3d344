"""Who goes in next where there are fewer places than requests: in turn among sessions, the main agent first within one.

Nobody waits who may go in: every change lets in all who fit. The main agent of the only session goes in with the next
place that is given back, whatever waits beside it; among S sessions that wait, with the S-th. Somebody of a higher class
passes the one of its session who waits longest at most PATIENCE times in a row, so that no class starves another: a main
agent that comes back at each turn of its session lets one go first then, and goes in with the 2 S-th.
Source: demand.md group E, peers.md row 18."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, count

from attrs import define, field, frozen

PATIENCE = 4  # several side requests of a main agent pass in one turn; a flood of them does not

_MAIN, _COMPACTION, _OTHER, _CHILD = range(4)
_RANKS: Mapping[str, int] = {"main": _MAIN, "compaction": _COMPACTION, "subagent": _CHILD, "workflow": _CHILD}


@frozen(kw_only=True)
class RoomRules:
    """How many may be in at once, in all and of one session; None for no limit.

    Sub-agents and workflows may not take the last place of their session: it is kept for the agent that a person looks at.
    Requests without a session are one more session in the turn, without a limit of its own."""

    places: int | None = None
    per_session: int | None = None


@define(eq=False, kw_only=True)
class Visitor:
    """One request, inside or waiting. `number` grows with arrival."""

    session: str | None
    rank: int
    number: int
    is_in: bool = False

    @property
    def is_child(self) -> bool:
        """It works for another agent of its session."""
        return self.rank == _CHILD


@define
class _Session:
    """The requests of one session: who waits, by rank in order of arrival, and how many are in."""

    waiting: tuple[dict[Visitor, None], ...] = field(factory=lambda: tuple({} for _ in range(_CHILD + 1)))
    inside: int = 0
    children_inside: int = 0
    passed_over: int = 0  # times in a row that the one who waits longest was

    def queued(self) -> Iterator[Visitor]:
        """Yield who waits, best class first."""
        return chain.from_iterable(self.waiting)


@define
class WaitingRoom:
    """The places of one daemon or provider. Sync; whoever is let in by a call is told in its answer."""

    rules: RoomRules = field(factory=RoomRules)
    waiting: int = field(default=0, init=False)
    inside: int = field(default=0, init=False)
    _sessions: dict[str | None, _Session] = field(factory=dict, init=False)
    _turns: dict[str | None, None] = field(factory=dict, init=False)  # sessions that wait, the next one first
    _numbers: Iterator[int] = field(factory=count, init=False)

    def enter(self, session: str | None, request_class: str) -> Visitor:
        """Let a request in, or let it wait; `is_in` tells. An unknown class stands between main agent and sub-agents."""
        visitor = Visitor(session=session, rank=_RANKS.get(request_class, _OTHER), number=next(self._numbers))
        its = self._sessions.setdefault(session, _Session())
        its.waiting[visitor.rank][visitor] = None
        self._turns.setdefault(session)
        self.waiting += 1
        self._admit()
        return visitor

    def leave(self, visitor: Visitor) -> tuple[Visitor, ...]:
        """Take a request out, whether it was inside or waited; return who is let in instead."""
        its = self._sessions[visitor.session]
        if visitor.is_in:
            visitor.is_in = False
            its.inside -= 1
            its.children_inside -= visitor.is_child
            self.inside -= 1
        else:
            self._unqueue(visitor, its)
        admitted = self._admit()
        if not its.inside and visitor.session not in self._turns:
            del self._sessions[visitor.session]
        return admitted

    def change(self, rules: RoomRules) -> tuple[Visitor, ...]:
        """Take other rules from now on; who is inside stays. Return who is let in by them."""
        self.rules = rules
        return self._admit()

    def is_full_of_its_own(self, visitor: Visitor) -> bool:
        """Tell whether a visitor waits because its own session is at its limit."""
        return not self._may(visitor, self._sessions[visitor.session])

    def _admit(self) -> tuple[Visitor, ...]:
        admitted: list[Visitor] = []
        while (found := self._next()) is not None:
            its = self._sessions[found.session]
            self._count_passing(found, its)
            self._unqueue(found, its)
            if found.session in self._turns:  # its others wait for the next turn
                del self._turns[found.session]
                self._turns[found.session] = None
            found.is_in = True
            its.inside += 1
            its.children_inside += found.is_child
            self.inside += 1
            admitted.append(found)
        return tuple(admitted)

    def _next(self) -> Visitor | None:
        if self.rules.places is not None and self.inside >= self.rules.places:
            return None
        candidates = (self._candidate(self._sessions[session]) for session in self._turns)
        return next((found for found in candidates if found is not None), None)

    def _candidate(self, its: _Session) -> Visitor | None:
        """Return who of a session goes in first, None where its limit keeps all of them out."""
        fitting = [visitor for visitor in _heads(its) if self._may(visitor, its)]
        if its.passed_over >= PATIENCE:
            return min(fitting, key=lambda visitor: visitor.number, default=None)
        return fitting[0] if fitting else None

    def _may(self, visitor: Visitor, its: _Session) -> bool:
        limit = self.rules.per_session
        if limit is None or visitor.session is None:
            return True
        return its.inside < limit and not (visitor.is_child and its.children_inside >= max(limit - 1, 1))

    def _count_passing(self, admitted: Visitor, its: _Session) -> None:
        longest = min(_heads(its), key=lambda visitor: visitor.number)
        its.passed_over = 0 if admitted is longest else its.passed_over + 1

    def _unqueue(self, visitor: Visitor, its: _Session) -> None:
        del its.waiting[visitor.rank][visitor]
        self.waiting -= 1
        if next(its.queued(), None) is None:
            self._turns.pop(visitor.session, None)
            its.passed_over = 0


def _heads(its: _Session) -> Iterator[Visitor]:
    """Yield who waits longest of each class, best class first."""
    return (next(iter(queue)) for queue in its.waiting if queue)
