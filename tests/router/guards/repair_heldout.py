"""Texts written before the rule that judges them: calls that are shown, told or planned for another, and calls that are meant.

A set measures what the rule does with texts that it was not made for only until the rule is mended by it. `SETS` says for
each what is known: before the rule there was, 141 of the 144 texts of the first set were made calls."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from attrs import frozen

from tests.router.guards.leave_corpus import sections
from tests.router.guards.streamed import heard, pieces_of, whole

CALL = "call "
LEFT = "left"
MADE = "made"


@frozen(kw_only=True)
class Ceiling:
    """What no change may exceed, and how far the rule knows the set."""

    seen: str
    wrongly_made: int
    missed: int = 0


SETS = {
    "heldout": Ceiling(seen="written first, seen while the rule was made", wrongly_made=0),
    "heldout_later": Ceiling(seen="15 of 64 and 2 of 31 before it mended the rule, seen since", wrongly_made=0),
    "heldout_last": Ceiling(seen="17 of 52 and 1 of 27 before it mended the rule, seen since", wrongly_made=1),
    "heldout_fresh": Ceiling(seen="never used to mend the rule", wrongly_made=6),
}

_LONGEST = 8  # characters of a piece
_PLACE = re.compile(r"@(\w+)@")


def heldout(name: str, kind: str) -> list[str]:
    """Return the texts of a kind from one file, their calls put in; `@t1@` is a T1 on one line."""
    calls = {kind.removeprefix(CALL): text for kind, text in sections("heldout") if kind.startswith(CALL)}
    flat = {form.lower(): text.replace("\n", " ") for form, text in calls.items()}
    places = {**flat, **calls}
    return [_PLACE.sub(lambda found: places[found[1]], text) for of, text in sections(name) if of == kind]


def wrongly_made(name: str) -> Iterator[str]:
    """Yield the texts that did not come back as they were, whole or in pieces."""
    for text in heldout(name, LEFT):
        rng = random.Random(text)  # noqa: S311 -- cuts from a seed
        ways = (whole(text), heard(pieces_of(text, rng, _LONGEST)))
        if any(way.calls or way.text != text for way in ways):
            yield text


def not_made(name: str) -> Iterator[str]:
    """Yield the texts whose call was not made, whole or in pieces."""
    for text in heldout(name, MADE):
        rng = random.Random(text)  # noqa: S311 -- likewise
        if not whole(text).calls or not heard(pieces_of(text, rng, _LONGEST)).calls:
            yield text
