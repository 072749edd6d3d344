"""Call syntax as models write it, `NAME(key=value, ...)`: read, never run (wire.md 14.5, P3 and T6)."""

from __future__ import annotations

import re

from router.guards.repair_reading import Outcome, Reading, Steps
from router.guards.repair_shape import call_of
from router.guards.repair_tools import NAME, RepairedCall, ToolTable
from router.wire.lenient_json import STRING_ENDS, parse

_KEY = re.compile(r"\w*+")
_SCALAR = re.compile(r"[\w.+\-]*+")
_LONG_QUOTES = {quote * 3: re.compile(quote * 3) for quote in ('"', "'")}
_ESCAPED_LINE = re.compile(r"\\\n")
_NO_VALUE = object()
_MAX_NAME = 160

_Arguments = dict[str, object]


def call_list(reading: Reading, at: int, tools: ToolTable, form: str, *, is_tagged: bool = False) -> Steps[Outcome | None]:
    """Return the calls of `NAME(...)`, `[NAME(...), ...]` or `print(NAME(...))` at `at`.

    `is_tagged`: arguments may be missing, and need not fit the schema."""
    if reading.text[at : at + 1] != "[":
        return (yield from _printed(reading, at, tools, form, is_tagged=is_tagged))
    calls: tuple[RepairedCall, ...] = ()
    while True:
        at = yield from reading.skip(at + 1)
        outcome = yield from _call(reading, at, tools, form, is_tagged=is_tagged)
        if outcome is None or not outcome.calls:
            return outcome
        calls += outcome.calls
        at = yield from reading.skip(outcome.end)
        if reading.text[at : at + 1] == "]":
            return Outcome(at + 1, calls)
        if reading.text[at : at + 1] != ",":
            return Outcome(at, is_open=at == len(reading.text))


def _printed(reading: Reading, at: int, tools: ToolTable, form: str, *, is_tagged: bool) -> Steps[Outcome | None]:
    end = yield from reading.word(NAME, at)
    begin = at
    if reading.text[at:end] == "print" and reading.text.startswith("(", end):
        begin = yield from reading.skip(end + 1)
        end = yield from reading.word(NAME, begin)
    if begin in (at, end) or not reading.text.startswith("(", end):  # no other name in the parentheses
        return (yield from _call(reading, at, tools, form, is_tagged=is_tagged))
    at = begin
    outcome = yield from _call(reading, at, tools, form, is_tagged=is_tagged)
    if outcome is None or not outcome.calls:
        return outcome
    at = yield from reading.skip(outcome.end)
    return Outcome(at + 1, outcome.calls if reading.text[at : at + 1] == ")" else (), is_open=at == len(reading.text))


def _call(reading: Reading, at: int, tools: ToolTable, form: str, *, is_tagged: bool) -> Steps[Outcome | None]:
    """Return the one call at `at`; None as soon as it cannot be one."""
    end = yield from reading.word(NAME, at)
    if end - at > _MAX_NAME or reading.text[end : end + 1] != "(":
        return None
    shape = tools.resolve(reading.text[at:end])
    if shape is None:
        return None
    at = yield from reading.skip(end + 1)
    arguments: _Arguments | None = {}
    if reading.text[at : at + 1] == "{":
        span = yield from reading.value(at)
        value = reading.parsed(span)
        at = yield from reading.skip(span.at)
        arguments = value if isinstance(value, dict) else None
    elif reading.text[at : at + 1] != ")":
        arguments, at = yield from _keywords(reading, at)
    if arguments is None or reading.text[at : at + 1] != ")":
        return Outcome(at, is_open=True) if at == len(reading.text) else None
    if not arguments and not (is_tagged and not shape.required):
        return None
    call = call_of(shape, shape.typed_json(arguments), form)
    return Outcome(at + 1, (call,)) if call else None


def _keywords(reading: Reading, at: int) -> Steps[tuple[_Arguments | None, int]]:
    """Return the arguments up to the closing parenthesis and where it stands; None and where the doubt is."""
    arguments: _Arguments = {}
    while reading.text[at : at + 1] != ")":
        end = yield from reading.word(_KEY, at)
        key = reading.text[at:end]
        at = yield from reading.skip(end)
        if not key.isidentifier() or key in arguments or reading.text[at : at + 1] not in ("=", ":"):
            return None, at
        at = yield from reading.skip(at + 1)
        value, at = yield from _value(reading, at)
        if value is _NO_VALUE:
            return None, at
        arguments[key] = value
        at = yield from reading.skip(at)
        if reading.text[at : at + 1] == ",":
            at = yield from reading.skip(at + 1)
        elif reading.text[at : at + 1] != ")":
            return None, at
    return arguments, at


def _value(reading: Reading, at: int) -> Steps[tuple[object, int]]:
    head = reading.text[at : at + 1]
    if head in ("{", "["):
        span = yield from reading.value(at)
        return _parsed(reading.text[at : span.at]) if span.is_whole else _NO_VALUE, span.at
    quotes = yield from reading.starts(at, *_LONG_QUOTES)
    if quotes is not None:
        found = yield from reading.find(_LONG_QUOTES[quotes], at + 3, longest=3)
        if found is None:
            return _NO_VALUE, len(reading.text)
        return _ESCAPED_LINE.sub("", reading.text[at + 3 : found.start()]), found.end()
    if head and head in STRING_ENDS:
        end = yield from reading.string_end(at)
        return (_NO_VALUE, len(reading.text)) if end is None else (_parsed(reading.text[at:end]), end)
    end = yield from reading.word(_SCALAR, at)
    return _parsed(reading.text[at:end]), end


def _parsed(text: str) -> object:
    try:
        return parse(text)
    except ValueError:
        return _NO_VALUE
