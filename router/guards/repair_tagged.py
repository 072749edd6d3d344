"""Recognisers of calls that are marked as such (wire.md 14.5): which form begins here, and those whose arguments are JSON.

A container (`<tool_call>`, `<function_calls>`) whose first element is a call of another form is just skipped: the next
elements are candidates of their own, and closing tags that stand alone after a call are eaten by the scanner."""

from __future__ import annotations

import re
from collections.abc import Callable

from router.guards.repair_pythonic import call_list
from router.guards.repair_reading import MISSING_CLOSERS, Outcome, Reading, Steps
from router.guards.repair_shape import call_of, calls_in
from router.guards.repair_tools import RepairedCall, ToolTable
from router.guards.repair_xml import call_with_pairs, function_equals, tag_with_attributes

_BARS = ("\uff5c", "|")
_GAPS = ("\u2581", "_")


def _deepseek(words: str) -> tuple[str, ...]:
    """Return the spellings of one of DeepSeek's marks: bars full-width or ASCII, gaps blocks or underscores."""
    return tuple(f"<{bar}{words.replace(' ', gap)}{bar}>" for bar in _BARS for gap in _GAPS)


_WRAPPERS = ("<tool_call>", "<tool_calls>", "<tool>", "<function_call>", "<function_calls>")
_CALLS_BEGIN = _deepseek("tool calls begin")
_CALL_BEGIN = _deepseek("tool call begin")
_CALL_END = _deepseek("tool call end")
_SEPARATOR = re.compile("|".join(map(re.escape, _deepseek("tool sep"))))
_SEPARATOR_LENGTH = 12
_PHI = "<|tool_call|>"
_LLAMA = "<|python_tag|>"
_HARMONY = "<|channel|>commentary"
_HARMONY_HEAD = re.compile(r"\s+to=([\w.\-/]+)[^<]{0,40}(?:<\|constrain\|>[^<]{0,20})?<\|message\|>\s*", re.IGNORECASE)
MISTRAL = "[tool_calls]"
_MISTRAL_HEAD = re.compile(r"\s*([\w.\-/]+)\s*(?:\[CALL_ID\]\w+\s*)?(?:\[ARGS\])?\s*\{")
FUNCTOOLS = "functools"

# what may be left over right after a call: closing tags of containers, and the marks that end a turn of calls
CLOSERS = (
    "</tool_call>",
    "</tool_calls>",
    "</tool>",
    "</function_call>",
    "</function_calls>",
    "</function>",
    "</invoke>",
    "<|/tool_call|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|call|>",
    "[/tool_calls]",
    *_CALL_END,
    *_deepseek("tool calls end"),
)

_FENCE = "```"
_INFO = re.compile(r"\w*+")
_NAME_LINE = re.compile(r"\s*([\w.\-/]+)\s*\n")
_MAX_NESTED = 3  # containers around one call
_MAX_HEAD = 256  # characters of a name with what belongs to it

Recogniser = Callable[[Reading, int, ToolTable], Steps[Outcome | None]]


def tagged(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return what the tag that begins at `at` says, None if it is none of a call."""
    is_glm = False
    for _ in range(_MAX_NESTED):
        opener = yield from reading.starts(at, *OPENERS)
        if opener is None:
            return None
        behind = at + len(opener)
        if opener in _RECOGNISERS:
            return (yield from _RECOGNISERS[opener](reading, behind, tools))
        is_glm = opener == _WRAPPERS[0]
        at = yield from reading.skip(behind)
        if reading.text[at : at + 1] != "<":
            break
    if is_glm and reading.text[at : at + 1].isidentifier():
        return (yield from call_with_pairs(reading, at, tools))
    return (yield from _json_in_tag(reading, at, tools))


def mistral(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return the calls behind `[TOOL_CALLS]`: an array, or a name with its arguments."""
    at = yield from reading.skip(at)
    if reading.text[at : at + 1] in ("[", "{"):
        return (yield from json_calls(reading, at, tools, "T5"))
    head = yield from reading.head(_MISTRAL_HEAD, at, last="{", longest=_MAX_HEAD)
    if head is None:
        return None
    return (yield from _arguments(reading, head[1], head.end() - 1, tools, "T5"))


def array_of_calls(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return the calls of the array behind `functools` or Phi's mark."""
    at = yield from reading.skip(at)
    if reading.text[at : at + 1] != "[":
        return None
    return (yield from json_calls(reading, at, tools, "T5"))


def json_calls(reading: Reading, at: int, tools: ToolTable, form: str) -> Steps[Outcome]:
    """Return the calls of the one JSON value that begins at `at`, in a place that is marked as a call's."""
    span = yield from reading.value(at)
    value = reading.parsed(span, missing_closers=MISSING_CLOSERS)
    calls = calls_in(value, tools, form, is_tagged=True)
    return Outcome(span.at, calls) if calls else Outcome(span.at, is_open=reading.stays_open(span))


def _json_in_tag(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return the calls of all JSON values up to the closing tag, which may be missing before another tag or at the end."""
    if reading.text.startswith("`", at):
        at = yield from _skip_fence(reading, at)
    calls: tuple[RepairedCall, ...] = ()
    end = at
    while reading.text[at : at + 1] in ("[", "{"):
        outcome = yield from json_calls(reading, at, tools, "T1")
        if not outcome.calls:
            return outcome
        calls += outcome.calls
        end = outcome.end
        at = yield from reading.skip(end)
        if reading.text.startswith(",", at):
            at = yield from reading.skip(at + 1)
    if not calls:
        return None
    if (yield from reading.starts(at, _FENCE)):
        end = at + len(_FENCE)
        at = yield from reading.skip(end)
    closer = yield from reading.starts(at, *CLOSERS)
    if closer is not None:
        return Outcome(at + len(closer), calls)
    is_alone = at == len(reading.text) or reading.text[at] == "<" or "\n" in reading.text[end:at]
    return Outcome(end, calls if is_alone else ())


def _skip_fence(reading: Reading, at: int) -> Steps[int]:
    """Return where the body of a fence begins, `at` if none stands there."""
    if not (yield from reading.starts(at, _FENCE)):
        return at
    end = yield from reading.word(_INFO, at + len(_FENCE))
    return (yield from reading.skip(end))


def _python_tag(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    at = yield from reading.skip(at)
    if reading.text[at : at + 1] == "{":
        return (yield from json_calls(reading, at, tools, "T6"))
    if reading.text[at : at + 1] == "[":
        inner = yield from reading.skip(at + 1)
        if reading.text[inner : inner + 1] == "{":
            return (yield from json_calls(reading, at, tools, "T6"))
    return (yield from call_list(reading, at, tools, "T6", is_tagged=True))


def _deepseek_call(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    """Return one call: its name before the mark and JSON behind it, or its name in the line behind and JSON in a fence."""
    separator = yield from reading.find(_SEPARATOR, at, longest=_SEPARATOR_LENGTH, within=_MAX_HEAD)
    if separator is None:
        return None
    name = reading.text[at : separator.start()].strip()
    at = separator.end()
    if name == "function":
        line = yield from reading.head(_NAME_LINE, at, last="\n", longest=_MAX_HEAD)
        if line is None:
            return None
        name, at = line[1], line.end()
    at = yield from reading.skip(at)
    at = yield from _skip_fence(reading, at)
    if reading.text[at : at + 1] != "{":
        return None
    outcome = yield from _arguments(reading, name, at, tools, "T7")
    if outcome is None or not outcome.calls:
        return outcome
    at = yield from reading.skip(outcome.end)
    if (yield from reading.starts(at, _FENCE)):
        return Outcome(at + len(_FENCE), outcome.calls)
    return outcome


def _harmony(reading: Reading, at: int, tools: ToolTable) -> Steps[Outcome | None]:
    head = yield from reading.head(_HARMONY_HEAD, at, last="<|message|>", longest=_MAX_HEAD)
    if head is None:
        return None
    at = yield from reading.skip(head.end())
    if reading.text[at : at + 1] != "{":
        return None
    return (yield from _arguments(reading, head[1], at, tools, "T9"))


def _arguments(reading: Reading, name: str, at: int, tools: ToolTable, form: str) -> Steps[Outcome | None]:
    """Return the call of `name` whose argument object begins at `at`."""
    shape = tools.resolve(name)
    if shape is None:
        return None
    span = yield from reading.value(at)
    value = reading.parsed(span, missing_closers=MISSING_CLOSERS)
    call = call_of(shape, shape.typed_json(value), form) if isinstance(value, dict) else None
    if call is None:
        return Outcome(span.at, is_open=reading.stays_open(span))
    return Outcome(span.at, (call,))


_RECOGNISERS: dict[str, Recogniser] = {
    "<function=": function_equals,
    "<invoke ": tag_with_attributes,
    "<function ": tag_with_attributes,
    "<tool ": tag_with_attributes,
    "<tool_call ": tag_with_attributes,
    _PHI: array_of_calls,
    _LLAMA: _python_tag,
    _HARMONY: _harmony,
    **dict.fromkeys(_CALL_BEGIN, _deepseek_call),
}
OPENERS = (*_RECOGNISERS, *_WRAPPERS, *_CALLS_BEGIN)
