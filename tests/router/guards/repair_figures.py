"""The figures of tool-call repair: `python -m tests.router.guards.repair_figures`."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from router.domain.events import Stopped, StopReason, TextDelta
from router.guards.tool_repair import ToolRepair
from tests.router.guards.leave_corpus import PROSE, of_kind, texts
from tests.router.guards.repair_corpus import SEED, WRITERS, Case, cases
from tests.router.guards.repair_heldout import LEFT, MADE, SETS, heldout, not_made, wrongly_made
from tests.router.guards.streamed import BALANCED, heard, pieces_of, whole

LONGEST = 8  # characters of a piece
ESSAY = (
    "The scanner reads a text from left to right (once, and once only). Where nothing can begin, it lets the text go.\n\n"
    "Some readers ask what happens at a line break: very little. Read on, and the answer is plain; search for it, and you "
    "find it in the second chapter. Open questions remain, of course.\n\n"
    "1. The first point is short.\n2. The second one, which runs over more than one line in print, is not.\n\n"
    "Then there is the matter of numbers: 3 < 4, x[0] is the first, and f(x) = {x, y} is a set. **Bold**, `code`, and a "
    "[link](https://example.org) are prose, too. It ends here.\n"
)


@frozen(kw_only=True)
class Missed:
    """A case of the corpus whose calls were not exactly made."""

    case: Case
    calls: list[tuple[str, dict[str, object]]]


def missed(corpus: Iterable[Case]) -> Iterator[Missed]:
    """Yield the cases that are not repaired, whole or in random pieces: names, arguments and order must all be right."""
    for case in corpus:
        rng = random.Random(case.text)  # noqa: S311 -- cuts from a seed
        ways = (whole(case.text), *(heard(pieces_of(case.text, rng, longest)) for longest in (1, LONGEST, 60)))
        for way in ways:
            if way.calls != list(case.calls):
                yield Missed(case=case, calls=way.calls)
                break


def invented(corpus: Iterable[tuple[str, str]], *, in_pieces: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the texts that did not come back as they were, whole or in random pieces."""
    for kind, text in corpus:
        rng = random.Random(text)  # noqa: S311 -- cuts from a seed
        ways = (whole(text), heard(pieces_of(text, rng, LONGEST))) if in_pieces else (whole(text),)
        if any(way.calls or way.text != text for way in ways):
            yield kind, text


def held(text: str, size: int) -> Iterator[int]:
    """Yield how many characters are held back after each piece of `size` characters."""
    stage = ToolRepair(BALANCED)
    held_back = 0
    for at in range(0, len(text), size):
        piece = text[at : at + size]
        released = sum(len(event.text) for event in stage.feed(TextDelta(piece)) if isinstance(event, TextDelta))
        held_back += len(piece) - released
        yield held_back


def held_on(corpus: Iterable[str]) -> list[int]:
    """Return all that `held` yields, for pieces of one to LONGEST characters."""
    return [characters for text in corpus for size in range(1, LONGEST + 1) for characters in held(text, size)]


def microseconds(text: str, size: int) -> float:
    """Return the time of one delta, the best of three runs."""
    deltas = [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]
    best = float("inf")
    for _ in range(3):
        stage = ToolRepair(BALANCED)
        begin = time.perf_counter()
        for delta in deltas:
            stage.feed(delta)
        stage.feed(Stopped(reason=StopReason.END))
        best = min(best, time.perf_counter() - begin)
    return best / len(deltas) * 1e6


def main() -> None:
    """Print all figures."""
    say = sys.stdout.write
    corpus = list(cases())
    counts = Counter(case.form for case in corpus)
    misses = list(missed(corpus))
    lost = Counter(one.case.form for one in misses)
    for form in WRITERS:
        say(f"{form}: {counts[form] - lost[form]} of {counts[form]} repaired\n")
    say(f"all forms: {counts.total() - lost.total()} of {counts.total()} (seed {SEED}), whole and in three random cuts each\n")
    for one in misses:
        say(f"  missed: {one.case.text!r}\n    got {one.calls!r}\n")
    left = list(texts())
    wrong = list(invented(left))
    say(f"false positives: {len(wrong)} of {len(left)} texts, whole and in pieces of 1 to {LONGEST} characters\n")
    for kind, text in wrong:
        say(f"  {kind}: {text[:200]!r}\n")
    for name, ceiling in SETS.items():
        made, unmade = list(wrongly_made(name)), list(not_made(name))
        say(f"{name} ({ceiling.seen}): {len(made)} of {len(heldout(name, LEFT))} wrongly made, ")
        say(f"{len(unmade)} of {len(heldout(name, MADE))} missed\n")
        for text in (*made, *unmade):
            say(f"  {text[:200]!r}\n")
    code = Path(random.__file__).read_text(encoding="utf-8")
    for name, group in (("prose", (ESSAY, *PROSE)), ("code", (code,)), ("transcripts", of_kind("documents", "transcript"))):
        figures = held_on(group)
        say(f"held back on {name}: median {statistics.median(figures):g}, max {max(figures)} characters\n")
    for name, text in (("prose", ESSAY * 20), ("code", code)):
        costs = ", ".join(f"{size}: {microseconds(text, size):.1f} us" for size in (1, 4, LONGEST))
        say(f"cost per delta of {name}, by characters per delta: {costs}\n")


if __name__ == "__main__":
    main()
