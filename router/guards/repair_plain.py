"""Recognisers of calls that nothing marks as such: P1 to P3 of wire.md 14.5, whole and by their first few characters."""

from __future__ import annotations

import re

from router.guards.repair_pythonic import call_list
from router.guards.repair_reading import Outcome, Reading, Steps, finish
from router.guards.repair_rules import RepairRules
from router.guards.repair_shape import ALL_KEYS, NAME_KEYS, TYPES, calls_in
from router.guards.repair_tagged import tagged
from router.guards.repair_tools import NAME, RepairedCall, ToolTable
from router.wire.lenient_json import STRING_ENDS

_KEY = re.compile(r"\w*+")
_SCALAR = re.compile(r"[^\s,{}\[\]]*+")
_CLOSING_QUOTES = {opener: re.compile(f"[{ends}]") for opener, ends in STRING_ENDS.items()}
_MAX_MEMBERS = 6  # of an object, that are looked at before its end is known
_MAX_NAME = 200
_SEPARATORS = (",", ";")


def fits(calls: tuple[RepairedCall, ...], rules: RepairRules) -> bool:
    """Tell whether every call fits the schema of its tool; eager repair does not ask."""
    return rules.is_eager or all(rules.tools.exact[call.name].fits(call.input) for call in calls)


def begins_calls(reading: Reading, at: int, rules: RepairRules) -> Steps[bool]:
    """Tell, from as little text as possible, whether calls may begin at `at`: JSON, call syntax or tags."""
    head = reading.text[at : at + 1]
    if head == "<":
        return True
    if head == "[":
        at = yield from reading.skip(at + 1)
        head = reading.text[at : at + 1]
    if head == "{":
        return not rules.is_strict and (yield from begins_object(reading, at, rules.tools))
    return not rules.is_strict and (yield from begins_syntax(reading, at, rules.tools))


def begins_syntax(reading: Reading, at: int, tools: ToolTable) -> Steps[bool]:
    """Tell whether the name of a tool and a parenthesis stand at `at`."""
    while True:
        end = NAME.match(reading.text, at).end()  # type: ignore[union-attr] # a repetition matches everywhere
        word = reading.text[at:end]
        if not tools.may_call(word):
            return False
        if end < len(reading.text):
            break
        if not (yield from reading.more()):
            return False
    if reading.text[end] != "(":
        return False
    return tools.resolve(word) is not None or word == "print"


def begins_object(reading: Reading, at: int, tools: ToolTable) -> Steps[bool]:
    """Tell whether the object at `at` may be a call, from its first keys and the name in it."""
    at = yield from reading.skip(at + 1)
    if reading.text.startswith("{", at):
        at = yield from reading.skip(at + 1)
    for _ in range(_MAX_MEMBERS):
        key, at = yield from _key(reading, at)
        if key is None:
            return False
        is_decisive = key in NAME_KEYS or key == "type"
        head = reading.text[at : at + 1]
        if head in ("{", "["):
            return key == "function" or not is_decisive
        if head and head in STRING_ENDS:
            if not is_decisive:
                return True
            end = yield from reading.find(_CLOSING_QUOTES[head], at + 1, longest=1, within=_MAX_NAME)
            value = reading.text[at + 1 : end.start()] if end else ""
            if value not in TYPES if key == "type" else tools.resolve(value) is None:
                return False
            at = end.end() if end else at + 1
        elif is_decisive:
            return False
        else:
            at = yield from reading.word(_SCALAR, at)
        at = yield from reading.skip(at)
        if not reading.text.startswith(",", at):
            return True
        at = yield from reading.skip(at + 1)
    return True


def bare_json(reading: Reading, at: int, rules: RepairRules) -> Steps[Outcome]:
    """Return the calls of the JSON values that follow each other from `at` on: all of them are calls, or none is."""
    calls: tuple[RepairedCall, ...] = ()
    while True:
        span = yield from reading.value(at)
        found = calls_in(reading.parsed(span), rules.tools, "P2", is_tagged=False)
        if not found or not fits(found, rules):
            return Outcome(span.at, is_open=reading.stays_open(span))
        calls += found
        at = yield from reading.skip(span.at)
        if reading.text[at : at + 1] in _SEPARATORS:
            at = yield from reading.skip(at + 1)
        if reading.text[at : at + 1] != "{":
            return Outcome(span.at, calls)


def call_lines(reading: Reading, at: int, rules: RepairRules) -> Steps[Outcome | None]:
    """Return the calls of call syntax that stand alone on the lines from `at` on."""
    calls: tuple[RepairedCall, ...] = ()
    end = at
    while True:
        outcome = yield from call_list(reading, at, rules.tools, "P3")
        if outcome is None or not outcome.calls:
            return Outcome(end, calls) if calls else outcome
        line_end = yield from reading.skip(outcome.end, in_line=True)
        if not (line_end == len(reading.text) or reading.text[line_end] in "\r\n") or not fits(outcome.calls, rules):
            return Outcome(end, calls) if calls else None
        calls += outcome.calls
        end = outcome.end
        at = yield from reading.skip(line_end)


def whole_calls(text: str, rules: RepairRules, *, is_cut: bool) -> tuple[RepairedCall, ...]:
    """Return the calls that a text consists of and of nothing else, () if it does not: the body of a fence, a span of code."""
    reading = Reading(text=text, is_over=True, is_cut=is_cut)
    calls: tuple[RepairedCall, ...] = ()
    at = finish(reading.skip(0))
    while at < len(text):
        outcome = finish(_next_in_whole(reading, at, rules))
        if outcome is None or not outcome.calls or not fits(outcome.calls, rules):
            return ()
        calls += outcome.calls
        at = finish(reading.skip(outcome.end))
        if text[at : at + 1] in _SEPARATORS:
            at = finish(reading.skip(at + 1))
    return calls


def _next_in_whole(reading: Reading, at: int, rules: RepairRules) -> Steps[Outcome | None]:
    if reading.text[at] == "<":
        return (yield from tagged(reading, at, rules.tools))
    if rules.is_strict:
        return None
    inner = yield from reading.skip(at + 1)
    if reading.text[at] == "{" or reading.text.startswith("{", inner):
        span = yield from reading.value(at)
        return Outcome(span.at, calls_in(reading.parsed(span), rules.tools, "P1", is_tagged=False) or ())
    return (yield from call_list(reading, at, rules.tools, "P1"))


def _key(reading: Reading, at: int) -> Steps[tuple[str | None, int]]:
    """Return the key at `at` and where its value begins; None as soon as it is no key of a call."""
    quote = reading.text[at : at + 1]
    ends = STRING_ENDS.get(quote, "") if quote else ""
    begin = at + bool(ends)
    while True:
        end = _KEY.match(reading.text, begin).end()  # type: ignore[union-attr] # a repetition matches everywhere
        key = reading.text[begin:end]
        if not any(known.startswith(key) for known in ALL_KEYS):
            return None, end
        if end < len(reading.text):
            break
        if not (yield from reading.more()):
            return None, end
    if key not in ALL_KEYS or (ends and reading.text[end] not in ends):
        return None, end
    colon = yield from reading.skip(end + bool(ends))
    if reading.text[colon : colon + 1] != ":":
        return None, colon
    return key, (yield from reading.skip(colon + 1))
