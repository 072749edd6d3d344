"""What a check gets to work with, what a check is, and how it says what it saw."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import trio
from attrs import define, evolve, field, frozen

from tests.conformance.dialects import Dialect, Turn
from tests.conformance.http import Answer, Ask, End, Limits, NoAnswer, Target, fetch
from tests.conformance.scripts import Script
from tests.conformance.shape import Json, short
from tests.conformance.told import Told
from tests.conformance.upstream import Case, Upstream

HELLO = "Say hello in one short sentence."
OK = 200
NOT_OFFERED = frozenset({404, 405, 501})


class Failed(Exception):
    """The claim does not hold; carries what was seen."""


class NotOffered(Failed):
    """The server has no such route."""


class NotApplicable(Exception):
    """The claim says nothing about this server; carries the reason."""


class Needs(StrEnum):
    """What a check cannot do without."""

    SERVER = "server"
    UPSTREAM = "upstream"  # the scripted upstream behind the server
    NATIVE = "native"  # the same, asked in Messages


@frozen(kw_only=True)
class Check:
    """One claim about a server. `id` begins with its group."""

    id: str
    claim: str
    source: str
    run: Callable[[Bench], Awaitable[None]]
    needs: Needs = Needs.SERVER

    @property
    def group(self) -> str:
        """The part of the suite that it belongs to."""
        return self.id.partition(".")[0]


def check(
    name: str, claim: str, *, source: str, needs: Needs = Needs.SERVER
) -> Callable[[Callable[[Bench], Awaitable[None]]], Check]:
    """Make a check of a function; it returns where the claim holds, and raises Failed where not."""
    return lambda run: Check(id=name, claim=claim, source=source, run=run, needs=needs)


def expect(holds: object, seen: str) -> None:
    """Raise Failed with what was seen, unless the claim holds."""
    if not holds:
        raise Failed(seen)


@define(kw_only=True)
class Bench:
    """The server under test, and how to ask it.

    `native_model` is a model that the server asks of the upstream in Messages; `keepalive_s` how long a stream may be
    silent. Answers that several checks look at are fetched once."""

    target: Target
    model: str
    key: str | None = None
    native_model: str | None = None
    limits: Limits = field(factory=Limits)
    keepalive_s: float = 20.0
    oversize_bytes: int = 33 * 1024 * 1024
    recovery_s: float = 40.0  # a router may leave a failing upstream out for a while, as long as it comes back
    upstream: Upstream | None = None
    _kept: dict[str, Answer] = field(factory=dict)
    _given_up: set[str] = field(factory=set)

    async def fetch(self, ask: Ask) -> Answer:
        """Return the answer. Raises Failed where there is none."""
        try:
            return await fetch(self.target, ask, self.limits)
        except NoAnswer as error:
            raise Failed(str(error)) from error

    def turn(self, prompt: str = HELLO, *, is_stream: bool = True, model: str | None = None) -> Turn:
        """Return a turn for the model under test."""
        return Turn(prompt=prompt, model=model or self.model, is_stream=is_stream)

    async def ask(self, dialect: Dialect, turn: Turn, changes: Json | None = None) -> Answer:
        """Return the answer to a turn, whatever its status."""
        return await self.fetch(dialect.ask(turn, self.key, changes))

    async def accepted(self, dialect: Dialect, turn: Turn, changes: Json | None = None) -> None:
        """Raise Failed unless the turn gets an answer that comes to its end without an error."""
        taken(dialect, await self.ask(dialect, turn, changes), is_stream=turn.is_stream)

    async def spoken(self, dialect: Dialect, *, is_stream: bool) -> Answer:
        """Return the answer to an ordinary turn, asked for once; it succeeded. Raises Failed."""
        return await self.once(f"{dialect.name} {is_stream}", dialect, dialect.ask(self.turn(is_stream=is_stream), self.key))

    async def once(self, name: str, dialect: Dialect, ask: Ask) -> Answer:
        """Return the answer to this request, asked for once under this name; it succeeded. Raises Failed."""
        if name not in self._kept:
            answer = await self.fetch(ask)
            succeeded(dialect.name, answer)
            self._kept[name] = answer
        return self._kept[name]

    @contextmanager
    def playing(self, script: Script) -> Iterator[Case]:
        """Have the upstream play a script to the prompts that carry the yielded case's word."""
        if self.upstream is None:
            raise NotApplicable("needs --upstream-port")
        with self.upstream.playing(script) as case:
            yield case

    def told_by(self, case: Case, *, is_stream: bool = True, has_tools: bool = False, model: str | None = None) -> Turn:
        """Return the turn that the case's script answers."""
        turn = self.turn(f"Please answer {case.word}.", is_stream=is_stream, model=model)
        return evolve(turn, has_tools=has_tools)

    async def recover(self, dialect: Dialect) -> None:
        """Wait until an ordinary turn is answered again. Raises Failed after `recovery_s`; a second wait asks only once."""
        seen: object = "no answer"
        with trio.move_on_after(self.recovery_s):
            is_first = True
            while is_first or dialect.name not in self._given_up:
                is_first = False
                try:
                    seen = (await fetch(self.target, dialect.ask(self.turn(is_stream=False), self.key), self.limits)).status
                except NoAnswer as error:
                    seen = error
                if seen == OK:
                    self._given_up.discard(dialect.name)
                    return
                await trio.sleep(0.2)
        self._given_up.add(dialect.name)
        raise Failed(f"{self.recovery_s:g} s after a fault an ordinary turn still gets: {seen}")


def succeeded(name: str, answer: Answer) -> None:
    """Raise NotOffered or Failed unless the answer is a whole one with status 200."""
    if answer.status in NOT_OFFERED:
        raise NotOffered(f"{name} is not offered ({answer.status})")
    expect(answer.status == OK, f"{answer.status}: {short(answer.body.decode('utf-8', 'replace'))}")
    expect(answer.end is End.WHOLE, f"the body ended {answer.end} after {len(answer.body)} bytes")


def taken(dialect: Dialect, answer: Answer, *, is_stream: bool) -> None:
    """Raise Failed unless an answer succeeded and came to its end; its grammar is another check's business."""
    succeeded(dialect.name, answer)
    told = dialect.read(answer.body, is_stream=is_stream)
    expect(not told.error, f"the answer is an error: {told.error}")
    expect(told.is_closed, f"the answer has no end: {short(answer.body[-100:].decode('utf-8', 'replace'))}")


def read_success(dialect: Dialect, answer: Answer, *, is_stream: bool) -> Told:
    """Return what an answer said, which succeeded and kept its grammar. Raises Failed."""
    succeeded(dialect.name, answer)
    told = dialect.read(answer.body, is_stream=is_stream)
    expect(not told.violations, "; ".join(f"{one.rule}: {one.seen}" for one in told.violations[:3]))
    expect(not told.error, f"the answer is an error: {told.error}")
    return told
