"""Recognisers of calls whose arguments stand in tags of their own: T2, T3, T4, T8 and N1 of wire.md 14.5."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from attrs import frozen

from router.guards.repair_reading import MISSING_CLOSERS, Outcome, Reading, Steps
from router.guards.repair_shape import ARGUMENT_KEYS, call_of
from router.guards.repair_tools import NAME, ToolShape, ToolTable
from router.wire.lenient_json import parse

_MAX_HEAD = 256  # characters of an opening tag
_MAX_CLOSER = 80  # characters of a tag that ends a value, and of one that it may be taken for
_NAME_HEAD = re.compile(r"\s*[\"']?([\w.\-/:]+)[\"']?\s*>")
_WORD = re.compile(r"[\w.\-:]*+")
_QUOTES = {quote: re.compile(quote) for quote in ('"', "'")}
_KEY_END = re.compile(r"</arg_key>\s{0,16}<arg_value>")
_VALUE_END = re.compile(r"</arg_value>")
_ENTITY = re.compile(r"&(?:lt|gt|quot|apos|amp|#39|#x27);")


@frozen(kw_only=True)
class _Style:
    """How one family writes a parameter: `ends` is what ends its value, the closing tag first."""

    form: str
    opener: str
    head: re.Pattern[str]
    ends: re.Pattern[str]
    closer: str
    has_entities: bool = False


_EQUALS = _Style(
    form="T2",
    opener="<parameter=",
    head=_NAME_HEAD,
    ends=re.compile(r"</parameter>|<parameter=[\w.\-]{1,64}>|</function>|<function=[\w.\-/:]{1,64}>|</?tool_call>"),
    closer="</parameter>",
)
_NAMED = _Style(
    form="T3",
    opener="<parameter ",
    head=re.compile(r"\s*name\s*=\s*[\"']([\w.\-]+)[\"'][^<>]*>"),
    ends=re.compile(r"</parameter>"),
    closer="</parameter>",
    has_entities=True,
)


def function_equals(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return the call of `<function=NAME>`, whose closing tags may be missing."""
    head = yield from reading.head(_NAME_HEAD, at, last=">", longest=_MAX_HEAD)
    shape = tools.resolve(head[1]) if head is not None else None
    if head is None or shape is None:
        return None
    return (yield from _body(reading, head.end(), shape, _EQUALS))


def tag_with_attributes(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return the call of a tag with the attribute `name`: arguments in another attribute (T4) or in the tag (T3)."""
    found = yield from _attributes(reading, at)
    shape = tools.resolve(found.values.get("name", "")) if found is not None else None
    if found is None or shape is None:
        return None
    keys = found.values.keys() & ARGUMENT_KEYS
    if not keys and not found.is_closed:
        return (yield from _body(reading, found.end, shape, _NAMED))
    if len(keys) > 1 or (not keys and shape.required):
        return Outcome(found.end)
    arguments = _object(found.values[keys.pop()]) if keys else {}
    call = call_of(shape, shape.typed_json(arguments), "T4") if arguments is not None else None
    return Outcome(found.end, (call,) if call else ())


def call_with_pairs(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return GLM's call: the name at `at`, then pairs of `<arg_key>` and `<arg_value>`."""
    end = yield from reading.word(NAME, at)
    shape = tools.resolve(reading.text[at:end])
    if shape is None:
        return None
    texts: dict[str, str] = {}
    at = end
    while True:
        at = yield from reading.skip(at)
        option = yield from reading.starts(at, "<arg_key>", "</tool_call>", "<tool_call>")
        if option != "<arg_key>":
            break
        key = yield from reading.find(_KEY_END, at, longest=_MAX_CLOSER, within=_MAX_HEAD)
        if key is None:
            return Outcome(len(reading.text), is_open=True)
        value = yield from reading.find(_VALUE_END, key.end(), longest=_MAX_CLOSER)
        if value is None:
            return Outcome(len(reading.text), is_open=True)
        texts[reading.text[at + len("<arg_key>") : key.start()].strip()] = _trimmed(reading.text[key.end() : value.start()])
        at = value.end()
    is_ended = option is not None or (at == len(reading.text) and texts and not reading.is_cut)
    if not is_ended or (not texts and shape.required):
        return Outcome(at) if texts else None
    call = call_of(shape, shape.typed_texts(texts), "T8")
    return Outcome(at + (len(option) if option == "</tool_call>" else 0), (call,) if call else ())


def named_tag(reading: Reading, at: int, shape: ToolShape) -> Steps[Outcome | None]:
    """Return the call of a tag that is named like a tool; `at` is behind the name (N1)."""
    if reading.text[at : at + 1] != ">":
        found = yield from _attributes(reading, at)
        if found is None or not found.is_closed or not found.values:
            return None
        call = call_of(shape, shape.typed_texts(found.values), "N1")
        return Outcome(found.end, (call,) if call else ())
    at = yield from reading.skip(at + 1)
    if reading.text[at : at + 1] != "{":
        return None
    span = yield from reading.value(at)
    value = reading.parsed(span)
    at = yield from reading.skip(span.at)
    closer = yield from reading.starts(at, f"</{shape.name.lower()}>")
    call = call_of(shape, shape.typed_json(value), "N1") if isinstance(value, dict) and closer else None
    if call is None or closer is None:
        return Outcome(span.at, is_open=reading.stays_open(span))
    return Outcome(at + len(closer), (call,))


def _body(reading: Reading, at: int, shape: ToolShape, style: _Style) -> Steps[Outcome | None]:
    """Return the call whose parameters, or whose one JSON object, begin at `at`."""
    start = at
    at = yield from reading.skip(at)
    if reading.text[at : at + 1] == "{":
        return (yield from _json_body(reading, at, shape, style))
    texts: dict[str, str] = {}
    while True:
        at = yield from reading.skip(at)
        option = yield from reading.starts(
            at, style.opener, "</function>", "</invoke>", "<function", "<tool_call>", "</tool_call>"
        )
        if option != style.opener:
            break
        head = yield from reading.head(style.head, at + len(option), last=">", longest=_MAX_HEAD)
        if head is None:
            return Outcome(at) if texts else None
        end = yield from reading.find(style.ends, head.end(), longest=_MAX_CLOSER)
        if end is None and (style is _NAMED or reading.is_cut):
            return Outcome(len(reading.text), is_open=True)
        value = _trimmed(reading.text[head.end() : end.start()] if end else reading.text[head.end() :].rstrip("\r\n"))
        texts[head[1]] = _decoded(value) if style.has_entities else value
        at = len(reading.text) if end is None else end.end() if end[0] == style.closer else end.start()
    is_closed = option in ("</function>", "</invoke>")
    is_ended = is_closed or (style is _EQUALS and (option is not None or (at == len(reading.text) and not reading.is_cut)))
    if not is_ended or (not texts and shape.required):
        return Outcome(max(at, start)) if texts else None
    call = call_of(shape, shape.typed_texts(texts), style.form)
    return Outcome(at + (len(option) if option and is_closed else 0), (call,) if call else ())


def _json_body(reading: Reading, at: int, shape: ToolShape, style: _Style) -> Steps[Outcome]:
    span = yield from reading.value(at)
    value = reading.parsed(span, missing_closers=MISSING_CLOSERS)
    call = call_of(shape, shape.typed_json(value), style.form) if isinstance(value, dict) else None
    if call is None:
        return Outcome(span.at, is_open=reading.stays_open(span))
    at = yield from reading.skip(span.at)
    closer = yield from reading.starts(at, "</function>", "</invoke>")
    return Outcome(at + len(closer) if closer else span.at, (call,))


@frozen(kw_only=True)
class _Attributes:
    values: Mapping[str, str]
    end: int
    is_closed: bool  # by `/>`


def _attributes(reading: Reading, at: int) -> Steps[_Attributes | None]:
    """Return the attributes of a tag up to its end, None if they are not well written."""
    values: dict[str, str] = {}
    while True:
        at = yield from reading.skip(at)
        if reading.text[at : at + 1] in ("/", ">"):
            option = yield from reading.starts(at, "/>", ">")
            return _Attributes(values=values, end=at + len(option), is_closed=option == "/>") if option else None
        end = yield from reading.word(_WORD, at)
        key = reading.text[at:end]
        at = yield from reading.skip(end)
        if not key or key in values or reading.text[at : at + 1] != "=":
            return None
        at = yield from reading.skip(at + 1)
        quote = reading.text[at : at + 1]
        if quote not in ('"', "'"):
            return None
        begin = at + 1
        close = yield from _closing_quote(reading, begin, quote)
        if close is None:
            return None
        values[key] = reading.text[begin:close]
        at = close + 1


def _closing_quote(reading: Reading, at: int, quote: str) -> Steps[int | None]:
    """Return where the value that begins at `at` ends: JSON in it may hold the same quotes."""
    first = yield from reading.skip(at)
    if reading.text[first : first + 1] == "{":
        span = yield from reading.value(first)
        end = yield from reading.skip(span.at)
        if span.is_whole and reading.text[end : end + 1] == quote:
            return end
    found = yield from reading.find(_QUOTES[quote], at, longest=1)
    return found.start() if found else None


def _object(text: str) -> Mapping[str, object] | None:
    """Return the object that an attribute holds, as it is or behind entities."""
    for spelling in (text, _decoded(text)):
        try:
            value = parse(spelling)
        except ValueError:
            continue
        return value if isinstance(value, dict) else None
    return None


def _decoded(text: str) -> str:
    return _ENTITY.sub(lambda found: unescape(found[0]), text)


def _trimmed(value: str) -> str:
    """Return a value without the one line break that the layout puts on either side of it."""
    return value.removeprefix("\r").removeprefix("\n").removesuffix("\n").removesuffix("\r")
