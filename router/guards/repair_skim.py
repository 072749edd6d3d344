"""Where prose goes on: places that look like a beginning and are none, told at a glance.

The scanner decides places one by one, with a look at the lines before each. Most are ruled out by the next character or
two; what is not, or where the text ends too soon to tell, is left to the scanner. Both must agree: see `Scanner.steps`."""

from __future__ import annotations

import re

from router.guards.repair_reading import Reading
from router.guards.repair_rules import RepairRules
from router.guards.repair_tagged import OPENERS
from router.guards.repair_tools import NAME
from router.wire.lenient_json import STRING_ENDS

REASONING = ("think", "thinking", "thought", "reasoning", "scratchpad", "analysis")
REASONING_ENDS = {
    **{f"<{word}>": re.compile(f"</{word}>", re.IGNORECASE) for word in REASONING},
    "<|channel|>analysis": re.compile(r"<\|end\|>"),
}
REASONING_BEGINS = tuple(REASONING_ENDS)
ORPHANS = tuple(f"</{word}>" for word in REASONING)
BEFORE_JSON = " \t\n:\uff1a"
TAG_NAME = re.compile(r"[\w.\-]*+")

SUSPICIOUS = re.compile(r"\n|<++|`++|\{++|\[++")  # where prose may end

_TAGS = (*OPENERS, *REASONING_BEGINS, *ORPHANS)
_LONGEST_TAG = max(map(len, _TAGS))
_SPACE = re.compile(r"\s*+")
_REST_OF_SPAN = re.compile(r"[^`\n]*+(?:`(?=[^`])|(?=\n))")
_AT_LINE_HEAD = frozenset(">~")
_NO_KEY = re.compile(rf"\s*+(?:\{{\s*+)?+[^\s\w{re.escape(''.join(STRING_ENDS))}]")
_MAX_BRACES = 2  # an object, or one with doubled braces


def next_place(reading: Reading, rules: RepairRules) -> re.Match[str] | None:
    """Return the next place of the undecided text where something may begin: a line break, or a run of one mark."""
    text, at = reading.text, reading.at
    while (found := SUSPICIOUS.search(text, at)) is not None:
        end = found.end()
        if end == len(text):
            break
        match text[end - 1]:
            case "\n":
                goes_on = _behind_line_break(text, end)
            case "<":
                goes_on = end if _is_no_tag(text, end - 1, rules) else None
            case "`":
                goes_on = _behind_span(reading, found)
            case _:
                goes_on = end if _is_no_json(reading, found, rules) else None
        if goes_on is None:
            break
        at = goes_on
    return found


def _behind_line_break(text: str, at: int) -> int | None:
    """Return where the line that begins at `at` has its first character, None if that may begin something."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr] # a repetition matches everywhere
    head = text[at : at + 1]
    if not head or head in _AT_LINE_HEAD or text.startswith("``", at):
        return None
    return at if not head.isidentifier() or _is_no_name(text, at) else None


def _is_no_name(text: str, at: int) -> bool:
    """Tell whether the word at `at` is not followed by what makes a call of it."""
    end = NAME.match(text, at).end()  # type: ignore[union-attr] # likewise
    return end < len(text) and text[end] not in "(["


def _is_no_tag(text: str, at: int, rules: RepairRules) -> bool:
    """Tell whether the bracket at `at` opens no tag that the scanner knows."""
    name_end = TAG_NAME.match(text, at + 1).end()  # type: ignore[union-attr] # likewise
    if len(text) - at < _LONGEST_TAG or name_end == len(text):
        return False
    if text[at : at + _LONGEST_TAG].lower().startswith(_TAGS):
        return False
    return rules.is_strict or rules.tools.tag(text[at + 1 : name_end]) is None


def _behind_span(reading: Reading, found: re.Match[str]) -> int | None:
    """Return the end of a span of code, None if it may be a fence, or is alone on its line and may hold calls."""
    text, at = reading.text, found.end()
    if at - found.start() > 1:
        return None
    before = reading.recent[-2:] + text[max(reading.at, found.start() - 2) : found.start()]
    is_alone = not before.rpartition("\n")[2].strip()
    if is_alone and (text[at] in "<[{" or not _is_no_name(text, at)):
        return None
    rest = _REST_OF_SPAN.match(text, at)
    return rest.end() if rest else None


def _is_no_json(reading: Reading, found: re.Match[str], rules: RepairRules) -> bool:
    """Tell whether a run of brackets begins neither JSON nor the mark of Mistral's calls."""
    text, end = reading.text, found.end()
    if text[end - 1] == "[":
        first = end - 1
        if text[end] in "tT":
            return False
    else:
        first = found.start()
        if end - first > _MAX_BRACES:
            return True
    if rules.is_strict or (first > reading.at and text[first - 1] not in BEFORE_JSON):
        return True
    return text[end - 1] == "{" and bool(_NO_KEY.match(text, end))
