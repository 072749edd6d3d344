"""What simulated models say: numbered words, so that whoever reads them sees what is missing and what came twice.

Also the texts that guards are for: calls written as text, thinking aloud, marks of templates, and how a model goes on with
an answer that another one has begun."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from tests.fakes.pieces import Wire
from tests.fakes.plans import Plan

ECHO_CHARS = 24  # a shorter repetition cannot be told from one that is meant (router/routing/continuation.py)
ANEW_CHARS = 60
PIECE = 5  # characters of a delta that cuts words
CALL_PATH = re.compile(r"call-([a-z]+)-[0-9]+\.txt")  # the only argument of a call that is written as text
THOUGHT, MARK = "ponder", "<|im_end|>"

FORMS: Mapping[str, str] = {
    "hermes": '<tool_call>\n{"name": "read_file", "arguments": {"path": "@"}}\n</tool_call>',
    "mistral": '[TOOL_CALLS][{"name": "read_file", "arguments": {"path": "@"}}]',
    "xml": "<tool_call>\n<function=read_file>\n<parameter=path>\n@\n</parameter>\n</function>\n</tool_call>",
    "fenced": '```json\n{"name": "read_file", "arguments": {"path": "@"}}\n```',
    "plain": '{"name": "read_file", "arguments": {"path": "@"}}',
}
TAGGED = frozenset({"hermes", "mistral", "xml"})
_WHOLE = re.compile(r"word([0-9]+)\s")
_LAST = re.compile(r"\S*\Z")


def words(first: int, count: int) -> str:
    """Return so many words, beginning with the one of that number."""
    return "".join(f"word{n} " for n in range(first, first + count))


def pieces(text: str, size: int = PIECE) -> tuple[str, ...]:
    """Return a text cut into pieces."""
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def text_call(rng: random.Random) -> Plan:
    """Return an answer whose call is written as text, at times behind some words, at times given twice."""
    form = rng.choice(tuple(FORMS))
    call = FORMS[form].replace("@", f"call-{form}-{rng.randrange(10_000)}.txt")
    text = rng.choice(("", "", words(0, 2).strip() + "\n")) + call
    if rng.random() < 0.15 and form == "hermes":
        text += "\n" + call
    return _spoken(rng, text)


def thoughts_aloud(rng: random.Random) -> Plan:
    """Return an answer that thinks in its text, or ends in a mark of its template."""
    said = words(0, rng.randint(1, 4))
    thought = "".join(f"{THOUGHT}{n} " for n in range(rng.randint(1, 4)))
    text = rng.choice((f"<think>{thought}</think>\n\n{said}", f"<think>\n{thought}</think>{said}{MARK}", f"{said}{MARK}"))
    return _spoken(rng, text)


def withered(rng: random.Random) -> Plan:
    """Return an answer of somebody who is tired: short, next to nothing, or ended for no known reason."""
    plan = Plan(deltas=1, head_after_s=rng.choice((0.2, 1.0)))
    return rng.choice((plan, evolve(plan, deltas=0), evolve(plan, texts=(" ",)), evolve(plan, stop="tired"), plan))


def torn_words(rng: random.Random, most: int) -> Plan:
    """Return an answer whose deltas cut its words."""
    text = words(0, min(most, rng.choice((4, 12, 30))))
    size = rng.choice((3, PIECE, 11))
    return Plan(texts=pieces(text, size), every_s=rng.choice((0.0, 0.2)), head_after_s=0.3)


def dripping(rng: random.Random) -> Plan:
    """Return an answer that comes slower than anybody wants to read."""
    return Plan(deltas=rng.choice((6, 16)), every_s=rng.choice((1.2, 2.5, 4.0)), head_after_s=0.5)


def within(plan: Plan, most: int) -> Plan:
    """Return the answer as it is under a limit of tokens: a model keeps to it."""
    return evolve(plan, deltas=min(plan.deltas, most))


def gone_on(plan: Plan, said: str, rng: random.Random) -> Plan:
    """Return what a model says that is given the beginning of its answer: the rest, at times all of it again, or otherwise.

    Where it would have called a tool in words, it goes on in plain ones."""
    rest = rest_of(said, max(plan.deltas, 2))
    luck = rng.random()
    if luck < 0.1 and len(said) >= ANEW_CHARS:
        rest = said[: ANEW_CHARS - 5] + " quite otherwise"
    elif luck < 0.45 and len(said) >= ECHO_CHARS:
        rest = said + rest
    return evolve(plan, texts=pieces(rest, rng.choice((4, 7, 100))), tools=(), reasoning=0)


def rest_of(said: str, count: int) -> str:
    """Return the numbered words that follow what was said, exact to the letter."""
    last = max((int(n) for n in _WHOLE.findall(said)), default=-1)
    tail = _LAST.search(said)
    begun = tail[0] if tail else ""
    following = words(last + 1, count)
    return following[len(begun) :] if following.startswith(begun) else " " + following


def started_answer(wire: Wire, body: Mapping[str, Any]) -> str:
    """Return the text of an answer that the request has begun, "" where it has begun none."""
    messages = body.get("messages") or [{}]
    last = messages[-1]
    if last.get("role") != "assistant":
        return ""
    content = last.get("content")
    if wire is Wire.ANTHROPIC and isinstance(content, list):
        return "".join(block.get("text", "") for block in content)
    return content if isinstance(content, str) else ""


def _spoken(rng: random.Random, text: str) -> Plan:
    """Return an answer of this text, in one delta or in pieces."""
    cut = pieces(text, rng.choice((3, 8, 1000)))
    return Plan(texts=cut, every_s=rng.choice((0.0, 0.1)), head_after_s=rng.choice((0.2, 0.8)))
