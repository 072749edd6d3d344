"""What agents talk about: short turns, tool rounds that may go in circles, and sessions that outgrow a window.

A conversation is kept without a dialect; `rendered` writes it as a client of either would."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import orjson
from attrs import define, evolve, field, frozen

from router.domain.request import DialectName

Json = dict[str, Any]

KEPT_TURNS = 6  # that a short conversation repeats
LONGEST = 60  # items after which a long one begins anew
MOST_ROUNDS = 14  # of tools behind one message of a person
LONG_RESULTS = 0.3  # share of the messages of a session with tools that are long
FILLER = "the build went on and the tests were read again, one by one, "
READ, RUN = "read_file", "run"
SCHEMAS: dict[str, Json] = {
    READ: {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    RUN: {"type": "object", "properties": {"argv": {"type": "array", "items": {"type": "string"}}}, "required": ["argv"]},
}


class Kind(StrEnum):
    """What somebody's sessions are like."""

    PLAIN = "plain"
    TOOLS = "tools"  # rounds of calls, each with its result, in circles at times
    LONG = "long"  # grows until it is refused, or cut


class Rut(StrEnum):
    """How the calls behind one message of a person go."""

    NONE = "none"  # each another
    SAME = "same"
    PAIRS = "pairs"
    TRIPLES = "triples"


_PERIODS = {Rut.SAME: 1, Rut.PAIRS: 2, Rut.TRIPLES: 3}


@frozen
class Said:
    """One message in words."""

    role: str
    text: str


@frozen
class Round:
    """Calls of one turn with their results."""

    ids: tuple[str, ...]
    name: str
    arguments: tuple[Json, ...]
    result: str


Item = Said | Round


@define(eq=False, kw_only=True)
class Conversation:
    """One session of one lane. `turn` gives the next request's messages, `refused` hears why it was refused."""

    rng: random.Random
    kind: Kind
    items: list[Item] = field(factory=list)
    calls: int = 0  # behind the last message of a person
    rut: Rut = Rut.NONE
    _turn: int = 0
    _number: int = 0
    _must_speak: bool = True

    def turn(self, mark: str) -> tuple[Item, ...]:
        """Return the conversation with one more turn; the mark stands in its last item."""
        self._turn += 1
        if self.kind is Kind.PLAIN or (self.kind is Kind.LONG and self.rng.random() < 0.6):
            return self._words(mark)
        if self._must_speak or self.calls >= MOST_ROUNDS or self.rng.random() < 0.15:
            return self._person(mark)
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            self._round()
        last = self.items[-1]
        assert isinstance(last, Round)
        return (*self.items[:-1], evolve(last, result=f"{last.result} {mark}"))

    @property
    def is_person_last(self) -> bool:
        """The last request ended with the words of a person."""
        return self.calls == 0

    def refused(self, code: str) -> None:
        """Do what a client does: ask the person, or make the conversation smaller."""
        self._must_speak = True
        if code == "too-long" and self.rng.random() < 0.7:
            self.items.clear()
            self.calls = 0

    def _words(self, mark: str) -> tuple[Item, ...]:
        if self.kind is Kind.LONG and len(self.items) > LONGEST:
            self.items.clear()
        self._finish_rounds()
        asked = (*self.items, Said("user", f"{mark}: go on{self._filler()}"))
        self.items += [Said("user", f"turn {self._turn}{self._filler()}"), Said("assistant", f"done{self._filler()}")]
        self.calls, self._must_speak = 0, True
        if self.kind is Kind.PLAIN:
            del self.items[: -2 * KEPT_TURNS]
        return asked

    def _person(self, mark: str) -> tuple[Item, ...]:
        if len(self.items) > LONGEST // 2:
            self.items.clear()
        is_beside = has_calls(self.items[-1:]) and self.rng.random() < 0.3  # words behind a result, without an answer between
        if not is_beside:
            self._finish_rounds()
        self.items.append(Said("user", f"do number {self._turn}{self._filler()}"))
        self.calls, self._must_speak = 0, False
        self.rut = self.rng.choice((Rut.NONE, Rut.NONE, Rut.SAME, Rut.PAIRS, Rut.TRIPLES))
        return (*self.items[:-1], Said("user", f"{mark}: do number {self._turn}"))

    def _round(self) -> None:
        period = _PERIODS.get(self.rut)
        number = self._number if period is None else self.calls % period
        count = 2 if period is None and self.rng.random() < 0.2 else 1
        arguments: tuple[Json, ...] = tuple({"path": f"file{number + n}.txt"} for n in range(count))
        name = READ
        if number % 3 == 1 and count == 1:
            name, arguments = RUN, ({"argv": ["ls", str(number)]},)
        ids = tuple(f"toolu_{self._number + n}" for n in range(count))
        self._number += count
        self.calls += count
        self.items.append(Round(ids, name, arguments, f"result {self._number}{self._filler()}"))

    def _finish_rounds(self) -> None:
        if self.items and (isinstance(self.items[-1], Round) or self.items[-1].role == "user"):
            self.items.append(Said("assistant", "done"))

    def _filler(self) -> str:
        if self.kind is Kind.PLAIN or (self.kind is Kind.TOOLS and self.rng.random() > LONG_RESULTS):
            return ""
        return ": " + FILLER * self.rng.randint(1, 12)


def rendered(items: Sequence[Item], dialect: DialectName) -> list[Json]:
    """Return the messages array of a client of this dialect."""
    return list(_chat(items) if dialect is DialectName.OPENAI_CHAT else _merged(_anthropic(items)))


def tools(dialect: DialectName) -> list[Json]:
    """Return the tools that agents declare."""
    if dialect is DialectName.OPENAI_CHAT:
        return [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()]
    return [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()]


def has_calls(items: Sequence[Item]) -> bool:
    """Tell whether the request has to declare its tools."""
    return any(isinstance(item, Round) for item in items)


def _chat(items: Sequence[Item]) -> Iterator[Json]:
    for item in items:
        if isinstance(item, Said):
            yield {"role": item.role, "content": item.text}
            continue
        told = [
            {"id": call, "type": "function", "function": {"name": item.name, "arguments": orjson.dumps(given).decode()}}
            for call, given in zip(item.ids, item.arguments, strict=True)
        ]
        yield {"role": "assistant", "content": None, "tool_calls": told}
        yield from ({"role": "tool", "tool_call_id": call, "content": item.result} for call in item.ids)


def _anthropic(items: Sequence[Item]) -> Iterator[Json]:
    for item in items:
        if isinstance(item, Said):
            yield {"role": item.role, "content": [{"type": "text", "text": item.text}]}
            continue
        used = zip(item.ids, item.arguments, strict=True)
        yield {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": call, "name": item.name, "input": given} for call, given in used],
        }
        yield {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call, "content": item.result} for call in item.ids],
        }


def _merged(messages: Iterator[Json]) -> Iterator[Json]:
    """Yield messages that take turns: what one side says in a row is one message."""
    last: Json | None = None
    for message in messages:
        if last is not None and last["role"] == message["role"]:
            last["content"] += message["content"]
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last
