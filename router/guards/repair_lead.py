"""What the words that lead up to a candidate say: an act of the speaker, or something shown or told (wire.md 14.8).

The lead is the part of the candidate's own line before it, or else the nearest line above with words. A lead that
presents what follows (it ends in a colon, asks, or is a heading) presents anything: only an intention of the speaker, or
the name of the tool, makes a call of it. The words are in repair_words.py."""

from __future__ import annotations

import re
from collections.abc import Container

from router.guards.repair_words import (
    ABOUT,
    ACTS,
    CLAUSE_ENDS,
    INTENDS,
    ORDER,
    OTHERS,
    QUESTION_WORDS,
    SAID,
    SHOWS,
    THINGS,
    TOOL,
)

_WINDOW = 300  # characters of a line, counted from its end, that are looked at

_NAMES_OF_FILES = re.compile(r"`[^`\n]*+`|(?<![\w.\-/])[\w\-/]++(?:\.[\w\-/]+)*\.[a-z]\w{0,9}(?!\w)")
_MARKUP = re.compile(r"^[\s>#*+\-\u2022]+|^\d+[.)]\s+|\*\*")
_SENTENCES = re.compile(r"(?<![.!?\u2026])[.!?\u2026]++[\"')]*+\s++|[\u3002\uff01\uff1f]+\s*")
_TAIL = " \t\r*_:\uff1a.!?\u2026\u3002\uff01\uff1f"
_WORD = re.compile(r"[\w\-]+")

_PRESENTS = re.compile(r"[:\uff1a?\uff1f][\s*_]*$|^\s{0,3}#{1,6}\s|^\s*(?:\*\*|__)[^*_\n]+(?:\*\*|__)\s*$")
_FINISHED = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\s*_\"')\]]*$")
_NEXT_TURN = re.compile(
    r"\s*[*_]{0,2}(?:observation|result|output|response|user|human|tool|function|system)\w*(?: \w+)?[*_]{0,2}:", re.IGNORECASE
)


def presents(lead: str) -> bool:
    """Tell whether the lead presents what follows it, be it a call or anything else."""
    return bool(_PRESENTS.search(lead[-_WINDOW:]))


def is_finished(lead: str) -> bool:
    """Tell whether the lead ends with the end of a sentence."""
    return bool(_FINISHED.search(lead[-_WINDOW:]))


def intends(lead: str, names: Container[str]) -> bool:
    """Tell whether the last sentence says that the speaker acts now, or names a tool; `names` are in folded case."""
    said = _sentence(lead)
    if SHOWS.search(said):
        return False
    intention = INTENDS.search(said)
    if intention is not None:
        return not _is_reported(said, intention)
    if any(words.search(said) for words in (SAID, OTHERS, ABOUT)):
        return False
    return bool(ACTS.search(said)) or _names_tool(said, names)


def reports(lead: str, names: Container[str]) -> bool:
    """Tell whether the last sentence is about something that was said, or that is only there to be seen."""
    if intends(lead, names):
        return False
    of_words = (ABOUT,) if is_finished(lead) else (ABOUT, SHOWS, THINGS, SAID)
    said = _sentence(lead)
    return any(words.search(said) for words in of_words)


def goes_on(following: str) -> bool:
    """Tell whether the text behind a candidate continues the sentence before it."""
    head = following.lstrip()[:1]
    return head.islower() or (head != "" and head in ",;.)\u3001\uff0c\u3002")


def is_next_turn(following: str) -> bool:
    """Tell whether the text behind a candidate is what answers it, so that both are a transcript."""
    return bool(_NEXT_TURN.match(following[:_WINDOW]))


def _sentence(lead: str) -> str:
    """Return the last sentence in lower case, without markup and without the names of files."""
    text = _NAMES_OF_FILES.sub(" ", lead[-_WINDOW:].lower())
    parts = [part for part in _SENTENCES.split(_MARKUP.sub("", text).strip()) if part.strip(_TAIL)]
    return _MARKUP.sub("", parts[-1]).strip(_TAIL) if parts else ""


def _is_reported(said: str, intention: re.Match[str]) -> bool:
    """Tell whether an intention is a part of what somebody said, or ends in it: `I have to add that it sent`."""
    before = [*SAID.finditer(said, 0, intention.start())]
    if before and not CLAUSE_ENDS.search(said, before[-1].end(), intention.start()):
        return True
    after = [*SAID.finditer(said, intention.end())]
    return bool(after) and after[-1].end() == len(said) and not QUESTION_WORDS.search(said, intention.end())


def _names_tool(said: str, names: Container[str]) -> bool:
    """Tell whether the sentence is the name of a tool, or an order to call one."""
    if said in names:
        return True
    order = ORDER.match(said)
    if order is None:
        return False
    return bool(TOOL.search(order["rest"])) or any(word in names for word in _WORD.findall(order["rest"]))
