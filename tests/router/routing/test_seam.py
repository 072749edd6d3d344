"""The seam: exact where that can be known, an honest failure where not; the same in whatever pieces the text comes."""

from __future__ import annotations

import time

import pytest
from attrs import frozen
from hypothesis import assume, given
from hypothesis import strategies as st

from router.routing.echo import MIN_ECHO, is_run
from router.routing.seam import Seam

SENT = "The lock is held by two processes. The first of them is the backup"
LINES = "def push(self, item):\n    self.items.append(new)  # top"

TWICE = "    assert found == wanted\n"


@frozen
class Case:
    """What was sent, what the client has beyond it, what the provider says, and what comes out; None for no seam."""

    sent: str
    held: str
    said: str
    out: str | None


CASES = {
    "rest": Case(SENT, "", ", which runs at night.", ", which runs at night."),
    "rest inside a word": Case(SENT[:-3], "", "kup", "kup"),
    "rest that is empty": Case(SENT, "", "", ""),
    "rest in one character": Case(SENT, "", ".", "."),
    "rest after nothing sent": Case("", "", "All of it", "All of it"),
    "word that comes twice": Case("It is the", "", " the that is wrong", " the that is wrong"),
    "words of the answer, no echo": Case(SENT, "", " The first of them will do.", " The first of them will do."),
    "end that is said again, too short": Case(SENT, "", "the backup", "the backup"),
    "held space comes first": Case(SENT, " ", " tool", "tool"),
    "held line ends come first": Case(SENT, "\n\n", "\n\nThen", "Then"),
    "more line ends than are held": Case(SENT, "\n", "\n\nThen", "\nThen"),
    "held indentation is the begin of another": Case(LINES, "\n  ", "\n        return", "      return"),
    "blank in front of the held line ends": Case(SENT, "\n\n", " \n\nThen", "Then"),
    "blank between the held line ends": Case(SENT, "\n\n", "\n \nThen", "Then"),
    "held blank, but the line ends": Case(SENT, " ", "\nThen", "\nThen"),
    "held blank, but the line ends behind another": Case(SENT, "  ", " \nThen", "\nThen"),
    "carriage return in front of the held line end": Case(SENT, "\n", "\r\nThen", "Then"),
    "held white space is all that comes": Case(SENT, "\n\n", "\n", ""),
    "nothing comes, white space is held": Case(SENT, "\n\n", "", ""),
    "held space does not come": Case(SENT, " ", "tool", None),
    "held line end does not come": Case(SENT, "\n", " tool", None),
    "another indentation than is held": Case(LINES, "\n    ", "\n  return", None),
    "fewer line ends than are held": Case(SENT, "\n\n", "\nThen", None),
    "echo of all": Case(SENT, "", SENT + ", which", ", which"),
    "echo of all and nothing more": Case(SENT, "", SENT, ""),
    "echo of all, then what is held": Case(SENT, "\n", SENT + "\n- one", "- one"),
    "echo of all, without what is held": Case(SENT, "\n", SENT + "- one", None),
    "echo of all behind a space": Case(SENT, "", " " + SENT + ", which", ", which"),
    "echo of all without the white space in front": Case("\n\n" + SENT, "", SENT + ", which", ", which"),
    "echo of all in a short answer": Case("Sure", "", "Sure, here", None),
    "echo of the sentence that was begun": Case(SENT, "", "The first of them is the backup, which", ", which"),
    "echo of the line that was begun": Case(LINES, "", "    self.items.append(new)  # top of it", " of it"),
    "echo from the middle of a word": Case(SENT, "", "e first of them is the backup", "e first of them is the backup"),
    "line that may be meant twice": Case(LINES, "\n", "    self.items.append(new)  # top\n", None),
    "words that stand before": Case(f"{SENT}. {SENT}", "", "The first of them is the backup", None),
    "rule that goes on": Case("| a |\n" + "-" * 40, "", "-" * 30 + "\n", "-" * 30 + "\n"),
    "piece that goes on": Case("Then: " + "0, 1, " * 9, "", "0, 1, " * 5, "0, 1, " * 5),
    "line that came twice already": Case("x\n" + TWICE * 2, "", TWICE, TWICE),
    "restart that goes another way": Case(SENT, "", SENT[:40] + "threads", None),
    "restart with a run, that goes another way": Case("0, 1, " * 6 + "and so on", "", "0, 1, " * 6 + "etc.", None),
    "restart that ends early": Case(SENT, "", SENT[:40], None),
    "beginning that came back already": Case(f"{SENT}. {SENT[:30]}s.", "", f" {SENT[:30]}!", f" {SENT[:30]}!"),
    "another beginning where nothing was sent": Case("", "```", "Here it is", None),
    "same beginning where nothing was sent": Case("", "```", "```python", "python"),
    "beginning that stops where nothing was sent": Case("", "```", "``", None),
}  # fmt: skip


def through(case: Case, pieces: list[str]) -> tuple[str, str | None]:
    seam = Seam(sent=case.sent, held=case.held)
    out = "".join(map(seam.feed, pieces)) + seam.end()
    return out, seam.failed


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_text_behind_the_seam(case: Case) -> None:
    out, failed = through(case, [case.said])

    assert (out, failed is not None) == (case.out or "", case.out is None)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pieces_of_one_character_change_nothing(case: Case) -> None:
    assert through(case, list(case.said)) == through(case, [case.said])


PIECES = st.text(alphabet="ab \n", max_size=30)


@given(sent=PIECES, held=st.text(alphabet=" \n", max_size=4), said=PIECES, data=st.data())
def test_any_pieces_change_nothing(sent: str, held: str, said: str, data: st.DataObject) -> None:
    case = Case(sent, held, said, None)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True) if start < end]

    assert through(case, pieces) == through(case, [said])


@given(sent=st.text(max_size=60), held=st.text(alphabet=" \t\n", max_size=4), rest=st.text(max_size=60))
def test_exact_rest_is_passed_on_or_nothing_is_said_of_it(sent: str, held: str, rest: str) -> None:
    start = rest.lstrip()[:MIN_ECHO]
    assume(len(start) < MIN_ECHO or start not in sent)  # that would be an echo

    out, failed = through(Case(sent, held, held + rest, None), [held + rest] if held + rest else [])

    assert failed is not None or out == rest


def test_nothing_comes_out_behind_a_failure() -> None:
    seam = Seam(sent=SENT, held=" ")
    seam.feed("tool")

    assert (seam.feed(" and more"), seam.end()) == ("", "")
    assert seam.failed is not None


def test_text_that_is_no_echo_is_passed_on_at_its_first_piece() -> None:
    seam = Seam(sent=SENT, held="")

    assert seam.feed(", which") == ", which"


def test_words_of_the_answer_are_held_no_longer_than_they_stay_the_same() -> None:
    seam = Seam(sent=SENT, held="")

    assert [seam.feed(piece) for piece in (" The", " first", " one", " is")] == ["", "", " The first one", " is"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("a", True), ("``", True), ("---", True), ("=-=-=", True), ("2020", True), ("20", False), ("aab", False)],
)
def test_run_is_one_piece_over_and_over(text: str, *, expected: bool) -> None:
    assert is_run(text) is expected


BIG = 64 * 1024
HOSTILE = {
    "one character": Case("a" * BIG, "", "a" * BIG, None),
    "one character, another first": Case("b" + "a" * BIG, "", "a" * BIG, None),
    "white space": Case("x" * MIN_ECHO + "y", " " * BIG, " " * BIG + "z", None),
    "white space that is not held": Case(SENT, "\n" * BIG, " " * BIG, None),
    "line ends": Case(SENT, "\n" * BIG, " " + "\n" * BIG, None),
    "echo": Case("".join(map(str, range(14_000))), "", "".join(map(str, range(14_000))), None),
    "two characters": Case("ab" * (BIG // 2) + "a", "", "ab" * (BIG // 2), None),
}


@pytest.mark.parametrize("size", [1, 7, BIG])
@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_costs_linear_time(case: Case, size: int) -> None:
    pieces = [case.said[at : at + size] for at in range(0, len(case.said), size)]
    started = time.process_time()

    through(case, pieces)

    assert time.process_time() - started < 1  # 0.1 s is usual for 64 K pieces of one character
