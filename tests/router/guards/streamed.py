"""One text through the stage, in pieces."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

import orjson
from attrs import evolve, frozen

from router.domain.events import NeutralEvent, SaidCall, SaidText, Stopped, StopReason, TextDelta, fold
from router.guards.repair_rules import RepairRules
from router.guards.tool_repair import ToolRepair
from tests.router.guards.repair_tools import TOOLS

BALANCED = RepairRules.of(TOOLS, mode="balanced")

Calls = list[tuple[str, dict[str, object]]]


@frozen(kw_only=True)
class Heard:
    """What a client hears of one answer."""

    text: str
    calls: Calls
    reason: StopReason
    gave_up: bool = False


def heard(pieces: Iterable[str], rules: RepairRules = BALANCED, *, reason: StopReason = StopReason.END) -> Heard:
    """Return what a client hears of an answer in pieces."""
    stage = ToolRepair(rules)
    events: list[NeutralEvent] = []
    for piece in pieces:
        events += stage.feed(TextDelta(piece))
    events += stage.feed(Stopped(reason=reason))
    reply = fold(events)
    calls: Calls = [(block.name, orjson.loads(block.json_text)) for block in reply.blocks if isinstance(block, SaidCall)]
    assert sum(stage.forms.values()) == len(calls)
    text = "".join(block.text for block in reply.blocks if isinstance(block, SaidText))
    return Heard(text=text, calls=calls, reason=reply.reason, gave_up=stage.gave_up)


def whole(text: str, rules: RepairRules = BALANCED, *, is_cut: bool = False) -> Heard:
    """Return what is made of a text that comes in one piece, tidy where calls were taken out of it."""
    said = heard([text], rules, reason=StopReason.LENGTH if is_cut else StopReason.END)
    return evolve(said, text=tidy(said.text)) if said.calls else said


def tidy(text: str) -> str:
    """Return a text without blanks before line ends and with one empty line at most: the vectors say theirs so (wire.md 14.1)."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<![^\S\n])[^\S\n]++(?=\n)", "", text)).strip()


def pieces_of(text: str, rng: random.Random, longest: int) -> Iterator[str]:
    """Yield the text in pieces of one to `longest` characters."""
    at = 0
    while at < len(text):
        size = rng.randint(1, longest)
        yield text[at : at + size]
        at += size


def assert_same(streamed: Heard, expected: Heard) -> None:
    """Fail unless a stream says what the whole text says, but for white space in what was let go (wire.md 14.10)."""
    assert streamed.calls == expected.calls
    assert (tidy(streamed.text) if streamed.calls else streamed.text) == expected.text
